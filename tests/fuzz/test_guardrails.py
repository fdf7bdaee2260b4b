"""Each guardrail taken away in turn: the witness, which does not know them, has to notice what they held back.

Each case is a sequence aimed at one guardrail. With all of them in place nothing is violated; without the one, an
act or the decision to act is. A guardrail that no case needs would be seen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jarvis_daemon.incidents.observation import Observation
from jarvis_daemon.remediation import guardrails
from jarvis_daemon.remediation.runbook import Escalate, Kept, Runbook, Step
from jarvis_daemon.simulator.inventory import GIB, NodeSpec
from jarvis_daemon.simulator.tasks import Script
from tests.fuzz.house import House
from tests.fuzz.machine import Deeds
from tests.fuzz.pace import QUICK
from tests.fuzz.small import HA, INVENTORY, PLAIN, PROTECTED, TEMPLATE

BEAT = QUICK.beat_s
Case = Callable[[Deeds], None]


def _own(condition: str, scope: Any, tool: str, **args: Any) -> Kept:
    """A runbook without preconditions: only the guardrails stand between it and the act."""
    book = Runbook(
        name=f"own-{tool.replace('_', '-')}", about="A test.", condition=condition, scope=scope,
        steps=[Step(tool=tool, args=args)], escalate=Escalate(say="A test."), cool_down_min=[0.5],
    )  # fmt: skip
    return Kept(runbook=book, sha256="0", path="/nowhere", shipped=False, trusted=True)


START = _own("test-stopped", "guest", "start_container", guest="{incident.evidence.guest}")
REBOOT = _own("test-hot", "node", "reboot_node", node="{node.name}")


def _inject(deeds: Deeds, condition: str, target: str, **evidence: Any) -> None:
    """An incident as some condition could report it, whatever the shipped ones leave alone already."""
    house = deeds.house
    seen = Observation(
        condition=condition, target=target, severity="error", title=f"{target} is ill", detail="A test.",
        evidence=evidence, grace_s=1e9, settled="over",
    )  # fmt: skip
    for _ in range(2):
        house.do(house.incidents.observe("test", [seen], {condition}))
    house.live(3 * BEAT)


def _behind_the_switch(deeds: Deeds, then: Callable[[], None], guest: str = "web") -> None:
    """The guest has crashed and only the kill switch held it back; meanwhile something else came to forbid it."""
    deeds.kill(True)
    deeds.fault("guest-crash", guest)
    deeds.house.live(4 * BEAT)
    assert deeds.house.open, "the crash was not seen"
    then()
    deeds.house.live(4 * BEAT)
    deeds.kill(False)
    deeds.house.live(3 * BEAT)


def kill_switch(deeds: Deeds) -> None:
    deeds.kill(True)
    deeds.fault("guest-crash", "web")
    deeds.house.live(5 * BEAT)


def quorum(deeds: Deeds) -> None:
    """One endpoint, the one that is asked first, calls a guest stopped that runs."""
    deeds.house.slandered.add(("n1", 102))
    deeds.house.live(6 * BEAT)


def nodes_unreachable(deeds: Deeds) -> None:
    deeds.fault("node-down", "n5", wakes=False)
    deeds.fault("node-down", "n6", wakes=False)
    deeds.house.live(3 * BEAT)
    deeds.fault("guest-crash", "web")
    deeds.house.live(5 * BEAT)


def template(deeds: Deeds) -> None:
    _inject(deeds, "test-stopped", "guest:900", guest=TEMPLATE)


def lock(deeds: Deeds) -> None:
    def locked() -> None:
        deeds.house.world.guests[101].lock = "snapshot"
        deeds.house.world.config_version += 1

    _behind_the_switch(deeds, locked)


def busy(deeds: Deeds) -> None:
    """Somebody looks at its console: no work on it, but not the moment either."""

    def console() -> None:
        deeds.house.world.tasks.start("n1", "vncproxy", "101", "root@pam", _long(), frozenset({101}))

    _behind_the_switch(deeds, console)


def ha(deeds: Deeds) -> None:
    guest = deeds.house.world.guest_named(HA)
    assert guest is not None
    deeds.house.live(8 * BEAT)
    _inject(deeds, "test-stopped", f"guest:{guest.vmid}", guest=HA)


def backup(deeds: Deeds) -> None:
    def dump() -> None:
        deeds.house.world.tasks.start("n1", "vzdump", "106", "root@pam", _long(), frozenset({106}))

    _behind_the_switch(deeds, dump)


def silenced(deeds: Deeds) -> None:
    _behind_the_switch(deeds, lambda: deeds.maintenance("guest:101", 7200.0))


def person(deeds: Deeds) -> None:
    before = deeds.house.clock.now()
    deeds.stop("cache")
    deeds.house.live(3 * BEAT)
    _inject(deeds, "test-stopped", "guest:104", guest="cache", last_running_at=before)


def protected(deeds: Deeds) -> None:
    deeds.fault("guest-crash", PROTECTED)
    deeds.house.live(5 * BEAT)


def votes(deeds: Deeds) -> None:
    deeds.fault("node-down", "n4", wakes=False)
    deeds.house.live(3 * BEAT)
    _inject(deeds, "test-hot", "node:n3")


def attempts(deeds: Deeds) -> None:
    """Three attempts, then it is well for a while, by a person's hand; the same fault comes again the same day."""
    broken = deeds.house.world.nodes["n1"].broken_services
    broken.add("smbd")
    deeds.fault("service-crash", "n1/smbd")
    deeds.house.live(20 * BEAT)
    deeds.heal("service-crash")
    deeds.house.live(20 * BEAT)
    deeds.fault("service-crash", "n1/smbd")
    deeds.house.live(10 * BEAT)


