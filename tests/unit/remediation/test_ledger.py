"""What was attempted: counted by incident and by fault, aged on the monotonic clock, taken over after a restart."""

from __future__ import annotations

import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation.ledger import DAY_S, HOUR_S, KEEP_S, Attempt, Ledger


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> Ledger:
    return Ledger(clock)


def incident(number: str = "1", target: str = "guest:105", at: float = 1_800_000_000.0) -> Incident:
    return Incident(id=number, condition="guest-crashed", target=target, observed_at=at, opened_at=at)


def acted(ledger: Ledger, one: Incident) -> Attempt:
    attempt = ledger.begin(one, "guest")
    attempt.acted = True
    ledger.end(attempt)
    return attempt


async def test_attempts_count_by_incident_and_by_fault_within_a_day(ledger: Ledger, clock: ManualClock) -> None:
    acted(ledger, incident("1"))
    await clock.advance(HOUR_S)
    acted(ledger, incident("2"))
    assert ledger.past(incident("3")).attempts == 2, "another incident of the same fault"
    assert ledger.past(incident("4", "guest:106")).attempts == 0
    await clock.advance(DAY_S - HOUR_S)
    assert ledger.past(incident("3")).attempts == 1, "the first is a day old"
    assert ledger.past(incident("1")).attempts == 1, "but of its own incident it is one for ever"
    assert ledger.past(incident("2")).attempts == 1


async def test_what_was_not_begun_does_not_count(ledger: Ledger) -> None:
    attempt = ledger.begin(incident(), "guest")
    assert ledger.past(incident()).running_guests == 1
    assert ledger.past(incident()).running_here
    assert ledger.past(incident(), besides=attempt).running_guests == 0
    ledger.end(attempt)
    past = ledger.past(incident())
    assert (past.attempts, past.running_guests, past.acts_hour, past.last_act_age_s) == (0, 0, 0, None)


async def test_a_cool_down_is_counted_from_the_end_of_the_last_attempt(ledger: Ledger, clock: ManualClock) -> None:
    attempt = ledger.begin(incident(), "guest")
    attempt.acted = True
    await clock.advance(300)
    ledger.end(attempt)
    await clock.advance(100)
    assert ledger.past(incident()).last_act_age_s == 100


async def test_hour_day_and_places(ledger: Ledger, clock: ManualClock) -> None:
    for number in range(3):
        acted(ledger, incident(str(number), f"guest:{number}"))
    ledger.begin(incident("9", "node:pve"), "node")
    past = ledger.past(incident("8"))
    assert (past.acts_hour, past.acts_day, past.running_nodes, past.running_guests) == (4, 4, 1, 0)
    await clock.advance(HOUR_S - 1)
    assert ledger.past(incident("8")).acts_hour == 4
    await clock.advance(1)
    assert (ledger.past(incident("8")).acts_hour, ledger.past(incident("8")).acts_day) == (0, 4)
    await clock.advance(DAY_S)
    assert ledger.past(incident("8")).acts_day == 0


async def test_openings_within_an_hour_are_flapping(ledger: Ledger, clock: ManualClock) -> None:
    for number in ("1", "2", "3"):
        one = incident(number, at=clock.now())
        ledger.opened([one])
        ledger.opened([one])  # each counts once
        await clock.advance(1200)
    assert ledger.past(incident("3")).openings == 2, "the first is an hour old"
    assert ledger.past(incident("3", "guest:106")).openings == 0


async def test_the_age_of_a_fault_is_of_its_first_observation(ledger: Ledger, clock: ManualClock) -> None:
    one = incident(at=clock.now() - 100)
    ledger.opened([one])
    await clock.advance(50)
    clock.jump(3600)
    assert ledger.past(one).age_s == 150, "a wall clock that jumps does not age it"
    clock.jump(-7200)
    assert ledger.past(one).age_s == 150


def story(began: float, ended: float | None) -> Repair:
    return Repair(
        id="5", incident="1", condition="guest-crashed", target="guest:105", decided_at=began, ended_at=ended
    )


@pytest.mark.parametrize("jump", [-86400.0 * 365, -3600.0, 0.0, 3600.0])
async def test_after_a_restart_a_clock_that_jumped_back_makes_it_patient(jump: float) -> None:
    clock = ManualClock()
    clock.jump(jump)
    ledger = Ledger(clock)
    ledger.restore(story(1_800_000_000 - 120, 1_800_000_000 - 60), "guest")
    past = ledger.past(incident())
    assert past.attempts == 1
    assert past.last_act_age_s == max(0.0, jump + 60)
    assert past.acts_hour == (1 if jump + 120 < HOUR_S else 0)
    await clock.advance(10)
    assert ledger.past(incident()).last_act_age_s == max(0.0, jump + 60) + 10, "from then on it is monotonic"


async def test_one_that_was_under_way_keeps_its_place(ledger: Ledger, clock: ManualClock) -> None:
    attempt = ledger.restore(story(clock.now() - 30, None), "guest")
    assert ledger.past(incident("7", "guest:106")).running_guests == 1
    ledger.end(attempt)
    assert ledger.past(incident("7", "guest:106")).running_guests == 0
    assert ledger.past(incident("1")).attempts == 1


async def test_it_forgets_what_nobody_asks_for_any_more(ledger: Ledger, clock: ManualClock) -> None:
    ledger.opened([incident("1"), incident("2", "guest:106")])
    acted(ledger, incident("1"))
    acted(ledger, incident("2", "guest:106"))
    running = ledger.begin(incident("3", "guest:107"), "guest")
    await clock.advance(KEEP_S)
    ledger.sweep({"1"})
    assert [a.incident for a in ledger.attempts] == ["1", "3"], "open ones and those under way stay"
    assert running in ledger.attempts
    assert set(ledger._openings) == {("guest-crashed", "guest:105")}
    assert set(ledger._first_seen) == {"1"}
    ledger.sweep(set())
    assert (ledger._openings, ledger._first_seen) == ({}, {})
