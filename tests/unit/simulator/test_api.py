"""Authentication, privileges, parameters and HTTP as PVE does them."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from jarvis_daemon.simulator.access import Token
from jarvis_daemon.simulator.api_table import UNDECLARED
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.pve_api import CALLS, Delays

from .conftest import Client, ClientOf


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("PVEAPIToken=jarvis@pve!daemon=wrong", "invalid token value!"),
        ("PVEAPIToken=jarvis@pve!other=wrong", "no such token 'other' for user 'jarvis@pve'"),
        ("PVEAPIToken=nobody@pve!daemon=wrong", "no such user ('nobody@pve')"),
        ("Bearer abc", "No ticket"),
        ("", "No ticket"),
    ],
)
async def test_a_wrong_token_is_401_and_empty(client_of: ClientOf, authorization: str, reason: str) -> None:
    reply = await client_of(authorization=authorization).get("/version")
    assert (reply.status, reply.reason, reply.body) == (401, reason, b"")


async def test_a_wrong_token_is_told_late(lab: Homelab, client_of: ClientOf) -> None:
    assert Delays().auth_s == 3.0
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    lab._endpoints["Home"].api._sleep = sleep
    await client_of(authorization="PVEAPIToken=jarvis@pve!daemon=wrong").get("/version")
    assert waited == [0.05]


def auditor(lab: Homelab, acl: dict[str, frozenset[str]]) -> Token:
    return lab.world.access.add("eye@pve!test", "secret", acl)


EYE = "PVEAPIToken=eye@pve!test=secret"


async def test_without_vm_audit_guests_are_silently_dropped(lab: Homelab, client_of: ClientOf) -> None:
    auditor(lab, {"/": frozenset({"Sys.Audit"}), "/vms/103": frozenset({"VM.Audit"})})
    rows = (await client_of(authorization=EYE).get("/cluster/resources")).data
    assert [row["id"] for row in rows if row["type"] in {"qemu", "lxc"}] == ["lxc/103"]
    assert [row for row in rows if row["type"] == "storage"] == []
    listed = (await client_of(authorization=EYE).get("/nodes/agent1/lxc")).data
    assert [row["vmid"] for row in listed] == [103]


async def test_without_sys_audit_nodes_have_no_numbers(lab: Homelab, client_of: ClientOf) -> None:
    auditor(lab, {"/vms": frozenset({"VM.Audit"})})
    eye = client_of(authorization=EYE)
    rows = [row for row in (await eye.get("/cluster/resources")).data if row["type"] == "node"]
    assert [row["status"] for row in rows] == ["online"] * 4
    assert all("cpu" not in row and "maxmem" not in row for row in rows)
    reply = await eye.get("/cluster/status")
    assert (reply.status, reply.reason) == (403, "Permission check failed (/, Sys.Audit)")
    assert reply.message == "Permission check failed (/, Sys.Audit)\n"
    assert (await eye.get("/cluster/tasks")).data == []
    current = await eye.get("/nodes/pve/qemu/110/agent/network-get-interfaces")
    assert current.reason == "Permission check failed (/vms/110, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)"


async def test_permissions_are_listed_by_path(lab: Homelab, client: Client, client_of: ClientOf) -> None:
    auditor(lab, {"/vms/103": frozenset({"VM.Audit"})})
    assert (await client_of(authorization=EYE).get("/access/permissions")).data == {"/vms/103": {"VM.Audit": 1}}
    assert (await client.get("/access/permissions")).data["/"]["Sys.Audit"] == 1
    only = (await client.get("/access/permissions", path="/vms/110")).data
    assert list(only) == ["/vms/110"]
    assert only["/vms/110"]["VM.PowerMgmt"] == 1


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ("/cluster/resources?type=pool", {"type": "value 'pool' does not have a value in the enumeration "
                                                  "'vm, storage, node, sdn'"}),
        ("/cluster/resources?kind=vm", {"kind": UNDECLARED}),
        ("/nodes/pve/rrddata", {"timeframe": "property is missing and it is not optional"}),
        ("/nodes/pve/tasks?limit=-1", {"limit": "value must have a minimum value of 0"}),
        ("/nodes/pve/tasks?limit=many", {"limit": "type check ('integer') failed - got 'many'"}),
        ("/nodes/pve/tasks?errors=true", {"errors": "type check ('boolean') failed - got 'true'"}),
        ("/nodes/pve/tasks?vmid=99", {"vmid": "value must have a minimum value of 100"}),
        ("/nodes/pve/qemu/abc/config", {"vmid": "type check ('integer') failed - got 'abc'"}),
        ("/nodes/pve/qemu/110/config?snapshot=" + "a" * 41, {"snapshot": "value may only be 40 characters long"}),
        ("/nodes/pve/disks/smart?disk=sda", {"disk": "value does not match the regex pattern"}),
        ("/cluster/nextid?vmid=100", {"vmid": "VM 100 already exists"}),
    ],
)  # fmt: skip
async def test_wrong_parameters_are_400_by_name(client: Client, path: str, errors: dict[str, str]) -> None:
    reply = await client.get(path)
    assert (reply.status, reply.reason, reply.data) == (400, "Parameter verification failed.", None)
    assert reply.errors == errors


async def test_a_json_body_keeps_its_types(client: Client) -> None:
    path, kind = "/nodes/Home/qemu/100/status/shutdown", "application/json"
    wrong = await client.call("POST", path, json.dumps({"forceStop": True}).encode(), kind)
    assert wrong.errors == {"forceStop": "type check ('boolean') failed - got JSON::PP::Boolean"}
    right = await client.call("POST", path, json.dumps({"forceStop": 1, "timeout": 5}).encode(), kind)
    assert right.status == 200
    broken = await client.call("POST", path, b"{", kind)
    assert broken.status == 501


async def test_a_parameter_that_requires_another(client: Client) -> None:
    reply = await client.post("/nodes/pve/vzdump", vmid="101", protected=1)
    assert reply.errors == {"storage": "missing property - 'protected' requires this property"}


async def test_unknown_paths(client: Client) -> None:
    reply = await client.get("/nodes/pve/nonsense")
    assert (reply.status, reply.reason) == (501, "Method 'GET /nodes/pve/nonsense' not implemented")
    assert (await client.get("/nodes//status")).status == 501
    assert (await client.call("DELETE", "/version")).status == 501
    await client.send("GET", "/version")
    plain = await client.receive()
    assert (plain.status, plain.reason, plain.body) == (501, "no such file '/version'", b"")
    body = await client.call("DELETE", "/nodes/pve/tasks/UPID:x", b"a=b")
    assert body.reason == "Unexpected content for method 'DELETE'"


async def test_an_unknown_node_is_a_failed_lookup(client: Client) -> None:
    reply = await client.get("/nodes/nowhere/status")
    assert reply.status == 500
    assert reply.reason.startswith("hostname lookup 'nowhere' failed")


async def test_keep_alive_and_pipelining(client: Client) -> None:
    for _ in range(3):
        assert (await client.get("/version")).data["version"] == "9.1.3"
    for path in ("/version", "/cluster/nextid", "/nodes"):
        await client.send("GET", "/api2/json" + path)
    assert (await client.receive()).data["release"] == "9.1"
    assert (await client.receive()).data == "117"
    assert len((await client.receive()).data) == 4


async def test_garbage_and_a_client_that_leaves_do_no_harm(client_of: ClientOf) -> None:
    rude = client_of()
    reader, writer = await rude.streams()
    writer.write(b"\x00\x01garbage\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    leaver = client_of()
    await leaver.send("GET", "/api2/json/cluster/resources")
    leaver.close()
    assert (await client_of().get("/version")).status == 200


async def test_resources_are_encoded_once_for_each_sample(lab: Homelab, client: Client) -> None:
    first = (await client.get("/cluster/resources")).body
    assert (await client.get("/cluster/resources")).body == first
    await lab.advance(11)
    assert (await client.get("/cluster/resources")).body != first


async def test_every_read_of_the_table_answers(lab: Homelab, client: Client) -> None:
    fill = {
        "node": "pve", "vmid": "110", "storage": "local", "snapname": "x", "sid": "ct:108", "id": "102-0",
        "upid": next(iter(lab.world.tasks.finished("pve"))).upid,
    }  # fmt: skip
    for method, path in CALLS:
        if method == "GET":
            target = path.format(**fill)
            if "/lxc/" in path:
                target = target.replace("110", "101")
            query = {"timeframe": "hour"} if path.endswith("rrddata") else {}
            query |= {"disk": "/dev/nvme0n1"} if path.endswith("smart") else {}
            reply = await client.get(target, **query)
            assert reply.status == 200, (target, reply.reason)
            assert reply.data not in (None, [], {}), target


async def test_history_is_there_at_once_and_omits_what_was_not_recorded(lab: Homelab, client: Client) -> None:
    rows = (await client.get("/nodes/agent1/lxc/103/rrddata", timeframe="hour")).data
    assert len(rows) == 60
    assert all(after["time"] - before["time"] == 60 for before, after in itertools.pairwise(rows))
    assert {"cpu", "mem", "maxmem"} <= set(rows[-1])
    assert "memused" not in rows[-1]
    stopped = (await client.get("/nodes/agent1/lxc/104/rrddata", timeframe="hour")).data
    assert all("cpu" not in row and "maxmem" in row for row in stopped)
    await lab.fault("node-down", "agent1")
    await lab.advance(300)
    node = (await client.get("/nodes/agent1/rrddata", timeframe="hour")).data
    assert set(node[-1]) == {"time"}
    assert {"memused", "memtotal", "memavailable"} <= set(node[0])


async def test_storages_of_a_node_include_those_it_does_not_have(client: Client) -> None:
    rows = {row["storage"]: row for row in (await client.get("/nodes/Home/storage")).data}
    assert rows["tank"]["active"] == 0
    assert rows["local"]["used_fraction"] == pytest.approx(0.38, abs=0.001)
    enabled = {row["storage"] for row in (await client.get("/nodes/Home/storage", enabled=1)).data}
    assert enabled == {"local", "local-lvm", "externalhdd"}


async def test_task_filters(client: Client) -> None:
    every = await client.get("/nodes/pve/tasks", limit=500)
    assert json.loads(every.body)["total"] == len(every.data)
    dumps = (await client.get("/nodes/pve/tasks", typefilter="vzdump")).data
    assert {row["type"] for row in dumps} == {"vzdump"}
    assert (await client.get("/nodes/pve/tasks", errors=1)).data == []
    page = (await client.get("/nodes/pve/tasks", start=1, limit=1)).data
    assert page == every.data[1:2]
    missing = await client.get("/nodes/pve/tasks/UPID:pve:00000001:00000001:00000001:x::root@pam:/status")
    assert missing.status == 500
    assert (await client.get("/nodes/pve/tasks/nonsense/log")).status == 400


async def test_metrics_export_has_the_shape_of_the_real_one(lab: Homelab, client: Client) -> None:
    now = int(lab.world.now)
    rows = (await client.get("/cluster/metrics/export")).data["data"]
    assert {"id", "metric", "timestamp", "type", "value"} == set(rows[0])
    assert {row["timestamp"] for row in rows} == {now}
    kinds = {row["metric"]: row["type"] for row in rows if row["id"] == "qemu/100"}
    assert kinds["cpu_current"] == "gauge"
    assert kinds["net_in"] == "derive"
    assert "storage/pve/local" in {row["id"] for row in rows}
    past = (await client.get("/cluster/metrics/export", **{"history": 1, "start-time": now - 600})).data["data"]
    times = [row["timestamp"] for row in past if (row["id"], row["metric"]) == ("qemu/100", "mem_used")]
    assert times == list(range(now - 590, now + 1, 10))
    only = (await client.get("/cluster/metrics/export", **{"node-list": "pve,agent"})).data["data"]
    assert {row["id"] for row in only if row["id"].startswith("node/")} == {"node/pve", "node/agent"}
    assert (await client.get("/cluster/metrics/export", **{"start-time": now})).data == {"data": []}
