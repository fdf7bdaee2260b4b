"""Rings, roll-ups and the series that are made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster import rollups
from jarvis_daemon.cluster.history import History
from jarvis_daemon.cluster.rings import Ring
from jarvis_daemon.cluster.rollups import Bucket
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import MetricsHistory, Series
from jarvis_daemon.store import Store

from .pictures import GIB, NOW, guest, node, picture, storage


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def history_of(store: Store, clock: ManualClock) -> History:
    return History("homelab", store, clock, poll_s=10.0, retention_days=90)


def show(history: History, clock: ManualClock, **more: Any) -> None:
    shown = picture(**more)
    shown.now = clock.now()
    history.add(shown)


async def ask(history: History, entity: str, metric: str, span_s: float, points: int) -> Series | None:
    params = MetricsHistory(ids=[entity], metrics=[metric], span_s=span_s, points=points)
    answer = await history.metrics_history(params, DAEMON)
    return answer.series.get(entity, {}).get(metric)


# --- rings ---------------------------------------------------------------------------------------------


def test_a_step_holds_the_mean_and_gaps_stay_unknown() -> None:
    ring = Ring(10.0, 6)
    for at, value in ((100, 1.0), (105, 3.0), (131, 5.0)):
        ring.put(at, value)
    assert list(ring.between(0, 1000)) == [(100, 2.0), (130, 5.0)]


def test_old_steps_fall_out() -> None:
    ring = Ring(10.0, 3)
    for at in range(0, 100, 10):
        ring.put(at, at)
    assert list(ring.between(0, 1000)) == [(70, 70.0), (80, 80.0), (90, 90.0)]
    ring.put(1000, 1.0)
    assert list(ring.between(0, 2000)) == [(1000, 1.0)]


def test_a_clock_that_goes_back_loses_nothing_or_begins_anew() -> None:
    ring = Ring(10.0, 6)
    ring.put(1000, 1.0)
    ring.put(980, 9.0)
    assert list(ring.between(0, 2000)) == [(1000, 1.0)]
    ring.put(500, 2.0)
    assert list(ring.between(0, 2000)) == [(500, 2.0)]


def test_the_past_is_filled_in_and_never_over_our_own() -> None:
    ring = Ring(10.0, 12)
    ring.put(120, 7.0)
    ring.backfill(60, 60.0, 1.0)
    ring.backfill(110, 20.0, 9.0)
    assert [at for at, value in ring.between(0, 999) if value == 1.0] == [60, 70, 80, 90, 100, 110]
    assert dict(ring.between(0, 999))[120] == 7.0


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(-1e6, 1e6)), max_size=60))
def test_a_ring_answers_in_order_and_within_bounds(points: list[tuple[float, float]]) -> None:
    ring = Ring(10.0, 7)
    for at, value in points:
        ring.put(at, value)
    found = list(ring.between(0, 10_000))
    assert len(found) <= 7
    assert [at for at, _ in found] == sorted({at for at, _ in found})
    if points:
        low, high = min(v for _, v in points), max(v for _, v in points)
        assert all(low - 1 <= value <= high + 1 for _, value in found)


# --- series --------------------------------------------------------------------------------------------


async def test_polls_become_series_of_shares(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    for turn in range(12):
        show(history, clock, nodes=[node("pve", cpu=turn / 100)], guests=[guest(103, "plex", cpu=0.5)])
        await clock.advance(10)
    cpu = await ask(history, "node:pve", "cpu", 120, 12)
    assert cpu is not None
    assert cpu.step_s == 10
    assert [round(v, 2) for v in cpu.values if v is not None] == [t / 100 for t in range(1, 12)]
    assert cpu.values[-1] is None  # the step that has only just begun
    memory = await ask(history, "guest:103", "memory", 600, 20)
    assert memory is not None
    assert {v for v in memory.values if v is not None} == {0.25}
    assert memory.step_s == 30
    assert await ask(history, "cluster:homelab", "memory", 120, 4) is not None
    assert await ask(history, "storage:pve/local", "used", 600, 4) is not None
    assert await ask(history, "guest:999", "cpu", 600, 4) is None


async def test_what_is_not_known_leaves_a_gap_not_a_zero(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    for status in ("online", "offline", "online"):
        show(history, clock, nodes=[node("pve", status=status, cpu=0.5 if status == "online" else None)])
        await clock.advance(10)
    cpu = await ask(history, "node:pve", "cpu", 40, 4)
    assert cpu is not None
    assert cpu.values == [0.5, None, 0.5, None]


async def test_long_spans_come_from_what_was_kept(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    for _ in range(3 * 60):
        show(history, clock, nodes=[node("pve", cpu=0.25)], storages=[storage("local", used_bytes=50 * GIB)])
        await clock.advance(60)
        await history.flush()
    again = history_of(store, clock)  # after a restart there is no ring
    day = await ask(again, "node:pve", "cpu", 86400, 48)
    assert day is not None
    assert day.step_s == 1800
    assert [round(v, 2) for v in day.values if v is not None][-6:] == [0.25] * 6
    week = await ask(again, "storage:pve/local", "used", 7 * 86400, 168)
    assert week is not None
    assert [v for v in week.values if v is not None] == [0.5] * 3


async def test_a_short_ring_is_continued_by_what_was_kept(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    for _ in range(60):
        show(history, clock, nodes=[node("pve", temperature_c=50.0)])
        await clock.advance(10)
    await history.flush()
    again = history_of(store, clock)
    show(again, clock, nodes=[node("pve", temperature_c=60.0)])
    series = await ask(again, "node:pve", "temperature", 600, 60)
    assert series is not None
    assert series.values[-1] == 60.0
    assert series.values[:-1] == [50.0] * 59


async def test_a_bucket_may_be_written_in_parts(store: Store, clock: ManualClock) -> None:
    for value in (0.2, 0.4):
        history = history_of(store, clock)
        show(history, clock, nodes=[node("pve", cpu=value)])
        await history.flush()
    at = int(NOW // 60) * 60
    ((_, n, total),) = await store.read(
        lambda db: rollups.read(db, "homelab", "node:pve", "cpu", "minute", at, at + 1)
    )
    assert (n, round(total, 3)) == (2, 0.6)


async def test_a_failing_store_loses_no_numbers(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = history_of(store, clock)
    show(history, clock, nodes=[node("pve", cpu=0.2)])

    async def full(*_: Any, **__: Any) -> None:
        show(history, clock, nodes=[node("pve", cpu=0.4)])
        raise JarvisError("store_failed", "It could not be saved")

    with monkeypatch.context() as patched:
        patched.setattr(store, "write", full)
        with pytest.raises(JarvisError):
            await history.flush()
    await history.flush()
    rows = await store.read(lambda db: rollups.read(db, "homelab", "node:pve", "cpu", "minute", NOW - 60, NOW + 60))
    assert [(n, round(total, 3)) for _, n, total in rows] == [(2, 0.6)]


async def test_pves_own_past_fills_what_we_did_not_see(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    show(history, clock, nodes=[node("pve", cpu=0.9)])
    await history.flush()
    past = [(NOW - 60.0 * minute, 0.1) for minute in range(60, -1, -1)]
    history.backfill("node:pve", "cpu", past, 60.0)
    await history.keep_absent("node:pve", "cpu", past)
    hour = await ask(history, "node:pve", "cpu", 3600, 60)
    assert hour is not None
    assert sum(v is not None for v in hour.values) >= 58
    assert hour.values[-1] == pytest.approx(0.9)
    kept = await ask(history_of(store, clock), "node:pve", "cpu", 7200, 2)
    assert kept is not None
    assert kept.values[-1] is not None


async def test_days_are_made_of_hours_and_the_old_is_swept(store: Store, clock: ManualClock) -> None:
    old, young = int(NOW - 100 * 86400), int(NOW - 3600)
    sums = [(Bucket(e, "cpu", "hour", at), rollups.Sum(0.5)) for e in ("node:a", "guest:1") for at in (old, young)]
    await store.write(lambda db: rollups.write(db, "homelab", sums))
    await store.write(lambda db: rollups.roll_days(db, "homelab", old))
    await store.write(lambda db: rollups.roll_days(db, "homelab", old))  # again: nothing is doubled
    days = await store.read(lambda db: rollups.read(db, "homelab", "node:a", "cpu", "day", 0, NOW))
    assert [(n, total) for _, n, total in days] == [(1, 0.5), (1, 0.5)]
    assert await store.write(lambda db: rollups.sweep(db, "homelab", NOW, 90, 2)) == 2
    hours = await store.read(lambda db: rollups.read(db, "homelab", "guest:1", "cpu", "hour", 0, NOW))
    assert [at for at, _, _ in hours] == [young]


async def test_thousands_of_guests_take_turns(store: Store, clock: ManualClock) -> None:
    history = history_of(store, clock)
    guests = [guest(100 + i, f"g{i}", cpu=0.1) for i in range(2000)]
    for _ in range(3):
        show(history, clock, guests=guests)
        await clock.advance(10)
    assert sum(key[0].startswith("guest:") for key in history.rings) == 4000
    show(history, clock, guests=guests[:10])
    show(history, clock, guests=guests[:10])
    assert sum(key[0].startswith("guest:") for key in history.rings) == 20


@pytest.mark.parametrize(
    "params",
    [
        MetricsHistory(ids=["a"], metrics=["b"], span_s=0), MetricsHistory(ids=["a"], metrics=["b"], points=0),
        MetricsHistory(ids=["a"] * 300, metrics=["b"]), MetricsHistory(ids=["a"], metrics=["b"], points=10**9),
        MetricsHistory(ids=["a"], metrics=["b"], span_s=float("nan")),
        MetricsHistory(ids=["a"], metrics=["b"], span_s=float("inf")),
    ],
)  # fmt: skip
async def test_absurd_questions_are_refused(store: Store, clock: ManualClock, params: MetricsHistory) -> None:
    with pytest.raises(JarvisError) as caught:
        await history_of(store, clock).metrics_history(params, DAEMON)
    assert caught.value.code == "invalid_params"
