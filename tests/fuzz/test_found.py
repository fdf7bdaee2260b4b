"""What the state machine has found, told again on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jarvis_daemon.simulator import actions
from tests.fuzz.house import House
from tests.fuzz.machine import Deeds
from tests.fuzz.pace import REAL
from tests.fuzz.small import CONTAINERS, DOCKER


@pytest.fixture
def deeds() -> Iterator[Deeds]:
    house = House(REAL)
    house.live(40)
    yield Deeds(house)
    house.close()


def _touched(deeds: Deeds, vmid: str) -> list[str]:
    return [path for _, _, path in deeds.house.writes if f"/{vmid}/" in path]


@pytest.mark.parametrize("seconds", [90.0, 3600.0])
def test_a_clock_that_is_ahead_does_not_undo_a_persons_stop(deeds: Deeds, seconds: float) -> None:
    """The nodes tell the stop's moment by their clock, which now lies long before we last saw the guest run."""
    house = deeds.house
    house.jump(seconds)
    house.live(25)
    deeds.stop("build")
    house.live(900)
    assert not house.world.guests[105].running
    assert _touched(deeds, "105") == []
    assert house.witness.violations == []


def test_a_guest_that_crashes_after_a_person_started_it_is_repaired(deeds: Deeds) -> None:
    """Their stop was before their start: it forbids nothing any more."""
    house = deeds.house
    deeds.stop("build")
    house.live(60)
    deeds.after(0, "start")
    assert deeds.person(actions.start, "build")
    house.live(700)
    deeds.fault("guest-crash", "build")
    house.live(200)
    assert house.world.guests[105].running
    assert len(_touched(deeds, "105")) == 1


def test_after_a_restart_nobody_has_stopped_who_did_not_run(deeds: Deeds) -> None:
    deeds.die(0, 30.0)
    deeds.house.live(200)
    assert not [text for text in deeds.house.told if "golden" in text or "has stopped" in text]


def test_the_same_again_ends_the_same_way() -> None:
    """Two houses, the same faults at the same moments: the same feed, word by word, and the same stories."""

    def told() -> tuple[list[str], list[tuple[str, str, str]]]:
        house = House(REAL, seed=5)
        deeds = Deeds(house)
        try:
            for wait, name, target in (
                (40.0, "guest-crash", "web"), (3.0, "guest-crash", "mail"), (61.0, "guest-crash", "wiki"),
                (7.0, "service-crash", "n1/smbd"), (200.0, "node-down", "n4"),
                (90.0, "container-unhealthy", "grafana"),
            ):  # fmt: skip
                deeds.after(wait, name)
                deeds.fault(name, target)
            deeds.kill(True)
            house.live(300)
            deeds.kill(False)
            house.live(1800)
            return house.told, [(one.target, one.status, one.text) for one in house.stories]
        finally:
            house.close()

    first, second = told(), told()
    assert first == second
    assert {status for _, status, _ in first[1]} >= {"repaired"}


def test_a_story_goes_on_telling_the_reason_that_holds(deeds: Deeds) -> None:
    """An endpoint contradicts; then others are at work for a while; then it is the endpoint again."""
    house = deeds.house
    house.lying.add("n2")
    deeds.fault("guest-crash", "web")
    house.live(120)
    for name in CONTAINERS:
        deeds.fault("container-unhealthy", f"{DOCKER}/{name}", stays=True)
    house.live(180)
    (story,) = [one for one in house.stories if one.target == "guest:101"]
    assert "2 repairs are under way" in story.text
    house.live(1200)
    (story,) = [one for one in house.stories if one.target == "guest:101"]
    assert story.status == "refused"
    assert "second endpoint disagrees" in story.text
