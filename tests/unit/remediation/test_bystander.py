"""A guest that stops and that nobody calls ill: one story that says why it is left alone, or none."""

from __future__ import annotations

import pytest

from tests.unit.remediation.ward import Ward


async def stop(ward: Ward, user: str | None, kind: str = "vzstop") -> None:
    """It is stopped in PVE's interface, and four polls see it."""
    if user is not None:
        ward.task("t1", "pihole", kind, user, started_at=ward.clock.now(), ended_at=ward.clock.now() + 1)
    ward.change("pihole", status="stopped")
    await ward.poll(4)


@pytest.mark.parametrize("kind", ["vzstop", "vzshutdown", "vzsuspend"])
async def test_what_a_person_stopped_is_left_alone_and_told_once(ward: Ward, kind: str) -> None:
    await stop(ward, "root@pam", kind)
    await ward.poll(20)
    (line,) = await ward.told()
    assert line.kind == "repair.refused"
    assert line.severity == "info"
    assert line.text == f"pihole has stopped. I leave it alone: pihole was stopped by root@pam ({kind})."
    story = ward.story()
    assert (story.incident, story.status, story.ended_at is not None) == ("", "refused", True)
    assert ward.acts == []


async def test_what_was_ordered_through_the_gate_has_been_told_by_it(ward: Ward) -> None:
    await stop(ward, "jarvis@pve!daemon")
    assert await ward.told() == []


async def test_a_stop_that_nothing_explains_is_not_explained(ward: Ward) -> None:
    """An incident will: here it is still within its grace."""
    await stop(ward, None)
    assert await ward.told() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ha_state": "started"}, "pihole is managed by HA (started); it is HA's to repair."),
        ({"lock": "backup"}, "pihole is locked (backup)."),
        ({"tags": ["no-jarvis"]}, "pihole is tagged no-jarvis."),
    ],
)
async def test_the_guest_s_own_reason(ward: Ward, changes: dict[str, object], says: str) -> None:
    ward.change("pihole", **changes)
    await ward.poll()
    await stop(ward, None)
    (line,) = await ward.told()
    assert line.text == f"pihole has stopped. I leave it alone: {says}"


async def test_one_that_has_an_incident_is_the_incident_s_story(ward: Ward) -> None:
    ward.crash()
    ward.cluster.quorate = False
    await ward.poll(10)
    assert len(await ward.told()) == 1


async def test_one_that_runs_again_soon_is_nobody_s_news(ward: Ward) -> None:
    ward.task("t1", "pihole", "vzreboot", "root@pam")
    ward.change("pihole", status="stopped")
    await ward.poll()
    ward.change("pihole", status="running")
    await ward.poll(5)
    assert await ward.told() == []


async def test_a_guest_that_is_deleted_is_forgotten(ward: Ward) -> None:
    ward.task("t1", "pihole", "vzstop", "root@pam")
    ward.change("pihole", status="stopped")
    await ward.poll()
    del ward.guests["guest:105"]
    ward.bus.state("cluster").remove("guests", "guest:105")
    await ward.poll(5)
    assert await ward.told() == []
    assert ward.engine.bystander._stops == {}


async def test_guests_that_were_found_stopped_at_the_start_are_no_news(ward: Ward) -> None:
    ward.task("t1", "pihole", "vzstop", "root@pam")
    ward.change("pihole", status="stopped")
    await ward.restart()
    await ward.poll(6)
    assert await ward.told() == []
