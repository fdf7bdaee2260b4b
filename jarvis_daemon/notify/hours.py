"""Local time: quiet hours, and the moment of the daily report."""

from __future__ import annotations

import time
from datetime import date


def is_quiet(window: str | None, now: float) -> bool:
    """Whether ``now`` (Unix seconds) lies in ``HH:MM-HH:MM`` local time, which may reach over midnight."""
    if not window:
        return False
    begin, end = (_minutes(part) for part in window.split("-"))
    local = time.localtime(now)
    minute = local.tm_hour * 60 + local.tm_min
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def local_day(now: float) -> date:
    local = time.localtime(now)
    return date(local.tm_year, local.tm_mon, local.tm_mday)


def moment_of(day: date, at: str) -> float:
    """Unix time of ``HH:MM`` on that local day; one that the clock leaps over counts as the next that there is."""
    hour, minute = divmod(_minutes(at), 60)
    return time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1))


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
