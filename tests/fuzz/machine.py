"""The state machine: faults, people, HA, the daemon's own deaths and lies of the cluster, in any order.

Each step lets some time pass and then one thing happen. At the end nothing more happens, and all that is open has
to come to an end that is true.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from jarvis_daemon.bus import Principal
from jarvis_daemon.drill.bans import HANDS_OFF
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Approval
from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.errors import ControlError, Refused
from tests.fuzz.endings import faults_of, unnoticed, unsettled
from tests.fuzz.house import House
from tests.fuzz.pace import QUICK, Pace
from tests.fuzz.small import CONTAINERS, DOCKER, HA, NODES, PLAIN, SERVICES, SPECIAL

PERSON = "root@pam"
OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
WAITS = st.sampled_from([0.0, 0.0, 4.0, 20.0, 62.0, 95.0])
"""Before something happens: right away, in the middle of an act, after a poll or two."""
GUESTS = st.sampled_from([*PLAIN, *PLAIN, *SPECIAL, DOCKER])
UNITS = st.sampled_from([f"{node}/{unit}" for node, units in SERVICES.items() for unit in units])
WINDOWS = st.sampled_from(["*", "guest:101", "guest:103", "node:n1", "node:n2"])
MOSTLY, SELDOM = st.sampled_from([True, True, True, False]), st.sampled_from([False, False, False, True])
"""What cannot be mended takes three attempts and longest: it is as rare as it may be."""
ENDPOINT_FAULTS = st.sampled_from(["api-truncated", "api-slow"])


class Deeds:
    """What can happen to a house; each answers nothing and raises nothing."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.log: list[str] = []

    def after(self, seconds: float, what: str) -> House:
        self.log.append(f"+{seconds:g} s: {what}")
        self.house.live(seconds)
        self.house.witness.note()
        return self.house

    def fault(self, name: str, target: str | None = None, **params: Any) -> None:
        with contextlib.suppress(ControlError):
            self.house.world.faults.begin(name, target, params)
        self.house.witness.note()

    def heal(self, target: str) -> None:
        with contextlib.suppress(ControlError):
            self.house.world.faults.heal(target)
        self.house.witness.note()

    def person(self, act: Callable[..., Any], name: str, *more: Any) -> bool:
        """What a person does in PVE's own interface, where PVE lets them."""
        guest = self.house.world.guest_named(name)
        assert guest is not None
        node = self.house.world.nodes[guest.node]
        if not node.online or node.frozen:
            return False
        try:
            act(self.house.world, guest, PERSON, *more)
        except Refused:
            return False
        finally:
            self.house.witness.note()
        return True

    def stop(self, name: str) -> None:
        guest = self.house.world.guest_named(name)
        if guest is not None and self.person(actions.stop, name):
            self.house.stopped.add(guest.vmid)

    def kill(self, engaged: bool, *, by_file: bool = False) -> None:
        """By its row, or by the file that any shell can touch; let go, both are gone."""
        house = self.house
        if not engaged:
            house.said.killed = False
        if engaged and by_file:
            house.tools.kill.sentinel.touch()
        else:
            house.do(house.tools.kill.set(engaged, by="test", reason="a test"))
        house.said.killed = engaged
        house.witness.note()

    def maintenance(self, target: str, seconds: float, *, window: bool = True) -> None:
        """A window of maintenance, or without ``window`` a mere silence."""
        house = self.house
        asked = m.IncidentSilence(target=target, reason="a test", duration_s=seconds, maintenance=window)
        house.do(house.bus.ask("incident.silence", asked, OPERATOR))
        house.silence(target, seconds)

    def tag(self, name: str, hands_off: bool) -> None:
        """``no-jarvis`` on or off, as a person does it in PVE."""
        guest = self.house.world.guest_named(name)
        assert guest is not None
        guest.spec = replace(guest.spec, tags=(HANDS_OFF,) if hands_off else ())
        self.house.world.config_version += 1
        self.house.witness.note()

    def answer(self, approve: bool) -> None:
        house = self.house
        for one in house.bus.state("approvals").all("approvals", Approval).values():
            if one.status == "pending":
                spawned = house.tools.gate.answer(m.ApprovalAnswer(id=one.id, approve=approve), OPERATOR)
                house.loop.create_task(_quietly(spawned))
                house.loop.run_turns(3)

    def die(self, turns: int, away_s: float) -> None:
        house = self.house
        house.loop.run_turns(turns)
        house.end()
        house.live(away_s)
        house.begin()

    def settle(self) -> list[str]:
        """Let time pass until everything is at rest; what is wrong then."""
        house, beat = self.house, self.house.pace.beat_s
        began = house.loop.time()
        house.live(2.2 * beat)
        quiet = False
        while not quiet and house.loop.time() - began < house.pace.settle_s:
            house.live(beat)
            quiet = not unsettled(house)
        wrong = [] if quiet else unsettled(house)
        return [*house.witness.violations, *wrong, *faults_of(house), *unnoticed(house)]


