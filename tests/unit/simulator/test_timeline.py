"""Real and simulated seconds, and the order in which things become due."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.simulator.timeline import Timeline


def test_speed_moves_simulated_time_and_leaves_the_wall_clock() -> None:
    timeline = Timeline(1000.0, speed=10)
    timeline.advance(6)
    assert (timeline.now, timeline.elapsed, timeline.sim) == (1006.0, 6.0, 60.0)
    assert timeline.load_at() == 1060.0
    assert timeline.load_at(1000.0) == 1000.0


def test_actions_run_in_order_at_their_own_moment() -> None:
    timeline = Timeline(0.0, speed=2)
    seen: list[tuple[str, float]] = []
    timeline.after(10, lambda: seen.append(("simulated", timeline.elapsed)))
    timeline.after_real(4, lambda: seen.append(("real", timeline.elapsed)))
    assert timeline.due_in() == 4
    timeline.advance(20)
    assert seen == [("real", 4.0), ("simulated", 5.0)]
    assert timeline.due_in() == math.inf


def test_a_cancelled_action_never_runs() -> None:
    timeline = Timeline(0.0)
    seen: list[int] = []
    timeline.after(1, lambda: seen.append(1)).cancel()
    timeline.advance(5)
    assert seen == []


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=8), st.floats(0.5, 50))
def test_many_small_steps_are_one_large_step(steps: list[float], speed: float) -> None:
    def play(parts: list[float]) -> list[int]:
        timeline, seen = Timeline(0.0, speed), list[int]()
        for number in range(1, 40):
            timeline.after(number * 7.3, lambda number=number: seen.append(number))  # type: ignore[misc]
        for part in parts:
            timeline.advance(part)
        return seen

    whole = sum(steps)
    due = [number * 7.3 / speed for number in range(1, 40)]
    if all(abs(moment - whole) > 1e-6 for moment in due):
        assert play(steps) == play([whole])
