"""Times as people say them, as a span of Unix seconds. Local time; the moment of asking is given."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NUMBERS: Final = {
    word: number for number, word in enumerate((
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    ))
} | {"a": 1, "an": 1, "couple of": 2, "a couple of": 2, "few": 3, "a few": 3, "half an": 0.5}  # fmt: skip
_UNITS: Final = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 30 * 86400.0}
_PARTS: Final = {"morning": (5, 12), "afternoon": (12, 18), "evening": (18, 23), "night": (21, 31)}
"""Hours of a day's parts; a night ends on the next day."""

_DAY: Final = "|".join(_DAYS)
_MONTH: Final = "|".join(_MONTHS)
_NUMBER: Final = r"\d{1,4}|" + "|".join(sorted((re.escape(word) for word in _NUMBERS), key=len, reverse=True))
_UNIT: Final = "|".join(_UNITS)
_PART: Final = "|".join(_PARTS)


@dataclass(frozen=True)
class Span:
    """From ``since`` until before ``until``, Unix seconds; ``said`` is the phrase."""

    since: float
    until: float
    said: str = ""

    def holds(self, at: float) -> bool:
        return self.since <= at < self.until


def find(text: str, now: float) -> tuple[Span | None, str]:
    """The first phrase of time in ``text``, and the text without it; (None, text) where there is none.

    ``last week`` is the calendar's, from Monday; ``monday`` the last one that has begun; a date without a year the
    last one that is not in the future.
    """
    for pattern, make in _RULES:
        for found in pattern.finditer(text):
            span = make(found, now)
            if span is None:
                continue
            since = re.search(r"\b(?:since|ever since|from)\s+$", text[: found.start()], re.IGNORECASE)
            begin = since.start() if since else found.start()
            if since:
                span = Span(span.since, now + 1.0)
            rest = " ".join(f"{text[:begin]} {text[found.end() :]}".split())
            return Span(span.since, span.until, text[begin : found.end()].strip()), rest
    return None, text


def local_date(at: float) -> date:
    local = time.localtime(at)
    return date(local.tm_year, local.tm_mon, local.tm_mday)


def midnight(day: date, hour: int = 0) -> float:
    """Unix time of a full hour of a local day; hours beyond 24 lie on the next."""
    return time.mktime((day.year, day.month, day.day, hour, 0, 0, 0, 0, -1))


