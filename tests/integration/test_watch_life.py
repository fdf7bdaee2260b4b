"""The watch over a day: restarts, absences, jumping clocks, people's tasks, hidden guests, reads on demand."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import GuestDescribe, GuestDescription, MetricsHistory, TaskLog, TaskLogResult

from .watch_house import BEAT_S, SimulatedHomelab, Watched, settings_for

Begin = Callable[..., Awaitable[Watched]]


@pytest.fixture(scope="module")
def lab() -> Iterator[SimulatedHomelab]:
    with tempfile.TemporaryDirectory(prefix="jw") as folder:
        lab = SimulatedHomelab(Path(folder))
        yield lab
        lab.stop()


@pytest.fixture
async def begin(lab: SimulatedHomelab, tmp_path: Path) -> AsyncIterator[Begin]:
    """Start a watch on one store, again and again: each one is a restart."""
    lab.heal()
    lives: list[Watched] = []

    async def begin_(clock: Any = None, between: Callable[[], None] = lambda: None) -> Watched:
        if lives:
            await lives.pop().stop()
        between()
        watched = await Watched(settings_for(lab), tmp_path, clock).start()
        lives.append(watched)
        await watched.first_picture()
        return watched

    yield begin_
    lab.heal()
    for watched in lives:
        await watched.stop()


async def test_an_incident_survives_restarts_and_is_told_once(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    lab.fault("node-down", "pve")
    opened = await watched.until(lambda: watched.open_on("node-unreachable", "node:pve"))
    await watched.until(lambda: any("pve does not answer" in text for text in watched.told))
    watched = await begin()
    again = watched.open_on("node-unreachable", "node:pve")
    assert again is not None
    assert again.id == opened.id
    assert watched.guests["guest:101"].status == "unknown"
    assert watched.guests["guest:101"].name == "nextcloud"
    assert watched.storages["storage:pve/tank"].status == "unknown"
    lab.heal()
    await watched.until(lambda: watched.open_on("node-unreachable") is None, 25)
    told = await watched.feed.topic.history(limit=1000)
    mine = [e.kind for e in told if e.data.get("incident") == opened.id]
    assert mine == ["incident.opened", "incident.closed"]


async def test_a_crash_while_nobody_watched_is_found(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    await watched.until(lambda: watched.guests["guest:106"].status == "running")
    await watched.next_beat()  # what was seen is remembered at the end of a beat
    watched = await begin(between=lambda: lab.fault("guest-crash", "homepage"))
    await watched.until(lambda: watched.open_on("guest-crashed", "guest:106"))
    assert watched.open_on("guest-crashed", "guest:104") is None  # jellyfin was stopped before


async def test_what_a_person_stops_is_no_crash_and_is_told(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    await watched.until(lambda: watched.guests["guest:103"].status == "running")
    lab.post("/nodes/agent1/lxc/103/status/stop")
    await watched.until(lambda: watched.guests["guest:103"].status == "stopped")
    await watched.until(lambda: any(t.startswith("plex was stopped by jarvis@pve") for t in watched.told))
    lab.post("/nodes/agent1/lxc/103/status/start")
    await watched.until(lambda: watched.guests["guest:103"].status == "running")
    await watched.until(lambda: any(t.startswith("plex was started by") for t in watched.told))
    assert "guest-crashed" not in {i.condition for i in watched.shown.values()}


async def test_hidden_guests_are_unknown_and_not_gone(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    lab.fault("api-403", "VM.Audit")
    await watched.until(lambda: watched.cluster.missing_privileges == ["VM.Audit on /vms"])
    await watched.until(lambda: all(g.status == "unknown" for g in watched.guests.values()))
    assert len(watched.guests) == 18
    assert watched.guests["guest:103"].name == "plex"
    lab.heal()
    await watched.until(lambda: watched.guests["guest:103"].status == "running")
    assert "guest-crashed" not in {i.condition for i in watched.shown.values()}


class JumpingClock(SystemClock):
    """A wall clock that somebody sets; the monotonic one goes on."""

    offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
async def test_a_jumping_wall_clock_ages_nothing_and_stops_nothing(begin: Begin, jump: float) -> None:
    clock = JumpingClock()
    watched = await begin(clock)
    clock.offset = jump
    before = watched.sources["source:homelab/resources"].polled_at
    await watched.until(lambda: abs((watched.sources["source:homelab/resources"].ok_at or 0) - clock.now()) < 5)
    assert watched.sources["source:homelab/resources"].polled_at != before
    assert watched.sources["source:homelab/resources"].freshness == "fresh"
    assert watched.cluster.problem is None
    wrong = await watched.until(lambda: watched.open_on("clock-skew"))
    assert wrong.target == "cluster:homelab"  # it is this machine's clock, not that of each node
    shown = {i.condition for i in watched.shown.values()}
    assert not shown & {"node-unreachable", "guest-crashed", "cluster-unwatchable", "task-stuck", "quorum-lost"}


async def test_the_budget_of_calls_is_kept(begin: Begin, lab: SimulatedHomelab) -> None:
    """20 a minute and 2 per node and minute, at ten seconds a beat: so many per beat here."""
    watched = await begin()
    assert watched.settings.cluster is not None
    watched.settings.cluster.node_interval_s = 6 * BEAT_S
    watched.settings.cluster.disks_interval_s = 360 * BEAT_S
    px = watched.room.scene.px
    await watched.until(lambda: getattr(watched.sources.get("source:homelab/backups"), "ok_at", None))
    await watched.clock.sleep(12 * BEAT_S)  # the start has its own, bounded number of calls
    before, beats = dict(px.calls), watched.room.monitor._beats
    await watched.until(lambda: watched.room.monitor._beats >= beats + 30, 30)
    spent = {name: count - before.get(name, 0) for name, count in px.calls.items()}
    node_calls = sum(n for name, n in spent.items() if name.startswith("node_"))
    minutes = (watched.room.monitor._beats - beats) / 6
    assert sum(spent.values()) - node_calls <= 20 * minutes
    assert node_calls <= 2 * 4 * minutes + 4


async def test_a_task_log_is_paged_and_followed(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    ask = watched.bus.ask
    done = await watched.until(lambda: next((t for t in watched.tasks.values() if t.type == "vzdump"), None))
    whole = await ask("task.log", TaskLog(upid=done.id), DAEMON)
    assert isinstance(whole, TaskLogResult)
    assert (whole.status, whole.exit_text, whole.next) == ("ok", "OK", len(whole.lines))
    page = await ask("task.log", TaskLog(upid=done.id, start=1, limit=2), DAEMON)
    assert page.lines == whole.lines[1:3]
    upid = lab.post("/nodes/agent1/vzdump", vmid="113", storage="externalhdd", mode="snapshot")
    parts = [part async for part in await ask("task.log", TaskLog(upid=upid, follow=True), DAEMON)]
    assert isinstance(parts[-1], TaskLogResult)
    assert parts[-1].status == "ok"
    assert sum(len(part["lines"]) for part in parts[:-1]) == parts[-1].next > 0


async def test_a_follower_is_told_when_nobody_can_say_how_it_ended(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    upid = lab.post("/nodes/agent1/vzdump", vmid="113", storage="externalhdd", mode="snapshot")
    stream = await watched.bus.ask("task.log", TaskLog(upid=upid, follow=True), DAEMON)
    lab.fault("node-down", "agent1")
    parts = [part async for part in stream]
    assert isinstance(parts[-1], TaskLogResult)
    assert parts[-1].status == "unknown"
    assert "nobody can say how it ended" in (parts[-1].exit_text or "")


@pytest.mark.parametrize("upid", ["", "UPID:x", "UPID:pve:00000001:00000001:00000001:x::root@pam:\x1b"])
async def test_what_is_no_upid_is_refused(begin: Begin, upid: str) -> None:
    watched = await begin()
    with pytest.raises(JarvisError) as caught:
        await watched.bus.ask("task.log", TaskLog(upid=upid), DAEMON)
    assert caught.value.code == "invalid_params"


async def test_a_guest_is_described_on_demand(begin: Begin, lab: SimulatedHomelab) -> None:
    watched = await begin()
    await watched.until(lambda: watched.guests["guest:103"].status == "running")

    async def describe(guest: str) -> GuestDescription:
        answer = await watched.bus.ask("guest.describe", GuestDescribe(id=guest), DAEMON)
        assert isinstance(answer, GuestDescription)
        return answer

    plex = await describe("guest:103")
    assert plex.config["hostname"] == "plex"
    assert plex.addresses
    assert plex.addresses_why is None
    jellyfin = await describe("guest:104")
    assert jellyfin.addresses is None
    assert jellyfin.addresses_why == "it does not run (stopped)"
    with pytest.raises(JarvisError) as caught:
        await describe("guest:77")
    assert caught.value.code == "not_found"
    lab.fault("node-down", "agent1")
    await watched.until(lambda: watched.guests["guest:103"].status == "unknown")
    with pytest.raises(JarvisError) as caught:
        await describe("guest:103")
    assert caught.value.code == "cluster_unreachable"


async def test_series_begin_with_pves_own_past(begin: Begin) -> None:
    watched = await begin()

    async def known() -> int:
        params = MetricsHistory(ids=["node:pve"], metrics=["cpu"], span_s=3600, points=60)
        answer = await watched.bus.ask("metrics.history", params, DAEMON)
        series = answer.series.get("node:pve", {}).get("cpu")
        return sum(v is not None for v in series.values) if series else 0

    async with asyncio.timeout(15):
        while await known() < 50:
            await watched.clock.sleep(BEAT_S)
