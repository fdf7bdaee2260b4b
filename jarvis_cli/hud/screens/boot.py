"""The boot sequence: real checks, at most a second and a half, gone with any key."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.events import Key
from textual.screen import Screen

from jarvis_cli.hud.panels.core import quorum
from jarvis_cli.hud.units import percent, size
from jarvis_cli.hud.widgets.lines import Line, Run, join, length
from jarvis_cli.hud.widgets.pane import Pane

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

LONGEST_S = 1.5
STEP_S = 0.12
HOLD_STEPS = 3
"""Steps that the finished list stays, so that it can be read."""


class BootPane(Pane):
    """A list of checks, one more line a step; what is not known yet is told as waiting."""

    DEPENDS = frozenset({"link", "cluster"})

    def __init__(self, model: Model, palette: Palette) -> None:
        super().__init__(palette, id="boot")
        self.model = model
        self.step = 0

    def checks(self) -> list[tuple[str, str, str]]:
        """Name, what was found, role; an empty finding is a check without an answer yet."""
        model, welcome = self.model, self.model.source.welcome
        cluster = model.cluster()
        version = f"{welcome.get('daemon_version') or 'up'}" if model.linked else ""
        out = [("daemon", version, "good")]
        if cluster is None:
            return [*out, ("cluster", "", "good"), ("nodes", "", "good")]
        level = "bad" if cluster.get("quorate") is False else "good"
        out.append(("cluster", f"{cluster.get('name')}, {quorum(cluster)}", level))
        for node in model.nodes()[:12]:
            state = model.node_state(node)
            found = f"{state.word}  {percent(node.get('cpu')):>4}  {size(node.get('memory_total_bytes'))}"
            out.append((str(node.get("name")), found if state.mark == "run" else state.word, state.role))
        counts = model.guest_counts()
        out.append(("guests", f"{counts['run']} running of {counts['all'] - counts['template']}", "good"))
        return out

    def done(self) -> bool:
        checks = self.checks()
        return all(found for _, found, _ in checks) and self.step >= len(checks) + HOLD_STEPS

    def paint(self, width: int, height: int) -> list[Line]:
        dash = self.model.glyphs["dash"]
        rule: Run = (dash * 44, "frame")
        lines: list[Line] = [join(("J  A  R  V  I  S", "big")), join(rule)]
        for name, found, role in self.checks()[: self.step + 1]:
            mark = self.model.glyphs["ok" if role == "good" else "warn" if role == "warn" else "down"]
            result: Run = (f"{mark} {found}", role) if found else (f"{self.model.glyphs['more']} waiting", "faint")
            lines.append(join((f"{name:<14.14} ", "text"), result))
        lines += [()] * (7 + len(self.model.nodes()) - len(lines))
        if self.model.simulated:
            lines.append(join(("SIMULATED", "warn"), ("  a homelab that is not there", "faint")))
        left = max(0, (width - 44) // 2)
        top = max(0, (height - len(lines)) // 2)
        centred = [join((" " * left, "frame"), *line) if length(line) else line for line in lines]
        return [()] * top + centred


class BootScreen(Screen[None]):
    AUTO_FOCUS = ""

    @property
    def hud(self) -> HudApp:
        return cast("HudApp", self.app)

    def compose(self) -> ComposeResult:
        self.pane = BootPane(self.hud.model, self.hud.palette)
        yield self.pane

    def on_mount(self) -> None:
        self.set_interval(STEP_S, self._next)
        self.set_timer(LONGEST_S, self._leave)

    def _next(self) -> None:
        self.pane.step += 1
        self.pane.repaint()
        if self.pane.done():
            self._leave()

    def on_key(self, event: Key) -> None:
        event.stop()
        self._leave()

    def on_click(self) -> None:
        self._leave()

    def _leave(self) -> None:
        if self.is_current:
            self.app.pop_screen()

    def redraw(self, topics: set[str] | None = None) -> None:
        self.pane.repaint()

    def recolour(self, palette: Palette) -> None:
        self.pane.recolour(palette)
