"""The room of the mind: builds it from settings, offers its services and tools, starts and stops it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.assistant.answers.answers import Answers
from jarvis_daemon.assistant.answers.asked import QUESTIONS
from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.assistant.conversation.chat import Chat
from jarvis_daemon.assistant.conversation.orders import Orders
from jarvis_daemon.assistant.conversation.thinking import Thinker
from jarvis_daemon.assistant.explain import Explainer
from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.cloud import CloudModel
from jarvis_daemon.assistant.llm.contract import LLMBackend
from jarvis_daemon.assistant.llm.embedded import EmbeddedModel
from jarvis_daemon.assistant.llm.ledger import Ledger
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.memory import tools as memory_tools
from jarvis_daemon.assistant.memory.memory import Memory
from jarvis_daemon.assistant.persona import Persona
from jarvis_daemon.assistant.prose import Prose
from jarvis_daemon.assistant.reasoning.loop import Loop
from jarvis_daemon.assistant.understanding import tools as alias_tools
from jarvis_daemon.assistant.understanding.understanding import Understanding
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.redact import redact
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Database, Store
from jarvis_daemon.supervisor import Supervisor
from jarvis_daemon.tools.room import ToolsRoom

IDLE_S: Final = 1800.0
"""A conversation in which nothing was said for so long is over, and is summed up."""
LOOK_S: Final = 60.0
READ_AFTER_S: Final = 3.0
SEE_S: Final = 5.0
"""How long the first question waits for the first picture of the cluster."""
SUMMED_KEY: Final = "chat:summed"


@dataclass(frozen=True)
class Names:
    """What the assistant cannot read from the bus: names that other rooms know."""

    containers: Callable[[], Iterable[tuple[str, str]]] = list
    """Host and name of Docker containers."""
    runbooks: Callable[[], Mapping[str, str]] = dict
    """Runbook -> its condition."""


class AssistantRoom:
    """Built when the other rooms have registered their tools and sentences."""

    def __init__(
        self, settings: Settings, places: Places, bus: Bus, store: Store, feed: Feed, clock: Clock,
        tools: ToolsRoom, names: Names,
    ) -> None:  # fmt: skip
        mine, simulated = settings.assistant, bool(settings.cluster and settings.cluster.simulated)
        self.store, self.bus, self._clock, self._settings = store, bus, clock, mine
        self.memory = Memory(store, bus, feed, clock, mine.memory, redact)
        self.ledger = Ledger(mine.cost, store, clock)
        self._workers: list[EmbeddedModel | CloudModel] = []
        self.backends = self._backends(settings, places, bus, simulated)
        self.brain = ModelBrain(mine, self.backends, clock, self.ledger)
        self.persona = Persona(mine)
        self.understanding = Understanding(
            tools.registry, bus, aliases=mine.aliases, services=settings.conditions.services,
            docker=names.containers, runbooks=names.runbooks, answers=QUESTIONS.keys(),
            now=clock.now,
        )  # fmt: skip
        tell = Prose(self.brain, self.persona.prompt).tell
        self.explainer = Explainer(bus, clock, tools.registry, tell=tell)
        self._register(tools)
        answers = Answers(
            bus, clock, registry=tools.registry, help=self.understanding.help, explainer=self.explainer,
            simulated=simulated,
        )  # fmt: skip
        self.loop = Loop(
            self.brain, tools.gate, tools.registry, bus, clock, mine, self.persona.prompt, self.memory.block,
            self.understanding.aliases.all,
        )  # fmt: skip
        orders = Orders(tools.gate, tools.registry, answers.tell)
        thinker = Thinker(
            store,
            clock,
            self.understanding,
            orders,
            self.persona,
            answers.answer,
            self.loop,
            lambda: [one.name for one in self.backends],
            self._understands,
        )
        self.chat = Chat(store, bus, clock, thinker)
        self.chat.on_forgotten.append(self.memory.session_forgotten)
        self._running: list[asyncio.Task[Any]] = []
        self._reading: asyncio.Task[None] | None = None
        self._offer(bus)

    def _backends(self, settings: Settings, places: Places, bus: Bus, simulated: bool) -> list[LLMBackend]:
        """Those that are turned on."""
        mine, found = settings.assistant, list[LLMBackend]()
        if mine.local.enabled:
            found.append(LocalModel(mine.local, places, self._clock, simulated=simulated))
        if mine.embedded.enabled:
            embedded = EmbeddedModel(mine.embedded, places, bus, self._clock)
            self._workers.append(embedded)
            found.append(embedded)
        if mine.cloud.enabled:
            cloud = CloudModel(mine.cloud, places, bus, self._clock, simulated=simulated)
            self._workers.append(cloud)
            found.append(cloud)
        return found

    def _register(self, tools: ToolsRoom) -> None:
        memory_tools.register(tools.registry, self.memory)
        alias_tools.register(tools.registry, self.understanding.aliases)
        self.ledger.register_tools(tools.registry)
        self.explainer.register(tools.registry)
        tools.registry.add_sentences("assistant", Path(__file__).parent / "intents")

    def _offer(self, bus: Bus) -> None:
        self.memory.offer(bus)
        bus.offer("cost.show", self._cost, roles={"operator"})
        bus.offer("models.show", self._models)
        self.explainer.offer()

    # --- from start to stop ----------------------------------------------------------------------------------

    async def start(self, supervisor: Supervisor) -> None:
        """Raises ``store_failed``. No model is asked and no process started before there is a question."""
        for worker in self._workers:
            worker.start(supervisor)
        await self.understanding.start(self.store)
        await self.ledger.start()
        await self.memory.start()
        await self.chat.start()
        self._running = [
            spawn(self._sum_up_for_ever(), name="assistant-sessions"),
            spawn(self._read_sentences(), name="assistant-sentences"),
        ]

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.chat.stop()
        self.loop.close()
        await self.memory.stop()
        self.understanding.stop()
        await self.brain.close()

    async def _read_sentences(self) -> None:
        """Half a second's work, on a thread: after the first picture of the cluster, or with the first sentence."""
        await self._clock.sleep(READ_AFTER_S)
        await self._understands()

    async def _understands(self) -> None:
        """Return once the sentence files are read and there is a first picture, waited for a few seconds."""
        if self._reading is None:
            self._reading = spawn(self._read_and_see(), name="assistant-read")
        await asyncio.shield(self._reading)

    async def _read_and_see(self) -> None:
        await asyncio.to_thread(self.understanding.reload)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEE_S):
                await self.bus.state("cluster").settled.wait()

    async def _sum_up_for_ever(self) -> None:
        while True:
            with contextlib.suppress(JarvisError):  # a full disk: in a minute again
                await self.sum_up()
            await self._clock.sleep(LOOK_S)

    async def sum_up(self) -> None:
        """Conversations that are over become a memory; those that are too old are forgotten."""
        now = self._clock.now()

        def read(db: Database) -> tuple[float, list[str]]:
            row = db.execute("select value from kv where key = ?", [SUMMED_KEY]).fetchone()
            since = float(row[0]) if row else 0.0
            return since, table.idle_sessions(db, since, now - IDLE_S)

        _, over = await self.store.read(read)
        for session in over:
            await self._remember(session)
        kept_until = now - self._settings.memory.conversation_days * 86400

        def write(db: Database) -> None:
            value = [SUMMED_KEY, str(now - IDLE_S)]
            db.execute("insert or replace into kv (key, value) values (?, ?)", value)
            table.sweep(db, kept_until)

        await self.store.write(write)

    async def _remember(self, session: str) -> None:
        summary, _ = await self.store.read(lambda db: table.summary(db, session))
        turns = await self.store.read(lambda db: table.past(db, session, 1 << 62, 0))
        await self.memory.session_ended(session, turns, summary)

    # --- services --------------------------------------------------------------------------------------------

    async def _cost(self, params: mind.CostShow, principal: Principal) -> mind.CostResult:
        return await self.ledger.cost(params)

    async def _models(self, params: mind.ModelsShow, principal: Principal) -> mind.ModelsResult:
        return mind.ModelsResult(models=await self.brain.states())
