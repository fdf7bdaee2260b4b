"""Disks, updates, firewall, mounts and uptime of the nodes, and the installing of updates, through the gate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from jarvis_daemon.cluster.ssh_run import Ran
from jarvis_daemon.cluster.tools.health import parse_updates
from tests.integration.node_house import AGENT, NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse(speed=60.0) as made:
        yield made


async def test_disks_and_pools_are_told(house: NodeHouse) -> None:
    told = await house.call("get_disk_health", AGENT, node="pve")
    assert (told.outcome, told.result["disks"][0]["health"], told.result["worrying"]) == ("done", "PASSED", [])


async def test_updates_are_told_without_changing_anything(house: NodeHouse) -> None:
    told = await house.call("get_updates_available", AGENT, node="pve")
    packages = {row["package"]: row["available"] for row in told.result["updates"]}
    assert packages == {"pve-manager": "9.1.4", "proxmox-kernel-6.17": "6.17.4-2"}
    assert told.result["reboot_after"] is True
    assert house.lab.world.nodes["pve"].updates


async def test_the_firewall_is_active_only_where_both_switches_are_on(house: NodeHouse) -> None:
    told = (await house.call("get_firewall_status", AGENT, node="pve")).result
    assert (told["cluster_enabled"], told["node_enabled"], told["active"]) == (False, True, False)
    assert "dport=8006" in told["rules"][0]["text"]


async def test_a_dead_mount_is_told_and_hides_no_other(house: NodeHouse) -> None:
    well = (await house.call("get_mount_health", AGENT, node="pve")).result["mounts"]
    assert well
    assert all(m["answers"] and 0 <= m["used"] <= 1 for m in well)
    house.lab.world.nodes["pve"].dead_mounts.add(well[0]["path"])
    sick = (await house.call("get_mount_health", AGENT, node="pve")).result["mounts"]
    house.lab.world.nodes["pve"].dead_mounts.clear()
    assert [m["answers"] for m in sick] == [False, *(True for _ in well[1:])]
    assert "3 s" in sick[0]["why"]


async def test_a_node_that_is_off_is_refused(house: NodeHouse) -> None:
    for name in ("get_disk_health", "get_updates_available", "get_firewall_status", "get_mount_health"):
        assert (await house.call(name, node="mars")).code == "not_found"


async def test_watchers_of_uptime_are_asked_when_configured(house: NodeHouse) -> None:
    assert (await house.call("get_uptime_checks")).code == "unavailable"
    answers = {
        "/api/status-page/home": {"publicGroupList": [{"monitorList": [{"id": 1, "name": "plex\u202e"}]}]},
        "/api/status-page/heartbeat/home": {
            "heartbeatList": {"1": [{"status": 1}, {"status": 0, "msg": "timeout"}]}},
        "/api/v1/query?query=up%20or%20probe_success": {"data": {"result": [
            {"metric": {"__name__": "up", "job": "node", "instance": "pve:9100"}, "value": [1, "1"]}]}},
    }  # fmt: skip

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        body = json.dumps(answers[path]).encode()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        house.settings.uptime.kuma_url = f"http://127.0.0.1:{port}/status/home"
        house.settings.uptime.prometheus_url = f"http://127.0.0.1:{port}"
        told = await house.call("get_uptime_checks", AGENT)
    assert [(c["name"], c["state"], c["detail"]) for c in told.result["checks"]] == [
        ("plex", "down", "timeout"), ("node pve:9100", "up", "up")
    ]  # fmt: skip
    gone = await house.call("get_uptime_checks")
    assert (gone.outcome, set(gone.result["unreachable"])) == ("done", {"Uptime Kuma", "Prometheus"})
    house.settings.uptime.kuma_url = "http://192.0.2.1/status/home"
    assert (await house.call("get_uptime_checks")).outcome == "refused", "simulated: nothing beyond loopback"


# --- installing them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({}, "invalid_params"), ({"node": "pve", "guest": "plex"}, "invalid_params"),
        ({"node": "mars"}, "not_found"),
        ({"guest": "truenas"}, "refused"), ({"guest": "jellyfin"}, "refused"), ({"guest": "nosuch"}, "not_found"),
    ],
)  # fmt: skip
async def test_what_cannot_be_updated_is_refused(house: NodeHouse, args: dict[str, str], code: str) -> None:
    assert (await house.call("apply_updates", **args)).code == code


async def test_a_container_is_updated_and_read_back(house: NodeHouse) -> None:
    plan = await house.plan("apply_updates", guest="nextcloud")
    assert (plan.tier, "openssl 3.5.2" in plan.effects) == ("red", True)
    outcome = await house.confirmed("apply_updates", guest="nextcloud")
    assert (outcome.outcome, outcome.result["packages"]) == ("verified", ["openssl"]), outcome
    assert (await house.call("apply_updates", guest="nextcloud")).text == "nextcloud has no updates."


async def test_updates_that_do_not_go_in_fail_or_contradict(house: NodeHouse) -> None:
    pve = house.lab.world.nodes["pve"]
    pve.refused_commands.add("pct exec 102 -- env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get --quiet update")
    failed = await house.confirmed("apply_updates", guest="vaultwarden")
    pve.refused_commands.clear()
    assert (failed.outcome, failed.code) == ("failed", "cluster_refused")
    pve.held_back = True
    held = await house.confirmed("apply_updates", guest="vaultwarden")
    pve.held_back = False
    assert (held.outcome, "There are updates left: openssl" in held.text) == ("contradicted", True)


async def test_a_node_is_drained_before_it_is_updated(house: NodeHouse) -> None:
    plan = await house.plan("apply_updates", node="agent")
    assert (plan.tier, (await house.plan("apply_updates", node="Home")).tier) == ("red", "black")
    assert any("pihole moves away first" in effect for effect in plan.effects)
    outcome = await house.confirmed("apply_updates", node="agent")
    assert outcome.outcome == "verified", outcome
    assert {g["name"] for g in outcome.result["drained"]} >= {"pihole", "homepage"}
    assert not [g for g in house.lab.world.guests_on("agent") if g.running]
    assert (outcome.result["reboot_needed"], house.lab.world.nodes["agent"].updates) == (True, {})


async def test_what_apt_simulates_is_read() -> None:
    text = (
        "Inst libc6 [2.41-1] (2.41-2 Debian:13.2/stable, Debian-Security:13/stable-security [amd64])\n"
        "Inst new-one (1.0 Debian:13.2/stable [all])\nConf libc6 (2.41-2 Debian)\nRemv old [1]\n"
    )
    found = parse_updates(Ran(exit_code=0, stdout=text))
    assert [(u.package, u.installed, u.available) for u in found.updates] == [
        ("libc6", "2.41-1", "2.41-2"), ("new-one", "", "1.0")
    ]  # fmt: skip
    assert (found.security, found.reboot_after) == (1, False)
