"""What the gate asks of a runbook's call: is it of a repair under way, and about what is ill?"""

from __future__ import annotations

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Target, Tier
from jarvis_daemon.tools.judge import Judgement
from tests.unit.remediation.ward import RUNBOOK, START, Ward, kept


async def test_a_step_that_names_another_guest_is_refused_and_touches_nothing(ward: Ward) -> None:
    ward.books[:] = [kept(START.replace('"{guest.vmid}"', '"103"'))]
    ward.crash()
    await ward.poll(5)
    assert ward.acts == []
    assert await ward.audit("intent") == []
    story = ward.story()
    assert "plex is not what is ill" in story.steps[0].text
    assert "the repair is of pihole" in story.text


async def test_a_call_of_no_repair_is_refused(ward: Ward) -> None:
    judged = Judgement(Target("guest:105", "pihole"), Tier.YELLOW)
    with pytest.raises(JarvisError, match="No repair is under way"):
        await ward.engine._carrier.policy(judged, RUNBOOK)
