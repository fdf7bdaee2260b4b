"""Spans of a sentence that are a value: a number, a duration, a size, a level, a stretch of the past."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jarvis_daemon.assistant.understanding.numbers import WORDS, amount, whole

MINUTE, HOUR, DAY, WEEK = 60.0, 3600.0, 86400.0, 7 * 86400.0
_UNITS: Final = {
    "second": 1.0, "seconds": 1.0, "sec": 1.0, "secs": 1.0, "s": 1.0,
    "minute": MINUTE, "minutes": MINUTE, "min": MINUTE, "mins": MINUTE, "m": MINUTE,
    "hour": HOUR, "hours": HOUR, "hr": HOUR, "hrs": HOUR, "h": HOUR,
    "day": DAY, "days": DAY, "d": DAY, "week": WEEK, "weeks": WEEK, "w": WEEK,
    "fortnight": 2 * WEEK, "month": 30 * DAY, "months": 30 * DAY,
}  # fmt: skip
_SHORT: Final = re.compile(r"(?:([0-9]{1,6}(?:[.][0-9]{1,3})?)(s|sec|secs|m|min|mins|h|hr|hrs|d|w))")
_SHORTS: Final = re.compile(rf"(?:{_SHORT.pattern}){{1,4}}")
_BYTES: Final = {
    "mb": 2**20, "mib": 2**20, "m": 2**20, "megabyte": 2**20, "megabytes": 2**20, "megs": 2**20,
    "gb": 2**30, "gib": 2**30, "g": 2**30, "gigabyte": 2**30, "gigabytes": 2**30, "gigs": 2**30, "gig": 2**30,
    "tb": 2**40, "tib": 2**40, "t": 2**40, "terabyte": 2**40, "terabytes": 2**40,
}  # fmt: skip
_SIZE: Final = re.compile(r"([0-9]{1,9}(?:[.][0-9]{1,3})?)(mb|mib|m|gb|gib|g|tb|tib|t)")
_LEVELS: Final = {
    "observe": 0, "observing": 0, "alert": 1, "alerting": 1, "recommend": 2, "recommending": 2,
    "act and report": 3, "acting and reporting": 3, "act silently": 4, "acting silently": 4,
}  # fmt: skip
_PERIODS: Final = {
    "now": "now", "today": "today", "yesterday": "yesterday", "last night": "last night", "tonight": "last night",
    "this night": "last night", "over night": "last night", "overnight": "last night", "the night": "last night",
    "this morning": "this morning", "this week": "this week", "last week": "last week",
    "this month": "this month", "last month": "last month", "recently": "recently", "lately": "recently",
}  # fmt: skip
"""Said -> what ``Slot.value`` is; of "the last two hours" and the like it is seconds."""
Span = tuple[int, int, str, Any]
"""First token, token behind the last, list, value."""


def spans(tokens: Sequence[str]) -> list[Span]:
    """All values of a sentence; ``tokens`` in lower case, without punctuation."""
    return [span for at in range(len(tokens)) for span in _at(tokens, at)]


def duration(tokens: Sequence[str], at: int) -> tuple[float, int] | None:
    """Seconds, and where it ends: "2h", "1h30m", "half an hour", "two days", "an hour and a half"."""
    if _SHORTS.fullmatch(tokens[at]):
        return sum(float(n) * _UNITS[unit] for n, unit in _SHORT.findall(tokens[at])), at + 1
    total, end = 0.0, at
    while end < len(tokens):
        begin = end + 1 if end > at and tokens[end] == "and" and end + 1 < len(tokens) else end
        found = amount(tokens, begin)
        if found is None or found[1] >= len(tokens) or tokens[found[1]] not in _UNITS:
            break
        total, end = total + found[0] * _UNITS[tokens[found[1]]], found[1] + 1
        if list(tokens[end : end + 3]) == ["and", "a", "half"]:
            return total + _UNITS[tokens[end - 1]] / 2, end + 3
    return (total, end) if end > at else None


def size(tokens: Sequence[str], at: int) -> tuple[int, int] | None:
    """Bytes (in powers of 1024, as PVE counts), and where it ends: "4GB", "two gigabytes"."""
    if (match := _SIZE.fullmatch(tokens[at])) is not None:
        return round(float(match[1]) * _BYTES[match[2]]), at + 1
    found = amount(tokens, at)
    if found is None or found[1] >= len(tokens) or tokens[found[1]] not in _BYTES:
        return None
    return round(found[0] * _BYTES[tokens[found[1]]]), found[1] + 1


def period(tokens: Sequence[str], at: int) -> tuple[str | float, int] | None:
    """A stretch that ends now: "last night", "today", "the last two hours", "the past week"."""
    begin = at + 1 if tokens[at] == "the" else at
    if tokens[begin : begin + 1] and tokens[begin] in {"last", "past"} and begin + 1 < len(tokens):
        if (found := duration(tokens, begin + 1)) is not None:
            return found
        if tokens[begin + 1] in _UNITS and (tokens[begin] == "past" or begin > at or tokens[begin + 1] == "hour"):
            return _UNITS[tokens[begin + 1]], begin + 2
    for words in (2, 1):
        if (name := _PERIODS.get(" ".join(tokens[at : at + words]))) is not None and at + words <= len(tokens):
            return name, at + words
    return None


def level(tokens: Sequence[str], at: int) -> tuple[int, int] | None:
    """An autonomy level, and where it ends: "l3", "level three", "3", "act and report"."""
    for words in (3, 2, 1):
        if (named := _LEVELS.get(" ".join(tokens[at : at + words]))) is not None:
            return named, min(at + words, len(tokens))
    word = tokens[at]
    if len(word) == 2 and word[0] == "l" and word[1] in "01234":
        return int(word[1]), at + 1
    begin = at + 1 if word == "level" and at + 1 < len(tokens) else at
    found = whole(tokens, begin)
    return found if found is not None and found[0] <= 4 else None


_BEGINS: Final = WORDS | frozenset({
    "a", "an", "half", "the", "last", "past", "level", *(name.split()[0] for name in (*_PERIODS, *_LEVELS)),
    *(f"l{number}" for number in range(5)),
})  # fmt: skip
"""With one of these, or with a digit, every value begins."""


def _at(tokens: Sequence[str], at: int) -> Iterator[Span]:
    word = tokens[at]
    if word.split("-", 1)[0] not in _BEGINS and not word[:1].isdigit() and word[:1] != "#":
        return
    if (number := whole(tokens, at)) is not None:
        yield at, number[1], "number", number[0]
    elif tokens[at].startswith("#") and tokens[at][1:].isascii() and tokens[at][1:].isdigit():
        yield at, at + 1, "number", int(tokens[at][1:16])
    for name, find in (("duration", duration), ("size", size), ("period", period), ("level", level)):
        found: tuple[Any, int] | None = find(tokens, at)
        if found is not None:
            yield at, found[1], name, found[0]
