"""What is written, as it is said aloud: units as words, shares as people call them, no commands, no vmids.

Commands behind a colon and vmids in brackets are for the eye and are left out; figures are rounded to what an ear
keeps. Nothing that is not in the text is added.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

ONES: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SIZES: Final = {
    "B": "byte",
    "KiB": "kilobyte",
    "MiB": "megabyte",
    "GiB": "gigabyte",
    "TiB": "terabyte",
    "PiB": "petabyte",
}
SPANS: Final = {"s": "second", "min": "minute", "h": "hour", "d": "day"}
MONTHS: Final = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "May": "May", "Jun": "June",
    "Jul": "July", "Aug": "August", "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_ODD: Final = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}
_SHARES: Final = (
    (0.0, "nothing"),
    (0.1, "a tenth"),
    (0.2, "a fifth"),
    (0.25, "a quarter"),
    (1 / 3, "a third"),
    (0.5, "half"),
    (2 / 3, "two thirds"),
    (0.75, "three quarters"),
    (0.9, "nine tenths"),
    (1.0, "all"),
)
NEAR: Final = 0.021
"""A share this near to one that has a name is called by it."""
DAYS: Final = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}


def spoken(text: str) -> str:
    """One paragraph for the ear."""
    text = re.sub(r":\s*`[^`]*`", "", text)
    text = text.replace("`", "")
    text = re.sub(r"\s*\((?:\d{3,9}|UPID:[^)]*)\)", "", text)
    for pattern, make in _RULES:
        text = pattern.sub(make, text)
    text = re.sub(r"\s+([.,;:?!])", r"\1", re.sub(r"\s{2,}", " ", text))
    text = _HEAD.sub(lambda found: found[0][:-1] + found[0][-1].upper(), text)
    return re.sub(r"([.,;:])\1+", r"\1", text).strip()


_WORDS: Final = (*ONES, *TENS[2:], "less", "nothing", "level")
_HEAD: Final = re.compile(rf"(?:^|[.?!] )(?=(?:{'|'.join(_WORDS)})\b)[a-z]")
"""A number at the head of a sentence."""


def number(value: int) -> str:
    """A whole number in words up to 9999, beyond in digits."""
    if value < 0:
        return f"minus {number(-value)}"
    if value < 20:
        return ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return TENS[tens] + (f"-{ONES[ones]}" if ones else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{ONES[hundreds]} hundred" + (f" and {number(rest)}" if rest else "")
    if value < 10_000:
        thousands, rest = divmod(value, 1000)
        tail = "" if not rest else f" and {number(rest)}" if rest < 100 else f" {number(rest)}"
        return f"{ONES[thousands]} thousand{tail}"
    return str(value)


def _plural(value: int, noun: str) -> str:
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def _degrees(found: re.Match[str]) -> str:
    value = round(float(found[1]))
    return f"{number(value)} {'degree' if value == 1 else 'degrees'}"


def _share_full(found: re.Match[str]) -> str:
    """``67 % full``: about two thirds full."""
    value = float(found[1]) / 100
    if value >= 0.995:
        return "completely full"
    near = _named(value)
    if near is not None and value > 0:
        return f"about {near} full"
    return f"{_percent(found[1])} full"


def _named(value: float) -> str | None:
    return next((name for share, name in _SHARES[1:-1] if abs(share - value) <= NEAR), None)


def _percent(text: str) -> str:
    value = float(text)
    return "less than one percent" if 0 < value < 1 else f"{number(round(value))} percent"


def _size(found: re.Match[str]) -> str:
    value, noun = float(found[1]), SIZES[found[2]]
    if value < 10 and abs(value - round(value)) >= 0.25:
        whole, half = int(value), 0.25 <= value - int(value) < 0.75
        if half:
            return f"{number(whole)} and a half {noun}s" if whole else f"half a {noun}"
    return _plural(round(value), noun)


def _span(found: re.Match[str]) -> str:
    """``3 d 4 h``: three days; the smaller unit is dropped where the bigger one says enough."""
    first, unit = int(found[1]), SPANS[found[2]]
    if found[3] is not None and first < 3:
        return f"{_plural(first, unit)} and {_plural(int(found[3]), SPANS[found[4]])}"
    return _plural(first, unit)


def _date(found: re.Match[str]) -> str:
    """``5 Dec 2026``: the fifth of December; the year is for the eye."""
    return f"the {ordinal(int(found[1]))} of {MONTHS[found[2]]}"


def ordinal(value: int) -> str:
    """``first`` to ``thirty-first``."""
    if value in _ODD:
        return _ODD[value]
    if value % 10 and value > 20:
        return f"{TENS[value // 10]}-{ordinal(value % 10)}"
    word = number(value)
    return f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"


def _clock(found: re.Match[str]) -> str:
    """``03:12``: three twelve; ``08:00``: eight o'clock."""
    hour, minute = int(found[1]), int(found[2])
    if minute == 0:
        return "midnight" if hour == 0 else f"{number(hour)} o'clock"
    return f"{number(hour)} {'oh ' if minute < 10 else ''}{number(minute)}"


def _points(found: re.Match[str]) -> str:
    value = float(found[1])
    return f"{'up' if value > 0 else 'down'} {_percent(str(abs(value))).replace('percent', 'points')}"


_RULES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"(-?\d+(?:\.\d+)?) ?°C"), _degrees),
    (re.compile(r"([+-]\d+(?:\.\d+)?) points"), _points),
    (re.compile(r"(\d+(?:\.\d+)?) % full"), _share_full),
    (re.compile(r"(\d+(?:\.\d+)?) ?%"), lambda found: _percent(found[1])),
    (re.compile(r"(\d+(?:\.\d+)?) (PiB|TiB|GiB|MiB|KiB|B)\b"), _size),
    (re.compile(r"\b(\d+) (d|h|min|s)\b(?: (\d+) (h|min|s)\b)?"), _span),
    (re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b"), _clock),
    (re.compile(r"\$(\d+)\.(\d\d)\b"), lambda found: _dollars(int(found[1]), int(found[2]))),
    (
        re.compile(r"\b([12]?\d|3[01]) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b(?: 2\d\d\d)?"),
        lambda found: _date(found),
    ),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?= at\b)"), lambda found: DAYS[found[1]]),
    (re.compile(r"\bL([0-4])\b"), lambda found: f"level {number(int(found[1]))}"),
    (re.compile(r"(?<![\w.:/-])(\d{1,4})(?![\w.-]|:\d)"), lambda found: number(int(found[1]))),
    (re.compile(r"(?<![\w.:/-])(\d{1,4})(?=\.(?:\s|$))"), lambda found: number(int(found[1]))),
)


def _dollars(whole: int, cents: int) -> str:
    if not whole and not cents:
        return "nothing"
    parts = [_plural(whole, "dollar")] if whole else []
    parts += [_plural(cents, "cent")] if cents else []
    return " and ".join(parts)
