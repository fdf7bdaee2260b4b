"""The feed: what happened, in sentences, numbered and kept; committed before it is told."""

from __future__ import annotations

from typing import Any, Literal

from jarvis_daemon.bus.bus import Bus
from jarvis_daemon.bus.events import EventTopic
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.spawn import finished
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store import Database, Store
from jarvis_daemon.store.feed import append_event, last_seq, read_events, sweep_events

FeedSeverity = Literal["info", "ok", "warning", "error", "critical"]


class Feed:
    """Writes feed events and publishes them on the bus."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, *, cluster: str = "") -> None:
        self._store = store
        self._clock = clock
        self._cluster = cluster
        self.topic = EventTopic("feed", self._read)
        bus.add_events(self.topic)

    async def start(self) -> None:
        """Continue the numbering and refill the ring from the store."""
        for event in await self._store.read(lambda db: read_events(db, None, None, None, 1024)):
            self.topic.publish(event)
        self.topic.last_seq = max(self.topic.last_seq, await self._store.read(last_seq))

    def make(
        self, kind: str, text: str, *, severity: FeedSeverity = "info", target: str | None = None,
        data: dict[str, Any] | None = None, at: float | None = None,
    ) -> FeedEvent:  # fmt: skip
        """An event without a number yet."""
        return FeedEvent(
            at=self._clock.now() if at is None else at, cluster=self._cluster, kind=kind, severity=severity,
            text=text, target=target, data=data or {},
        )  # fmt: skip

    def append(self, db: Database, event: FeedEvent, *, key: str | None = None) -> FeedEvent | None:
        """Number and write ``event`` inside the caller's transaction; None when ``key`` is there already.

        After the commit the caller hands the result to ``publish``.
        """
        return append_event(db, event, key)

    def publish(self, *events: FeedEvent | None) -> None:
        """Tell of committed events."""
        for event in events:
            if event is not None:
                self.topic.publish(event)

    async def post(
        self, kind: str, text: str, *, severity: FeedSeverity = "info", target: str | None = None,
        data: dict[str, Any] | None = None, key: str | None = None,
    ) -> FeedEvent | None:  # fmt: skip
        """Write one event durably and tell of it; None when its ``key`` was there already."""
        event = self.make(kind, text, severity=severity, target=target, data=data)
        return await finished(self._post(event, key), name="feed-post")

    async def _post(self, event: FeedEvent, key: str | None) -> FeedEvent | None:
        written = await self._store.write(lambda db: append_event(db, event, key), durable=True)
        self.publish(written)
        return written

    async def sweep(self, retention_s: float) -> int:
        """Delete what is older; returns how many events went."""
        limit = self._clock.now() - retention_s
        return await self._store.write(lambda db: sweep_events(db, limit))

    async def _read(
        self, after: int | None, before: int | None, since_at: float | None, limit: int
    ) -> list[FeedEvent]:
        return await self._store.read(lambda db: read_events(db, after, before, since_at, limit))
