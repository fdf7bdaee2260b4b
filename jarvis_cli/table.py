"""Plain tables: columns as wide as they must be, cut only where the terminal ends. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jarvis_cli.cells import fit, pad, width
from jarvis_cli.style import Look, Tone
from jarvis_daemon.protocol.text import clean

GAP: Final = "  "
MIN_FLEX: Final = 8
"""A column that may shrink keeps at least so many cells."""


class Cell:
    """One value: its text and what it means. Text is cleaned here once more: a table holds no escapes."""

    __slots__ = ("text", "tone")

    def __init__(self, text: str, tone: Tone = "plain") -> None:
        self.text, self.tone = text, tone


class Column:
    """``flex``: may be cut when the terminal is too narrow, the last such column first. ``optional``: left out
    when it is too narrow even so, the highest number first."""

    __slots__ = ("flex", "optional", "right", "title")

    def __init__(self, title: str, *, right: bool = False, flex: bool = False, optional: int = 0) -> None:
        self.title, self.right, self.flex, self.optional = title, right, flex, optional


Value = str | Cell | None


class Table:
    """Rows of cells under columns. Plain classes here, since a dataclass costs each command half a ms."""

    def __init__(self, columns: list[Column], *, indent: str = "") -> None:
        self.columns, self.indent = columns, indent
        self.rows: list[list[Cell]] = []

    def add(self, *values: Value) -> None:
        """Add a row; None is a value that is not known and shows as ``-``."""
        if len(values) != len(self.columns):
            raise ValueError(f"{len(values)} values for {len(self.columns)} columns")
        self.rows.append([_cell(value) for value in values])

    def lines(self, look: Look) -> list[str]:
        """The table as lines without line ends; no line has blanks at its end."""
        if not self.rows:
            return [f"{self.indent}none"]
        cells = [[Cell(look.glyphs(cell.text), cell.tone) for cell in row] for row in self.rows]
        shown, widths = self._layout(cells, look)
        out = [self._line([Cell(c.title, "faint") for c in self.columns], shown, widths, look)]
        out += [self._line(row, shown, widths, look) for row in cells]
        return out

    def _layout(self, cells: Sequence[Sequence[Cell]], look: Look) -> tuple[list[int], dict[int, int]]:
        widths = {
            index: max([width(column.title), *(width(row[index].text) for row in cells)])
            for index, column in enumerate(self.columns)
        }
        shown = list(widths)
        if look.width is None:
            return shown, widths
        room = look.width - len(self.indent)

        def excess() -> int:
            return sum(widths[i] for i in shown) + len(GAP) * (len(shown) - 1) - room

        flexible = [i for i in reversed(shown) if self.columns[i].flex]
        for spare in sorted(
            (i for i in shown if self.columns[i].optional), key=lambda i: -self.columns[i].optional
        ):
            if excess() - sum(max(0, widths[i] - MIN_FLEX) for i in flexible if i in shown) > 0:
                shown.remove(spare)
        for index in flexible:
            if index in shown and (over := excess()) > 0:
                widths[index] = max(min(widths[index], MIN_FLEX), widths[index] - over)
        return shown, widths

    def _line(self, row: Sequence[Cell], shown: Sequence[int], widths: dict[int, int], look: Look) -> str:
        parts = []
        ellipsis = look.glyphs("…")
        for index in shown:
            text = pad(fit(row[index].text, widths[index], ellipsis=ellipsis), widths[index],
                       right=self.columns[index].right)  # fmt: skip
            if index == shown[-1]:
                text = text.rstrip()
            bare = text.strip()
            parts.append(text.replace(bare, look.paint(bare, row[index].tone), 1) if bare else text)
        return (self.indent + GAP.join(parts)).rstrip()


def _cell(value: Value) -> Cell:
    if value is None:
        return Cell("-", "faint")
    if isinstance(value, str):
        value = Cell(value)
    return Cell(clean(value.text) or "-", value.tone)


def fields(pairs: Sequence[tuple[str, Value]], look: Look) -> list[str]:
    """``name  value`` lines, names aligned; for the *show* commands."""
    label = max((width(name) for name, _ in pairs), default=0)
    out = []
    for name, value in pairs:
        cell = _cell(value)
        out.append(look.paint(pad(name, label), "faint") + GAP + look.paint(look.glyphs(cell.text), cell.tone))
    return out
