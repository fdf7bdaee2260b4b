"""A turn under way: the task that runs it, its mouth, and what a confirmation would need."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, Literal

from jarvis_daemon.assistant.conversation.telling import Telling
from jarvis_daemon.assistant.conversation.turn import Trace
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol.mind import ChatBackend, ChatReply

ASKS_S: Final = 300.0
"""A plan that waits for a word is forgotten after so long, as an approval is."""


@dataclass
class Running:
    """From its first row to its last event; ``ended`` is set once the reply is kept."""

    number: int
    session: str
    asked: str
    who: Principal
    telling: Telling
    trace: Trace
    at: float
    queued_at: float
    """Monotonic."""
    backend: ChatBackend = "auto"
    brevity: Literal["screen", "voice"] = "screen"
    task: asyncio.Task[None] | None = None
    reply: ChatReply | None = None
    ending: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Asking:
    """A call that waits for the person who ordered it. The arguments are only here: what is kept is redacted."""

    understood: Understood
    running: Running
    call: str
    until: float
    """Monotonic, as ``since``."""
    since: float
    """What was said before is no answer to it."""


YES: Final = frozenset(
    {"y", "yes", "yes please", "do it", "go ahead", "ok", "okay", "sure", "please do", "confirm"}
)
NO: Final = frozenset(
    {"n", "no", "no thanks", "no thank you", "cancel", "never mind", "nevermind", "don't", "do not"}
)


def plain(text: str) -> str:
    """A short answer without its politeness and stops."""
    return text.strip().strip(".!").casefold().removesuffix(", jarvis").strip()
