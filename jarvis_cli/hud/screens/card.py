"""A card in the middle of an empty screen: what a person has to read before a key acts, and the keys that do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.events import Click, Key, Paste
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
TAPPED = re.compile(r"\[([a-z+]+)\] [^\[]*")
SCROLLS = frozenset({"up", "down", "pageup", "pagedown", "home", "end"})


class CardPanel(TextPanel):
    """A text that scrolls where it has to, and under it what never scrolls away: what is typed, and the keys."""

    def __init__(self, screen: CardScreen) -> None:
        super().__init__(screen.hud.model, screen.hud.palette, id="card")
        self.foot = screen.foot

    def body(self, width: int, height: int) -> list[Line]:
        foot = self.foot(width - 2)[:height]
        lines = super().body(width, height - len(foot))
        return [*lines, *[()] * (height - len(foot) - len(lines)), *foot]


class CardScreen(Framed):
    """Sub-classes give ``heading``, ``lines`` and ``keys``, and obey ``press`` and ``submit``.

    While ``asking`` names something, keys are text: the card shows what is typed, `enter` submits it.
    """

    FIRST = "card"

    def __init__(self) -> None:
        super().__init__()
        self._ready = False
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

    def foot(self, width: int) -> list[Line]:
        """What is typed, why it does not do, and the keys."""
        out: list[Line] = []
        if self.asking:
            out += [field(f"type {self.asking}", self.typed, secret=self.asking == "pin"), ()]
        if self.complaint:
            out += [join((f"  {self.complaint}", "warn")), ()]
        return [*out, *choices(self.keys_now(), width)]

    # --- layout --------------------------------------------------------------------------------------------

    def panels(self) -> list[Panel]:
        model, palette = self.hud.model, self.hud.palette
        self.card = CardPanel(self)
        self.log_panel = TextPanel(model, palette, title="LOG", follow=True, id="log")
        self._height = 0
        return [self.card, self.log_panel]

    def plan(self, size: Size, form: Form) -> Plan:
        width = size.width if form in {"phone", "ssh"} else min(size.width, WIDTH_MAX)
        need = min(size.height, self._rows(width - 4) + (1 if form == "phone" else 2))
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

    def _rows(self, width: int) -> int:
        return len(self.lines(width)) + len(self.foot(width))

    def on_mount(self) -> None:
        super().on_mount()
        self._ready = True
        self.refresh_card()

    def refresh_card(self) -> None:
        """Show what is so now; lay out anew where the card grew or shrank."""
        if not (self._ready and self.is_current and self.card.is_attached):
            return  # drawn when it is put together, or in front again
        logged = self.log_lines()
        self.card.show(self.lines, heading=self.heading(), remark=self.remark())
        shape = self._rows(max(20, self.card.size.width - 4)) + 1000 * bool(logged)
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
        """Back to the mode; what was told here meanwhile is told there."""
        if self.is_current:
            word = self.keys.word
            self.app.pop_screen()
            if word is not None:
                self.hud.say(word[0].strip(), word[1])

    def on_key(self, event: Key) -> None:
        if event.key in SCROLLS and not self.takes(event.key):
            return
        event.stop()
        if self.asking and event.key != "escape":
            self._type(event)
            if self.is_current:
                self.refresh_card()
        else:
            self._obey(event.key)

    def _obey(self, key: str) -> None:
        if key == "escape" or (key in {"n", "q"} and not self.asking):  # a phone's keyboard may have no esc
            self.leave()
        elif self.asking:
            self._type(Key(key, None))
        else:
            self.press(key)
        if self.is_current:
            self.refresh_card()

    def on_click(self, event: Click) -> None:
        """A tap on one of the keys that the card names presses it."""
        x, y = event.screen_x - self.card.region.x, event.screen_y - self.card.region.y
        lines = self.card.text().splitlines()
        for found in TAPPED.finditer(lines[y] if 0 <= y < len(lines) else ""):
            if found.start() <= x < found.end():
                self._obey({"esc": "escape"}.get(found[1], found[1]))
                return

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
        elif event.key == "backspace" and not self.typed:
            self.leave()
        elif event.key == "backspace":
            self.typed = self.typed[:-1]
        elif event.key == "ctrl+u":
            self.typed = ""
        elif event.is_printable and event.character:
            self.typed = (self.typed + event.character)[:TYPED_MAX]
        self.complaint = self.complaint if event.key == "enter" else ""
