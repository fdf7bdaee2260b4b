"""Text from outside is data: cleaned once, at the boundary. Standard library only."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC … BEL or ST
    r"|\x1b[PX^_].*?(?:\x1b\\|$)"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x9b[0-?]*[ -/]*[@-~]?"  # 8-bit CSI
    r"|\x1b[@-Z\\-_a-z0-9=><~|}]?",
    re.DOTALL,
)
_BIDI_AND_INVISIBLE: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0e\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def clean(text: str, *, limit: int = 400) -> str:
    """One line without terminal escapes, control, bidi and zero-width characters, at most ``limit`` long."""
    text = _ESCAPES.sub("", text)
    text = _BIDI_AND_INVISIBLE.sub("", text)
    text = _CONTROLS.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_block(text: str, *, limit: int = 20_000) -> str:
    """As ``clean``, but lines stay lines: for logs."""
    text = _ESCAPES.sub("", text)
    text = _BIDI_AND_INVISIBLE.sub("", text)
    text = _LINE_CONTROLS.sub(" ", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
