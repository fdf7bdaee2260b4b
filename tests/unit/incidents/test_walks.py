"""Any walk of rounds ends where a plain model of the rules ends: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Incidents, Observation
from jarvis_daemon.protocol.state import Incident
from jarvis_daemon.store import Store

from .conftest import SETTINGS

Step = Literal["seen", "quiet", "unjudged", "uncovered", "restart"]
GRACE_S = 25.0


class Model:
    """The rules, without store, feed or concurrency."""

    def __init__(self) -> None:
        self.held = self.open = self.announced = False
        self.age_s = 0.0
        self.opened = self.told = 0

    def step(self, step: Step) -> None:
        if step == "restart":
            self.held = False
        elif step == "seen" and not self.open:
            if self.held:
                self.open, self.announced, self.held, self.age_s = True, False, False, 0.0
                self.opened += 1
            else:
                self.held = True
        elif step == "quiet":
            if self.open and self.announced:
                self.told += 1
            self.open = self.held = False
        if self.open and not self.announced and self.age_s >= GRACE_S:
            self.announced = True
            self.told += 1

    def pass_time(self, seconds: float) -> None:
        self.age_s += seconds


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["seen", "seen", "seen", "quiet", "unjudged", "uncovered", "restart"]), max_size=14)
)
def test_every_walk_ends_where_the_rules_say(steps: list[Step]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock, model = ManualClock(), Model()
        store = Store(Path(folder) / "jarvis.db")
        await store.open()
        try:
            incidents, bus, feed = await _begin(store, clock)
            for step in steps:
                if step == "restart":
                    await incidents.stop()  # the store is all that goes over
                    incidents, bus, feed = await _begin(store, clock)
                    await incidents.tick()
                else:
                    await _round(incidents, step)
                model.step(step)
                shown = bus.state("incidents").all("incidents", Incident).values()
                assert [i.status for i in shown].count("open") == int(model.open)
                clock._step_to(clock.monotonic() + 10)
                model.pass_time(10)
            told = await feed.topic.history(limit=1000)
            assert len(told) == model.told
            assert [e.seq for e in told] == list(range(1, len(told) + 1))
            (count,) = await store.read(lambda db: db.execute("select count(*) from incidents").fetchone())
            assert count == model.opened
            await incidents.stop()
        finally:
            await store.close()


async def _begin(store: Store, clock: ManualClock) -> tuple[Incidents, Bus, Feed]:
    bus = Bus()
    feed = Feed(store, bus, clock, cluster="homelab")
    await feed.start()
    incidents = Incidents(store, bus, feed, clock, SETTINGS)
    await incidents.start()
    return incidents, bus, feed


async def _round(incidents: Incidents, step: Step) -> None:
    fault = Observation("guest-crashed", "guest:1", "error", "plex has stopped", grace_s=GRACE_S)
    key = ("guest-crashed", "guest:1")
    seen = [fault] if step == "seen" else []
    covered = set() if step == "uncovered" else {"guest-crashed"}
    await incidents.observe("cluster", seen, covered, {key} if step == "unjudged" else set())
