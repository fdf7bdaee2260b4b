"""Numbers and times as people read them, and times as programs read them. Standard library only."""

from __future__ import annotations

import re
import time
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)


def rfc3339(at: float | None) -> str | None:
    """Unix seconds as ``2026-11-20T21:47:03.120Z``; None stays None."""
    if at is None:
        return None
    millis = round(at * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"


def clock(at: float | None, now: float) -> str | None:
    """Local time for people: ``21:47:03`` within the last 20 hours, else with the date."""
    if at is None:
        return None
    fresh = abs(now - at) < 20 * 3600
    return time.strftime("%H:%M:%S" if fresh else "%Y-%m-%d %H:%M", time.localtime(at))


def span(seconds: float | None) -> str | None:
    """A duration in its two greatest units: ``4 s`` ``2m10s`` ``3h05m`` ``41d``."""
    if seconds is None:
        return None
    total = max(0, int(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60}m{total % 60:02d}s"
    if total < 86400:
        return f"{total // 3600}h{total % 3600 // 60:02d}m"
    days, rest = divmod(total, 86400)
    return f"{days}d{rest // 3600:02d}h" if days < 10 else f"{days}d"


def size(count: float | None) -> str | None:
    """Bytes with binary units and three digits: ``512 MiB`` ``1.43 GiB``."""
    if count is None:
        return None
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1000 or unit == "TiB":
            break
        value /= 1024
    digits = 0 if unit == "B" or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def share(value: float | None) -> str | None:
    """0..1 as percent."""
    return None if value is None else f"{value * 100:.0f}%"


def ratio(used: float | None, total: float | None) -> float | None:
    """``used / total``, None where either is not known or total is 0."""
    return None if used is None or not total else used / total


def parse_duration(text: str) -> float:
    """``90`` ``10m`` ``1h30m`` ``2d`` in seconds. Raises ``ValueError`` with a sentence."""
    stripped = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        return float(stripped)
    parts = _DURATION.findall(stripped)
    if not parts or _DURATION.sub("", stripped).strip():
        raise ValueError(f"{text!r} is no duration; write it like 90s, 10m, 1h30m or 2d")
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts)


def parse_since(text: str, now: float) -> float:
    """A moment in the past in Unix seconds: ``12h`` before ``now``, ``today``, ``yesterday``, ``2026-11-19`` or
    ``2026-11-19 21:30``, local time; none later than ``now``. Raises ``ValueError`` with a sentence."""
    word = text.strip().lower()
    if word in {"today", "yesterday"}:
        today = time.localtime(now)
        back = 0 if word == "today" else 1
        return time.mktime((today.tm_year, today.tm_mon, today.tm_mday - back, 0, 0, 0, 0, 0, -1))
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dt%H:%M"):
        try:
            parsed = time.strptime(word, form)
        except ValueError:
            continue
        return min(now, time.mktime((*parsed[:8], -1)))
    try:
        return now - parse_duration(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment; write it like 12h, yesterday, 2026-11-19 or '2026-11-19 21:30'"
        ) from None
