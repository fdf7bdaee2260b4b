"""What became of a sentence: an order, a question, or why neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["order", "question", "blocked", "unknown"]
"""order: one tool call, all of it from the person's words; question: answered from state; blocked: it would act,
but is negated, conditional, several orders, quoted, or names what is not there: never acted upon; unknown: no
sentence fits"""


@dataclass(frozen=True)
class Slot:
    """A word of the sentence that names something."""

    value: Any
    """Entity id, number, seconds, or the text itself; the bare name of a storage, service or Docker container that
    is on several nodes."""
    said: str
    """As the person said it."""


@dataclass(frozen=True)
class Understood:
    """``args`` of an order are ready for the gate."""

    kind: Kind
    intent: str = ""
    tool: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, Slot] = field(default_factory=dict)
    replies: tuple[str, ...] = ()
    """Phrasings of success, of which one is chosen."""
    text: str = ""
    """Of a blocked one: a sentence that says why, and what could be said instead. Of an unknown one it may be there
    too: a name that nobody knows, a question about an act."""
    suggestion: str | None = None
    """A sentence of ours that comes nearest; only ever asked, never done."""
