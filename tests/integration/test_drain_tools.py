"""Draining, rebooting and shutting down nodes, through the gate, against the simulated homelab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jarvis_daemon.protocol import messages as m
from jarvis_daemon.simulator.tasks import TaskError
from tests.integration.node_house import AGENT, OPERATOR, NodeHouse


@pytest.fixture
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse(speed=60.0) as made:
        yield made


def moving(house: NodeHouse) -> list[str]:
    """What was begun on guests of agent1, over the API, by kind of task."""
    tasks = [*house.lab.world.tasks.running("agent1"), *house.lab.world.tasks.finished("agent1")]
    kinds = {"qmigrate", "vzmigrate", "qmshutdown", "vzshutdown"}
    return [t.id for t in tasks if t.type in kinds and "jarvis@pve!daemon" in t.user]


def on(house: NodeHouse, node: str) -> list[str]:
    return sorted(g.spec.name for g in house.lab.world.guests_on(node) if g.running)


async def test_a_node_is_drained_guest_by_guest_and_read_back(house: NodeHouse) -> None:
    before = on(house, "agent1")
    assert len(before) >= 4
    refused = await house.call("drain_node", AGENT, node="agent1")
    assert (refused.outcome, refused.tier) == ("awaiting", "red")
    outcome = await house.confirmed("drain_node", node="agent1")
    assert (outcome.outcome, on(house, "agent1")) == ("verified", []), outcome
    assert sorted(g["name"] for g in outcome.result["guests"]) == before
    again = await house.until(lambda: not [g for g in house.guests.values() if g.node == "agent1" and
                                           g.status == "running"])  # fmt: skip
    assert again
    assert (await house.plan("drain_node", node="agent1")).text == "No guest runs on agent1: it is drained already."


async def test_with_the_kill_switch_engaged_after_two_the_third_never_reaches_the_api(house: NodeHouse) -> None:
    """And begun again it goes on with those that are left."""
    earlier = set(moving(house))
    plan = await house.plan("drain_node", node="agent1", how="shutdown")
    guests = len(on(house, "agent1"))

    def progress(data: dict[str, Any]) -> None:
        if data.get("number") == 3:
            house.places.kill_file.touch()

    call = m.ToolCall(name="drain_node", args={"node": "agent1", "how": "shutdown"}, confirm=plan.digest)
    outcome = await house.tools.gate.call(call, OPERATOR, progress)
    assert (outcome.outcome, outcome.code) == ("cancelled", "killed")
    assert len(set(moving(house)) - earlier) == 2, "two shutdowns were begun, no third"
    assert len(on(house, "agent1")) == guests - 2
    assert len(outcome.evidence["steps"]) == 2
    await house.tools.kill.set(False, by="test", reason="")
    await house.until(lambda: sum(g.node == "agent1" and g.status == "running" for g in house.guests.values())
                      == guests - 2)  # fmt: skip
    resumed = await house.confirmed("drain_node", node="agent1", how="shutdown")
    assert (resumed.outcome, len(resumed.result["guests"])) == ("verified", guests - 2)
    assert on(house, "agent1") == []


async def test_a_locked_guest_keeps_the_drain_from_beginning(house: NodeHouse) -> None:
    first = min(g.vmid for g in house.lab.world.guests_on("agent1") if g.running)
    house.lab.world.guests[first].lock = "backup"
    await house.until(lambda: house.guests[f"guest:{first}"].lock == "backup")
    locked = await house.confirmed("drain_node", node="agent1")
    assert (locked.outcome, "is locked (backup)" in locked.text) == ("refused", True)


@pytest.mark.parametrize(
    ("name", "node", "tier"),
    [
        ("drain_node", "agent1", "red"), ("drain_node", "Home", "black"), ("reboot_node", "agent1", "black"),
        ("shutdown_node", "agent1", "black"), ("reboot_node", "Home", "black"),
    ],
)  # fmt: skip
async def test_tiers_of_acts_on_nodes(house: NodeHouse, name: str, node: str, tier: str) -> None:
    plan = await house.plan(name, node=node)
    assert (plan.outcome, plan.tier) == ("planned", tier)
    assert ("Home carries Jarvis itself" in plan.effects) == (node == "Home")


@pytest.mark.parametrize("entry", ["no-jarvis", "tag:precious", "guest:{}"])
async def test_no_node_is_emptied_of_a_guest_that_is_kept(house: NodeHouse, entry: str) -> None:
    """Neither by draining it nor by updating it: an agent's call is refused, whatever kind of entry keeps it."""
    vmid = next(v for v, g in sorted(house.lab.world.guests.items()) if g in house.lab.world.guests_on("agent"))
    tools = ("drain_node", "apply_updates")
    assert [(await house.plan(tool, node="agent")).tier for tool in tools] == ["red", "red"]
    await house.tag(vmid, entry if entry == "no-jarvis" else "precious")
    house.settings.tools.protected.append(entry.format(vmid))
    for tool in tools:
        outcome = await house.call(tool, AGENT, node="agent")
        assert (outcome.code, outcome.tier) == ("forbidden", "black"), outcome


