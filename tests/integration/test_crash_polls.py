"""How many polls it takes from a crash to its incident, and back: the real rhythm, in time moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pydantic
import pytest

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Incident
from jarvis_daemon.settings import ClusterSettings, Settings, SshSettings
from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays
from jarvis_daemon.store import Store

POLL_S = STAT_S = 10.0
NOW = 1_800_000_000.0
"""Of the world and of the daemon alike."""


class Ticking(ManualClock):
    """As with a real clock, no two looks at it are the same moment: a poll takes time."""

    ticks = 0

    def now(self) -> float:
        self.ticks += 1
        return super().now() + self.ticks / 1e6


class Slow:
    """A homelab that measures itself every 10 s, and a room that is polled by hand every 10 s."""

    def __init__(self, folder: Path) -> None:
        self.lab = Homelab(
            load(), folder / "sim", now=NOW, delays=Delays(0.05, 0.5), stat_interval_s=STAT_S, ssh=False
        )
        self.folder, self.clock = folder, Ticking(NOW)

    async def start(self) -> None:
        await self.lab.start()
        told = self.lab.sim_json()
        settings = Settings(cluster=ClusterSettings(
            name=told["cluster"], endpoints=told["endpoints"], token_id=told["token_id"],
            token_secret=pydantic.SecretStr(told["token_secret"]), tls="fingerprint",
            fingerprints=told["fingerprints"], runs_on=told["runs_on"], simulated=True, poll_interval_s=POLL_S,
            ssh=SshSettings(enabled=False),
        ))  # fmt: skip
        bus, self.store = Bus(), Store(self.folder / "jarvis.db")
        await self.store.open()
        feed = Feed(self.store, bus, self.clock, cluster="homelab")
        await feed.start()
        self.incidents = Incidents(self.store, bus, feed, self.clock, settings)
        places = Places(self.folder, self.folder, self.folder, self.folder)
        self.room = ClusterRoom(settings, places, bus, self.store, feed, self.incidents, self.clock)

    async def stop(self) -> None:
        await self.room.stop()
        await self.store.close()
        await self.lab.close()

    async def let_pass(self, seconds: float) -> None:
        await self.lab.advance(seconds)
        await self.clock.advance(seconds)

    async def poll(self) -> Incident | None:
        """One beat; answers the open incident of a crash."""
        await self.room.monitor.beat()
        found = [one for one in self.incidents.open_incidents() if one.condition == "guest-crashed"]
        return found[0] if found else None


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Slow]:
    made = Slow(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("beats_before", [3, 2], ids=["tasks are due", "tasks are not due"])
@pytest.mark.parametrize("into_s", [0.5, 5.0, 8.5])
async def test_a_crash_opens_with_the_second_poll_that_sees_it_and_closes_with_the_first_that_does_not(
    slow: Slow, beats_before: int, into_s: float
) -> None:
    """The nodes measure themselves a second before each poll."""
    await slow.let_pass(1.0)
    for _ in range(beats_before):
        assert await slow.poll() is None
        await slow.let_pass(POLL_S)
    assert await slow.poll() is None
    await slow.let_pass(into_s)
    await slow.lab.fault("guest-crash", "pihole")
    await slow.let_pass(POLL_S - into_s)
    assert await slow.poll() is None, "one observation is not enough"
    await slow.let_pass(POLL_S)
    incident = await slow.poll()
    assert incident is not None, "the second poll opens it"
    assert incident.target == "guest:105"
    assert incident.opened_at - incident.observed_at == pytest.approx(POLL_S, abs=0.5)

    actions.start(slow.lab.world, slow.lab.world.guests[105], "root@pam")
    await slow.let_pass(POLL_S)
    assert slow.lab.world.guests[105].running
    assert await slow.poll() is None, "the first poll that sees it running closes it"


async def test_a_crash_right_after_a_measurement_takes_one_poll_more(slow: Slow) -> None:
    """Nobody can see it before its node measures itself again; from then on it is two polls."""
    await slow.let_pass(9.5)
    for _ in range(3):
        assert await slow.poll() is None
        await slow.let_pass(POLL_S)
    await slow.let_pass(0.6)  # measured just now; the next time comes after the next poll
    await slow.lab.fault("guest-crash", "pihole")
    polls = 0
    while await slow.poll() is None:
        polls += 1
        await slow.let_pass(POLL_S)
    assert polls + 1 == 3


async def test_a_shutdown_that_a_task_explains_opens_nothing(slow: Slow) -> None:
    await slow.let_pass(1.0)
    for _ in range(3):
        assert await slow.poll() is None
        await slow.let_pass(POLL_S)
    actions.shutdown(slow.lab.world, slow.lab.world.guests[105], "root@pam")
    for _ in range(5):
        await slow.let_pass(POLL_S)
        assert await slow.poll() is None
    assert not slow.lab.world.guests[105].running
