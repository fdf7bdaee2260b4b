"""A read's result in a line or a few: what a person wants of it in a story, not the whole document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jarvis_daemon.protocol.text import clean

ROWS: Final = 5
WIDTH: Final = 160
QUIET_KEYS: Final = frozenset({"id", "cluster", "truncated", "upid", "next", "source"})


def lines(result: Mapping[str, Any]) -> list[str]:
    """The scalars in one line, then the first rows of each list."""
    scalars = [word for key, value in result.items() if (word := _word(key, value))]
    found = [", ".join(scalars)] if scalars else []
    for key, value in result.items():
        if isinstance(value, Sequence) and not isinstance(value, str) and value:
            found += [_row(one) for one in value[:ROWS]]
            if len(value) > ROWS:
                found.append(f"and {len(value) - ROWS} more {_spoken(key)}")
        elif isinstance(value, Mapping) and (row := _row(value)):
            found.append(f"{_spoken(key)}: {row}")
    return [clean(line, limit=WIDTH) for line in found if line]


def _row(one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    return ", ".join(word for key, value in one.items() if (word := _word(key, value)))


def _word(key: str, value: Any) -> str:
    """``size 4.2 GiB``, ``last at 2026-11-20 02:30``; empty for what says nothing."""
    if key in QUIET_KEYS or value is None or isinstance(value, Mapping | list | tuple):
        return ""
    if isinstance(value, bool):
        return _spoken(key) if value else ""
    if isinstance(value, int | float) and key.endswith("bytes"):
        return f"{_spoken(key.removesuffix('_bytes'))} {_bytes(float(value))}"
    if isinstance(value, int | float) and key.endswith("_at"):
        return f"{_spoken(key.removesuffix('_at'))} {time.strftime('%Y-%m-%d %H:%M', time.localtime(value))}"
    if isinstance(value, float):
        return f"{_spoken(key)} {value:g}"
    return f"{_spoken(key)} {value}" if isinstance(value, int) else str(value)


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
