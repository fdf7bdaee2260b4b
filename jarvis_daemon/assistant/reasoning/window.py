"""How much of a conversation a model is shown: measured in its own tokens, the newest turns whole, older ones told.

A turn is kept or left out as one, so no call is ever parted from its result. When a conversation fills seven tenths
of its room, the older turns become a summary: of what was asked, answered and seen, never of what was allowed. What
holds text from outside says so, and goes on saying so.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jarvis_daemon.assistant.conversation.turn import PastTurn
from jarvis_daemon.assistant.llm.contract import LLMBackend, Message, guess_tokens
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import redact, safe_line

FULL: Final = 0.7
"""Share of the room at which older turns become a summary."""
AFTER: Final = 0.4
"""Share that the turns which stay may take then."""
OVERHEAD: Final = 6
"""Tokens around a message."""
SUMMARY_CHARS: Final = 2400
TAINT: Final = "(Holds text from outside.) "
"""How a summary of such turns begins."""
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_ALLOWED: Final = re.compile(
    r"approv|confirm|authori[sz]|permission|permit|allow|consent|agree|go ahead|from now on|always|trusted?\b",
    re.IGNORECASE,
)
"""A sentence with one of these is never part of a summary: what was allowed once is not allowed again."""
_CUT: Final = "[This result was cut; call again if it is needed.]"
Count = Callable[[str], Awaitable[int]]
Summarise = Callable[[str], Awaitable[str | None]]


async def cautious(text: str) -> int:
    """More than any model counts: for what is far from a limit, a tokenizer need not be asked."""
    return guess_tokens(text) + sum(map(text.count, "0123456789")) // 2


class Tokens:
    """Counts by a backend's own tokenizer, each text once; the newest ``most`` are kept."""

    def __init__(self, most: int = 2000) -> None:
        self._known: OrderedDict[tuple[str, str, int], int] = OrderedDict()
        self._most = most

    def by(self, backend: LLMBackend) -> Count:
        async def count(text: str) -> int:
            if not text:
                return 0
            key = (backend.name, backend.model, hash(text))
            if (found := self._known.get(key)) is None:
                found = self._known[key] = await backend.count(text)
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
            return found

        return count


async def size(messages: Sequence[Message], count: Count) -> int:
    """Tokens of messages, their calls included."""
    total = 0
    for message in messages:
        calls = "".join(f"{use.name}{json.dumps(dict(use.args), default=str)}" for use in message.calls)
        total += OVERHEAD + await count(message.text) + await count(calls)
    return total


def as_messages(turn: PastTurn) -> list[Message]:
    """A past turn as the model said and was told it."""
    rest = list(turn.messages) or [Message("assistant", turn.reply or "…")]
    return [Message("user", turn.asked), *rest]


@dataclass(frozen=True)
class Fitted:
    """The newest turns, oldest first, and those before them that found no room."""

    kept: tuple[PastTurn, ...]
    left: tuple[PastTurn, ...]
    tokens: int

    @property
    def messages(self) -> list[Message]:
        found = [message for turn in self.kept for message in as_messages(turn)]
        if found:
            found[-1] = replace(found[-1], keep=True)
        return found


async def fit(past: Sequence[PastTurn], budget: float, count: Count) -> Fitted:
    """As many of the newest turns as ``budget`` tokens hold."""
    kept: list[PastTurn] = []
    used = 0
    for turn in reversed(past):
        cost = await size(as_messages(turn), count)
        if used + cost > budget:
            break
        kept.insert(0, turn)
        used += cost
    return Fitted(tuple(kept), tuple(past[: len(past) - len(kept)]), used)


async def squeeze(messages: list[Message], budget: int, count: Count) -> list[Message]:
    """Messages of the turn under way within ``budget``: results lose their text, the oldest first."""
    found = list(messages)
    for at, message in enumerate(found):
        if await size(found, count) <= budget:
            return found
        if message.role == "tool" and len(message.text) > len(_CUT):
            found[at] = replace(message, text=_CUT)
    return found


def is_tainted(summary: str) -> bool:
    return summary.startswith(TAINT)


async def told(summary: str, turns: Sequence[PastTurn], by_model: Summarise | None = None) -> str:
    """A summary that stands for ``summary`` and these turns; by a model, else by first sentences."""
    tainted = is_tainted(summary) or any(turn.tainted for turn in turns)
    before = summary.removeprefix(TAINT)
    lines = [line for turn in turns if (line := _line(turn))]
    plain = "\n".join(part for part in (before, *lines) if part)
    text = await by_model(plain) if by_model is not None and plain else None
    text = _without_leave(text) if text else ""
    return (TAINT if tainted else "") + (text or plain)[-SUMMARY_CHARS:]


def _line(turn: PastTurn) -> str:
    """One turn: what was asked, the beginning of the answer, what has numbers, what became of calls."""
    asked = _without_leave(safe_line(turn.asked, limit=160))
    sentences = [clean(one, limit=200) for one in _SENTENCE.split(redact(turn.reply)) if one.strip()]
    said = sentences[:1] + [one for one in sentences[1:] if any(letter.isdigit() for letter in one)][:2]
    answer = _without_leave(" ".join(said))
    calls = [use.name for message in turn.messages for use in message.calls]
    parts = [f'asked "{asked}"' if asked else "", f"answered: {answer}" if answer else ""]
    parts.append(f"called {', '.join(dict.fromkeys(calls))}" if calls else "")
    body = "; ".join(part for part in parts if part)
    return f"Turn {turn.id}: {body}" if body else ""


def _without_leave(text: str) -> str:
    return " ".join(one for one in _SENTENCE.split(text) if one.strip() and not _ALLOWED.search(one))
