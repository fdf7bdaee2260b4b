"""A room on a real store, with time that a test moves, and channels of its choice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.messages import NotifyLog, NotifyMessage
from jarvis_daemon.protocol.state import FeedEvent, Incident
from jarvis_daemon.settings import ClusterSettings, NotifySettings, Settings
from jarvis_daemon.store import Store
from tests.unit.notify.post import PostOffice, certificate

HEAD = "4f1c" * 16
MORNING = 1_800_000_000.0
"""Friday 15 January 2027, 08:00 UTC."""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def post(certificates: tuple[Path, Path]) -> Iterator[PostOffice]:
    """An open mail server with STARTTLS."""
    office = PostOffice(certificate=certificates).open()
    yield office
    office.close()


async def head() -> str:
    return HEAD


@dataclass
class Desk:
    """One life of the daemon, as far as telling needs it; nothing runs in the background, ``go`` moves it."""

    store: Store
    bus: Bus
    feed: Feed
    clock: ManualClock
    room: NotifyRoom

    async def tell(
        self, kind: str, text: str, severity: Any = "warning", target: str | None = None, **data: Any
    ) -> int:
        event = await self.feed.post(kind, text, severity=severity, target=target, data=data)
        assert event is not None
        return event.seq

    async def incident(
        self, title: str, severity: Any = "error", target: str = "guest:105", condition: str = "guest-crashed"
    ) -> str:
        """An incident that was opened and announced now."""
        now = self.clock.now()
        kept = incident_rows.Kept(incident=Incident(
            id="", cluster="homelab", condition=condition, target=target, severity=severity, title=title,
            observed_at=now, opened_at=now, updated_at=now, announced_at=now,
        ))  # fmt: skip
        await self.store.write(lambda db: incident_rows.insert_incident(db, kept))
        number = kept.incident.id
        await self.tell("incident.opened", f"{title}. It was up for 3 d.", severity, target,
                        incident=number, condition=condition)  # fmt: skip
        return number

    async def settle(self, number: str, text: str) -> None:
        """An incident ends now."""
        kept = await self.store.read(lambda db: incident_rows.read_incident(db, number))
        assert kept is not None
        incident = kept.incident
        incident.status, incident.closed_at = "closed", self.clock.now()
        await self.store.write(lambda db: incident_rows.update_incident(db, kept))
        data = {"incident": number, "condition": incident.condition}
        await self.tell("incident.closed", text, "ok", incident.target, **data)

    async def go(self, seconds: float = 0.0, *, step: float = 300.0) -> None:
        """Let that much time pass, as the tasks of the room would see it."""
        end = self.clock.monotonic() + seconds
        while True:
            await self.room.follow()
            await self.room.report_if_due()
            waits = [await sender.round() for sender in self.room.senders.values()]
            left = end - self.clock.monotonic()
            if left <= 1e-6:
                return
            await self.clock.advance(min([left, step, *(max(wait, 0.05) for wait in waits)]))

    async def log(self, status: Any = None) -> list[NotifyMessage]:
        """The newest last."""
        found = await self.room._log_of(NotifyLog(limit=5000, status=status), None)  # type: ignore[arg-type]
        return found.messages[::-1]

    async def told(self, kind: str) -> list[FeedEvent]:
        return [event for event in await self.feed.topic.history(limit=5000) if event.kind == kind]


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(tmp_path: Path, certificates: tuple[Path, Path]) -> AsyncIterator[OpenDesk]:
    """Open a desk on the same store, again and again: each one is a restart."""
    async with AsyncExitStack() as stack:

        async def open_(clock: ManualClock | None = None, *, simulated: bool = True, **notify: Any) -> Desk:
            await stack.aclose()
            settings = Settings(
                cluster=ClusterSettings(
                    name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", simulated=simulated
                ),
                notify=NotifySettings(**notify),
            )
            clock = clock or ManualClock(MORNING)
            store, bus = Store(tmp_path / "jarvis.db"), Bus()
            await store.open()
            stack.push_async_callback(store.close)
            feed = Feed(store, bus, clock, cluster="homelab")
            await feed.start()
            places = Places(tmp_path, tmp_path, tmp_path, tmp_path)
            room = NotifyRoom(settings, places, bus, store, feed, clock, audit_head=head, random=lambda: 0.0)
            await room.load()
            return Desk(store, bus, feed, clock, room)

        yield open_


def mail_to(office: PostOffice, **more: Any) -> dict[str, Any]:
    """Settings of ``[notify.email]`` for a mail server of a test; no report unless it is asked for."""
    given: dict[str, Any] = {
        "host": "127.0.0.1", "port": office.port, "from_address": "jarvis@home.lan", "to": ["me@home.lan"],
        "timeout_s": 5.0, "report": False,
    }  # fmt: skip
    if office.certificate is not None:
        given["ca_file"] = str(office.certificate[0])
    else:
        given["starttls"] = False
    return given | more
