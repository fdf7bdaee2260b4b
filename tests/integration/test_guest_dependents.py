"""A plan says what depends on a guest: the containers that run on it, asked of its Docker over SSH."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.node_house import NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse() as made:
        yield made


@pytest.mark.parametrize(
    ("tool", "args"),
    [("reboot_vm", {}), ("stop_vm", {}), ("suspend_guest", {}), ("migrate_guest", {"node": "pve"})],
)
async def test_what_disrupts_tells_the_containers(house: NodeHouse, tool: str, args: dict[str, str]) -> None:
    plan = await house.plan(tool, guest="management", **args)
    assert (plan.outcome, "16 containers run on it." in plan.effects) == ("planned", True)


async def test_what_does_not_disrupt_asks_nobody(house: NodeHouse) -> None:
    plan = await house.plan("run_backup", guest="management")
    assert plan.outcome == "planned"
    assert not any("containers" in effect for effect in plan.effects)


async def test_a_host_that_does_not_answer_is_not_taken_for_an_empty_one(house: NodeHouse) -> None:
    hosts = house.settings.docker.hosts
    kept, hosts["management"] = hosts["management"], "/nowhere.sock"
    try:
        plan = await house.plan("reboot_vm", guest="management")
    finally:
        hosts["management"] = kept
    assert "Docker containers run on it; how many is not known." in plan.effects
