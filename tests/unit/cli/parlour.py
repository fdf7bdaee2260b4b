"""A conversation behind the front door: the real service, store, gate and orders; a parser of a few sentences, a
model that says what a test wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.conversation.chat import Chat
from jarvis_daemon.assistant.conversation.orders import Orders
from jarvis_daemon.assistant.conversation.thinking import Thinker
from jarvis_daemon.assistant.conversation.turn import Outcome, Turn
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.messages import ToolCall, ToolOutcome
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom
from tests.unit.cli.served import Served

Step = str | Callable[[Turn], Awaitable[None]]
ORDERS = {
    "start": "start_container",
    "reboot": "reboot_container",
    "stop": "stop_container",
    "delete": "delete_guest",
}


class Parser:
    """``start 103`` and the like are orders, ``how hot`` a question, ``restrt …`` a suggestion."""

    def parse(self, text: str) -> Understood:
        verb, _, guest = text.partition(" ")
        if verb in ORDERS and guest.isdigit():
            return Understood("order", verb, ORDERS[verb], {"guest": guest})
        if text == "how hot":
            return Understood("question", "hottest")
        if verb == "restrt":
            return Understood("unknown", suggestion=f"reboot {guest}")
        if verb == "not":
            return Understood("blocked", text="I do nothing that is negated.")
        return Understood("unknown")


class Speaker:
    def say(
        self, answer: Answer, *, replies: Sequence[str] = (), seed: int, brevity: Literal["screen", "voice"]
    ) -> str:
        return "\n".join([" ".join([answer.text, *replies]), *answer.lines])


class House(Protocol):
    """What is behind a front door: ``served.Served``, or the HUD's gatehouse."""

    store: Store
    bus: Bus
    clock: Any
    tools: ToolsRoom


@dataclass
class Parlour:
    """``script``: what the model does when it is asked that; ``hold`` in it waits for ``go``."""

    house: House
    script: dict[str, list[Step]] = field(default_factory=dict)
    asked: list[Turn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = asyncio.Event()
        self.go = asyncio.Event()

    async def start(self) -> None:
        house = self.house

        async def answer(understood: Understood, who: Principal) -> Answer:
            return Answer("agent is the hottest, at 79 °C.")

        def tell(understood: Understood, outcome: ToolOutcome) -> Answer:
            return Answer(outcome.text)

        gate, registry = house.tools.gate, house.tools.registry
        thinker = Thinker(
            house.store, house.clock, Parser(), Orders(gate, registry, tell), Speaker(), answer, self,
            lambda: ["local", "cloud"] if self.script else [],
        )  # fmt: skip
        self.chat = Chat(house.store, house.bus, house.clock, thinker)
        await self.chat.start()

    async def stop(self) -> None:
        await self.chat.stop()

    async def run(self, turn: Turn) -> Outcome:
        """The model's side of a turn."""
        self.asked.append(turn)
        said = ""
        calls: list[mind.ChatCall] = []
        for step in self.script.get(turn.asked, ["What was that?"]):
            if isinstance(step, str):
                said += step
                await turn.emit.text(step)
            else:
                await step(turn)
        telling: Any = turn.emit
        calls = list(telling.calls.values())
        return Outcome(text=telling.said, calls=calls, backend="local test")

    async def hold(self, turn: Turn) -> None:
        """Wait until the test lets go; what was said until now is told."""
        telling: Any = turn.emit
        await telling.drain()
        self.held.set()
        await self.go.wait()

    async def propose_as_asked(self, turn: Turn) -> None:
        """The same, asked for by the person's own session."""
        await self.propose(turn, session=turn.principal.session)

    async def propose(self, turn: Turn, *, session: str = "assistant") -> None:
        """A model's call: it waits for an approval that names where its argument came from."""
        call = mind.ChatCall(id="1", name="reboot_container", args={"guest": "103"}, by="model")
        call.origins = ["guest 103: from a line of a journal"]
        who = Principal(session=session, role="agent", client="assistant", origins=tuple(call.origins))
        params = ToolCall(name=call.name, args=call.args, wait_s=0.0)
        found = await self.house.tools.gate.call(params, who, lambda data: None)
        call.status, call.tier, call.text = found.outcome, found.tier, found.text  # type: ignore[assignment]
        call.target, call.target_name, call.approval_id = found.target, found.target_name, found.approval_id
        await turn.emit.call(call)


class ServedParlour(Parlour):
    """Behind a front door in a thread of its own."""

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        self.served = served

    def let_go(self) -> None:
        self.served.loop.call_soon_threadsafe(self.go.set)

    def wait_held(self) -> None:
        self.served.do(asyncio.wait_for(self.held.wait(), 15))
