"""How facts are written: durations, moments, sizes, shares, lists of names. Canonical forms, which ``spoken`` turns
into what a voice says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.spoken import ONES
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.redact import safe_line

LISTED_MAX: Final = 8
DAY_S: Final = 86400.0
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SMALL: Final = ("no", *ONES[1:13])


def safe(text: object, limit: int = 400) -> str:
    """Text from outside, on one line, without escapes and secrets."""
    return safe_line(str(text), limit=limit)


def size(amount: float | None) -> str:
    """Bytes: ``19.2 GiB``; ``an unknown amount`` where it is not known."""
    if amount is None:
        return "an unknown amount"
    value, unit = float(amount), 0
    while abs(value) >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if unit == 0 or value >= 100 else 1
    return f"{value:.{digits}f} {_UNITS[unit]}"


def percent(share: float) -> str:
    """A share 0..1: ``67 %``; what is not nothing is not called so."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < abs(value) < 1 else f"{value:.0f} %"


def degrees(celsius: float) -> str:
    return f"{celsius:.0f} °C"


def ago(now: float, at: float) -> str:
    """``4 s ago``; a moment to come is ``just now``: clocks differ."""
    return "just now" if now - at < 1 else f"{span(now - at)} ago"


def moment(now: float, at: float) -> str:
    """Local time as a person names it: ``at 03:12``, ``yesterday at 03:12``, ``on Tue at 03:12``, ``on 3 May``."""
    here, then = time.localtime(now), time.localtime(at)
    clock = time.strftime("%H:%M", then)
    if here[:3] == then[:3]:
        return f"at {clock}"
    if time.localtime(now - DAY_S)[:3] == then[:3]:
        return f"yesterday at {clock}"
    if 0 <= now - at < 6 * DAY_S:
        return f"on {time.strftime('%a', then)} at {clock}"
    return f"on {then.tm_mday} {time.strftime('%b' if here.tm_year == then.tm_year else '%b %Y', then)}"


def listing(names: Iterable[str], most: int = LISTED_MAX) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b and 5 more``; empty for none."""
    found = [str(name) for name in names]
    if len(found) > most:
        return f"{', '.join(found[: most - 1])} and {len(found) - most + 1} more"
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 guest``, ``3 guests``."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """As ``count``, small numbers as words, for the head of a sentence: ``Three guests``, ``No guest``."""
    if number >= len(_SMALL):
        return count(number, noun, plural)
    word = _SMALL[number].capitalize()
    return f"{word} {noun}" if number in {0, 1} else f"{word} {plural or noun + 's'}"


def turned(answer: Answer) -> Answer:
    """The answer to the opposite question: what begins with yes begins with no, and the other way round."""
    for word, other in (("Yes, ", "No, "), ("No, ", "Yes, ")):
        if answer.text.startswith(word):
            rest = answer.text.removeprefix(word)
            return replace(answer, text=other + rest, ways=(rest, f"{other.rstrip(', ')}: {rest}"))
    return answer


def is_are(number: int) -> str:
    return "is" if number == 1 else "are"


def sentence(text: str) -> str:
    """With a full stop, and only one; empty stays empty."""
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def capital(text: str) -> str:
    """The first letter of a sentence of ours; names are never at its head in another form."""
    return text[:1].upper() + text[1:]


def sentences(parts: Sequence[str]) -> str:
    return " ".join(sentence(part) for part in parts if part.strip())
