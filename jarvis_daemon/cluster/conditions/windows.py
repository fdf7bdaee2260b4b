"""Backup windows: ``22:00-04:30`` in local time, over midnight too."""

from __future__ import annotations

import time
from collections.abc import Iterable


def in_window(windows: Iterable[str], now: float) -> bool:
    """Whether ``now`` (Unix seconds) lies in one of ``windows``; their form is checked by the settings."""
    local = time.localtime(now)
    minute = local.tm_hour * 60 + local.tm_min
    for window in windows:
        begin, end = (_minutes(part) for part in window.split("-"))
        inside = begin <= minute < end if begin <= end else minute >= begin or minute < end
        if inside:
            return True
    return False


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.strip().partition(":")
    return int(hours) * 60 + int(minutes)
