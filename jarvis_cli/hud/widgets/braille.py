"""A canvas of braille dots: two across and four down a cell, evenly spaced on most terminals."""

from __future__ import annotations

import math

from jarvis_cli.hud.widgets.lines import Line, Run, join

_DOT = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Canvas:
    """``cells`` by ``rows`` cells. A cell shows the role of its last dot; text lies over dots."""

    def __init__(self, cells: int, rows: int) -> None:
        self.cells = cells
        self.rows = rows
        self._dots: dict[tuple[int, int], tuple[int, str]] = {}
        self._text: dict[tuple[int, int], Run] = {}

    def copy(self) -> Canvas:
        other = Canvas(self.cells, self.rows)
        other._dots = dict(self._dots)
        other._text = dict(self._text)
        return other

    def dot(self, x: float, y: float, role: str) -> None:
        column, row = int(x) // 2, int(y) // 4
        if 0 <= column < self.cells and 0 <= row < self.rows and x >= 0 and y >= 0:
            bits, _ = self._dots.get((row, column), (0, role))
            self._dots[row, column] = (bits | _DOT[int(y) % 4][int(x) % 2], role)

    def arc(self, radius: float, start: float, end: float, role: str, *, step: float = 0.6) -> None:
        """Dots on a circle around the middle; angles in turns, 0 at the top, clockwise."""
        if radius <= 0 or end <= start:
            return
        count = max(1, int((end - start) * math.tau * radius / step))
        for index in range(count + 1):
            self.polar(radius, start + (end - start) * index / count, role)

    def polar(self, radius: float, turn: float, role: str) -> None:
        angle = turn * math.tau
        self.dot(self.cells + radius * math.sin(angle), self.rows * 2 - radius * math.cos(angle), role)

    def write(self, row: int, text: str, role: str, *, column: int | None = None) -> None:
        """Text in single-width characters; centred without ``column``."""
        first = (self.cells - len(text)) // 2 if column is None else column
        for index, character in enumerate(text):
            if 0 <= first + index < self.cells and 0 <= row < self.rows:
                self._text[row, first + index] = (character, role)

    def lines(self, *, ascii_only: bool = False) -> list[Line]:
        return [self._line(row, ascii_only) for row in range(self.rows)]

    def _line(self, row: int, ascii_only: bool) -> Line:
        runs: list[Run] = []
        for column in range(self.cells):
            if (run := self._text.get((row, column))) is not None:
                runs.append(run)
            elif (found := self._dots.get((row, column))) is not None:
                bits, role = found
                runs.append((_ascii_dot(bits) if ascii_only else chr(0x2800 + bits), role))
            else:
                runs.append((" ", runs[-1][1] if runs else "frame"))
        return join(*runs)


def _ascii_dot(bits: int) -> str:
    return ".:o#"[min(3, (bits.bit_count() - 1) // 2)]
