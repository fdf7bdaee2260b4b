"""A card in the middle of an empty screen: what a person has to read before a key acts, and the keys that do."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Key, Paste
from textual.geometry import Region, Size

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.card import choices, field
from jarvis_cli.hud.panels.text import TextPanel
from jarvis_cli.hud.screens.base import Framed
from jarvis_cli.hud.screens.plan import Form, Plan
from jarvis_cli.hud.widgets.lines import Line, Run, join

WIDTH_MAX = 96
LOG_ROWS_MAX = 30
TYPED_MAX = 200
SCROLLS = frozenset({"up", "down", "pageup", "pagedown", "home", "end"})


class CardScreen(Framed):
    """Sub-classes give ``heading``, ``lines`` and ``keys``, and obey ``press`` and ``submit``.

    While ``asking`` names something, keys are text: the card shows what is typed, `enter` submits it.
    """

    FIRST = "card"

    def __init__(self) -> None:
        super().__init__()
        self.asking = ""
        """What is being typed: ``name``, ``pin``, …; empty while keys are keys."""
        self.typed = ""
        self.complaint = ""
        """Why what was typed does not do."""

    # --- what it shows -------------------------------------------------------------------------------------

    def heading(self) -> str:
        raise NotImplementedError

    def remark(self) -> tuple[Run, ...]:
        return ()

    def lines(self, width: int) -> Sequence[Line]:
        raise NotImplementedError

    def keys_now(self) -> list[tuple[str, str]]:
        """Keys with what they do, as they are now."""
        raise NotImplementedError

    def log_lines(self) -> Sequence[str]:
        return ()

    def hints(self) -> list[str]:
        """None: the card tells its keys, and the line below is for what happens meanwhile."""
        return []

    def whole(self, width: int) -> list[Line]:
        """The card with what is typed and the keys."""
        out = list(self.lines(width))
        if self.asking:
            out += [field(f"type {self.asking}", self.typed, secret=self.asking == "pin"), ()]
        if self.complaint:
            out += [join((f"  {self.complaint}", "warn")), ()]
        return [*out, *choices(self.keys_now(), width)]

    # --- layout --------------------------------------------------------------------------------------------

    def panels(self) -> list[Panel]:
        model, palette = self.hud.model, self.hud.palette
        self.card = TextPanel(model, palette, id="card")
        self.log_panel = TextPanel(model, palette, title="LOG", follow=True, id="log")
        self._height = 0
        return [self.card, self.log_panel]

    def plan(self, size: Size, form: Form) -> Plan:
        width = size.width if form in {"phone", "ssh"} else min(size.width, WIDTH_MAX)
        need = min(size.height, len(self.whole(width - 4)) + (1 if form == "phone" else 2))
        logged = bool(self.log_lines())
        log = min(LOG_ROWS_MAX, size.height - need) if logged else 0
        if logged and log < 5:  # the log is what is being waited for; the card scrolls
            need, log = size.height - min(8, size.height // 2), min(8, size.height // 2)
        left = (size.width - width) // 2
        top = (size.height - need - log) // 3
        plan = {"card": Region(left, top, width, need)}
        if log >= 3:
            plan["log"] = Region(left, top + need, width, log)
        return plan

    def on_mount(self) -> None:
        super().on_mount()
        self.refresh_card()

    def refresh_card(self) -> None:
        """Show what is so now; lay out anew where the card grew or shrank."""
        if not self.panes or not self.is_mounted:
            return
        logged = self.log_lines()
        self.card.show(self.whole, heading=self.heading(), remark=self.remark())
        shape = len(self.whole(max(20, self.card.size.width - 4))) + 1000 * bool(logged)
        if shape != self._height:
            self._height = shape
            self.replan()
        if logged:
            self.log_panel.show([((f" {line}", "text"),) for line in logged], heading="LOG")

    def redraw(self, topics: set[str] | None = None) -> None:
        super().redraw(topics)
        self.refresh_card()

    # --- keys ----------------------------------------------------------------------------------------------

    def press(self, key: str) -> None:
        """A key while nothing is typed."""
        raise NotImplementedError

    def submit(self, what: str, text: str) -> None:
        """What was asked for was typed."""

    def ask_for(self, what: str, text: str = "") -> None:
        """From now on keys are text, until `enter`."""
        self.asking, self.typed, self.complaint = what, text, ""
        self.refresh_card()

    def leave(self) -> None:
        if self.is_current:
            self.app.pop_screen()

    def on_key(self, event: Key) -> None:
        if event.key in SCROLLS and not self.takes(event.key):
            return
        event.stop()
        if event.key == "escape":
            self.leave()
        elif not self.asking:
            self.press(event.key)
        else:
            self._type(event)
        if self.is_current:
            self.refresh_card()

    def takes(self, key: str) -> bool:
        """Whether a key that scrolls is wanted for something else."""
        return False

    def on_paste(self, event: Paste) -> None:
        if self.asking:
            event.stop()
            first = event.text.splitlines()[:1]
            self.typed = (self.typed + "".join(first))[:TYPED_MAX]
            self.refresh_card()

    def _type(self, event: Key) -> None:
        if event.key == "enter":
            what, text = self.asking, self.typed
            self.submit(what, text)
        elif event.key == "backspace":
            self.typed = self.typed[:-1]
        elif event.key == "ctrl+u":
            self.typed = ""
        elif event.is_printable and event.character:
            self.typed = (self.typed + event.character)[:TYPED_MAX]
        self.complaint = self.complaint if event.key == "enter" else ""
