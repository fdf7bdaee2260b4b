"""A pane that draws from the model, in a thin frame with a title."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.events import Click
from textual.message import Message

from jarvis_cli.hud.widgets.lines import CUT, PLAIN, Line, Run, framed, spread
from jarvis_cli.hud.widgets.pane import Pane

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette


class Panel(Pane):
    """``body`` fills the frame. Without a frame (phone) the title takes one line above the body."""

    TITLE: ClassVar[str] = ""
    OPENS: ClassVar[str | None] = None
    """The mode that `enter` on this panel opens."""

    class Wanted(Message):
        """The panel's own mode is asked for."""

        def __init__(self, mode: str) -> None:
            super().__init__()
            self.mode = mode

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(palette, id=id)
        self.model = model
        self.frameless = False

    def body(self, width: int, height: int) -> list[Line]:
        raise NotImplementedError

    def title(self) -> tuple[Run, ...]:
        return ((f" {self.TITLE}", "light"),)

    def note(self) -> tuple[Run, ...]:
        """What stands at the right end of the title's line."""
        return ()

    def filter(self, pattern: str) -> None:
        """Show only what matches ``pattern`` (see ``widgets.table.sieve``); empty shows all."""
        raise NotImplementedError

    def filtered_by(self) -> str:
        return ""

    def thumb(self) -> tuple[int, int] | None:
        """First and last row of the scroll bar; asked after ``body``."""
        return None

    def paint(self, width: int, height: int) -> list[Line]:
        if self.frameless:
            head = spread(self.title(), (*self.note(), (" ", "frame")), width)
            return [head, *self.body(width, height - 1)]
        lines = self.body(width - 2, height - 2)
        return framed(
            lines, width, height, self.title(), self.note(),
            corners=PLAIN if self.model.ascii_only else CUT,
            role="soft" if self.has_focus else "frame",
            thumb=self.thumb(),
        )  # fmt: skip

    def key_enter(self) -> None:
        if self.OPENS is not None:
            self.post_message(self.Wanted(self.OPENS))

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_click(self, event: Click) -> None:
        if self.can_focus and not self.has_focus:
            self.focus()
