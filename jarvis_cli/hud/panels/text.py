"""A panel of lines that can be scrolled: descriptions, logs, help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.widgets.lines import Line, Run

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

LINES_MAX = 5000
Lines = Sequence[Line] | Callable[[int], Sequence[Line]]


class TextPanel(Panel):
    """Shows ``show(lines)``. With ``follow`` the end stays in view until a person scrolls back."""

    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "scroll_text(1)", "a line on", show=False),
        Binding("up", "scroll_text(-1)", "a line back", show=False),
        Binding("pagedown", "scroll_text(20)", "a page on", show=False),
        Binding("pageup", "scroll_text(-20)", "a page back", show=False),
        Binding("home", "scroll_text(-999999)", "first line", show=False),
        Binding("end", "scroll_text(999999)", "last line", show=False),
    ]

    def __init__(
        self, model: Model, palette: Palette, *, title: str = "", follow: bool = False, id: str | None = None  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(model, palette, id=id)
        self.heading = title
        self.remark: tuple[Run, ...] = ()
        self._follows = follow
        self.follow = follow
        self._source: Lines = ()
        self._lines: list[Line] = []
        self._top = 0
        self._height = 0

    def show(self, lines: Lines, *, heading: str | None = None, remark: tuple[Run, ...] = ()) -> None:
        """Replace the text; a function is asked for the lines once the width is known."""
        if heading is not None and heading != self.heading:
            self.heading = heading
            self._top = 0
        self.remark = remark
        self._source = lines
        self.repaint()

    def title(self) -> tuple[Run, ...]:
        return ((f" {self.heading}", "light"),)

    def note(self) -> tuple[Run, ...]:
        return self.remark

    def body(self, width: int, height: int) -> list[Line]:
        self._height = height
        lines = self._source(width - 2) if callable(self._source) else self._source
        self._lines = list(lines)[-LINES_MAX:]
        last = max(0, len(self._lines) - height)
        self._top = last if self.follow else max(0, min(self._top, last))
        return self._lines[self._top : self._top + height]

    def thumb(self) -> tuple[int, int] | None:
        count, height = len(self._lines), self._height
        if height <= 0 or count <= height:
            return None
        size = max(1, height * height // count)
        first = round((height - size) * self._top / (count - height))
        return first, first + size - 1

    def to_end(self) -> None:
        """Show the end again, and follow it."""
        self.follow = self._follows
        self.repaint()

    def action_scroll_text(self, by: int) -> None:
        last = max(0, len(self._lines) - self._height)
        self._top = max(0, min(last, self._top + by))
        self.follow = self._follows and self._top >= last
        self.repaint()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_text(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_text(-3)
