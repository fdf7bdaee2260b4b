"""The queue of approvals."""

from __future__ import annotations

import dataclasses
from typing import Any

from jarvis_daemon.bus import Principal
from jarvis_daemon.tools import Tier
from jarvis_daemon.tools.spec import Output
from tests.unit.tools.conftest import AGENT, Yard


async def test_one_asker_cannot_fill_the_queue(yard: Yard) -> None:
    asked = [await yard.call("flood", AGENT, args={"lamp": "hall", "level": n}) for n in range(10)]
    assert {outcome.outcome for outcome in asked} == {"awaiting"}
    refused = await yard.call("flood", AGENT)
    assert (refused.outcome, refused.code) == ("refused", "busy")
    other = Principal(session="s-x", role="agent", client="other", uid=0)
    assert (await yard.call("flood", other)).outcome == "awaiting"


async def test_an_agent_is_told_no_secret(yard: Yard) -> None:
    async def told(args: Any, target: Any, act: Any) -> Told:
        return Told(text="login with password=hunter2hunter2", lines=["rtsp://admin:c4mera9secret@cam/1"])

    plain: dict[str, Any] = {"resolve": None, "risk": None, "verify": None, "undo": None, "run": told}
    yard.room.registry.add(dataclasses.replace(yard.lamps.spec("tell", Tier.GREEN, **plain), output=Told))
    agent = await yard.call("tell", AGENT)
    assert "hunter2" not in str(agent)
    assert "c4mera9" not in str(agent)
    operator = await yard.call("tell")
    assert "hunter2hunter2" in str(operator.result)


class Told(Output):
    text: str
    lines: list[str]
