"""The life of an incident: held, opened, announced, graver, closed; across restarts and failing stores."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Observation
from jarvis_daemon.protocol.errors import JarvisError

from .conftest import Desk, OpenDesk

COVERED = {"node-unreachable", "storage-high"}


def fault(severity: Any = "error", **more: Any) -> Observation:
    return Observation(
        "node-unreachable", "node:pve", severity, "pve does not answer", "Last seen 30 s ago.",
        settled="pve answers again", **more,
    )  # fmt: skip


async def rounds(desk: Desk, count: int, *observations: Observation, seconds: float = 10.0) -> None:
    for _ in range(count):
        await desk.incidents.observe("cluster", observations, COVERED)
        desk.clock._step_to(desk.clock.monotonic() + seconds)


async def test_the_second_observation_opens_and_the_grace_announces(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 1, fault())
    assert desk.shown() == {}
    await rounds(desk, 1, fault())
    (incident,) = desk.shown().values()
    assert (incident.condition, incident.target, incident.status) == ("node-unreachable", "node:pve", "open")
    assert incident.opened_at - incident.observed_at == 10.0
    assert incident.announced_at is None
    assert await desk.told() == []
    await rounds(desk, 5, fault())
    assert await desk.told() == []
    await rounds(desk, 1, fault())
    (line,) = await desk.told()
    assert (line.kind, line.severity, line.target) == ("incident.opened", "error", "node:pve")
    assert line.text == "pve does not answer. Last seen 30 s ago."
    await rounds(desk, 5, fault())
    assert len(await desk.told()) == 1


async def test_what_heals_within_its_grace_is_never_told(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 3, fault())
    await rounds(desk, 1)
    (incident,) = desk.shown().values()
    assert incident.status == "closed"
    await rounds(desk, 10)
    assert await desk.told() == []


async def test_the_end_of_what_was_announced_is_told_once(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 10, fault())
    await rounds(desk, 5)
    assert await desk.kinds() == ["incident.opened", "incident.closed"]
    assert (await desk.told())[-1].text == "pve answers again, after 2 min."
    assert (await desk.told())[-1].severity == "ok"


async def test_a_single_observation_between_quiet_rounds_never_opens(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    for _ in range(10):
        await rounds(desk, 1, fault())
        await rounds(desk, 1)
    assert desk.shown() == {}


async def test_one_reading_told_in_several_rounds_counts_once(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 5, fault(seen_at=7.0))
    assert desk.shown() == {}
    await rounds(desk, 1, fault(seen_at=37.0))
    assert len(desk.shown()) == 1


async def test_a_round_that_could_not_judge_neither_opens_nor_closes(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    await desk.incidents.observe("cluster", [], {"storage-high"})
    await desk.incidents.observe("cluster", [], COVERED, {("node-unreachable", "node:pve")})
    (incident,) = desk.shown().values()
    assert incident.status == "open"
    await desk.incidents.observe("cluster", [Observation("quorum-lost", "cluster:x", "critical", "t")], COVERED)
    await desk.incidents.observe("cluster", [Observation("quorum-lost", "cluster:x", "critical", "t")], COVERED)
    assert "quorum-lost" not in {i.condition for i in desk.shown().values()}


async def test_another_room_does_not_close_it(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    await desk.incidents.observe("vision", [], COVERED)
    assert [i.status for i in desk.shown().values()] == ["open"]


async def test_it_may_become_graver_and_says_so_once(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 9, fault("warning"))
    await rounds(desk, 3, fault("critical"))
    await rounds(desk, 2, fault("warning"))
    await rounds(desk, 2, fault("critical"))
    assert await desk.kinds() == ["incident.opened", "incident.graver"]
    (incident,) = desk.shown().values()
    assert incident.severity == "critical"


async def test_numbers_are_shown_at_once_and_saved_now_and_then(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault(evidence={"age_s": 1}))
    before = desk.store.size_bytes()
    for age in range(2, 6):
        await rounds(desk, 1, fault(evidence={"age_s": age}))
    (incident,) = desk.shown().values()
    assert incident.evidence == {"age_s": 5}
    assert desk.store.size_bytes() == before


async def test_a_restart_restores_and_doubles_nothing(open_desk: OpenDesk) -> None:
    clock = ManualClock()
    desk = await open_desk(clock)
    await rounds(desk, 9, fault())
    desk = await open_desk(clock)
    (incident,) = desk.shown().values()
    assert (incident.id, incident.status) == ("1", "open")
    assert incident.announced_at is not None
    await rounds(desk, 20, fault())
    assert await desk.kinds() == ["incident.opened"]
    assert list(desk.shown()) == ["1"]
    await rounds(desk, 1)
    assert await desk.kinds() == ["incident.opened", "incident.closed"]


async def test_a_restart_within_the_grace_does_not_begin_it_anew(open_desk: OpenDesk) -> None:
    clock = ManualClock()
    desk = await open_desk(clock)
    await rounds(desk, 3, fault())
    clock.jump(50.0)  # the daemon was down for 50 s, during which its monotonic clock did not run
    desk = await open_desk(clock)
    await rounds(desk, 1, fault())
    assert await desk.kinds() == ["incident.opened"]


async def test_a_wall_clock_that_jumps_announces_nothing_early(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    desk.clock.jump(3600.0)
    await rounds(desk, 1, fault())
    assert await desk.told() == []


async def test_nothing_is_shown_as_opened_that_could_not_be_saved(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await open_desk()

    async def full(*_: Any, **__: Any) -> None:
        raise JarvisError("store_failed", "It could not be saved", why="disk full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "write", full)
        await rounds(desk, 3, fault())
    assert desk.shown() == {}
    await rounds(desk, 1, fault())
    assert [i.status for i in desk.shown().values()] == ["open"]


async def test_closed_ones_leave_the_screen_after_an_hour_and_stay_listed(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    await rounds(desk, 1)
    await desk.clock.advance(3700)
    await desk.incidents.tick()
    assert desk.shown() == {}


async def test_graces_run_out_between_rounds_too(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await asyncio.sleep(0)
    await rounds(desk, 2, fault(), seconds=0)
    desk.clock._step_to(desk.clock.monotonic() + 61)
    await desk.incidents.tick()
    assert await desk.kinds() == ["incident.opened"]


async def test_the_old_is_swept(open_desk: OpenDesk) -> None:
    from jarvis_daemon.incidents import rows

    desk = await open_desk()
    await rounds(desk, 2, fault())
    await rounds(desk, 1)
    await rounds(desk, 2, fault())
    assert await desk.store.write(lambda db: rows.sweep(db, desk.clock.now() - 86400)) == 0
    assert await desk.store.write(lambda db: rows.sweep(db, desk.clock.now() + 1)) == 1
    left = await desk.store.read(lambda db: rows.read_incidents(db, status=None))
    assert [k.incident.status for k in left] == ["open"]
