"""How wide text is on a terminal: emoji and CJK take two cells, marks none. Standard library only."""

from __future__ import annotations

import unicodedata
from typing import Final

_VARIATION_EMOJI: Final = "\ufe0f"
"""Asks for the emoji form of the character before it, which then takes two cells."""


def char_width(char: str) -> int:
    """0, 1 or 2 cells."""
    if " " <= char <= "~":
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf", "Cc"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def width(text: str) -> int:
    """Cells that ``text`` takes, without line ends."""
    if text.isascii():
        return len(text)
    total = last = 0
    for char in text:
        if char == _VARIATION_EMOJI:
            total += 2 - last if last else 0
            last = 0
            continue
        last = char_width(char)
        total += last
    return total


def fit(text: str, cells: int, *, ellipsis: str = "…") -> str:
    """``text`` cut to at most ``cells`` cells, marked with an ellipsis where something is missing."""
    if width(text) <= cells:
        return text
    room = cells - width(ellipsis)
    if room < 0:
        return ellipsis[:cells]
    kept = ""
    for char in text:
        if width(kept + char) > room:
            break
        kept += char
    return kept + ellipsis


def fold(text: str, cells: int | None) -> list[str]:
    """``text`` broken at blanks into lines of at most ``cells`` cells; a longer word stays whole."""
    if cells is None or width(text) <= cells:
        return [text]
    out: list[str] = []
    line = ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if line and width(candidate) > cells:
            out.append(line)
            candidate = word
        line = candidate
    return [*out, line]


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """``text`` filled with blanks to ``cells`` cells; ``right`` puts it at the right edge."""
    blanks = " " * max(0, cells - width(text))
    return blanks + text if right else text + blanks
