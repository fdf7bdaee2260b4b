"""One turn while it goes on: what was said, what came before, where pieces of the reply go, where its time goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from jarvis_daemon.assistant.llm.contract import Message
from jarvis_daemon.bus import Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.mind import ChatBackend, ChatCall, TraceSpan, TurnStatus


class Emit(Protocol):
    """Where a turn tells what happens. Each is kept before it is told; text is merged into pieces there."""

    async def text(self, piece: str) -> None:
        """A piece of the reply."""
        ...

    async def replace(self, text: str) -> None:
        """The whole reply so far, instead of what was told."""
        ...

    async def call(self, call: ChatCall) -> None:
        """A tool call, new or changed (by its id)."""
        ...

    async def note(self, text: str) -> None:
        """One honest sentence about how it goes."""
        ...


class Trace:
    """Spans of one turn, on the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self.spans: list[TraceSpan] = []

    @contextmanager
    def span(self, name: str, note: str = "") -> Iterator[None]:
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self.add(name, began, note)

    def add(self, name: str, began: float, note: str = "") -> None:
        """A span from ``began`` (monotonic seconds) until now."""
        now = self._clock.monotonic()
        self.spans.append(
            TraceSpan(name=name, began_ms=(began - self._began) * 1e3, lasted_ms=(now - began) * 1e3, note=note)
        )

    def add_until(self, name: str, began: float, ended: float, note: str = "") -> None:
        """A span between two moments (monotonic seconds)."""
        self.spans.append(
            TraceSpan(name=name, began_ms=(began - self._began) * 1e3, lasted_ms=(ended - began) * 1e3, note=note)
        )

    def total(self) -> None:
        self.add("total", self._began)


@dataclass(frozen=True)
class PastTurn:
    """A turn that has ended, as the next one needs it. ``messages`` is all that a model said and was told in it."""

    id: int
    asked: str
    reply: str
    messages: tuple[Message, ...] = ()
    tainted: bool = False
    role: str = "operator"
    """Of who asked: only an operator's words are the operator's."""
    ended_at: float = 0.0


@dataclass
class Turn:
    """``summary`` stands for the turns before ``past[0]``; ``ids`` are entity ids seen in this session."""

    id: int
    session: str
    asked: str
    principal: Principal
    emit: Emit
    trace: Trace
    now: float
    backend: ChatBackend = "auto"
    brevity: Literal["screen", "voice"] = "screen"
    past: Sequence[PastTurn] = ()
    summary: str = ""
    ids: set[str] = field(default_factory=set)

    def words(self) -> list[str]:
        """All that the operator said in this session, newest last: the only source of choices."""
        return [*(turn.asked for turn in self.past), self.asked]


@dataclass
class Outcome:
    """What the loop, or the templates, made of a turn."""

    text: str = ""
    status: TurnStatus = "done"
    calls: list[ChatCall] = field(default_factory=list)
    backend: str = "intents"
    meant: Literal["", "order", "question", "blocked", "unknown"] = ""
    """As in ``ChatReply``."""
    notes: list[str] = field(default_factory=list)
    suggestion: str | None = None
    messages: tuple[Message, ...] = ()
    tainted: bool = False
    summary: str | None = None
    """A new summary of the session's turns up to and with ``summary_upto``; None: as it was."""
    summary_upto: int = 0
