"""News, failures, kills, leaps of the clock and waits in any order: everything arrives, nothing in two mails."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import ClusterSettings, NotifySettings, Settings
from jarvis_daemon.store import Store
from tests.unit.notify.conftest import MORNING, Desk, head

SETTINGS = Settings(
    cluster=ClusterSettings(endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", simulated=True),
    notify=NotifySettings.model_validate({"email": {
        "host": "127.0.0.1", "from_address": "jarvis@home.lan", "to": ["me@home.lan"], "quiet": "22:30-07:00",
        "report": False,
    }}),
)  # fmt: skip


class Died(BaseException):
    """``kill -9``: nothing after it runs."""


class Peer:
    """What receives; its mood says how it takes the next parcels. ``taken``: key to text, as a mailbox has it."""

    def __init__(self) -> None:
        self.mood = "well"
        self.taken: dict[str, str] = {}
        self.changed: list[str] = []

    async def send(self, parcel: Parcel) -> str:
        took = self.mood in {"well", "lost", "dies after"}
        if took and self.taken.setdefault(parcel.key, parcel.body) != parcel.body:
            self.changed.append(parcel.key)
        if self.mood in {"dies after", "dies before"}:
            raise Died
        if self.mood != "well":
            how: Any = {"lost": "unknown", "vanished": "unknown", "rejects": "rejected"}.get(self.mood, "down")
            raise NotTaken(how, JarvisError("unavailable", self.mood))
        return ""


async def life(folder: Path, clock: ManualClock, peer: Peer) -> Desk:
    store, bus = Store(folder / "jarvis.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock, cluster="homelab")
    await feed.start()
    places = Places(folder, folder, folder, folder)
    room = NotifyRoom(SETTINGS, places, bus, store, feed, clock, audit_head=head, random=lambda: 0.5)
    await room.load()
    room.senders["email"].channel.send = peer.send  # type: ignore[method-assign]
    return Desk(store, bus, feed, clock, room)


MOODS = ["well", "down", "lost", "vanished", "rejects", "dies before", "dies after"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("news"), st.integers(1, 8)),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 90, 700, 7200, 30000])),
        st.tuples(st.just("mood"), st.sampled_from(MOODS)),
        st.tuples(st.just("leap"), st.sampled_from([-90000, -600, 600, 90000])),
        st.tuples(st.just("restart"), st.none()),
    ),
    min_size=3, max_size=16,
)  # fmt: skip


async def walk(steps: list[tuple[str, Any]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    clock, peer = ManualClock(MORNING), Peer()
    desk, names = await life(folder, clock, peer), list[str]()
    try:
        for what, value in [*steps, ("mood", "well"), ("wait", 40000)]:
            if what == "news":
                for _ in range(value):
                    names.append(f"news-{len(names)};")
                    severity = "critical" if len(names) % 3 == 0 else "error"
                    await desk.tell("test.happened", names[-1], severity, f"guest:{len(names)}")
            elif what == "mood":
                peer.mood = value
            elif what == "leap":
                clock.jump(value)
            elif what == "restart":
                await desk.store.close()
                desk = await life(folder, clock, peer)
            else:
                try:
                    await desk.go(value, step=1800)
                except Died:
                    await desk.store.close()
                    peer.mood = "well"
                    desk = await life(folder, clock, peer)
        assert {message.status for message in await desk.log()} <= {"sent"}
    finally:
        await desk.store.close()
        shutil.rmtree(folder)
    assert peer.changed == [], "what may have arrived came again as another mail"
    text = "\n".join(peer.taken.values())
    assert [name for name in names if name not in text] == []
    assert [name for name in names if sum(name in body for body in peer.taken.values()) > 1] == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_everything_arrives_and_nothing_in_two_mails(steps: list[tuple[str, Any]]) -> None:
    with suppress(asyncio.CancelledError):
        asyncio.run(walk(steps))


@pytest.mark.parametrize("mood", MOODS[1:])
def test_each_mood_by_itself(mood: str) -> None:
    """The walk's own parts, so that a mood which never happens is seen."""
    asyncio.run(walk([("news", 3), ("wait", 1), ("mood", mood), ("wait", 90), ("news", 7), ("wait", 700)]))


def test_what_may_have_arrived_stays_one_parcel_through_an_outage() -> None:
    """Taken without a word, then the server is away, then more happens."""
    asyncio.run(walk([
        ("mood", "lost"), ("news", 2), ("wait", 5), ("mood", "down"), ("wait", 200), ("news", 7), ("wait", 200),
    ]))  # fmt: skip
