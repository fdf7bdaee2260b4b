"""The question that memory answers: what happened to something, in whatever words, with dates."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.words import capital, count, moment, safe
from jarvis_daemon.assistant.memory import when
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryListResult, MemorySearch

MOST: Final = 20


@question
async def happened_of(asked: Asked) -> Answer:
    """``what happened to the NAS last week``: what no list of guests, nodes or storages has a name for."""
    words = asked.said("text")
    at, about = when.find(words, asked.now)
    span = f" {at.said}" if at is not None else " that I remember"
    about = safe(about, 80) or "anything"
    try:
        found = await asked.ask("memory.search", MemorySearch(query=words, limit=MOST, happened=True))
    except JarvisError as error:
        return Answer(f"What happened to {about} I cannot tell: {error.sentence()}", grave=True)
    told = found.memories if isinstance(found, MemoryListResult) else []
    if not told:
        why = f"I know nothing called “{about}”, and remember nothing about it{span}"
        return Answer(why, ways=(f"Of “{about}” I have noted nothing{span}, and nothing here is called so",))
    last = told[-1]
    head = f"{safe(last.text, 600).rstrip('.')}"
    if len(told) > 1:
        many = capital(count(len(told), "thing"))
        head = f"{many} happened to {about}{span}; the last, {moment(asked.now, last.happened_at)}: {head}"
    lines = [f"{capital(moment(asked.now, one.happened_at))}: {safe(one.text, 600)}" for one in told]
    return Answer(
        head, tuple(lines) if len(told) > 1 else (), {"memories": len(told)},
        grave=any(one.kind == "incident" for one in told), tainted=any(one.trust == "tainted" for one in told),
    )  # fmt: skip
