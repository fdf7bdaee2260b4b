"""All nodes lose their power and come back one by one: nothing is done before quorum and fresh facts are back, then
in PVE's own boot order, and never more at once than the blast radius allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fuzz.endings import faults_of
from tests.fuzz.house import START, House
from tests.fuzz.pace import REAL
from tests.fuzz.small import INVENTORY, NODES, PLAIN

BY_HAND = replace(
    INVENTORY, guests=tuple(replace(g, onboot=g.onboot and g.name not in PLAIN) for g in INVENTORY.guests)
)
"""Its plain guests run, but do not start with their node: somebody has to."""
IN_ORDER = ["guest:103", "guest:102", "guest:101", "guest:104", "guest:105"]
"""By ``startup: order=``, then by vmid."""


@pytest.fixture
def house() -> Iterator[House]:
    house = House(REAL, inventory=BY_HAND)
    house.live(65)
    yield house
    house.close()


def _cut(house: House) -> None:
    for name in NODES:
        house.world.power_off(name)
    house.live(300)
    assert not any(node.online for node in house.world.nodes.values())


def _acts(house: House) -> list[tuple[float, str]]:
    return [(attempt.began, attempt.fault[1]) for attempt in house.witness.attempts]


def _most_at_once(house: House) -> int:
    """Counted from the stories: from the decision to the end."""
    spans = [(s.decided_at, s.ended_at) for s in house.stories if s.decided_at is not None]
    moments = [at for at, _ in spans if at is not None]
    return max(sum(a <= at < (b or 1e18) for a, b in spans if a is not None) for at in moments)


def test_nothing_before_quorum_then_in_boot_order(house: House) -> None:
    _cut(house)
    for name in NODES:
        house.world.power_on(name)
        house.live(0.5)  # within one poll, so that all are seen to be missing at once
    house.live(1500)
    acts = _acts(house)
    assert [target for _, target in acts] == IN_ORDER
    assert all(house.world.guests[int(t.partition(":")[2])].running for t in IN_ORDER)
    assert _most_at_once(house) == 2
    assert house.witness.violations == []
    assert list(faults_of(house)) == []


def test_one_node_after_the_other(house: House) -> None:
    """Two minutes apart: with two nodes nothing is done; then whoever is waiting goes in the order of its boot."""
    _cut(house)
    quorate_at = 0.0
    for number, name in enumerate(NODES, start=1):
        house.world.power_on(name)
        house.live(120)
        if number == 2:
            assert house.writes == []
            assert house.witness.decisions == 0
        if number == 3:
            quorate_at = house.loop.time() - 120
    house.live(1800)
    assert all(at > quorate_at for at, _ in _acts(house))
    acts = [
        (at, target) for at, target in _acts(house) if target != "node:n4"
    ]  # the last one may be woken meanwhile
    assert {target for _, target in acts} == set(IN_ORDER)
    opened = {
        target: at - START
        for target, at in house.db.execute(
            "select target, opened_at from incidents where condition = 'guest-crashed'"
        )
    }
    for at, target in acts:
        waiting = [other for later, other in acts if later > at and opened[other] < at - 10]
        before = IN_ORDER[: IN_ORDER.index(target)]
        assert not set(waiting) & set(before), f"{target} went before {waiting}"
    assert house.witness.violations == []
    assert list(faults_of(house)) == []
    for name in PLAIN:
        guest = house.world.guest_named(name)
        assert guest is not None
        assert guest.running, name


def test_a_node_that_stays_dark_is_woken_alone(house: House) -> None:
    """Three come back; the last one is woken once HA has had its time, and no guest is started meanwhile."""
    _cut(house)
    for name in NODES[:3]:
        house.world.power_on(name)
        house.live(2)
    house.live(2400)
    node = [a for a in house.witness.attempts if a.scope == "node"]
    assert [a.fault for a in node] == [("node-unreachable", "node:n4")]
    assert house.world.nodes["n4"].online
    assert house.witness.violations == []
    began, ended = node[0].began, node[0].ended
    assert ended is not None
    assert not [a for a in house.witness.attempts if a.scope != "node" and began <= a.began < ended]
