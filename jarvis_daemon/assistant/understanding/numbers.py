"""Numbers as people say them: digits, words, "one hundred and four", "a dozen", "half"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_SMALL: Final = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS: Final = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES: Final = {"thousand": 1000, "million": 1_000_000}
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}[.][0-9]{1,6}")
_AFTER_A: Final = {"hundred", "thousand", "million", "dozen"}
WORDS: Final = frozenset({*_SMALL, *_TENS, *_SCALES, "hundred", "dozen"})


def whole(tokens: Sequence[str], at: int) -> tuple[int, int] | None:
    """The whole number that begins at ``at``: its value and where it ends, the longest one; None without one.

    "nine thousand", "one hundred and four", "twenty-two", "a hundred", "a dozen", "104".
    """
    if _DIGITS.fullmatch(tokens[at]) and tokens[at].isascii():
        return int(tokens[at]), at + 1
    total = current = 0
    end = last = at  # ``last``: behind the last word that completes a number
    state = "start"
    while end < len(tokens):
        word = tokens[end]
        pair = word.split("-")
        if len(pair) == 2 and pair[0] in _TENS and 0 < _SMALL.get(pair[1], 0) < 10 and state in _OPEN_TENS:
            current, state = current + _TENS[pair[0]] + _SMALL[pair[1]], "unit"
        elif word in _TENS and state in _OPEN_TENS:
            current, state = current + _TENS[word], "tens"
        elif word in _SMALL and (state in _OPEN_TENS or (state == "tens" and 0 < _SMALL[word] < 10)):
            current, state = current + _SMALL[word], "unit"
        elif word == "a" and state == "start" and _next_is(tokens, end, _AFTER_A):
            current, state = 1, "unit"
            end += 1
            continue
        elif word == "hundred" and state == "unit" and 0 < current < 100:
            current, state = current * 100, "hundred"
        elif word == "dozen" and state == "unit" and current < 100:
            return total + current * 12, end + 1
        elif word in _SCALES and state in {"unit", "tens", "hundred"} and current:
            total, current, state = total + current * _SCALES[word], 0, "scale"
        elif word == "and" and state in {"hundred", "scale"} and _next_is(tokens, end, _AFTER_AND, part=True):
            state = "and"
            end += 1
            continue
        else:
            break
        end += 1
        last = end
    return (total + current, last) if last > at else None


_AFTER_AND: Final = {*_SMALL, *_TENS}
_OPEN_TENS: Final = frozenset({"start", "hundred", "scale", "and"})


def amount(tokens: Sequence[str], at: int) -> tuple[float, int] | None:
    """As ``whole``, and decimals, "half", "a", "one and a half"."""
    word = tokens[at]
    if _DECIMAL.fullmatch(word) and word.isascii():
        return float(word), at + 1
    if word == "half" and _next_is(tokens, at, {"a", "an"}):
        return 0.5, at + 2
    if word == "half":
        return 0.5, at + 1
    found = whole(tokens, at)
    if found is None:
        if word == "a" and _next_is(tokens, at, {"couple"}):
            return 2.0, at + 3 if tokens[at + 2 : at + 3] == ["of"] else at + 2
        return (1.0, at + 1) if word in {"a", "an"} else None
    value, end = found
    if list(tokens[end : end + 3]) == ["and", "a", "half"]:
        return value + 0.5, end + 3
    return float(value), end


def spoken(value: int) -> str:
    """A whole number in words, below one thousand; for names like ``agent1``."""
    if value < 20:
        return next(word for word, small in _SMALL.items() if small == value)
    if value < 100:
        tens = next(word for word, ten in _TENS.items() if ten == value // 10 * 10)
        return tens if value % 10 == 0 else f"{tens} {spoken(value % 10)}"
    hundreds = f"{spoken(value // 100)} hundred"
    return hundreds if value % 100 == 0 else f"{hundreds} {spoken(value % 100)}"


def _next_is(tokens: Sequence[str], at: int, words: set[str], *, part: bool = False) -> bool:
    if at + 1 >= len(tokens):
        return False
    following = tokens[at + 1]
    return following in words or (part and following.split("-")[0] in words)
