"""What is told of turns: the topic ``chat``. An event is committed before anybody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.bus import Bus, EventTopic
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.spawn import finished, spawn
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store import Database, Store

T = TypeVar("T")
PAGE: Final = 1000


class ChatLog:
    """Writes events of turns and publishes them; ``read_turn`` gives those of one turn, past and to come."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.topic = EventTopic("chat", self._read)
        bus.add_events(self.topic)

    async def start(self) -> None:
        """Continue the numbering."""
        self.topic.last_seq = await self._store.read(table.last_seq)

    async def write(
        self, session: str, turn: int, told: list[tuple[str, str, dict[str, Any]]],
        also: Callable[[Database], None] | None = None,
    ) -> None:  # fmt: skip
        """Write events ``(kind, text, data)``, and what else belongs to them, in one transaction; then tell."""
        now = self._clock.now()

        def put(db: Database) -> tuple[None, list[FeedEvent]]:
            if also is not None:
                also(db)
            return None, [table.append(db, session, turn, *one, now) for one in told]

        await self.commit(put)

    async def commit(self, put: Callable[[Database], tuple[T, list[FeedEvent]]]) -> T:
        """Run ``put`` in one transaction, then tell of the events it wrote. Raises ``store_failed``."""
        return await finished(self._commit(put), name="chat-write")

    async def _commit(self, put: Callable[[Database], tuple[T, list[FeedEvent]]]) -> T:
        found, events = await self._store.write(put, durable=True)
        for event in events:
            self.topic.publish(event)
        return found

    async def read_turn(self, turn: int, after: int, ended: asyncio.Event) -> AsyncIterator[FeedEvent]:
        """A turn's events behind ``after``, and those to come until it ended. None is left out or told twice."""
        queue: asyncio.Queue[FeedEvent] = asyncio.Queue()

        def heard(event: FeedEvent) -> None:
            if event.data.get("turn") == turn:
                queue.put_nowait(event)

        unlisten = self.topic.listen(heard)
        try:
            while page := await self._page(turn, after):
                for event in page:
                    after = event.seq
                    yield event
            waits = spawn(ended.wait(), name="chat-ended")
            try:
                while not (ended.is_set() and queue.empty()):
                    if queue.empty():
                        getting = spawn(queue.get(), name="chat-next")
                        await asyncio.wait({getting, waits}, return_when=asyncio.FIRST_COMPLETED)
                        if not getting.done():
                            getting.cancel()
                            continue
                        event = getting.result()
                    else:
                        event = queue.get_nowait()
                    if event.seq > after:
                        after = event.seq
                        yield event
            finally:
                waits.cancel()
        finally:
            unlisten()

    async def _page(self, turn: int, after: int) -> list[FeedEvent]:
        return await self._store.read(lambda db: table.events(db, turn=turn, after=after, limit=PAGE))

    async def _read(
        self, after: int | None, before: int | None, since_at: float | None, limit: int
    ) -> list[FeedEvent]:
        return await self._store.read(
            lambda db: table.events(db, after=after, before=before, since_at=since_at, limit=limit)
        )
