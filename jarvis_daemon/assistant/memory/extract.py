"""A session in a few sentences, without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jarvis_daemon.assistant.memory.statement import Redact

if TYPE_CHECKING:
    from jarvis_daemon.assistant.conversation.turn import PastTurn

TURNS_MAX: Final = 8
ASKED_MIN: Final = 10
"""Characters; what is shorter is a greeting or a yes."""
LENGTH_MAX: Final = 560


def extract(turns: Sequence[PastTurn], redact: Redact) -> str:
    """A summary without a model: what was asked, and the first sentence of the answer where no text from outside
    was in it; the last turns first in line for the room there is. Empty where nothing was said.

    Secrets are taken out before anything is cut: half of one is not known for what it is.
    """
    parts: list[str] = []
    for turn in turns[-TURNS_MAX:]:
        asked = " ".join(redact(turn.asked).split())
        if len(asked) < ASKED_MIN:
            continue
        told = "" if turn.tainted else _first_sentence(redact(turn.reply), 90)
        parts.append(f"Asked: {_cut(asked, 80)}" + (f" Told: {told}" if told else ""))
    while sum(len(part) + 1 for part in parts) > LENGTH_MAX:
        del parts[0]
    return " ".join(parts)


def _first_sentence(text: str, limit: int) -> str:
    words = " ".join(text.split())
    end = re.search(r"[.!?](?= |$)", words)
    return _cut(words[: end.end()] if end else words, limit)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
