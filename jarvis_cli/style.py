"""Colours and glyphs of the command line: meanings, not paints. Standard library only.

A state is always a glyph *and* a word, so nothing is lost without colour; where the output cannot carry
the glyphs, their ASCII set is used. Colour is off for what is no terminal, with ``NO_COLOR``, ``TERM=dumb``
or ``--no-color``; ``FORCE_COLOR`` turns it on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO

Tone = Literal["plain", "text", "light", "faint", "good", "warn", "bad", "bold"]

_PALETTE: Final[dict[str, tuple[str, str, str]]] = {
    # tone: (24 bit, 256 colours, 16 colours), the parameters of an SGR sequence
    "text": ("38;2;184;230;240", "38;5;152", "37"),
    "light": ("38;2;39;211;245", "38;5;45", "36"),
    "faint": ("38;2;74;106;120", "38;5;60", "90"),
    "good": ("38;2;75;255;165", "38;5;85", "32"),
    "warn": ("38;2;255;176;0", "38;5;214", "33"),
    "bad": ("38;2;255;75;75", "38;5;203", "31"),
    "bold": ("1", "1", "1"),
}

_ASCII: Final = str.maketrans({
    "●": "*", "○": "o", "◌": "?", "▲": "!", "✖": "x", "⏸": "#", "◆": "+", "✔": "+", "·": "-", "…": "~", "°": " ",
    "–": "-", "→": ">",
})  # fmt: skip

STATES: Final[dict[str, tuple[str, Tone]]] = {
    # word: glyph and tone
    "online": ("●", "good"), "running": ("●", "good"), "available": ("●", "good"), "ok": ("✔", "good"),
    "healthy": ("●", "good"), "closed": ("✔", "faint"), "stopped": ("○", "faint"), "inactive": ("○", "faint"),
    "unknown": ("◌", "warn"), "paused": ("⏸", "warn"), "suspended": ("⏸", "warn"), "starting": ("◌", "light"),
    "warnings": ("▲", "warn"), "warning": ("▲", "warn"), "warn": ("▲", "warn"), "degraded": ("▲", "warn"),
    "error": ("▲", "bad"), "open": ("▲", "bad"), "info": ("·", "faint"), "backoff": ("▲", "warn"),
    "offline": ("✖", "bad"), "failed": ("✖", "bad"), "fail": ("✖", "bad"), "critical": ("✖", "bad"),
    "template": ("◆", "faint"), "stale": ("▲", "warn"), "fresh": ("●", "faint"),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What the receiver of the output can show. ``width`` is None where lines may be any length."""

    colors: Literal[0, 16, 256, 16777216] = 0
    unicode: bool = True
    width: int | None = None

    def paint(self, text: str, tone: Tone) -> str:
        if not self.colors or tone == "plain" or not text:
            return text
        index = {16777216: 0, 256: 1, 16: 2}[self.colors]
        return f"\x1b[{_PALETTE[tone][index]}m{text}\x1b[0m"

    def glyphs(self, text: str) -> str:
        """``text`` with our glyphs in the set that the receiver can show."""
        return text if self.unicode else text.translate(_ASCII)

    def state(self, word: str) -> tuple[str, Tone]:
        """A state as ``● running`` and its tone."""
        glyph, tone = STATES.get(word, ("·", "plain"))
        return self.glyphs(f"{glyph} {word}"), tone


def detect(stream: TextIO, *, color: bool | None, environ: Mapping[str, str] | None = None) -> Look:
    """Find out what ``stream`` can show. ``color`` False is ``--no-color``."""
    env = os.environ if environ is None else environ
    terminal = stream.isatty()
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    wanted = terminal and env.get("TERM") != "dumb" and not env.get("NO_COLOR")
    if env.get("FORCE_COLOR") and not env.get("NO_COLOR"):
        wanted = True
    if color is False:
        wanted = False
    columns: int | None = None
    if terminal:
        columns = _columns(stream, env)
    return Look(_depth(env) if wanted else 0, encoding.startswith("utf"), columns)


def _columns(stream: TextIO, env: Mapping[str, str]) -> int:
    if env.get("COLUMNS", "").isdigit() and int(env["COLUMNS"]) > 0:
        return int(env["COLUMNS"])
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _depth(env: Mapping[str, str]) -> Literal[16, 256, 16777216]:
    if env.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return 16777216
    return 256 if "256" in env.get("TERM", "") else 16
