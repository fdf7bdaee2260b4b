"""A conversation with a real store, bus and gate, a parser of a few sentences, and a model played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.conversation.chat import Chat
from jarvis_daemon.assistant.conversation.orders import Orders
from jarvis_daemon.assistant.conversation.thinking import Thinker
from jarvis_daemon.assistant.conversation.turn import Outcome, Turn
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.messages import ToolOutcome
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Tier
from jarvis_daemon.tools.room import ToolsRoom
from tests.unit.tools.conftest import OPERATOR, Lamps

Heard = tuple[list[dict[str, Any]], mind.ChatReply]
"""Events, and the reply."""


class Parser:
    """``light hall`` and the like are orders, ``how bright`` a question, ``maybe …`` a suggestion."""

    def parse(self, text: str) -> Understood:
        verb, _, lamp = text.partition(" ")
        if verb in {"look", "light", "flood", "smash"}:
            return Understood("order", verb, verb, {"lamp": lamp}, replies=("As you wish.",))
        if text == "how bright":
            return Understood("question", "brightness")
        if verb == "not":
            return Understood("blocked", text="I do nothing that is negated.")
        if verb == "maybe":
            return Understood("unknown", suggestion=f"light {lamp}")
        return Understood("unknown")


class Speaker:
    def say(
        self, answer: Answer, *, replies: Sequence[str] = (), seed: int, brevity: Literal["screen", "voice"]
    ) -> str:
        return " ".join([answer.text, *replies])


@dataclass
class Model:
    """Says what is put into ``script``; a None in it waits for ``go``."""

    script: list[str | None] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    turns: list[Turn] = field(default_factory=list)
    there: bool = False
    raises: Exception | None = None

    async def run(self, turn: Turn) -> Outcome:
        self.turns.append(turn)
        said = ""
        for piece in self.script:
            if piece is None:
                await self.go.wait()
                continue
            said += piece
            await turn.emit.text(piece)
        if self.raises is not None:
            raise self.raises
        return Outcome(text=said, backend="local test")


@dataclass
class Parlour:
    chat: Chat
    model: Model
    lamps: Lamps
    room: ToolsRoom
    store: Store
    bus: Bus
    clock: ManualClock

    async def send(
        self, text: str, who: Principal = OPERATOR, **given: Any
    ) -> tuple[list[dict[str, Any]], mind.ChatReply]:
        return await collected(self.chat.send(mind.ChatSend(text=text, **given), who))

    async def intents(self) -> int:
        return [row["kind"] for row in await self.room.audit.list_rows(limit=1000)].count("intent")


async def collected(items: AsyncIterator[Any]) -> Heard:
    events: list[dict[str, Any]] = []
    reply: mind.ChatReply | None = None
    async for item in items:
        if isinstance(item, mind.ChatReply):
            reply = item
        else:
            events.append(item)
    assert reply is not None
    return events, reply


def said(events: list[dict[str, Any]]) -> str:
    """What a client shows in the end."""
    text = ""
    for event in events:
        if event["kind"] == "chat.text":
            text += event["text"]
        elif event["kind"] == "chat.replaced":
            text = event["text"]
    return text


@asynccontextmanager
async def parlour(home: Path) -> AsyncIterator[Parlour]:
    """Opened anew in the same ``home`` it is the next life of the daemon."""
    clock, store, bus = ManualClock(), Store(home / "jarvis.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    places = base_places({"JARVIS_HOME": str(home)})
    places.data_dir.mkdir(exist_ok=True)
    room = ToolsRoom(Settings(), places, bus, store, feed, clock)
    lamps = Lamps()
    plain: dict[str, Any] = {"resolve": None, "risk": None, "verify": None, "undo": None}
    room.registry.add(
        lamps.spec("look", Tier.GREEN, **plain | {"run": lamps.peek}), lamps.spec("light", Tier.YELLOW),
        lamps.spec("flood", Tier.RED), lamps.spec("smash", Tier.BLACK),
    )  # fmt: skip
    await room.start()
    model = Model()

    async def answer(understood: Understood, who: Principal) -> Answer:
        return Answer(f"The hall is at {lamps.levels['hall']}.")

    def tell(understood: Understood, outcome: ToolOutcome) -> Answer:
        return Answer(f"{outcome.outcome}: {outcome.text}")

    orders = Orders(room.gate, room.registry, tell)
    thinker = Thinker(
        store, clock, Parser(), orders, Speaker(), answer, model, lambda: ["local"] if model.there else []
    )
    chat = Chat(store, bus, clock, thinker)
    await chat.start()
    try:
        yield Parlour(chat, model, lamps, room, store, bus, clock)
    finally:
        await chat.stop()
        await room.stop()
        await store.close()