async def _quietly(work: Awaitable[Any]) -> None:
    with contextlib.suppress(JarvisError):
        await work


class Machine(RuleBasedStateMachine):
    """One sequence. ``pace`` and ``level`` are chosen by subclasses."""

    pace: ClassVar[Pace] = QUICK
    level: ClassVar[int] = 3
    seen: ClassVar[dict[str, int]] = {}
    """How much happened in all sequences together: a machine in which nothing happens proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(self.pace, level=self.level)
        self.deeds = Deeds(self.house)
        self.house.live(5.0)

    @rule(wait=WAITS, name=GUESTS)
    def crash(self, wait: float, name: str) -> None:
        self.deeds.after(wait, f"{name} crashes")
        self.deeds.fault("guest-crash", name)

    @rule(wait=WAITS, names=st.lists(st.sampled_from(PLAIN), min_size=2, max_size=5, unique=True))
    def crash_many(self, wait: float, names: list[str]) -> None:
        self.deeds.after(wait, f"{names} crash")
        for name in names:
            self.deeds.fault("guest-crash", name)

    @rule(wait=WAITS, name=st.sampled_from(PLAIN))
    def leak(self, wait: float, name: str) -> None:
        self.deeds.after(wait, f"{name} leaks")
        self.deeds.fault("guest-leak", name, seconds=30.0)

    @rule(wait=WAITS, node=st.sampled_from(NODES), wakes=MOSTLY)
    def node_down(self, wait: float, node: str, wakes: bool) -> None:
        self.deeds.after(wait, f"{node} goes down (wakes: {wakes})")
        self.deeds.fault("node-down", node, wakes=wakes)

    @rule(wait=WAITS, node=st.sampled_from(NODES))
    def node_back(self, wait: float, node: str) -> None:
        self.deeds.after(wait, f"{node} comes back")
        self.deeds.heal(f"node-down:{node}")
        self.deeds.heal(f"node-frozen:{node}")

    @rule(wait=WAITS, node=st.sampled_from(NODES))
    def node_frozen(self, wait: float, node: str) -> None:
        self.deeds.after(wait, f"{node} freezes")
        self.deeds.fault("node-frozen", node)

    @rule(wait=WAITS, lost=st.booleans())
    def quorum(self, wait: float, lost: bool) -> None:
        self.deeds.after(wait, f"quorum {'lost' if lost else 'back'}")
        if lost:
            self.deeds.fault("quorum-loss")
        else:
            self.deeds.heal("quorum-loss")

    @rule(wait=WAITS, unit=UNITS, stays=SELDOM)
    def service(self, wait: float, unit: str, stays: bool) -> None:
        self.deeds.after(wait, f"{unit} fails (for good: {stays})")
        node, _, name = unit.partition("/")
        broken = self.house.world.nodes[node].broken_services
        (broken.add if stays else broken.discard)(name)
        self.deeds.fault("service-crash", unit)

    @rule(wait=WAITS, name=st.sampled_from(CONTAINERS), stays=SELDOM)
    def container(self, wait: float, name: str, stays: bool) -> None:
        self.deeds.after(wait, f"container {name} is unhealthy (for good: {stays})")
        self.deeds.fault("container-unhealthy", f"{DOCKER}/{name}", stays=stays)

    @rule(wait=WAITS, name=ENDPOINT_FAULTS, node=st.sampled_from([*NODES, "*"]), on=st.booleans())
    def endpoint(self, wait: float, name: str, node: str, on: bool) -> None:
        self.deeds.after(wait, f"{name} at {node}: {on}")
        if on:
            self.deeds.fault(name, node)
        else:
            self.deeds.heal(name)

    @rule(wait=WAITS, node=st.sampled_from(NODES), on=st.booleans())
    def lie(self, wait: float, node: str, on: bool) -> None:
        self.deeds.after(wait, f"{node} {'tells old pictures' if on else 'tells the truth'}")
        (self.house.lying.add if on else self.house.lying.discard)(node)

    @rule(wait=WAITS, name=GUESTS)
    def person_stops(self, wait: float, name: str) -> None:
        self.deeds.after(wait, f"a person stops {name}")
        self.deeds.stop(name)

    @rule(wait=WAITS, name=GUESTS)
    def person_starts(self, wait: float, name: str) -> None:
        self.deeds.after(wait, f"a person starts {name}")
        self.deeds.person(actions.start, name)

    @rule(wait=WAITS, name=st.sampled_from(PLAIN), node=st.sampled_from(NODES))
    def person_migrates(self, wait: float, name: str, node: str) -> None:
        self.deeds.after(wait, f"a person moves {name} to {node}")
        if self.deeds.person(actions.migrate, name, node, True):
            guest = self.house.world.guest_named(name)
            assert guest is not None
            self.house.moved.add(guest.vmid)

    @rule(wait=WAITS, name=st.sampled_from(PLAIN), locked=st.booleans())
    def lock(self, wait: float, name: str, locked: bool) -> None:
        self.deeds.after(wait, f"{name} is {'locked' if locked else 'unlocked'}")
        guest = self.house.world.guest_named(name)
        assert guest is not None
        guest.lock = "snapshot" if locked else None
        self.house.world.config_version += 1
        self.house.witness.note()

    @rule(wait=WAITS, where=WINDOWS, seconds=st.sampled_from([90.0, 400.0]))
    def maintenance(self, wait: float, where: str, seconds: float) -> None:
        self.deeds.after(wait, f"maintenance on {where} for {seconds:g} s")
        self.deeds.maintenance(where, seconds)

    @rule(wait=WAITS, name=st.sampled_from(PLAIN), seconds=st.sampled_from([90.0, 400.0]))
    def silence(self, wait: float, name: str, seconds: float) -> None:
        self.deeds.after(wait, f"a silence over {name} for {seconds:g} s")
        guest = self.house.world.guest_named(name)
        assert guest is not None
        self.deeds.maintenance(f"guest:{guest.vmid}", seconds, window=False)

    @rule(wait=WAITS, name=st.sampled_from(PLAIN), hands_off=st.booleans())
    def tag(self, wait: float, name: str, hands_off: bool) -> None:
        self.deeds.after(wait, f"{name} is {'tagged no-jarvis' if hands_off else 'untagged'}")
        self.deeds.tag(name, hands_off)

    @rule(wait=WAITS, engaged=st.booleans(), by_file=st.booleans())
    def kill_switch(self, wait: float, engaged: bool, by_file: bool) -> None:
        self.deeds.after(wait, f"kill switch {'engaged' if engaged else 'released'} (by file: {by_file})")
        self.deeds.kill(engaged, by_file=by_file)

    @rule(wait=WAITS, approve=st.booleans())
    def answer(self, wait: float, approve: bool) -> None:
        self.deeds.after(wait, f"a person says {'yes' if approve else 'no'}")
        self.deeds.answer(approve)

    @rule(wait=WAITS, node=st.sampled_from(NODES))
    def ha_moves(self, wait: float, node: str) -> None:
        self.deeds.after(wait, f"HA moves {HA} to {node}")
        guest = self.house.world.guest_named(HA)
        assert guest is not None
        guest.node = node
        self.house.world.index_guests()

    @rule(wait=WAITS, turns=st.integers(0, 40), away_s=st.sampled_from([1.0, 30.0, 300.0]))
    def daemon_dies(self, wait: float, turns: int, away_s: float) -> None:
        self.deeds.after(wait, f"the daemon dies after {turns} turns, for {away_s:g} s")
        self.deeds.die(turns, away_s)

    @rule(wait=WAITS, seconds=st.sampled_from([-3600.0, -90.0, 90.0, 3600.0]))
    def clock_jumps(self, wait: float, seconds: float) -> None:
        self.deeds.after(wait, f"the wall clock jumps by {seconds:g} s")
        self.house.jump(seconds)

    @rule(seconds=st.sampled_from([10.0, 60.0, 180.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.deeds.after(seconds, "nothing")

    def teardown(self) -> None:
        try:
            wrong = self.deeds.settle()
            self._count()
            log, told = "\n".join(self.deeds.log), "\n".join(self.house.told[-40:])
            assert not wrong, "\n".join([*wrong, "--- what happened", log, "--- what was told", told])
        finally:
            self.house.close()

    def _count(self) -> None:
        counts = {
            "sequences": 1,
            "decisions": self.house.witness.decisions,
            "acts": self.house.witness.acts,
            "minutes": int(self.house.loop.time() / 60),
            "lives": self.house.lives,
        }
        for story in self.house.stories:
            counts[story.status] = counts.get(story.status, 0) + 1
        for key, count in counts.items():
            self.seen[key] = self.seen.get(key, 0) + count
