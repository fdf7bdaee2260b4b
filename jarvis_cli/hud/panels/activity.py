"""The feed: what happened, newest first."""

from __future__ import annotations

from typing import Any, Final

from textual.events import MouseScrollDown, MouseScrollUp

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.states import event_state
from jarvis_cli.hud.units import moment
from jarvis_cli.hud.widgets.cells import wrap
from jarvis_cli.hud.widgets.lines import Line, Run, join
from jarvis_cli.hud.widgets.table import sieve

STORY_LINES: Final = 8
TALL: Final = 20


class Activity(Panel):
    """On its own screen (``whole``) it can be scrolled and filtered."""

    TITLE = "ACTIVITY"
    OPENS = "feed"
    DEPENDS = frozenset({"feed"})
    can_focus = True

    def __init__(self, *args: Any, whole: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.whole = whole
        self.pattern = ""
        self.top = 0
        self._events: list[dict[str, Any]] = []

    def note(self) -> tuple[Run, ...]:
        if self.pattern:
            return ((f"/{self.pattern} {len(self._events)} of {len(self.model.feed())}", "warn"),)
        return ()

    def paint(self, width: int, height: int) -> list[Line]:
        test = sieve(self.pattern)
        events = self.model.feed()
        self._events = [e for e in events if test(_haystack(e))] if self.pattern else events
        self.top = max(0, min(self.top, len(self._events) - 1))
        return super().paint(width, height)

    def body(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = []
        for event in self._events[self.top : self.top + height]:
            if len(lines) >= height:
                break
            lines.extend(self._event(event, width))
        return lines[:height] or [(("  nothing has happened yet" if not self.pattern else "  no match", "faint"),)]

    def _event(self, event: dict[str, Any], width: int) -> list[Line]:
        state = event_state(event)
        stamp = f" {moment(event.get('at'), self.model.now()):>6} "
        room = max(10, width - len(stamp) - 3)
        first, *rest = wrap(str(event.get("text", "")), room, self._lines_for(event))
        role = state.role if state.role in {"warn", "bad"} else "text"
        head = join((stamp, "faint"), (f"{self.model.glyphs[state.mark]} ", state.role), (first, role))
        return [
            head,
            *(join((" " * (len(stamp) + 2) + line, role if role == "text" else "faint")) for line in rest),
        ]

    def _lines_for(self, event: dict[str, Any]) -> int:
        """A story may take the lines it needs where there is room for it."""
        if self.frameless:
            return 1
        if not str(event.get("kind")).startswith("repair."):
            return 2
        return STORY_LINES if self.whole else 3 if self.size.height >= TALL else 2

    def filter(self, pattern: str) -> None:
        self.pattern = pattern
        self.top = 0
        self.repaint()

    def filtered_by(self) -> str:
        return self.pattern

    def advance(self, by: int) -> None:
        if self.whole:
            self.top = max(0, self.top + by)
            self.repaint()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.advance(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.advance(-3)


def _haystack(event: dict[str, Any]) -> str:
    parts = (event.get("text"), event.get("kind"), event.get("severity"), event.get("target"))
    return " ".join(str(part or "") for part in parts).casefold()
