"""Load curves are bounded, smooth, seeded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.simulator import curves

seeds = st.integers(0, 2**32 - 1)
times = st.floats(1.5e9, 2.5e9)


@given(seeds, times)
def test_every_share_stays_within_its_range(seed: int, at: float) -> None:
    assert 0 < curves.cpu(seed, at) <= 0.6
    assert 0.2 < curves.memory(seed, at) < 0.8
    assert 0 <= curves.rate(seed, at, 1e6) <= 1e6
    assert 0 <= curves.daily(at) <= 1


@given(seeds, times)
def test_a_second_changes_little(seed: int, at: float) -> None:
    assert abs(curves.cpu(seed, at + 1) - curves.cpu(seed, at)) < 0.01
    assert abs(curves.memory(seed, at + 1) - curves.memory(seed, at)) < 0.002


@given(seeds)
def test_the_same_seed_gives_the_same_curve_and_it_moves(seed: int) -> None:
    hour = [curves.cpu(seed, 1.8e9 + second) for second in range(0, 3600, 60)]
    assert hour == [curves.cpu(seed, 1.8e9 + second) for second in range(0, 3600, 60)]
    assert max(hour) > min(hour)


def test_a_seed_names_its_thing() -> None:
    assert curves.seed_of(1, "guest", 100) == curves.seed_of(1, "guest", 100)
    assert len({curves.seed_of(1, "guest", vmid) for vmid in range(1000)}) == 1000
