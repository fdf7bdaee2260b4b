"""Small pictures of series, in one colour each: a truecolour escape per character would cost more than the
rest of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

BLOCKS: Final = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS: Final = " _.,-=+*#"
_LEFT: Final = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT: Final = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
"""Braille columns filled from below by 0 to 4 dots."""
_LOOSE: Final = 0x42
"""Every other dot of the left column: the ground under a line."""
FILLED, EMPTY = "━", "┄"


def resample(values: Sequence[float | None], points: int) -> list[float | None]:
    """The last ``points`` values, or fewer values stretched to fill ``points``."""
    if len(values) >= points:
        return list(values[-points:])
    if not values:
        return [None] * points
    return [values[index * len(values) // points] for index in range(points)]


def spark(
    values: Sequence[float | None], cells: int, low: float = 0.0, high: float = 1.0, *, ascii_only: bool = False
) -> str:
    """One row; a blank where nothing is known, so that a gap is not taken for a zero."""
    return spark_rows(values, cells, 1, low, high, ascii_only=ascii_only)[0]


def spark_rows(
    values: Sequence[float | None],
    cells: int,
    rows: int,
    low: float = 0.0,
    high: float = 1.0,
    *,
    ascii_only: bool = False,
) -> list[str]:
    """``rows`` rows from top to bottom: blocks of eight steps in a single row, a mesh of dots in several."""
    if rows > 1 and not ascii_only:
        return _mesh(values, cells, rows, low, high)
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    steps = _steps(resample(values, cells), 8 * rows, low, high)
    return ["".join(blocks[max(0, min(8, step - 8 * (rows - 1 - row)))] for step in steps) for row in range(rows)]


def _steps(values: Sequence[float | None], top: int, low: float, high: float) -> list[int]:
    span = (high - low) or 1.0
    return [0 if v is None else max(1, min(top, round((v - low) / span * top))) for v in values]


def _mesh(values: Sequence[float | None], cells: int, rows: int, low: float, high: float) -> list[str]:
    return list(_mesh_of(tuple(_steps(_smooth(values, 2 * cells), 4 * rows, low, high)), rows))


@lru_cache(maxsize=256)
def _mesh_of(steps: tuple[int, ...], rows: int) -> tuple[str, ...]:
    """A thin line of dots over a loose mesh. Blanks are blank dots, of one width with the others in every font.

    Kept, because most seconds change no dot of most charts.
    """
    before = (steps[0], *steps[:-1])
    floors = [max(0, min(step, last or step) - 1) for step, last in zip(steps, before, strict=True)]
    tops = [max(step, last) if last and step else step for step, last in zip(steps, before, strict=True)]
    lines = []
    for row in range(rows):
        base = 4 * (rows - 1 - row)
        column = [(_clamp(top - base), _clamp(floor - base)) for top, floor in zip(tops, floors, strict=True)]
        lines.append("".join(
            chr(0x2800 + (_LEFT[t] & ~_LEFT[f]) + (_RIGHT[u] & ~_RIGHT[g]) + (_LEFT[f] & _LOOSE))
            for (t, f), (u, g) in zip(column[::2], column[1::2], strict=True)
        ))  # fmt: skip
    return tuple(lines)


def _clamp(step: int) -> int:
    return max(0, min(4, step))


def _smooth(values: Sequence[float | None], points: int) -> list[float | None]:
    """``values`` stretched to ``points``, on straight lines between known neighbours."""
    if len(values) >= points or len(values) < 2:
        return resample(values, points)
    out: list[float | None] = []
    for index in range(points):
        place = index * (len(values) - 1) / (points - 1)
        before = values[int(place)]
        after = values[min(int(place) + 1, len(values) - 1)]
        share = place - int(place)
        out.append(before if before is None or after is None else before + (after - before) * share)
    return out


def gauge(share: float | None, cells: int, *, ascii_only: bool = False) -> tuple[str, str]:
    """The filled and the empty part of a bar of ``cells`` cells."""
    full, rest = ("#", "-") if ascii_only else (FILLED, EMPTY)
    filled = 0 if share is None else max(0, min(cells, round(share * cells)))
    return full * filled, rest * (cells - filled)
