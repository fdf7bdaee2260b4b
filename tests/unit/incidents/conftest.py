from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.state import FeedEvent, Incident
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store

SETTINGS = Settings(cluster=ClusterSettings(name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b"))


@dataclass
class Desk:
    """One life of a daemon, as far as incidents need it."""

    store: Store
    bus: Bus
    feed: Feed
    clock: ManualClock
    incidents: Incidents

    def shown(self) -> dict[str, Incident]:
        return self.bus.state("incidents").all("incidents", Incident)

    async def told(self) -> list[FeedEvent]:
        return await self.feed.topic.history(limit=1000)

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.told()]


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Open a desk on the same store, again and again: each one is a restart."""
    async with AsyncExitStack() as stack:

        async def open_(clock: ManualClock | None = None, settings: Settings = SETTINGS) -> Desk:
            await stack.aclose()
            clock = clock or ManualClock()
            store = Store(tmp_path / "jarvis.db")
            await store.open()
            stack.push_async_callback(store.close)
            bus = Bus()
            feed = Feed(store, bus, clock, cluster="homelab")
            await feed.start()
            incidents = Incidents(store, bus, feed, clock, settings)
            await incidents.start()
            stack.push_async_callback(incidents.stop)
            return Desk(store, bus, feed, clock, incidents)

        yield open_
