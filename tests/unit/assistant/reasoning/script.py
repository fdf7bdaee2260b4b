"""A model that plays a script, and keeps every request it was sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jarvis_daemon.assistant.llm.contract import (
    Began,
    BrainEvent,
    Done,
    Event,
    Failed,
    LLMBackend,
    Message,
    Name,
    Place,
    Request,
    State,
    Switched,
    Text,
    ToolUse,
    Wish,
    guess_tokens,
)

Step = Sequence[BrainEvent] | Callable[[Request], Sequence[BrainEvent]]


def says(text: str, pieces: int = 4) -> list[Event]:
    """One answer in pieces of so many characters."""
    return [*(Text(text[at : at + pieces]) for at in range(0, len(text), pieces)), Done()]


def calls(*uses: tuple[str, dict[str, Any]], text: str = "") -> list[Event]:
    """Tool calls in one answer."""
    made = [ToolUse(f"u{at}", name, args) for at, (name, args) in enumerate(uses)]
    return [*([Text(text)] if text else []), *made, Done("tool_calls")]


@dataclass
class ScriptedBackend:
    """A backend of the contract. The script's last step repeats. ``tokens`` counts as it is told to."""

    script: list[Step]
    requests: list[Request] = field(default_factory=list)
    name: Name = "local"
    model: str = "scripted"
    place: Place = "here"
    native_tools: bool = True
    window_tokens: int = 16_000
    counted: int = 0
    closed: int = 0

    async def stream(self, request: Request) -> AsyncIterator[Any]:
        step = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        try:
            for event in step(request) if callable(step) else step:
                yield event
        finally:
            self.closed += 1

    async def window(self) -> int:
        return self.window_tokens

    async def count(self, text: str) -> int:
        self.counted += 1
        return guess_tokens(text)

    async def state(self) -> State:
        return State(True, model=self.model, window=self.window_tokens)

    async def close(self) -> None:
        return

    def bytes_sent(self) -> str:
        """Everything that was sent, as it would be written to a wire."""
        return "\n".join(
            json.dumps(
                {
                    "messages": [
                        [m.role, m.text, [[u.name, dict(u.args), u.broken] for u in m.calls]]
                        for m in request.messages
                    ],
                    "tools": [[t.name, t.description, t.schema] for t in request.tools],
                },
                ensure_ascii=False,
                default=str,
            )
            for request in self.requests
        )


@dataclass
class ScriptedBrain:
    """A brain of one scripted backend; a script may hold ``Switched`` itself."""

    backend: ScriptedBackend
    wishes: list[Wish] = field(default_factory=list)
    none: str = ""

    async def stream(self, request: Request, wish: Wish) -> AsyncIterator[Any]:
        self.wishes.append(wish)
        yield Began(self.backend.name, self.backend.model)
        stream = self.backend.stream(request)
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def fit(self, wish: Wish) -> tuple[LLMBackend | None, str]:
        if self.none:
            return None, self.none
        return self.backend, "scripted"

    @property
    def any(self) -> bool:
        return True


def brain(*script: Step, **changes: Any) -> ScriptedBrain:
    return ScriptedBrain(ScriptedBackend(list(script), **changes))


def last_user(request: Request) -> str:
    return next(m.text for m in reversed(request.messages) if m.role == "user")


def results(request: Request) -> list[Message]:
    return [m for m in request.messages if m.role == "tool"]


__all__ = [
    "Failed",
    "ScriptedBackend",
    "ScriptedBrain",
    "Switched",
    "brain",
    "calls",
    "last_user",
    "results",
    "says",
]
