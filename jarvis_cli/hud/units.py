"""Numbers as a person reads them, in fixed widths so that columns stand still. Times are local."""

from __future__ import annotations

from datetime import datetime


def percent(share: float | None) -> str:
    """``31%``; four cells at most."""
    return "n/a" if share is None else f"{share * 100:.0f}%"


def size(count: float | None) -> str:
    """Bytes with three significant digits: ``812M`` ``2.1G`` ``3.2T``; five cells at most."""
    if count is None:
        return "n/a"
    for unit in ("B", "K", "M", "G", "T", "P"):
        if abs(count) < 999.5 or unit == "P":
            return f"{count:.0f}{unit}" if unit in "BKM" or count >= 99.5 else f"{count:.1f}{unit}"
        count /= 1024
    return "n/a"


def span(seconds: float | None) -> str:
    """``12 s`` ``4 min`` ``2 h 10`` ``41 d``."""
    if seconds is None:
        return "n/a"
    whole = max(0, int(seconds))
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 86400} d"


def stopwatch(seconds: float) -> str:
    """``00:07``, and ``1:02:07`` from an hour on."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def clock(at: float | None) -> str:
    """``21:46`` local time."""
    return "--:--" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%H:%M")


def clock_s(at: float | None) -> str:
    """``21:46:51`` local time."""
    return "--:--:--" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def day(at: float) -> str:
    """``Fri 20 Nov``; English whatever the locale, as the rest of the screen is."""
    moment = datetime.fromtimestamp(at).astimezone()
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.month - 1]
    return f"{weekday} {moment.day:2d} {month}"


def moment(at: float | None, now: float) -> str:
    """``21:46`` today, ``18 Nov`` on another day."""
    if at is None:
        return "--:--"
    same = datetime.fromtimestamp(at).astimezone().date() == datetime.fromtimestamp(now).astimezone().date()
    return clock(at) if same else day(at)[4:]
