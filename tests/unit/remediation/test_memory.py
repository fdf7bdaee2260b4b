"""What the watchman keeps: nothing of what is over, no secret, and no patience that a clock could shorten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Incident
from jarvis_daemon.remediation.facts import Opinion
from jarvis_daemon.remediation.runbook import Step
from jarvis_daemon.tools import Act, Target
from tests.unit.remediation.ward import GuestArgs, Seen, Ward, kept

GUEST = {"guest": "{guest.vmid}"}


async def test_what_mended_itself_during_the_second_look_is_forgotten(ward: Ward) -> None:
    async def ask(target: str) -> tuple[Opinion, str]:
        ward.change("pihole", status="running")
        ward.publish()
        return "agrees", ""

    ward.engine._carrier._ask_second = ask
    for number in ("1", "2"):
        ward.crash(number=number)
        await ward.poll()
        assert list(ward.engine._not_before) == [(number, "guest-crashed")]  # it was stood down
        await ward.poll()
    assert ward.acts == []
    kept_in_mind = (ward.engine._told, ward.engine._held_since, ward.engine._reasons, ward.engine._not_before)
    assert kept_in_mind == ({}, {}, {}, {})


async def test_a_secret_that_a_step_read_is_in_no_story(ward: Ward) -> None:
    async def peek(args: GuestArgs, target: Target, act: Act) -> Seen:
        return Seen(status="started with password=hunter2secret")

    spec = ward.tools.registry.get("peek_guest")
    ward.tools.registry.remove("peek_guest")
    ward.tools.registry.add(replace(spec, run=peek))
    ward.books[:] = [kept(scope="report", steps=[Step(tool="peek_guest", args=GUEST)])]
    ward.crash()
    await ward.poll(2)
    (step,) = ward.story().steps
    assert step.result == {"status": "started with password=***"}
    assert "hunter2" not in str(ward.bus.state("incidents").plain)
    assert "hunter2" not in str(await ward.store.read(lambda db: db.execute("select body from repairs").fetchall()))


async def test_a_secret_in_what_a_failed_step_says_is_in_no_story(ward: Ward) -> None:
    ward.raises = JarvisError("cluster_refused", "it said token=abcdefgh12345678")
    ward.crash()
    await ward.poll(2)
    assert "it said token=***" in ward.story().steps[0].text
    assert "abcdefgh" not in str(ward.bus.state("incidents").plain)


@pytest.mark.parametrize("jump", [3600.0, 86400.0, -3600.0])
async def test_a_clock_that_jumps_before_an_incident_opens_makes_it_no_older(ward: Ward, jump: float) -> None:
    first = ward.clock.now()  # what is seen once is held until it is seen again
    ward.clock.jump(jump)
    await ward.poll()
    given: dict[str, Any] = {"condition": "node-unreachable", "target": "node:agent1", "severity": "critical"}
    incident = Incident(id="9", cluster="homelab", title="", observed_at=first, opened_at=ward.clock.now(), **given)
    ward.incidents["9"] = incident
    await ward.poll()
    assert 0 <= ward.engine.ledger.past(incident).age_s <= 40
