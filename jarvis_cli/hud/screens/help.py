"""Keys and commands, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from jarvis_cli.hud.commands import COMMANDS
from jarvis_cli.hud.model import Model
from jarvis_cli.hud.panels.bars import TABS
from jarvis_cli.hud.panels.text import TextPanel
from jarvis_cli.hud.themes.palette import Palette
from jarvis_cli.hud.widgets.lines import Line, join

if TYPE_CHECKING:
    from jarvis_cli.hud.hands import Hands

KEYS = (
    ("everywhere", (
        (":", "command line"), ("/", "filter: words, !inverse, ~letters in order"), ("?", "this page"),
        ("ctrl+p", "palette: every act by name"), (f"1..{len(TABS)}", "  ".join(TABS)),
        ("[ ]", "mode before, mode after"),
        ("tab", "next panel"), ("z", "zoom the panel"), ("esc", "one step back"), ("p", "pause updates"),
        ("t", "theme"), ("q ctrl+q", "detach; the daemon lives on"),
    )),
    ("tables", (
        ("up down", "move"), ("enter d", "open, describe"), ("o O", "sort by the next column; turn it around"),
    )),
    ("guests", (("f", "faults only"), ("y", "raw state"))),
    ("nodes", ()),
    ("tasks", (("enter l", "log, live while the task runs"),)),
    ("incidents", (("a", "acknowledge"), ("m", "silence for an hour"))),
    ("chat", (("enter", "say it"), ("esc", "stop the answer; empty the line; leave"), ("up down", "what was said"),
              ("pgup pgdn", "scroll"), ("y", "on an empty line: the card of a call that asks"))),
    ("approvals", (("a", "authorize, after a look at the card"), ("d ", "deny"), ("enter", "why"))),
)  # fmt: skip
OPERATOR_ONLY = frozenset({"q ctrl+q", "a", "m", "d "})


def acting(group: str, hands: Hands) -> list[tuple[str, str]]:
    """The keys that act, of the tools that this daemon offers."""
    if group == "everywhere" and hands.may_act:
        return [("ctrl+k", "kill switch: engages at once, asks before it releases")]
    kinds = {"guests": ("vm", "ct"), "nodes": ("node",)}.get(group, ())
    verbs = [verb for verb in hands.verbs(*kinds) if verb.key] if kinds else []
    return [(verb.key, f"{verb.about.partition(':')[0]}, after a look at the plan") for verb in verbs]


def help_lines(*, kiosk: bool, hands: Hands) -> list[Line]:
    lines: list[Line] = []
    for group, keys in KEYS:
        if kiosk and group == "chat":
            continue
        shown = [(key, text) for key, text in keys if not (kiosk and key in OPERATOR_ONLY)]
        shown += acting(group, hands)
        if shown:
            lines += [join((f" {group.upper()}", "light"))]
            lines += [join((f"   {key:<12}", "text"), (text, "faint")) for key, text in shown]
            lines.append(())
    lines.append(join((" COMMANDS", "light")))
    for word, text in (COMMANDS | hands.words()).items():
        if not (kiosk and word in {"q", "chat", "ask"}):
            lines.append(join((f"   :{word:<11}", "text"), (text, "faint")))
    return lines


class Help(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "app.pop_screen", "close", show=False),
    ]

    def __init__(self, model: Model, palette: Palette, *, kiosk: bool, hands: Hands) -> None:
        super().__init__()
        self.panel = TextPanel(model, palette, title="KEYS AND COMMANDS", id="help")
        self.kiosk = kiosk
        self.hands = hands

    def compose(self) -> ComposeResult:
        yield self.panel

    def on_mount(self) -> None:
        self.panel.show(help_lines(kiosk=self.kiosk, hands=self.hands), remark=(("esc closes", "faint"),))
        self.panel.focus()

    def on_resize(self) -> None:
        self.panel.frameless = self.app.size.width < 80
        self.panel.repaint()

    def redraw(self, topics: set[str] | None = None) -> None:
        """Nothing here changes by itself."""

    def recolour(self, palette: Palette) -> None:
        self.panel.recolour(palette)