async def test_what_cannot_be_taken_back_is_told_or_refused(house: NodeHouse) -> None:
    own = await house.plan("shutdown_node", node="Home")
    assert (own.outcome, "carries Jarvis itself" in own.text) == ("refused", True)
    house.settings.tools.protected.append("plex")
    assert (await house.plan("drain_node", node="agent1")).tier == "black", "a protected guest protects its node"
    assert house.settings.cluster is not None
    house.settings.cluster.runs_on = None
    unknown = await house.plan("drain_node", node="agent")
    assert (unknown.tier, "not known which node carries Jarvis" in unknown.effects[0]) == ("black", True)
    await house.lab.fault("node-down", "agent")
    await house.until(lambda: house.nodes["node:agent"].status == "offline")
    vote = await house.plan("reboot_node", node="agent1")
    assert "quorum needs 3 of 4 votes, and 2 would be left" in vote.effects[0]
    assert any("plex runs there and goes down" in effect for effect in vote.effects)
    gone = await house.plan("reboot_node", node="agent")
    assert (gone.outcome, gone.text) == ("refused", "agent is offline.")


async def test_a_node_is_shut_down_and_woken_by_its_undo(house: NodeHouse) -> None:
    bare = await house.call("shutdown_node", node="agent")
    assert (bare.outcome, bare.needs, house.lab.world.nodes["agent"].power) == ("refused", "typed_name", "on")
    outcome = await house.confirmed("shutdown_node", node="agent")
    assert (outcome.outcome, house.lab.world.nodes["agent"].power) == ("verified", "off")
    assert outcome.undo is not None
    assert (await house.call(outcome.undo["name"], **outcome.undo["args"])).outcome == "verified"


async def test_a_node_is_rebooted_and_its_later_start_is_read(house: NodeHouse) -> None:
    booted = house.lab.world.nodes["agent"].booted_at
    outcome = await house.confirmed("reboot_node", node="agent")
    assert outcome.outcome == "verified", outcome
    assert house.lab.world.nodes["agent"].booted_at > booted
    assert (await house.call("reboot_node", AGENT, node="agent")).code == "forbidden"


async def test_a_node_that_stays_up_contradicts(house: NodeHouse) -> None:
    """The order is taken, and nothing comes of it: the cut of the power is taken out of the world."""
    house.lab.world.power_off = lambda name: None  # type: ignore[method-assign]
    outcome = await house.confirmed("shutdown_node", node="agent", wait_s=5)
    assert (outcome.outcome, "It is online after 5 s." in outcome.text) == ("contradicted", True)


async def test_a_shutdown_that_fails_ends_the_drain_and_tells_what_was_done(house: NodeHouse) -> None:
    guests = sorted((g for g in house.lab.world.guests_on("agent1") if g.running), key=lambda g: g.vmid)

    def stuck() -> None:
        raise TaskError("VM quit/powerdown failed - got timeout")

    guests[1].stop = stuck  # type: ignore[method-assign]
    outcome = await house.confirmed("drain_node", node="agent1", how="shutdown")
    assert (outcome.outcome, outcome.code) == ("failed", "cluster_refused")
    assert "got timeout" in outcome.why
    assert f"shutdown {guests[0].spec.name}" in outcome.text
    assert [g.running for g in guests] == [False, *(True for _ in guests[1:])]


async def test_a_guest_that_runs_on_after_its_shutdown_contradicts(
    house: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jarvis_daemon.cluster.tools.drain.SETTLE_S", 1.0)
    last = max((g for g in house.lab.world.guests_on("agent") if g.running), key=lambda g: g.vmid)
    last.stop = lambda: None  # type: ignore[method-assign]
    outcome = await house.confirmed("drain_node", node="agent", how="shutdown")
    assert (outcome.outcome, outcome.evidence["running"]) == ("contradicted", [last.spec.name])
