"""Lines of runs: what a panel hands to its pane. A run is a text and a role of the palette."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jarvis_cli.hud.widgets.cells import cut, safe, width

Run = tuple[str, str]
Line = tuple[Run, ...]


class Corners(NamedTuple):
    """The strokes of a frame."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    across: str
    down: str
    thumb: str


CUT = Corners("╱", "┐", "└", "╱", "─", "│", "┃")
PLAIN = Corners("+", "+", "+", "+", "-", "|", "#")


def join(*runs: Run) -> Line:
    """A line of these runs. Neighbours of one role become one; blanks take the role before them, so that a
    line has few changes of colour."""
    out: list[Run] = []
    for text, role in runs:
        if not text:
            continue
        if out and (out[-1][1] == role or (text.isspace() and not (role + out[-1][1]).count("@"))):
            out[-1] = (out[-1][0] + text, out[-1][1])
        else:
            out.append((text, role))
    return tuple(out)


def length(line: Iterable[Run]) -> int:
    return sum(width(text) for text, _ in line)


def exact(line: Sequence[Run], cells: int, fill: str = "frame") -> Line:
    """``line`` cut or padded to ``cells`` cells."""
    out: list[Run] = []
    room = cells
    for text, role in line:
        text = safe(text)
        size = width(text)
        if size > room:
            text = cut(text, room)
            size = width(text)
        if text:
            out.append((text, role))
        room -= size
        if room <= 0:
            break
    if room > 0:
        out.append((" " * room, fill if not out or out[-1][1].endswith("@") else out[-1][1]))
    return join(*out)


def spread(left: Sequence[Run], right: Sequence[Run], cells: int, fill: str = " ", role: str = "frame") -> Line:
    """``left`` and ``right`` at the two ends; the left one is cut when there is no room for both."""
    gap = cells - length(left) - length(right)
    if gap >= 1:
        return join(*left, (fill * gap, role), *right)
    room = max(0, cells - length(right) - 1)
    return exact((*exact(left, room), (fill, role), *right), cells)


def barred(line: Line) -> Line:
    """The line on the cursor's bar."""
    return tuple((text, role if role.endswith("@") else role + "@") for text, role in line)


def faded(line: Line, role: str = "faint") -> Line:
    """The line in one quiet colour: facts that are old."""
    return (("".join(text for text, _ in line), role),)


def framed(
    lines: Sequence[Line],
    cells: int,
    height: int,
    title: Sequence[Run],
    note: Sequence[Run] = (),
    *,
    corners: Corners = CUT,
    role: str = "frame",
    thumb: tuple[int, int] | None = None,
) -> list[Line]:
    """A thin frame around ``lines``, exactly ``cells`` by ``height``. ``thumb`` is first and last inner row
    (0-based) of a scroll bar drawn on the right stroke."""
    inner = cells - 2
    tl, tr, bl, br, across, down, bar = corners
    left = (*title, (" ", role)) if title else ()
    right_end = ((" ", role), *note, (" ", role)) if note else ()
    head = spread(left, right_end, inner - 2, across, role)
    out = [join((tl + across, role), *head, (across + tr, role))]
    for index in range(height - 2):
        body = exact(lines[index], inner) if index < len(lines) else ((" " * inner, role),)
        right = (bar, "light") if thumb and thumb[0] <= index <= thumb[1] else (down, role)
        out.append(join((down, role), *body, right))
    out.append(join((bl + across * inner + br, role)))
    return out[:height]
