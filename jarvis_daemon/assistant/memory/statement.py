"""What a sentence says: whether it is worth keeping, what kind it is, and what of what it states.

Rules for plain English, no model: where none fits, the sentence is kept as it is and replaces nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from jarvis_daemon.redact import safe_line

TEXT_MAX: Final = 600
"""Characters of one memory."""
TEXT_MIN: Final = 10
SUBJECT_MAX: Final = 100
_READ_MAX: Final = 20_000
Redact = Callable[[str], str]

_ASKS: Final = re.compile(r"(?:who|whom|whose|what|when|where|why|which|how)\b", re.IGNORECASE)
_PREFERS: Final = re.compile(
    r"(?:please\s+)?(?:always|never)\b|i\s+(?:really\s+|much\s+)?(?:prefer|like|love|hate|dislike|don't\s+like|want)\b"
    r"|(?:(?:the\s+operator|he|she)\s+)?prefers\b",
    re.IGNORECASE,
)
_THE: Final = r"(?:(?:the|my|our|this|that|a|an)\s+)?"
_NAME: Final = r"(?P<s>[\w][\w .&+-]{0,48}?)"
_WHAT: Final = r"(?P<a>[\w][\w .&+-]{0,48}?)"
_COUNT: Final = (
    r"(?:\d[\d.,]*|no|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|sixteen|twenty|thirty)"
)
_VALUE: Final = r"(?:now\s+)?(?-i:[A-Z]|\S*\d)"
"""A name or a number: of ``is loud`` and ``is new`` neither replaces the other."""
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), attribute)
    for pattern, attribute in (
        (rf"{_THE}{_NAME}['’]s\s+{_WHAT}\s+(?:is|are)\s+{_VALUE}", "{a}"),
        (rf"{_THE}{_WHAT}\s+of\s+{_THE}{_NAME}\s+(?:is|are)\s+{_VALUE}", "{a}"),
        (rf"{_THE}{_NAME}\s+(?:has|have)\s+(?:got\s+)?{_COUNT}\s*(?P<a>[^\W\d]+(?:\s+[^\W\d]+)?)", "has {a}"),
        (rf"{_THE}{_NAME}\s+(?:is|are)\s+(?:called|named)\s+\S", "is called"),
        (rf"{_THE}{_NAME}\s+(?:runs?|boots?)\s+(?:on|from|off)\s+\S", "runs on"),
        (
            rf"{_THE}{_NAME}\s+(?:lives?|sits?|stands?|hangs?|is|are)\s+(?:now\s+)?"
            r"(?:in|on|at|under|behind|beside|above)\s+\S", "is where",
        ),
        (rf"{_THE}{_NAME}\s+(?:is|are)\s+{_COUNT}\b", "is so many"),
        (rf"(?:my|our)\s+{_WHAT}\s+(?:is|are)\s+{_VALUE}", "{a}"),
    )
)  # fmt: skip


def tidy(text: str, redact: Redact, *, limit: int = TEXT_MAX) -> str:
    """One line without controls, without secrets, at most ``limit`` characters."""
    whole = " ".join(safe_line(text, limit=_READ_MAX).split())
    return whole if len(whole) <= limit else whole[: limit - 1].rstrip() + "…"


def subject_of(text: str, redact: Redact) -> str:
    """As ``tidy``, for a subject: shorter, and without the sign that encloses it on the page."""
    return tidy(text.replace("`", "'"), redact, limit=SUBJECT_MAX)


def why_not(text: str) -> str:
    """Why a sentence is not kept; empty where it is."""
    if len(text) < TEXT_MIN:
        return f"it has fewer than {TEXT_MIN} characters"
    if text.rstrip(" .!\"'”").endswith("?") or _ASKS.match(text):
        return "it is a question"
    return ""


def kind_of(text: str) -> Literal["fact", "preference"]:
    """``I prefer …`` and ``always …`` are preferences."""
    return "preference" if _PREFERS.match(text) else "fact"


def topic(text: str) -> tuple[str, str] | None:
    """What it is about and what of it is stated: ``the NAS has 4 disks`` → ``("nas", "has disks")``.

    Two statements of the same are one after the other: the newer holds. None where no rule knows.
    """
    for pattern, attribute in _PATTERNS:
        if found := pattern.match(text):
            groups = {name: _plain(value) for name, value in found.groupdict().items()}
            return groups.get("s", "operator"), attribute.format_map(groups)
    return None


def _plain(words: str) -> str:
    return " ".join(words.casefold().split())
