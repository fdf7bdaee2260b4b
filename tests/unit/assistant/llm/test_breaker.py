"""When a failing model is left alone, and when it is asked again."""

from __future__ import annotations

import pytest

from jarvis_daemon.assistant.llm.breaker import FIRST_S, LAST_S, Breaker
from jarvis_daemon.assistant.llm.contract import Why
from jarvis_daemon.clock import ManualClock
from tests.unit.assistant.llm.toys import failure


async def test_three_failures_within_a_minute_open_it_and_one_question_tries() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    for _ in range(2):
        breaker.failed(failure("timeout"))
    assert breaker.admits()
    breaker.failed(failure("timeout"))
    assert (breaker.position, breaker.admits(), breaker.left_s) == ("open", False, FIRST_S)
    await clock.advance(FIRST_S)
    assert breaker.position == "half-open"
    assert breaker.admits()
    breaker.begin()
    assert not breaker.admits(), "one tries, the others go elsewhere"
    breaker.succeeded()
    assert breaker.position == "closed"


async def test_its_pause_doubles_to_ten_minutes_and_begins_anew_after_a_success() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    for _ in range(3):
        breaker.failed(failure("unreachable"))
    pauses = []
    for _ in range(7):
        pauses.append(breaker.left_s)
        await clock.advance(breaker.left_s)
        breaker.begin()
        breaker.failed(failure("unreachable"))
    assert pauses == [30, 60, 120, 240, 480, LAST_S, LAST_S]
    await clock.advance(LAST_S)
    breaker.begin()
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(failure("unreachable"))
    assert breaker.left_s == FIRST_S


async def test_three_failures_in_more_than_a_minute_do_not_open_it() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    for _ in range(6):
        breaker.failed(failure("overloaded"))
        await clock.advance(31)
    assert breaker.position == "closed"


@pytest.mark.parametrize("why", ["overflow", "budget", "refused", "missing", "bad_reply"])
def test_what_is_not_the_backends_illness_does_not_open_it(why: Why) -> None:
    breaker = Breaker(ManualClock())
    for _ in range(9):
        breaker.failed(failure(why))
    assert breaker.position == "closed"


async def test_a_server_that_says_how_long_it_wants_peace_gets_it() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    breaker.failed(failure("rate_limit", retry_after_s=7.0))
    assert not breaker.admits()
    await clock.advance(7)
    assert breaker.admits()
    breaker.failed(failure("rate_limit", retry_after_s=1e9))
    assert breaker.left_s == LAST_S


async def test_a_question_that_was_cancelled_leaves_the_next_one_to_try() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    for _ in range(3):
        breaker.failed(failure("cut"))
    await clock.advance(FIRST_S)
    breaker.begin()
    breaker.gave_up()
    assert breaker.admits()
