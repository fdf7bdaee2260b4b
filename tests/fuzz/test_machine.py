"""At least ten thousand random sequences: no act violates a bound, and everything ends in a way that is true.

``make fuzz`` runs more of them, with other seeds: FUZZ_SEQUENCES, FUZZ_SEED.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.machine import Machine
from tests.fuzz.pace import QUICK, REAL, Pace

SHARDS = 20
STEPS = 5
SEQUENCES = int(os.environ.get("FUZZ_SEQUENCES", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))


@pytest.fixture(autouse=True)
def rare_collection() -> Iterator[None]:
    """A sequence builds a whole daemon and leaves it behind: what is alive need not be looked through each time."""
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(200_000, 10, 20)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
    gc.collect()


def play(number: int, sequences: int, steps: int, chosen_level: int, chosen_pace: Pace) -> dict[str, int]:
    """So many sequences of one seed; how much happened in them."""

    class Shard(Machine):
        level, pace = chosen_level, chosen_pace
        seen = {}  # noqa: RUF012

    Shard.__qualname__ = Shard.__name__ = f"Seed{number}"
    seed(number)(Shard)
    run_state_machine_as_test(
        Shard,
        settings=settings(
            max_examples=sequences, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink], print_blob=False,
        ),
    )  # fmt: skip
    print(f"seed {number}: {Shard.seen}")
    assert Shard.seen["sequences"] >= sequences
    return Shard.seen


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_sequences(shard: int) -> None:
    wanted = SEQUENCES // SHARDS
    # Hypothesis plays some more than it counts: those that are much like one before
    seen = play(SEED * 1000 + shard, round(0.93 * wanted), STEPS, 4 if shard % 4 == 3 else 3, QUICK)
    assert seen["sequences"] >= wanted
    assert seen["acts"] > seen["sequences"] / 4, f"too little happened: {seen}"
    assert {"repaired", "refused", "escalated", "reported"} <= seen.keys()


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(2))
def test_sequences_with_the_real_numbers(shard: int) -> None:
    """Polls of 10 s, cool-downs of 10, 30 and 60 minutes, 6 an hour, 20 a day."""
    seen = play(SEED * 1000 + 500 + shard, SEQUENCES // 400, 8, 3 + shard, REAL)
    assert seen["acts"]
