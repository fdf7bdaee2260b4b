"""Writes over the wire: UPIDs, what they change, and PVE's refusals."""

from __future__ import annotations

import pytest

from jarvis_daemon.simulator.homelab import Homelab

from .conftest import Client

MISSING = "Configuration file 'nodes/{}/qemu-server/{}.conf' does not exist"


async def exit_of(lab: Homelab, client: Client, upid: str, seconds: float = 60) -> str:
    await lab.advance(seconds)
    node = upid.split(":")[1]
    reply = await client.get(f"/nodes/{node}/tasks/{upid}/status")
    assert reply.data["status"] == "stopped"
    return str(reply.data["exitstatus"])


async def test_start_and_shutdown_take_time_and_work(lab: Homelab, client: Client) -> None:
    upid = (await client.post("/nodes/agent1/lxc/104/status/start")).data
    status = (await client.get(f"/nodes/agent1/tasks/{upid}/status")).data
    assert status["status"] == "running"
    assert status["user"] == "jarvis@pve"
    assert status["tokenid"] == "daemon"
    assert (await client.get("/nodes/agent1/lxc/104/status/current")).data["status"] == "stopped"
    assert await exit_of(lab, client, upid) == "OK"
    assert (await client.get("/nodes/agent1/lxc/104/status/current")).data["status"] == "running"
    upid = (await client.post("/nodes/agent1/lxc/104/status/shutdown", timeout=30)).data
    assert await exit_of(lab, client, upid) == "OK"
    assert (await client.get("/nodes/agent1/lxc/104/status/current")).data["status"] == "stopped"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nodes/pve/qemu/9000/status/start", "you can't start a vm if it's a template"),
        ("/nodes/pve/qemu/116/status/shutdown", "VM is locked (backup)"),
        ("/nodes/pve/qemu/110/status/start", "VM 110 already running"),
        ("/nodes/agent1/lxc/104/status/stop", "CT 104 not running"),
        ("/nodes/pve/qemu/999/status/start", MISSING.format("pve", 999)),
        ("/nodes/Home/qemu/110/status/start", MISSING.format("Home", 110)),
    ],
)
async def test_refusals_are_500_with_pves_text(client: Client, path: str, message: str) -> None:
    reply = await client.post(path)
    assert (reply.status, reply.reason, reply.message) == (500, message, message + "\n")


async def test_reboot_suspend_and_resume(lab: Homelab, client: Client) -> None:
    upid = (await client.post("/nodes/agent1/lxc/103/status/reboot")).data
    assert await exit_of(lab, client, upid) == "OK"
    assert (await client.get("/nodes/agent1/lxc/103/status/current")).data["uptime"] < 60
    upid = (await client.post("/nodes/Home/qemu/100/status/suspend")).data
    assert await exit_of(lab, client, upid) == "OK"
    current = (await client.get("/nodes/Home/qemu/100/status/current")).data
    assert (current["status"], current["qmpstatus"], current["cpu"]) == ("running", "paused", 0)
    upid = (await client.post("/nodes/Home/qemu/100/status/resume")).data
    assert await exit_of(lab, client, upid) == "OK"
    assert (await client.get("/nodes/Home/qemu/100/status/current")).data["qmpstatus"] == "running"
    upid = (await client.post("/nodes/agent1/lxc/103/status/suspend")).data
    assert "lxc-checkpoint" in await exit_of(lab, client, upid)


async def test_snapshots(lab: Homelab, client: Client) -> None:
    base = "/nodes/Home/qemu/100/snapshot"
    upid = (await client.post(base, snapname="before_upgrade", description="safe")).data
    current = (await client.get("/nodes/Home/qemu/100/status/current")).data
    assert current["lock"] == "snapshot"
    assert await exit_of(lab, client, upid) == "OK"
    rows = (await client.get(base)).data
    assert [row["name"] for row in rows] == ["before_upgrade", "current"]
    assert rows[1]["parent"] == "before_upgrade"
    again = await client.post(base, snapname="before_upgrade")
    assert again.message == "snapshot name 'before_upgrade' already used\n"
    upid = (await client.post(base + "/before_upgrade/rollback", start=1)).data
    assert await exit_of(lab, client, upid) == "OK"
    upid = (await client.call("DELETE", base + "/before_upgrade")).data
    assert await exit_of(lab, client, upid) == "OK"
    assert [row["name"] for row in (await client.get(base)).data] == ["current"]
    gone = await client.call("DELETE", base + "/before_upgrade")
    assert gone.message == "snapshot 'before_upgrade' does not exist\n"


