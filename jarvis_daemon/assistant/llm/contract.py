"""What a language model is to the rest: a request in, a stream of events out. Every backend speaks this.

A stream yields any number of ``Text`` and ``ToolUse``, ``Usage`` when it is known, and ends with exactly one
``Done`` or ``Failed``. It raises nothing but ``CancelledError``; closing it (``aclose``) reaches the server, which
stops.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Name = Literal["local", "embedded", "cloud"]
Place = Literal["here", "lan", "cloud"]
Role = Literal["system", "user", "assistant", "tool"]
Why = Literal[
    "unreachable", "timeout", "overflow", "rate_limit", "overloaded", "auth", "budget", "bad_reply", "cut",
    "refused", "missing",
]  # fmt: skip
"""unreachable: nothing was sent; cut: the stream ended before its end; overflow: the prompt is longer than the
context; budget: our own cap; bad_reply: not what the protocol or the schema says; missing: an extra, or weights"""


@dataclass(frozen=True)
class ToolUse:
    """A tool call that a model proposes; ``id`` is the provider's, or ours where it gives none."""

    id: str
    name: str
    args: Mapping[str, Any]
    broken: str = ""
    """What the model wrote instead of arguments, where they are no JSON object."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation. ``calls``: of the assistant; ``call_id``: of a tool's result."""

    role: Role
    text: str = ""
    calls: tuple[ToolUse, ...] = ()
    call_id: str = ""
    keep: bool = False
    """The prompt up to here does not change from turn to turn: providers may keep it (prompt caching)."""


@dataclass(frozen=True)
class ToolDef:
    """A tool as a model is told of it; ``schema`` is JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """``schema``: the reply has to be one JSON document of it (constrained where the server can)."""

    messages: Sequence[Message]
    tools: Sequence[ToolDef] = ()
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 800
    temperature: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. ``input`` counts all of the prompt, ``cached`` and ``written`` are parts of it."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)
    """What the server measured, in milliseconds: ``prompt_ms``, ``predicted_ms``."""


@dataclass(frozen=True)
class Done:
    reason: Literal["stop", "length", "tool_calls"] = "stop"


@dataclass(frozen=True)
class Failed:
    """``text``: one sentence for a person."""

    why: Why
    text: str
    retry_after_s: float | None = None
    prompt_tokens: int | None = None
    """Of an overflow, where the server tells; ``window`` too."""
    window: int | None = None


@dataclass(frozen=True)
class Began:
    """Of the brain: this backend answers from here on."""

    backend: Name
    model: str
    why: str = ""


@dataclass(frozen=True)
class Switched:
    """Of the brain: the one before failed, and what it said of this request is void; ``text`` tells a person."""

    text: str
    spoiled: bool = False
    """True: some of its text was passed on already."""


Event = Text | ToolUse | Usage | Done | Failed
BrainEvent = Event | Began | Switched


@dataclass(frozen=True)
class State:
    """How a backend is. ``why``: one sentence where it cannot be used."""

    ok: bool
    why: str = ""
    model: str = ""
    window: int | None = None


@dataclass(frozen=True)
class Wish:
    """What the router has to know of a question."""

    text: str
    turn: int = 0
    prefer: Literal["auto", "local", "cloud"] = "auto"
    """The person's own choice for this turn."""
    writes: bool = False
    """Tools above GREEN may be asked for."""
    private: bool = False
    """Never to the cloud."""
    steps: int = 0
    """Times tools were called in this turn so far."""


class LLMBackend(Protocol):
    """One way to a model."""

    name: Name
    model: str
    place: Place
    native_tools: bool

    def stream(self, request: Request) -> AsyncIterator[Event]: ...

    async def window(self) -> int:
        """The context in tokens; a cautious guess while the server is not known to answer."""
        ...

    async def count(self, text: str) -> int:
        """Tokens of ``text``: the model's own count where it has a tokenizer to ask, else a cautious guess."""
        ...

    async def state(self) -> State:
        """Asked now."""
        ...

    async def close(self) -> None: ...


class Brain(Protocol):
    """All backends behind one stream: the router's choice first, the next one when it fails (``llm/brain.py``)."""

    def stream(self, request: Request, wish: Wish) -> AsyncIterator[BrainEvent]: ...

    async def fit(self, wish: Wish) -> tuple[LLMBackend | None, str]:
        """The backend that would answer now, and why; None and one sentence where none can."""
        ...

    @property
    def any(self) -> bool:
        """Whether any backend is enabled."""
        ...


def guess_tokens(text: str) -> int:
    """Cautious count without a tokenizer: about 3 bytes a token, more than any common model needs for English."""
    return len(text.encode()) // 3 + 1
