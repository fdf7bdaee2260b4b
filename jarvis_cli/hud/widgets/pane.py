"""The widget under every panel: lines of runs on one side, strips of the compositor on the other.

Textual sends a dirty region whole, so a pane compares what it drew with what it would draw and asks only for
the lines that differ, up to the last cell that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from jarvis_cli.hud.widgets.cells import to_ascii, width
from jarvis_cli.hud.widgets.lines import Line, exact

if TYPE_CHECKING:
    from jarvis_cli.hud.themes.palette import Palette


class Pane(Widget):
    """Draws ``paint(width, height)``. Call ``repaint`` when what it shows may have changed."""

    ALLOW_SELECT = False
    can_focus = False

    DEPENDS: ClassVar[frozenset[str]] = frozenset()
    """Topics whose change makes this pane repaint; ``tick`` is the second of the clock."""

    palette: Palette

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.palette = palette
        self.ascii_only = False
        self._painted: list[Line] = []
        self._strips: list[Strip | None] = []
        self._painted_size = (0, 0)

    def due(self, topics: set[str]) -> bool:
        """Whether a change of ``topics`` may change what this pane shows."""
        return bool(self.DEPENDS & topics)

    def paint(self, width: int, height: int) -> list[Line]:
        """The lines of the pane, at most ``height`` of them."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again and refresh the lines that changed."""
        cells, height = self.size
        if not cells or not height or not self.is_attached:
            self._painted_size = (0, 0)  # not shown: painted anew when it is
            return
        if self._painted_size != (cells, height):
            self._paint_all(cells, height)
            self.refresh()
            return
        regions = []
        for y, line in enumerate(self._paint_exact(cells, height)):
            old = self._painted[y]
            if line != old:
                regions.append(Region(0, y, changed_until(old, line, cells), 1))
                self._painted[y] = line
                self._strips[y] = None
        if regions:
            self.refresh(*regions)

    def recolour(self, palette: Palette) -> None:
        """Take another palette; everything is sent anew."""
        self.palette = palette
        self._strips = [None] * len(self._painted)
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        cells, height = self.size
        if self._painted_size != (cells, height):
            self._paint_all(cells, height)
        strips = [self._strip(y, cells) for y in crop.line_range]
        x1, x2 = crop.column_span
        return strips if (x1, x2) == (0, cells) else [strip.crop(x1, x2) for strip in strips]

    def text(self) -> str:
        """What is drawn, as plain lines."""
        return "\n".join("".join(text for text, _ in line) for line in self._painted)

    def _paint_exact(self, cells: int, height: int) -> list[Line]:
        painted = self.paint(cells, height)[:height]
        if self.ascii_only:
            painted = [tuple((to_ascii(text), role) for text, role in line) for line in painted]
        lines = [exact(line, cells) for line in painted]
        blank: Line = ((" " * cells, "frame"),)
        return lines + [blank] * (height - len(lines))

    def _paint_all(self, cells: int, height: int) -> None:
        self._painted = self._paint_exact(cells, height)
        self._strips = [None] * height
        self._painted_size = (cells, height)

    def _strip(self, y: int, cells: int) -> Strip:
        if not 0 <= y < len(self._strips):
            return Strip([Segment(" " * cells, self.palette.style("frame"))], cells)
        strip = self._strips[y]
        if strip is None:
            style = self.palette.style
            strip = Strip([Segment(text, style(role)) for text, role in self._painted[y]], cells)
            for line_filter in self.get_line_filters():
                strip = strip.apply_filter(line_filter, self.background_colors[1])
            self._strips[y] = strip
        return strip


def changed_until(old: Line, new: Line, cells: int) -> int:
    """The cell after the last one that differs; what follows is the same in both lines."""
    same = 0
    for (old_text, old_role), (new_text, new_role) in zip(reversed(old), reversed(new), strict=False):
        if old_role != new_role:
            break
        if old_text == new_text:
            same += width(new_text)
            continue
        if old_text.isascii() and new_text.isascii():
            for a, b in zip(reversed(old_text), reversed(new_text), strict=False):
                if a != b:
                    break
                same += 1
        break
    return max(1, cells - same)
