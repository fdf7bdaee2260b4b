"""Every fault, as a client sees it on the wire, and that ``heal`` takes it back."""

from __future__ import annotations

import asyncio
import json

import pytest

from jarvis_daemon.simulator.certificates import fingerprint
from jarvis_daemon.simulator.fault_kinds import KINDS
from jarvis_daemon.simulator.homelab import Homelab

from .conftest import Client, ClientOf

NAMES = {
    "node-down", "node-frozen", "guest-crash", "guest-leak", "disk-fill", "overheat", "quorum-loss", "api-403",
    "api-595", "api-slow", "api-truncated", "tls-change", "token-revoked", "backup-fail", "replication-fail",
    "service-crash", "clock-skew", "ssh-refused", "container-unhealthy", "disk-failing", "backup-stuck",
    "vzdump-orphan",
}  # fmt: skip


def test_the_names_are_exactly_these(lab: Homelab) -> None:
    assert set(KINDS) == NAMES
    for row in lab.world.faults.kinds():
        assert row["about"]
        assert row["target"]
        assert row["default_target"], row["name"]


async def rows(client: Client, kind: str) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in (await client.get("/cluster/resources", type=kind)).data}


async def test_node_down(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    there = client_of("pve")
    await there.get("/version")
    await lab.fault("node-down", "pve")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await there.get("/version")
    with pytest.raises(ConnectionRefusedError):
        await client_of("pve").get("/version")
    proxied = await client.get("/nodes/pve/status")
    assert (proxied.status, proxied.body) == (595, b"")
    assert (await rows(client, "node"))["node/pve"]["status"] == "offline"
    await lab.heal()
    await lab.advance(60)
    assert (await client_of("pve").get("/version")).status == 200
    assert (await client.get("/nodes/pve/status")).data["uptime"] < 60
    assert (await rows(client, "vm"))["qemu/110"]["status"] == "running"


async def test_a_node_that_dies_in_the_middle_of_a_request(lab: Homelab, client_of: ClientOf) -> None:
    there = client_of("pve")
    await lab.fault("api-slow", "pve", seconds=30.0)
    await there.send("GET", "/api2/json/version")
    await lab.fault("node-down", "pve")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await there.receive()


async def test_node_frozen(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    await lab.fault("node-frozen", "agent1")
    silent = client_of("agent1")
    await silent.send("GET", "/api2/json/version")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await silent.receive()
    proxied = await client.get("/nodes/agent1/status")
    assert (proxied.status, proxied.body) == (596, b"")
    assert (await rows(client, "node"))["node/agent1"]["status"] == "online"
    await lab.heal("agent1")
    assert (await client_of("agent1").get("/version")).status == 200


async def test_guest_crash_leaves_no_task(lab: Homelab, client: Client) -> None:
    before = (await client.get("/cluster/tasks")).data
    await lab.fault("guest-crash", "103")
    await lab.advance(11)
    assert (await rows(client, "vm"))["lxc/103"]["status"] == "stopped"
    assert (await client.get("/cluster/tasks")).data == before
    await lab.heal("plex")
    await lab.advance(11)
    assert (await rows(client, "vm"))["lxc/103"]["status"] == "running"


async def test_guest_leak(lab: Homelab, client: Client) -> None:
    await lab.fault("guest-leak", "immich")
    await lab.advance(140)
    row = (await client.get("/nodes/agent1/qemu/114/status/current")).data
    assert row["mem"] > 0.98 * row["maxmem"]
    await lab.heal()
    row = (await client.get("/nodes/agent1/qemu/114/status/current")).data
    assert row["mem"] < 0.85 * row["maxmem"]


async def test_disk_fill(lab: Homelab, client: Client) -> None:
    await lab.fault("disk-fill", "pve/local")
    await lab.advance(80)
    row = (await rows(client, "storage"))["storage/pve/local"]
    assert row["disk"] == pytest.approx(0.97 * float(str(row["maxdisk"])))
    rootfs = (await client.get("/nodes/pve/status")).data["rootfs"]
    assert rootfs["used"] == row["disk"]
    assert rootfs["avail"] < rootfs["free"]
    await lab.heal("disk-fill")
    assert (await client.get("/nodes/pve/storage/local/status")).data["used"] < 0.5 * float(str(row["maxdisk"]))


async def test_quorum_loss(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    await lab.fault("quorum-loss")
    for view in ("Home", "agent"):
        assert (await client_of(view).get("/cluster/status")).data[0]["quorate"] == 0
    ha = {row["id"]: row for row in (await client.get("/cluster/ha/status/current")).data}
    assert ha["quorum"]["quorate"] == 0
    await lab.heal()
    assert (await client.get("/cluster/status")).data[0]["quorate"] == 1


async def test_api_403(lab: Homelab, client: Client) -> None:
    await lab.fault("api-403", "Sys.Audit")
    reply = await client.get("/cluster/status")
    assert (reply.status, reply.reason) == (403, "Permission check failed (/, Sys.Audit)")
    assert "Sys.Audit" not in (await client.get("/access/permissions")).data["/"]
    await lab.heal()
    await lab.fault("api-403", "VM.Audit", path="/vms/103")
    assert "lxc/103" not in await rows(client, "vm")
    assert "lxc/101" in await rows(client, "vm")
    await lab.heal()
    assert "lxc/103" in await rows(client, "vm")


async def test_api_595(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    await lab.fault("api-595", "agent")
    reply = await client.get("/nodes/agent/status")
    assert (reply.status, reply.reason, reply.body) == (595, "Connection refused", b"")
    assert (await client_of("agent").get("/nodes/agent/status")).status == 200
    assert (await rows(client, "node"))["node/agent"]["status"] == "online"
    await lab.heal()
    assert (await client.get("/nodes/agent/status")).status == 200


async def test_api_slow(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    await lab.fault("api-slow", "Home", seconds=0.4)
    begin = asyncio.get_running_loop().time()
    await client.get("/version")
    assert asyncio.get_running_loop().time() - begin >= 0.4
    other = client_of("pve")
    await other.streams()
    begin = asyncio.get_running_loop().time()
    await other.get("/version")
    assert asyncio.get_running_loop().time() - begin < 0.4


async def test_api_truncated(lab: Homelab, client: Client) -> None:
    await lab.fault("api-truncated")
    reply = await client.get("/cluster/resources")
    assert reply.status == 200
    assert reply.body.startswith(b'{"data":[')
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    await lab.heal()
    assert (await client.get("/cluster/resources")).data


async def test_tls_change(lab: Homelab, client_of: ClientOf) -> None:
    async def shown() -> str:
        client = client_of("pve")
        await client.streams()
        assert client.certificate is not None
        return fingerprint(client.certificate)

    first = await shown()
    assert first == lab.fingerprints["pve"]
    old = client_of("pve")
    await old.get("/version")
    await lab.fault("tls-change", "pve")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await old.get("/version")
    assert await shown() != first
    info = (await client_of("Home").get("/nodes/pve/certificates/info")).data
    assert info[0]["fingerprint"] == await shown()
    await lab.heal()
    assert await shown() == first


async def test_token_revoked(lab: Homelab, client: Client) -> None:
    await lab.fault("token-revoked")
    reply = await client.get("/version")
    assert (reply.status, reply.reason) == (401, "no such token 'daemon' for user 'jarvis@pve'")
    await lab.heal()
    assert (await client.get("/version")).status == 200


async def test_backup_fail(lab: Homelab, client: Client) -> None:
    await lab.fault("backup-fail", "nextcloud")
    await lab.advance(30)
    task = (await client.get("/cluster/tasks")).data[0]
    assert (task["type"], task["id"], task["status"], task["saved"]) == ("vzdump", "101", "job errors", "1")


async def test_replication_fail(lab: Homelab, client: Client) -> None:
    await lab.fault("replication-fail")
    (row,) = (await client.get("/nodes/pve/replication")).data
    assert row["fail_count"] == 1
    assert row["error"]
    await lab.heal()
    (row,) = (await client.get("/nodes/pve/replication")).data
    assert "error" not in row


async def test_service_crash_of_a_service_of_pve(lab: Homelab, client: Client) -> None:
    await lab.fault("service-crash", "pve/pvestatd")
    services = {row["name"]: row for row in (await client.get("/nodes/pve/services")).data}
    assert services["pvestatd"]["active-state"] == "failed"
    assert services["pveproxy"]["state"] == "running"
    before = (await rows(client, "node"))["node/pve"]
    await lab.advance(60)
    assert (await rows(client, "node"))["node/pve"] == before


async def test_clock_skew(lab: Homelab, client: Client) -> None:
    await lab.fault("clock-skew", "agent", seconds=-45)
    there = (await client.get("/nodes/agent/time")).data["time"]
    here = (await client.get("/nodes/Home/time")).data["time"]
    assert there - here == -45


async def test_two_faults_at_once_and_one_heal(lab: Homelab, client: Client) -> None:
    await lab.fault("node-down", "agent")
    await lab.fault("guest-crash", "pihole") if lab.world.guests[105].running else None
    await lab.fault("disk-fill", "externalhdd", seconds=0)
    await lab.heal("agent")
    assert [fault["name"] for fault in lab.world.faults.active()] == ["disk-fill"]
    await lab.heal()
    assert lab.world.faults.active() == []