def flapping(deeds: Deeds) -> None:
    for _ in range(3):
        deeds.fault("guest-crash", "web")
        deeds.house.live(5 * BEAT)


def cool_down(deeds: Deeds) -> None:
    deeds.house.world.nodes["n1"].broken_services.add("smbd")
    deeds.fault("service-crash", "n1/smbd")
    deeds.house.live(20 * BEAT)


def blast_radius(deeds: Deeds) -> None:
    for name in PLAIN:
        deeds.fault("guest-crash", name)
    deeds.house.live(6 * BEAT)


def target_exists(deeds: Deeds) -> None:
    _inject(deeds, "test-stopped", "", guest="web")


def evidence_fresh(deeds: Deeds) -> None:
    """The node that could tell of its service does not answer any more."""
    deeds.kill(True)
    deeds.fault("service-crash", "n1/smbd")
    deeds.house.live(4 * BEAT)
    deeds.fault("ssh-refused", "n1")
    deeds.house.live(5 * BEAT)
    deeds.kill(False)
    deeds.house.live(3 * BEAT)


def _long() -> Script:
    yield 36000.0, None
    return None


CASES: dict[str, Case] = {
    case.__name__: case for case in (
        kill_switch, quorum, nodes_unreachable, template, lock, busy, ha, backup, silenced, person, protected,
        votes, attempts, flapping, cool_down, blast_radius, target_exists, evidence_fresh,
    )
}  # fmt: skip
SIX = replace(
    INVENTORY, votes_needed=4,
    nodes=(*INVENTORY.nodes, *(NodeSpec(f"n{i}", f"192.168.7.{i + 10}", 8, 32 * GIB) for i in (5, 6))),
)  # fmt: skip
"""Two of six nodes may be missing without the quorum being lost."""


def play(name: str) -> list[str]:
    """The sequence aimed at this guardrail; what was violated."""
    level = 4 if name == "votes" else 3
    pace = QUICK
    if name == "cool_down":  # as the issue has them, so that a second attempt comes too early
        pace = replace(QUICK, shorten=2.0)
    house = House(
        pace, level=level, more=[START, REBOOT], inventory=SIX if name == "nodes_unreachable" else INVENTORY
    )
    try:
        house.live(2.1 * BEAT)
        CASES[name](Deeds(house))
        return list(house.witness.violations)
    finally:
        house.close()


def test_every_guardrail_has_its_case() -> None:
    assert set(CASES) == {one.__name__ for one in guardrails.GUARDRAILS}


@pytest.mark.parametrize("name", CASES)
def test_without_it_the_witness_notices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(name) == []
    left = tuple(one for one in guardrails.GUARDRAILS if one.__name__ != name)
    assert len(left) == len(guardrails.GUARDRAILS) - 1
    monkeypatch.setattr(guardrails, "GUARDRAILS", left)
    assert play(name) != [], f"nobody noticed that {name} was gone"
