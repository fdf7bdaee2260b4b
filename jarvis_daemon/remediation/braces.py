"""Facts in braces within a runbook's text: ``{guest.vmid}``. Found by a pattern, never by ``str.format``."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Any, Final

from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.text import clean

_BRACE: Final = re.compile(r"\{([^{}]*)\}")
GIB: Final = 1 << 30
MIB: Final = 1 << 20
WORD_LIMIT: Final = 200


def paths(text: str) -> list[str]:
    """What stands in braces, in order, as written but for blanks at its ends."""
    return [found.strip() for found in _BRACE.findall(text)]


def whole(text: str) -> str | None:
    """The path, where ``text`` is one brace and nothing else."""
    found = _BRACE.fullmatch(text.strip())
    return found.group(1).strip() if found else None


def is_odd(text: str) -> bool:
    """A brace that opens or closes nothing."""
    rest = _BRACE.sub("", text)
    return "{" in rest or "}" in rest


def replaced(text: str, word: Callable[[str], str]) -> str:
    """``text`` with ``word(path)`` for each brace. What is put in is not looked at again."""
    return _BRACE.sub(lambda found: word(found.group(1).strip()), text)


def plain(value: Any) -> str:
    """A fact as it stands in an argument's text. Raises ``TypeError`` for a list or a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value
    raise TypeError("no plain value")


def words(path: str, value: Any, now: float | None = None) -> str:
    """A fact as a person reads it: cleaned, durations, sizes and moments by the ending of their name.

    ``now`` (Unix seconds): a moment is told by its distance, ``13 h ago``.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if number and path.endswith("_s"):
        return span(value)
    if number and path.endswith("_bytes"):
        return f"{value / GIB:.1f} GiB" if abs(value) >= GIB else f"{value / MIB:.0f} MiB"
    if number and path.endswith("_at") and now is not None and 0 < value < 1e11:
        return f"{span(now - value)} ago" if value <= now else f"in {span(value - now)}"
    if number and path.endswith("_at") and 0 < value < 1e11:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(value))
    if isinstance(value, list | tuple):
        return clean(", ".join(words("", one) for one in value[:20]) or "none", limit=WORD_LIMIT)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.2f}".rstrip("0").rstrip(".")
    try:
        return clean(plain(value), limit=WORD_LIMIT) or "empty"
    except TypeError:
        return "a table" if value else "none"
