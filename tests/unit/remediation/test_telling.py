"""Which lines of a story are told to people."""

from __future__ import annotations

from typing import get_args

import pytest

from jarvis_daemon.protocol.state import Repair, RepairStatus
from jarvis_daemon.remediation import telling
from tests.unit.remediation.ward import Ward


@pytest.mark.parametrize("status", get_args(RepairStatus))
async def test_silence_ends_where_a_person_is_needed(ward: Ward, status: RepairStatus) -> None:
    story = Repair(id="1", status=status, level=4, text="It went so.", target="guest:105")
    needed = status in {"failed", "escalated", "asking", "reported"}
    assert telling.line(ward.feed, story).data["silent"] is not needed
    story.level = 3
    assert telling.line(ward.feed, story).data["silent"] is False
    story.level, story.by = 4, "operator:cli"
    assert telling.line(ward.feed, story).data["silent"] is False
