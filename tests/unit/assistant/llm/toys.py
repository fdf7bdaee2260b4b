"""What the tests of models share: places, a backend that plays what it is given, how to listen to a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from jarvis_daemon.assistant.llm.contract import (
    Done,
    Failed,
    Message,
    Name,
    Place,
    Request,
    State,
    Text,
    ToolDef,
    Why,
    guess_tokens,
)
from jarvis_daemon.protocol.locate import Places

NODE = ToolDef(
    "get_node_status", "How a node is.",
    {"type": "object", "properties": {"node": {"type": "string", "enum": ["pve", "agent1"]}}, "required": ["node"]},
)  # fmt: skip
REBOOT = ToolDef(
    "reboot_guest", "Restart a guest.",
    {"type": "object", "properties": {"guest": {"type": "string"}, "wait_s": {"type": "integer"}},
     "required": ["guest"]},
)  # fmt: skip


def places(home: Path) -> Places:
    return Places(home, home / "data", home / "state", home)


def asks(text: str, **given: Any) -> Request:
    return Request([Message("user", text)], **({"max_tokens": 24} | given))


async def told(stream: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in stream]


def words(events: Sequence[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def failure(why: Why, **given: Any) -> Failed:
    return Failed(why, f"It has failed: {why}", **given)


class Toy:
    """A backend that plays ``plays``, one script a question, the last again and again."""

    native_tools = True

    def __init__(self, name: Name, *plays: Sequence[Any], place: Place | None = None) -> None:
        self.name: Name = name
        self.place: Place = place or ("cloud" if name == "cloud" else "here")
        self.model = f"toy-{name}"
        self.plays = list(plays) or [[Text(name), Done()]]
        self.asked: list[Request] = []
        self.closed = 0
        self.ok = State(True, "", self.model, 4096)
        self.states = 0

    async def stream(self, request: Request) -> AsyncGenerator[Any]:
        self.asked.append(request)
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        try:
            for event in play:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed += 1

    async def window(self) -> int:
        return 4096

    async def count(self, text: str) -> int:
        return guess_tokens(text)

    async def state(self) -> State:
        self.states += 1
        return self.ok

    async def close(self) -> None:
        return
