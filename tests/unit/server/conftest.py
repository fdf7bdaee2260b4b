"""A real server on a real socket, with a feed in a real store; no cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.store import Store


@dataclass
class House:
    bus: Bus
    feed: Feed
    server: Server
    tickets: Tickets
    socket: Path
    store: Store

    @asynccontextmanager
    async def link(self, **kwargs: object) -> AsyncIterator[Link]:
        link = Link(self.socket, client="test", **({"role": "operator"} | kwargs))  # type: ignore[arg-type]
        task = spawn(link.run(), name="test-link")
        try:
            assert await link.wait_for(lambda it: it.status in {"up", "refused"}, 5), link.error
            yield link
        finally:
            task.cancel()

    async def restart(self) -> None:
        """What a client sees of a daemon that was killed and came back."""
        for session in list(self.server._sessions):
            session.connection.transport.abort()
        await self.server.stop()
        self.server = Server(self.bus, self.server.clock, self.socket, version="2", tickets=self.tickets)
        await self.server.start()


@pytest.fixture
async def house(home: Path) -> AsyncIterator[House]:
    clock = SystemClock()
    store = Store(home / "jarvis.db")
    await store.open()
    bus = Bus()
    feed = Feed(store, bus, clock)
    await feed.start()
    tickets = Tickets(clock)
    server = Server(bus, clock, home / "d.sock", version="1", tickets=tickets)
    await server.start()
    house = House(bus, feed, server, tickets, home / "d.sock", store)
    yield house
    await house.server.stop()
    await store.close()
