"""The watch over a Docker host: what is ill is told, what is not known stays open, a restart proves itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from jarvis_daemon.protocol.state import Incident, Source
from jarvis_daemon.settings import Settings
from jarvis_daemon.simulator import actions
from tests.integration.node_house import NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")
GRAFANA = "container:management/grafana"


def quick(settings: Settings) -> None:
    settings.docker.interval_s = 0.3


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse(speed=1.0, change=quick) as made:
        yield made


def incident(house: NodeHouse) -> Incident | None:
    found = house.bus.state("incidents").all("incidents", Incident).values()
    return next((one for one in found if one.target == GRAFANA and one.status == "open"), None)


def source(house: NodeHouse) -> Source:
    return house.bus.state("cluster").all("sources", Source)["source:homelab/docker/management"]


async def test_a_restart_closes_the_incident_once_its_health_is_checked(house: NodeHouse) -> None:
    await house.lab.fault("container-unhealthy")
    opened: Incident = await house.until(lambda: incident(house))
    assert (opened.condition, opened.evidence["host"], opened.evidence["node"]) == (
        "docker-container-unhealthy", "management", "Home",
    )  # fmt: skip
    done = await house.call("restart_docker_container", node="management", container="grafana")
    assert done.outcome == "verified", done
    asked_at = source(house).ok_at
    await house.until(lambda: (source(house).ok_at or 0) > (asked_at or 0))
    assert incident(house) is not None, "its first check is still to come"
    await house.until(lambda: incident(house) is None)
    assert house.lab.world.docker["management"].containers["grafana"].health == "healthy"


async def test_of_a_host_that_is_off_nothing_is_known_and_nothing_closes(house: NodeHouse) -> None:
    await house.lab.fault("container-unhealthy")
    opened: Incident = await house.until(lambda: incident(house))
    guest = house.lab.world.guests[100]
    actions.stop(house.lab.world, guest, "root@pam")
    await house.until(lambda: source(house).error is not None)
    await house.until(lambda: house.guests["guest:100"].status == "stopped")
    still = incident(house)
    assert still is not None
    assert still.id == opened.id
    actions.start(house.lab.world, guest, "root@pam")
    await house.until(lambda: source(house).error is None)
    await house.lab.heal()
    await house.until(lambda: incident(house) is None)
