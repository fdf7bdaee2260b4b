"""A memory on a real store, with time that a test moves, in the zone of Greenwich."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jarvis_daemon.assistant.memory.memory import Memory
from jarvis_daemon.assistant.memory.tools import register
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.mind import MemoryItem
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.redact import redact
from jarvis_daemon.settings import MemorySettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom

MORNING = 1_800_000_000.0
"""Friday 15 January 2027, 08:00 UTC."""
DAY = 86400.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass
class Desk:
    """One life of the daemon, as far as memory needs it; nothing runs in the background."""

    store: Store
    bus: Bus
    feed: Feed
    clock: ManualClock
    memory: Memory
    tools: ToolsRoom

    async def incident(
        self, title: str, *, severity: Any = "error", target: str = "guest:105", detail: str = "",
        condition: str = "guest-crashed",
    ) -> str:  # fmt: skip
        """An incident that was opened and announced now."""
        now = self.clock.now()
        kept = incident_rows.Kept(incident=Incident(
            id="", cluster="homelab", condition=condition, target=target, severity=severity, title=title,
            detail=detail, observed_at=now, opened_at=now, updated_at=now, announced_at=now,
        ))  # fmt: skip
        await self.store.write(lambda db: incident_rows.insert_incident(db, kept))
        number = kept.incident.id
        await self.feed.post(
            "incident.opened", f"{title}. {detail}", severity=severity, target=target,
            data={"incident": number, "condition": condition},
        )  # fmt: skip
        return number

    async def settle(self, number: str) -> None:
        """An incident ends now."""
        kept = await self.store.read(lambda db: incident_rows.read_incident(db, number))
        assert kept is not None
        kept.incident.status, kept.incident.closed_at = "closed", self.clock.now()
        await self.store.write(lambda db: incident_rows.update_incident(db, kept))
        await self.feed.post("incident.closed", "It is over.", severity="ok", data={"incident": number})

    async def repair(self, number: str, text: str, status: Any = "repaired") -> None:
        """A story of this incident ends now."""
        now = self.clock.now()
        story = Repair(
            id="1", incident=number, runbook="restart", status=status, text=text, seen_at=now, decided_at=now
        )
        await self.store.write(lambda db: db.execute(
            "insert into repairs (cluster, incident, condition, target, runbook, status, began_at, acted_at, body, "
            "facts) values ('', ?, '', '', 'restart', ?, ?, ?, ?, '')",
            [number, status, now, now, msgspec.json.encode(story).decode()],
        ))  # fmt: skip
        await self.feed.post(f"repair.{status}", text, severity="ok", data={"incident": number, "repair": "1"})

    async def all(self) -> list[MemoryItem]:
        """The newest first."""
        return await self.memory.list_all(limit=1000)

    async def texts(self) -> list[str]:
        return [one.text for one in await self.all()]


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Open a desk on the same store, again and again: each one is a restart."""
    async with AsyncExitStack() as stack:

        async def open_(clock: ManualClock | None = None, **memory: Any) -> Desk:
            await stack.aclose()
            clock = clock or ManualClock(MORNING)
            store, bus = Store(tmp_path / "jarvis.db"), Bus()
            await store.open()
            stack.push_async_callback(store.close)
            feed = Feed(store, bus, clock, cluster="homelab")
            await feed.start()
            tools = ToolsRoom(Settings(), Places(*[tmp_path] * 4), bus, store, feed, clock)
            kept = Memory(store, bus, feed, clock, MemorySettings(**memory), redact)
            kept.offer(bus)
            register(tools.registry, kept)
            await kept.load()
            return Desk(store, bus, feed, clock, kept, tools)

        yield open_


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()
