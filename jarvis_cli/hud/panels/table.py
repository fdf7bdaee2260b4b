"""A panel that is a table: cursor, filter, order, mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.widgets.lines import Line, Run, faded
from jarvis_cli.hud.widgets.table import Entity, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette


class TablePanel(Panel):
    """Rows come from ``entities``; `enter` posts ``Opened``."""

    can_focus = True
    EMPTY: ClassVar[str] = "nothing here"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "next row", show=False),
        Binding("up", "move(-1)", "previous row", show=False),
        Binding("pagedown", "page(1)", "a page on", show=False),
        Binding("pageup", "page(-1)", "a page back", show=False),
        Binding("home", "to(0)", "first row", show=False),
        Binding("end", "to(999999)", "last row", show=False),
        Binding("enter", "open", "open", show=False),
        Binding("d", "open", "describe", show=False),
        Binding("o", "order(1)", "sort by the next column", show=False),
        Binding("O", "reverse", "turn the order around", show=False),
    ]

    class Opened(Message):
        """A row was opened by key or click."""

        def __init__(self, panel: TablePanel, entity: Entity) -> None:
            super().__init__()
            self.panel = panel
            self.entity = entity

        @property
        def control(self) -> TablePanel:
            return self.panel

    class Moved(Opened):
        """The cursor stands on another row."""

    def __init__(self, model: Model, palette: Palette, view: View, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(model, palette, id=id)
        self.view = view

    def entities(self) -> Sequence[Entity]:
        raise NotImplementedError

    def is_old(self, entity: Entity) -> bool:
        """Whether the row's facts are stale, so that the whole row is quiet."""
        return False

    def note(self) -> tuple[Run, ...]:
        if self.view.pattern:
            return ((f"/{self.view.pattern} {len(self.view.rows)} of {self.view.total}", "warn"),)
        return ()

    def thumb(self) -> tuple[int, int] | None:
        bar = self.view.thumb()
        return None if bar is None else (bar[0] + 1, bar[1] + 1)

    def paint(self, width: int, height: int) -> list[Line]:
        self.view.load(self.entities())
        if self.has_focus and self.view.chosen is None:
            self.view.put(self.view.top)
        return super().paint(width, height)

    def body(self, width: int, height: int) -> list[Line]:
        view = self.view
        glyphs = self.model.glyphs
        lines = [view.head(width, up=glyphs["up"], down=glyphs["fall"])]
        rows = view.window(max(0, height - 1))
        cursor = view.cursor_id if self.has_focus else None
        for entity in rows:
            line = view.line(entity, width, bar=entity["id"] == cursor or self.model.flashing(entity["id"]))
            if self.is_old(entity) and entity["id"] != cursor:
                line = faded(line)
            lines.append(line)
        if not rows:
            lines.append(((f"  {'no match' if view.pattern else self.EMPTY}", "faint"),))
        return lines

    def filter(self, pattern: str) -> None:
        self.view.pattern = pattern
        self.view.top = 0
        self.repaint()

    def filtered_by(self) -> str:
        return self.view.pattern

    def _moved(self) -> None:
        self.repaint()
        if (entity := self.view.chosen) is not None:
            self.post_message(self.Moved(self, entity))

    def action_move(self, by: int) -> None:
        self.view.move(by)
        self._moved()

    def action_page(self, pages: int) -> None:
        self.view.move(pages * max(1, self.view.height - 1))
        self._moved()

    def action_to(self, index: int) -> None:
        self.view.put(index)
        self._moved()

    def action_order(self, step: int) -> None:
        self.view.cycle_sort(step)
        self.repaint()

    def action_reverse(self) -> None:
        self.view.descending = not self.view.descending
        self.repaint()

    def action_open(self) -> None:
        if (entity := self.view.chosen) is not None:
            self.post_message(self.Opened(self, entity))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(event, 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(event, -3)

    def _wheel(self, event: Any, by: int) -> None:
        event.stop()
        self.view.scroll(by)
        self.repaint()

    def on_click(self, event: Click) -> None:
        was_focused = self.has_focus
        super().on_click(event)
        row = event.y - 2
        if 0 <= row < self.view.height and self.view.top + row < len(self.view.rows):
            again = was_focused and self.view.cursor == self.view.top + row
            self.view.put(self.view.top + row)
            self._moved()
            if again:
                self.action_open()