def moment(at: float) -> str:
    """``2027-01-15 08:00``, local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


# --- the phrases -------------------------------------------------------------------------------------------

Make = Callable[["re.Match[str]", float], Span | None]


def _whole(first: date, last: date) -> Span:
    return Span(midnight(first), midnight(last + timedelta(days=1)))


def _part(day: date, part: str | None) -> Span:
    if not part:
        return _whole(day, day)
    begin, end = _PARTS[part.lower()]
    return Span(midnight(day, begin), midnight(day, end))


def _iso(found: re.Match[str], now: float) -> Span | None:
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
    return _whole(day, day)


def _named_day(found: re.Match[str], now: float) -> Span | None:
    """``14 January``, ``January 14th``, with a year or without."""
    month = _MONTHS.index(found["month"].lower()) + 1
    today = local_date(now)
    year = int(found["year"]) if found["year"] else today.year
    try:
        day = date(year, month, int(found["day"]))
        if not found["year"] and day > today:
            day = date(year - 1, month, int(found["day"]))
    except ValueError:
        return None
    return _whole(day, day)


def _named_month(found: re.Match[str], now: float) -> Span | None:
    month, today = _MONTHS.index(found["month"].lower()) + 1, local_date(now)
    year = int(found["year"]) if found["year"] else today.year - (month > today.month)
    return _month(year, month)


def _month(year: int, month: int) -> Span:
    first = date(year, month, 1)
    after = date(year + month // 12, month % 12 + 1, 1)
    return _whole(first, after - timedelta(days=1))


def _last_long(found: re.Match[str], now: float) -> Span | None:
    """``the last three days``: up to now."""
    return Span(now - _number(found["number"]) * _UNITS[found["unit"].lower()], now + 1.0)


def _past_one(found: re.Match[str], now: float) -> Span | None:
    """``the last hour``, ``the past week``: up to now."""
    return Span(now - _UNITS[found[0].lower().split()[-1]], now + 1.0)


def _ago(found: re.Match[str], now: float) -> Span | None:
    """``two days ago``: that day; ``three hours ago``: that hour."""
    count, unit = _number(found["number"]), found["unit"].lower()
    at = now - count * _UNITS[unit]
    if unit in {"minute", "hour"}:
        half = _UNITS[unit] / 2 if unit == "hour" else 300.0
        return Span(at - half, min(at + half, now + 1.0))
    day = local_date(at)
    spread = {"day": 0, "week": 1, "month": 3}[unit]
    return _whole(day - timedelta(days=spread), day + timedelta(days=spread))


def _weekday(found: re.Match[str], now: float) -> Span | None:
    today = local_date(now)
    back = (today.weekday() - _DAYS.index(found["day"].lower())) % 7
    if back == 0 and found["last"]:
        back = 7
    return _part(today - timedelta(days=back), found["part"])


def _relative(found: re.Match[str], now: float) -> Span | None:
    today = local_date(now)
    word, part = found["word"].lower(), found["part"]
    return _part(today - timedelta(days=2 if "before" in word else 1), part)


def _of_today(found: re.Match[str], now: float) -> Span | None:
    return _part(local_date(now), found["part"])


def _last_night(found: re.Match[str], now: float) -> Span | None:
    today = local_date(now)
    return Span(midnight(today - timedelta(days=1), 21), min(midnight(today, 9), now + 1.0))


def _fixed(found: re.Match[str], now: float) -> Span | None:
    """``last week`` and its like."""
    today, words = local_date(now), " ".join(found[0].lower().split()).removeprefix("the ")
    monday = today - timedelta(days=today.weekday())
    year = (today.year, 1, 1)
    last_month = today.replace(day=1) - timedelta(days=1)
    return {
        "this week": Span(midnight(monday), now + 1.0),
        "last week": _whole(monday - timedelta(days=7), monday - timedelta(days=1)),
        "previous week": _whole(monday - timedelta(days=7), monday - timedelta(days=1)),
        "this month": Span(midnight(today.replace(day=1)), now + 1.0),
        "last month": _month(last_month.year, last_month.month),
        "previous month": _month(last_month.year, last_month.month),
        "this year": Span(midnight(date(*year)), now + 1.0),
        "last year": _whole(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)),
        "weekend": _whole(monday - timedelta(days=2), monday - timedelta(days=1)),
        "last weekend": _whole(monday - timedelta(days=2), monday - timedelta(days=1)),
        "recently": Span(now - 7 * 86400.0, now + 1.0),
        "lately": Span(now - 7 * 86400.0, now + 1.0),
    }[words]


def _number(word: str) -> float:
    return float(word) if word.isdigit() else float(_NUMBERS[" ".join(word.lower().split())])


def _rule(pattern: str, make: Make) -> tuple[re.Pattern[str], Make]:
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), make


_IN: Final = r"(?:(?:on|in|during|over|at|within)\s+)?(?:the\s+)?"
_YEAR: Final = r"(?:,?\s+(?P<year>(?:19|20)\d\d))?"
_TH: Final = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_RULES: Final = (
    _rule(rf"{_IN}((?:19|20)\d\d)-(\d\d)-(\d\d)", _iso),
    _rule(rf"{_IN}{_TH}\s+(?:of\s+)?(?P<month>{_MONTH}){_YEAR}", _named_day),
    _rule(rf"{_IN}(?P<month>{_MONTH})\s+(?:the\s+)?{_TH}{_YEAR}", _named_day),
    _rule(rf"(?P<number>{_NUMBER})\s+(?P<unit>{_UNIT})s?\s+ago", _ago),
    _rule(rf"{_IN}(?:last|past)\s+(?:(?P<number>{_NUMBER})\s+)(?P<unit>{_UNIT})s?", _last_long),
    _rule(rf"{_IN}(?:(?:last|past)\s+(?:minute|hour|day)|past\s+(?:week|month))", _past_one),
    _rule(rf"(?P<word>(?:the\s+)?day\s+before\s+yesterday|yesterday)(?:\s+(?P<part>{_PART}))?", _relative),
    _rule(r"(?:during\s+)?(?:last\s+night|the\s+night|overnight)", _last_night),
    _rule(rf"(?:today|tonight|this\s+(?P<part>{_PART}))", _of_today),
    _rule(rf"(?:on\s+)?(?P<last>last\s+)?(?P<day>{_DAY})(?:\s+(?P<part>{_PART}))?", _weekday),
    _rule(r"(?:this|last|previous)\s+(?:week|month)|(?:this|last)\s+year|last\s+weekend|(?:the\s+)?weekend"
          r"|recently|lately", _fixed),
    _rule(rf"in\s+(?P<month>{_MONTH}){_YEAR}", _named_month),
)  # fmt: skip
