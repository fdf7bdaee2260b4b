"""At least ten thousand random sequences: no act violates a bound, and everything ends in a way that is true."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.machine import Machine

SHARDS = 20
SEQUENCES = int(os.environ.get("FUZZ_SEQUENCES", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_sequences(shard: int) -> None:
    chosen = settings(
        max_examples=SEQUENCES // SHARDS, stateful_step_count=7, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink], print_blob=False,
    )  # fmt: skip

    class Shard(Machine):
        level = 4 if shard % 4 == 3 else 3
        seen = {}  # noqa: RUF012

    seed(SEED * 1000 + shard)(Shard)
    run_state_machine_as_test(Shard, settings=chosen)
    print(Shard.seen)
