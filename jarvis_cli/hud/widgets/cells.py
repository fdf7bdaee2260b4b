"""Text measured in cells of the terminal: wide characters count two, combining ones none."""

from __future__ import annotations

from typing import Final, Literal

from rich.cells import cell_len, set_cell_size

from jarvis_daemon.protocol.text import clean

_STAND_IN: Final = {"…": "~", "·": "-", "°": " ", "─": "-"}
Align = Literal["<", ">", "^"]


def safe(text: str) -> str:
    """``text`` without anything a terminal would obey. The daemon cleans too; a screen trusts nobody."""
    if text.isprintable() and (text.isascii() or "\ufe0f" not in text):
        return text
    body = text.strip(" ")
    before = len(text) - len(text.lstrip(" ")) if body else 0
    after = len(text) - before - len(body)
    return " " * before + clean(body, limit=4000).replace("\ufe0f", "") + " " * after


def width(text: str) -> int:
    """Cells that ``text`` covers."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, cells: int) -> str:
    """At most ``cells`` cells of ``text``; what is left out is told by an ellipsis."""
    if width(text) <= cells:
        return text
    if cells <= 1:
        return "…"[:cells]
    return set_cell_size(text, cells - 1).rstrip() + "…"


def fit(text: str, cells: int, align: Align = "<") -> str:
    """Exactly ``cells`` cells: cut or padded."""
    text = cut(safe(text), cells)
    space = cells - width(text)
    if space <= 0:
        return text
    if align == ">":
        return " " * space + text
    if align == "^":
        return " " * (space // 2) + text + " " * (space - space // 2)
    return text + " " * space


def wrap(text: str, cells: int, lines: int) -> list[str]:
    """``text`` broken at blanks into at most ``lines`` lines of ``cells`` cells; the last one is cut."""
    out: list[str] = []
    line = ""
    for word in safe(text).split():
        candidate = f"{line} {word}" if line else word
        if width(candidate) <= cells or not line:
            line = candidate
            continue
        if len(out) == lines - 1:
            line = candidate + " …"
            break
        out.append(line)
        line = word
    out.append(line)
    return [cut(part, cells) for part in out[:lines]]


def to_ascii(text: str) -> str:
    """``text`` for a terminal that reads no UTF-8, as many cells wide."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _STAND_IN.get(c, "?" * cell_len(c)) for c in text)