async def test_migration_moves_the_guest(lab: Homelab, client: Client) -> None:
    base = "/nodes/agent1/qemu/112/migrate"
    assert (await client.post(base, target="pve")).message == "can't migrate running VM without --online\n"
    assert (await client.post(base, target="nowhere", online=1)).errors == {
        "target": "no such cluster node 'nowhere'"
    }
    upid = (await client.post(base, target="pve", online=1)).data
    assert await exit_of(lab, client, upid) == "OK"
    rows = {row["id"]: row for row in (await client.get("/cluster/resources", type="vm")).data}
    assert rows["qemu/112"]["node"] == "pve"
    assert rows["qemu/112"]["status"] == "running"


async def test_backup_on_demand(lab: Homelab, client: Client) -> None:
    upid = (await client.post("/nodes/agent1/vzdump", vmid="103", storage="externalhdd", mode="snapshot")).data
    assert ":vzdump:103:" in upid
    await lab.advance(5)
    some = (await client.get(f"/nodes/agent1/tasks/{upid}/log")).data
    assert some[0]["n"] == 1
    assert await exit_of(lab, client, upid, 600) == "OK"
    log = (await client.get(f"/nodes/agent1/tasks/{upid}/log", limit=500)).data
    assert len(log) > len(some)
    assert log[-1]["t"] == "TASK OK"
    volumes = (await client.get("/nodes/agent1/storage/externalhdd/content", content="backup", vmid=103)).data
    assert len(volumes) == 1
    assert volumes[0]["subtype"] == "lxc"
    wrong = await client.post("/nodes/agent1/vzdump", vmid="103", storage="local-lvm")
    assert wrong.message == "storage 'local-lvm' does not support backups\n"


async def test_a_running_task_can_be_stopped(lab: Homelab, client: Client) -> None:
    upid = (await client.post("/nodes/agent1/vzdump", vmid="103", storage="externalhdd")).data
    await lab.advance(2)
    assert (await client.get("/nodes/agent1/tasks", source="active")).data[0]["upid"] == upid
    assert (await client.call("DELETE", f"/nodes/agent1/tasks/{upid}")).status == 200
    status = (await client.get(f"/nodes/agent1/tasks/{upid}/status")).data
    assert status["exitstatus"] == "interrupted by signal"
    assert (await client.get("/nodes/agent1/lxc/103/config")).data.get("lock") is None


async def test_without_quorum_writes_fail_and_reads_go_on(lab: Homelab, client: Client) -> None:
    await lab.fault("quorum-loss")
    for path in ("/nodes/Home/lxc/115/status/shutdown", "/nodes/Home/qemu/109/status/start"):
        assert (await client.post(path)).message == "cluster not ready - no quorum?\n"
    assert (await client.get("/cluster/resources")).status == 200


async def test_wake_on_lan_and_node_power(lab: Homelab, client: Client) -> None:
    own = await client.post("/nodes/Home/wakeonlan")
    assert own.errors == {"node": "'Home' is local node, cannot wake my self!"}
    await lab.fault("node-down", "agent")
    assert (await client.post("/nodes/agent/wakeonlan")).data == "02:50:56:a8:01:3e"
    await lab.advance(40)
    assert lab.world.nodes["agent"].online
    assert (await client.post("/nodes/agent/status", command="reboot")).data is None
    await lab.advance(5)
    assert lab.world.nodes["agent"].power == "booting"
    await lab.advance(40)
    assert lab.world.nodes["agent"].uptime() < 40
    assert (await client.post("/nodes/agent/status", command="explode")).status == 400


async def test_ha_state_by_the_api(lab: Homelab, client: Client) -> None:
    assert (await client.call("PUT", "/cluster/ha/resources/ct:108", b"state=stopped")).status == 200
    await lab.advance(30)
    rows = {row["id"]: row for row in (await client.get("/cluster/resources", type="vm")).data}
    assert rows["lxc/108"]["hastate"] == "stopped"
    unknown = await client.call("PUT", "/cluster/ha/resources/vm:110", b"state=stopped")
    assert unknown.message == "no such resource 'vm:110'\n"
