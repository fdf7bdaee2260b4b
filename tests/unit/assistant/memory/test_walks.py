"""Any sequence of what can be done to memory leaves it sound."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.assistant.memory import find, table
from jarvis_daemon.assistant.memory.table import New
from jarvis_daemon.store import Database
from tests.unit.assistant.memory.conftest import DAY, Desk

TEXTS = [
    f"the {thing} has {count} {part}" for thing in ("NAS", "UPS") for count in (2, 4) for part in ("disks", "fans")
]
KEYS = [None, "said:nas:disks", "said:ups:fans", "incident:1"]
PUT = st.builds(
    New,
    text=st.sampled_from(TEXTS), tier=st.sampled_from(["working", "conversation", "episodic", "lasting"]),
    kind=st.sampled_from(["fact", "event", "summary"]), trust=st.sampled_from(["tainted", "system", "operator"]),
    key=st.sampled_from(KEYS), ours=st.booleans(), session=st.sampled_from([None, "s1"]),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        PUT, st.tuples(st.just("forget"), st.integers(1, 12)), st.tuples(st.just("use"), st.integers(1, 12)),
        st.tuples(st.just("pass"), st.sampled_from([1.0, DAY, 8 * DAY, 31 * DAY])),
        st.tuples(st.just("sweep"), st.just(0)),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_any_walk_leaves_it_sound(desk: Desk, steps: list[Any]) -> None:
    ends = desk.memory.ends

    def walk(db: Database) -> None:
        now = 1.8e9
        db.execute("delete from memories")
        for step in steps:
            if isinstance(step, New):
                number = table.put(db, step, now, ends).id
                kept = table.get(db, number, now)
                assert kept is not None
                assert kept.text.casefold() == step.text.casefold()
            elif step[0] == "pass":
                now += step[1]
            elif step[0] == "sweep":
                table.sweep(db, now)
            else:
                numbers = [row[0] for row in db.execute("select id from memories order by id")]
                number = numbers[step[1] % len(numbers)] if numbers else 1
                if step[0] == "forget":
                    table.forget(db, number, now, ends)
                    assert table.traces(db, number) == []
                else:
                    table.used(db, [number], now, ends)
            check(db, now)

    await desk.store.write(walk)


def check(db: Database, now: float) -> None:
    """What holds after each step."""
    db.execute("insert into memories_fts (memories_fts, rank) values ('integrity-check', 1)")
    every = table.read(db, now, replaced=True) + table.read(db, now, tier="working", replaced=True)
    ids = {row[0] for row in db.execute("select id from memories")}
    for one in every:
        assert not (one.trust == "tainted" and one.tier == "lasting")
        assert (one.expires_at is None) <= (one.tier == "lasting")
        assert one.superseded_by != one.id
        assert one.superseded_by is None or one.superseded_by in ids or one.expires_at is not None
    found = {one.id for one in find.search(db, "disks or fans of the NAS or the UPS", now, limit=50)}
    assert found == {one.id for one in every if one.superseded_by is None and one.tier != "working"}
