"""The queue of approvals."""

from __future__ import annotations

from jarvis_daemon.bus import Principal
from tests.unit.tools.conftest import AGENT, Yard


async def test_one_asker_cannot_fill_the_queue(yard: Yard) -> None:
    asked = [await yard.call("flood", AGENT, args={"lamp": "hall", "level": n}) for n in range(10)]
    assert {outcome.outcome for outcome in asked} == {"awaiting"}
    refused = await yard.call("flood", AGENT)
    assert (refused.outcome, refused.code) == ("refused", "busy")
    other = Principal(session="s-x", role="agent", client="other", uid=0)
    assert (await yard.call("flood", other)).outcome == "awaiting"
