"""What is ill lies on something: a container's host is judged too, before it is itself touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.protocol.state import Incident, Silence, Source
from jarvis_daemon.remediation.runbook import Step
from tests.unit.remediation.ward import Ward, kept

CONDITION = "docker-container-unhealthy"
STEPS = [Step(tool="mark_guest", args={"guest": "{guest.vmid}"})]


class Docks(Ward):
    """A ward with a container that is ill, on the guest ``management``."""

    def publish(self) -> None:
        super().publish()
        source = Source(
            id="source:homelab/docker/management", cluster="homelab", what="docker", target="management",
            ok_at=self.clock.now(),
        )  # fmt: skip
        self.bus.state("cluster").apply({"sources": {source.id: source}})

    def sicken(self) -> None:
        now = self.clock.now()
        self.incidents["7"] = Incident(
            id="7", cluster="homelab", condition=CONDITION, target="container:management/grafana", severity="error",
            title="grafana is unhealthy", observed_at=now, opened_at=now, evidence={"node": "agent"},
        )  # fmt: skip


@pytest.fixture
async def docks(tmp_path: Path) -> AsyncIterator[Docks]:
    made = Docks(tmp_path, books=[kept(condition=CONDITION, when=[], steps=STEPS)])
    made.add(110, "management")
    await made.open()
    await made.poll()
    yield made
    await made.close()


async def test_the_host_is_touched_where_nothing_speaks_against_it(docks: Docks) -> None:
    docks.sicken()
    await docks.poll(5)
    assert docks.acts == ["mark management"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ha_state": "started"}, "is managed by HA (started)"),
        ({"template": True}, "is a template"),
        ({"status": "unknown"}, "is not known now"),
    ],
)
async def test_a_host_that_is_out_of_bounds_is_not_touched_for_its_container(
    docks: Docks, change: dict[str, Any], told: str
) -> None:
    docks.change("management", **change)
    docks.sicken()
    await docks.poll(10)
    assert (docks.acts, await docks.audit("intent")) == ([], [])
    assert told in docks.story().text


@pytest.mark.parametrize("target", ["guest:110", "guest:11*", "node:agent", "*"])
async def test_maintenance_of_the_host_covers_what_lies_on_it(docks: Docks, target: str) -> None:
    now = docks.clock.now()
    docks.silences["1"] = Silence(
        id="1", cluster="homelab", condition="*", target=target, reason="new disks", by="a person",
        starts_at=now - 1, ends_at=now + 9999, maintenance=True,
    )  # fmt: skip
    docks.sicken()
    await docks.poll(10)
    assert docks.acts == []
    assert f"maintenance on {target} by a person: new disks." in docks.story().text
