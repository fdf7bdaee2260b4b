"""What is answered to a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """``text`` states the fact first; ``lines`` follow it on a screen and are left out by a voice."""

    text: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    grave: bool = False
    """It is about an incident of high severity: no wit."""
    tainted: bool = False
    """Text from outside is in it."""
    ways: tuple[str, ...] = ()
    """Other phrasings that say all that ``text`` says."""
    asides: tuple[str, ...] = ()
    """Dry remarks of its own, put behind the fact where wit is allowed."""
    success: bool = False
    """It tells of an act that was read back: a phrasing of success may be used. Never set otherwise."""
    plain: bool = False
    """Nothing is to be put behind it: a greeting, thanks, a refusal."""
