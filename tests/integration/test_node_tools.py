"""Tools on services and nodes, through the gate and over SSH and the API, against the simulated homelab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon.protocol import messages as m
from jarvis_daemon.simulator.nodes import Node
from tests.integration.node_house import AGENT, OPERATOR, NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _settings(settings: Any) -> None:
    settings.conditions.services["Home"] += ["corosync", "jarvis-daemon"]
    settings.tools.protected = ["pve/filebrowser"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse(change=_settings) as made:
        made.lab.world.nodes["Home"].services["jarvis-daemon"] = "active"
        await made.until(lambda: all(n in made.room.scene.units for n in ("Home", "pve", "agent1")))
        yield made


@pytest.fixture
def home(house: NodeHouse) -> Node:
    """The simulated node, whole again after the test."""
    return house.lab.world.nodes["Home"]


# --- services ----------------------------------------------------------------------------------------------


async def test_services_are_listed_with_what_they_do(house: NodeHouse) -> None:
    listed = await house.call("list_services", AGENT)
    rows = {(r["node"], r["service"]): r for r in listed.result["services"]}
    assert rows["Home", "smbd"]["state"] == "active"
    of_node = await house.call("list_services", AGENT, node="Home")
    rows = {(r["node"], r["service"]): r for r in of_node.result["services"]}
    assert rows["Home", "smbd"]["listed"]
    assert not rows["Home", "pveproxy"]["listed"]
    assert ("pve", "smbd") not in rows


async def test_status_and_journal_are_asked_of_the_node(house: NodeHouse) -> None:
    status = await house.call("get_service_status", AGENT, node="pve", service="smbd.service")
    assert (status.result["active_state"], status.result["sub_state"]) == ("active", "running")
    journal = await house.call("get_journal", AGENT, node="pve", service="smbd", lines=5)
    assert (journal.outcome, journal.tainted) == ("done", True)
    assert "Started smbd.service." in journal.result["lines"][-1]


async def test_fifty_megabytes_of_journal_are_capped(house: NodeHouse, home: Node) -> None:
    home.journal_padding = 50_000_000
    journal = await house.call("get_journal", node="Home", service="smbd", lines=1)
    home.journal_padding = 0
    assert (journal.outcome, journal.result["truncated"]) == ("done", True)
    assert sum(map(len, journal.result["lines"])) < 300_000


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("get_journal", {"node": "Home", "service": "smbd; reboot"}, "invalid_params"),
        ("get_journal", {"node": "Home", "service": "--all"}, "invalid_params"),
        ("get_journal", {"node": "Home", "service": "smbd", "lines": 100000}, "invalid_params"),
        ("get_service_status", {"node": "mars", "service": "smbd"}, "not_found"),
        ("restart_service", {"node": "Home", "service": "nosuch"}, "not_found"),
        ("restart_service", {"node": "Home", "service": "cron"}, "refused"),
        ("restart_service", {"node": "pve", "service": "llama-server"}, "not_found"),
        ("restart_service", {"node": "Home", "service": "corosync"}, "refused"),
        ("restart_service", {"node": "Home", "service": "jarvis-daemon"}, "refused"),
        ("restart_service", {"node": "pve", "service": "ssh"}, "refused"),
    ],
)
async def test_refusals_of_services_reach_no_node(
    house: NodeHouse, name: str, args: dict[str, Any], code: str
) -> None:
    outcome = await house.call(name, **args)
    assert (outcome.outcome, outcome.code) == ("refused", code), outcome.text
    for node in house.lab.world.nodes.values():
        assert not any("restart" in command for command in node.commands)


@pytest.mark.parametrize(
    ("node", "service", "tier"),
    [
        ("Home", "smbd", "yellow"), ("Home", "smbd.service", "yellow"), ("pve", "filebrowser", "red"),
        ("Home", "corosync", "black"), ("agent", "corosync.service", "black"), ("pve", "pve-cluster", "black"),
        ("pve", "pve-ha-lrm", "black"), ("pve", "ssh", "black"), ("Home", "jarvis-daemon", "black"),
    ],
)  # fmt: skip
async def test_tiers_of_restarts(house: NodeHouse, node: str, service: str, tier: str) -> None:
    assert (await house.plan("restart_service", node=node, service=service)).tier == tier


async def test_a_restarted_service_is_read_back(house: NodeHouse, home: Node) -> None:
    outcome = await house.call("restart_service", node="Home", service="smbd")
    assert (outcome.outcome, outcome.text) == ("verified", "smbd on Home has been restarted.")
    before, after = outcome.evidence["active_since_us"]
    assert after > before
    assert outcome.evidence["states"] == ["active", "active"]
    assert sum("systemctl restart -- smbd" in command for command in home.commands) == 1


async def test_a_failed_service_is_restarted(house: NodeHouse, home: Node) -> None:
    home.services["smbd"] = "failed"
    assert (await house.call("restart_service", node="Home", service="smbd")).outcome == "verified"
    assert home.services["smbd"] == "active"


async def test_a_service_that_falls_again_contradicts(house: NodeHouse, home: Node) -> None:
    home.broken_services.add("smbd")
    outcome = await house.call("restart_service", node="Home", service="smbd")
    home.broken_services.clear()
    home.services["smbd"] = "active"
    assert (outcome.outcome, outcome.code) == ("contradicted", "refused")
    assert "It is failed" in outcome.text


async def test_a_restart_that_the_node_refuses_failed(house: NodeHouse, home: Node) -> None:
    home.refused_commands.add("systemctl restart")
    outcome = await house.call("restart_service", node="Home", service="smbd")
    home.refused_commands.clear()
    assert (outcome.outcome, outcome.code) == ("failed", "cluster_refused")
    assert "Access denied" in outcome.why


async def test_a_node_without_ssh_is_refused_before_anything(house: NodeHouse, home: Node) -> None:
    await house.lab.fault("ssh-refused", "Home")
    outcome = await house.call("restart_service", node="Home", service="smbd")
    await house.lab.heal("Home")
    assert (outcome.outcome, outcome.code) == ("refused", "cluster_unreachable")


async def test_the_kill_switch_stops_a_restart(house: NodeHouse, home: Node) -> None:
    count = len([c for c in home.commands if "restart" in c])
    await house.tools.kill.set(True, by="test", reason="no")
    outcome = await house.call("restart_service", node="Home", service="smbd")
    looked = await house.call("get_service_status", node="Home", service="smbd")
    await house.tools.kill.set(False, by="test", reason="")
    assert (outcome.outcome, outcome.code, looked.outcome) == ("refused", "killed", "done")
    assert len([c for c in home.commands if "restart" in c]) == count


# --- waking ------------------------------------------------------------------------------------------------


async def _dark(house: NodeHouse, name: str) -> None:
    await house.lab.fault("node-down", name)
    await house.until(lambda: house.nodes[f"node:{name}"].status == "offline")


async def test_a_node_that_is_up_is_not_woken(house: NodeHouse) -> None:
    outcome = await house.call("wake_node", node="agent")
    assert (outcome.outcome, outcome.text) == ("refused", "agent is online already.")


async def test_a_sleeping_node_is_woken_by_the_cluster(house: NodeHouse) -> None:
    await _dark(house, "agent")
    outcome = await house.call("wake_node", node="agent")
    assert (outcome.outcome, outcome.text) == ("verified", "agent is online.")
    assert (house.lab.world.nodes["agent"].power, outcome.evidence["by"]) == ("on", "cluster")
    await house.lab.heal()


async def test_a_node_that_does_not_wake_contradicts(house: NodeHouse) -> None:
    await _dark(house, "agent")
    house.lab.world.nodes["agent"].wakes = False
    outcome = await house.call("wake_node", node="agent", wait_s=5)
    house.lab.world.nodes["agent"].wakes = True
    assert (outcome.outcome, outcome.code) == ("contradicted", "refused")
    assert "not online after 5 s" in outcome.text
    await house.lab.heal()
    await house.until(lambda: house.nodes["node:agent"].status == "online")


async def test_without_a_living_node_a_magic_packet_goes_out() -> None:
    """A standalone peer: no endpoint answers, the packet comes by UDP and holds the address sixteen times."""
    packets: asyncio.Queue[bytes] = asyncio.Queue()

    class Ears(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            packets.put_nowait(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Ears, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]

    def change(settings: Any) -> None:
        settings.cluster.wake.macs = {"pve": "02:50:56:a8:01:0b"}
        settings.cluster.wake.address = "127.0.0.1"
        settings.cluster.wake.port = port

    async with NodeHouse(change=change) as dark:
        await dark.lab.fault("node-down", "pve")
        await dark.lab.fault("node-down", "agent")
        await dark.until(lambda: {dark.nodes[f"node:{n}"].status for n in ("pve", "agent")} == {"offline"})
        await dark.lab.fault("node-down", "Home")
        await dark.lab.fault("node-down", "agent1")
        outcome = await dark.call("wake_node", node="pve", wait_s=5)
        async with asyncio.timeout(5):
            assert await packets.get() == b"\xff" * 6 + bytes.fromhex("025056a8010b") * 16
        assert outcome.outcome == "contradicted", "nothing woke: the packet went to the test"
        without = await dark.call("wake_node", node="agent", wait_s=5)
        assert (without.outcome, "cluster.wake.macs.agent" in without.next) == ("failed", True)
    transport.close()


# --- one command -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "command", "tier"),
    [
        ("pve", "uptime", "yellow"), ("Home", "df -h", "yellow"), ("pve", "echo hello", "red"),
        ("Home", "echo hello", "black"), ("pve", "rm -rf /", "black"), ("pve", "sudo -n reboot", "black"),
        ("pve", "sh -c 'reboot'", "black"), ("pve", "qm destroy 110", "black"), ("pve", "uptime -p", "red"),
        ("pve", "/tmp/uptime", "red"),
    ],
)  # fmt: skip
async def test_tiers_of_commands(house: NodeHouse, node: str, command: str, tier: str) -> None:
    plan = await house.plan("execute_ssh", node=node, command=command)
    assert (plan.outcome, plan.tier) == ("planned", tier)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("qm stop 110", "vmid"), ("qm stop 110", "guest"), ("pct reboot 110", "name"), ("lxc-info -n 110", "tag"),
        ("qm guest exec 110 -- echo x", "vmid"), ("echo --vm=110", "vmid"),
    ],
)  # fmt: skip
async def test_a_command_reaches_no_guest_that_is_protected(house: NodeHouse, command: str, name: str) -> None:
    guest = next(iter(house.guests.values()))
    exact = command.replace("110", str(guest.vmid))
    assert (await house.plan("execute_ssh", node="pve", command=exact)).tier == "red"
    entry = {"vmid": str(guest.vmid), "guest": guest.id, "name": guest.name, "tag": "tag:precious"}[name]
    tags = await house.tag(guest.vmid, "precious")
    house.settings.tools.protected.append(entry)
    plan = await house.plan("execute_ssh", node="pve", command=exact)
    outcome = await house.call("execute_ssh", AGENT, node="pve", command=exact)
    house.settings.tools.protected.remove(entry)
    await house.tag(guest.vmid, "no-jarvis")
    tagged = await house.plan("execute_ssh", node="pve", command=exact)
    await house.tag(guest.vmid, *tags)
    assert (plan.tier, outcome.code, tagged.tier) == ("black", "forbidden", "black")


async def test_a_secret_in_a_command_does_not_come_into_the_feed(house: NodeHouse) -> None:
    outcome = await house.confirmed("execute_ssh", node="pve", command="nosuchprogram --password=hunter22")
    told = [event.text for event in house.feed.topic.recent(0) or []]
    assert outcome.outcome == "contradicted"
    assert any("nosuchprogram --password=***" in text for text in told)
    assert not any("hunter22" in text for text in told)


async def test_a_command_reaches_no_service_that_is_protected(house: NodeHouse) -> None:
    plan = await house.plan("execute_ssh", node="pve", command="systemctl stop filebrowser.service")
    assert (plan.tier, "filebrowser is protected" in plan.effects) == ("black", True)


async def test_a_command_that_looks_runs_at_once_and_its_answer_is_tainted(house: NodeHouse) -> None:
    outcome = await house.call("execute_ssh", node="pve", command="uname -a")
    assert (outcome.outcome, outcome.tainted, outcome.result["exit_code"]) == ("verified", True, 0)
    assert outcome.result["stdout"].startswith("Linux pve")


async def test_another_command_waits_for_the_operator_who_sees_its_exact_arguments(house: NodeHouse) -> None:
    asked = await house.call("execute_ssh", AGENT, node="pve", command="echo 'two  words' x")
    assert (asked.outcome, asked.tier) == ("awaiting", "red")
    assert "exactly these arguments: [echo] [two  words] [x]" in asked.effects
    assert not any("two  words" in command for command in house.lab.world.nodes["pve"].commands)
    done = await house.tools.gate.answer(m.ApprovalAnswer(id=asked.approval_id or "", approve=True), OPERATOR)
    assert (done.outcome, done.result["stdout"]) == ("unverified", "two  words x\n")
    assert "echo 'two  words' x" in house.lab.world.nodes["pve"].commands[-1]


async def test_an_agent_never_destroys(house: NodeHouse) -> None:
    outcome = await house.call("execute_ssh", AGENT, node="pve", command="env rm -rf /")
    assert (outcome.outcome, outcome.code) == ("refused", "forbidden")


async def test_a_command_that_fails_contradicts_and_keeps_what_it_said(house: NodeHouse) -> None:
    outcome = await house.confirmed("execute_ssh", node="pve", command="nosuchprogram")
    assert (outcome.outcome, outcome.result["exit_code"]) == ("contradicted", 127)
    assert "command not found" in outcome.text


async def test_a_command_that_hangs_is_given_up_and_told_as_not_known(house: NodeHouse) -> None:
    node = house.lab.world.nodes["pve"]
    node.hanging_commands.add("echo")
    outcome = await house.confirmed("execute_ssh", node="pve", command="echo x", timeout_s=1)
    node.hanging_commands.clear()
    assert (outcome.outcome, outcome.code) == ("unverified", "timed_out")
    assert "did not end within 1 s" in outcome.why
    assert (await house.call("execute_ssh", node="pve", command="uptime")).outcome == "verified", (
        "the next one goes"
    )


async def test_fifty_megabytes_of_output_are_capped(house: NodeHouse) -> None:
    node = house.lab.world.nodes["pve"]
    node.journal_padding = 500_000  # of each of the hundred lines that the simulated journal tells
    outcome = await house.call("execute_ssh", node="pve", command="journalctl --no-pager -n 1 -u smbd")
    node.journal_padding = 0
    assert (outcome.outcome, outcome.result["truncated"]) == ("verified", True)
    assert len(outcome.result["stdout"]) <= 256 * 1024


async def test_what_no_argument_vector_can_be_is_refused(house: NodeHouse) -> None:
    for command in ("ls; reboot", "ls $HOME", "ls 'x", "ls > y", "ls\nreboot"):
        outcome = await house.call("execute_ssh", node="pve", command=command)
        assert (outcome.outcome, outcome.code) == ("refused", "invalid_params"), command
