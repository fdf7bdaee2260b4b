"""The client and the shapes against the simulated homelab, over the real protocols: every call, and the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from jarvis_daemon.clock import ManualClock, SystemClock
from jarvis_daemon.cluster import shapes
from jarvis_daemon.cluster.calls import CALLS, needed_privileges
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.shapes.values import integer
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays

NODES = {"Home", "pve", "agent1", "agent"}
_TASKS = lambda data, dropped: shapes.parse_tasks(data, "homelab", dropped)  # noqa: E731
_RRD = {"timeframe": "hour"}
VM, CT = {"node": "Home", "vmid": 100}, {"node": "pve", "vmid": 101}

PARSERS: dict[str, tuple[dict[str, Any], Callable[[Any, Counter[str]], Any]]] = {
    "version": ({}, lambda data, _: shapes.parse_version(data)),
    "cluster_status": ({}, shapes.parse_status),
    "cluster_resources": ({}, lambda data, _: shapes.parse_resources(data)),
    "cluster_tasks": ({}, _TASKS),
    "ha_status": ({}, shapes.parse_ha),
    "backup_jobs": ({}, shapes.parse_backup_jobs),
    "replication_jobs": ({}, shapes.parse_replication),
    "permissions": ({}, lambda data, _: shapes.parse_permissions(data)),
    "next_vmid": ({}, lambda data, _: integer(data)),
    "node_status": ({"node": "pve"}, lambda data, _: shapes.parse_node_status(data)),
    "node_time": ({"node": "pve"}, lambda data, _: shapes.parse_time(data)),
    "node_certificates": ({"node": "pve"}, shapes.parse_certificates),
    "node_services": ({"node": "pve"}, shapes.parse_services),
    "node_rrd": ({"node": "pve"} | _RRD, shapes.parse_rrd),
    "node_tasks": ({"node": "pve", "limit": 20, "errors": False}, _TASKS),
    "node_replication": ({"node": "pve"}, shapes.parse_replication),
    "node_storages": ({"node": "pve"}, shapes.parse_node_storages),
    "vm_status": (VM, lambda data, _: shapes.parse_guest_status(data, "vm")),
    "ct_status": (CT, lambda data, _: shapes.parse_guest_status(data, "ct")),
    "vm_config": (VM, lambda data, _: shapes.parse_guest_config(data)),
    "ct_config": (CT, lambda data, _: shapes.parse_guest_config(data)),
    "vm_rrd": (VM | _RRD, shapes.parse_rrd),
    "ct_rrd": (CT | _RRD, shapes.parse_rrd),
    "vm_snapshots": (VM, shapes.parse_snapshots),
    "ct_snapshots": (CT, shapes.parse_snapshots),
    "vm_addresses": (VM, shapes.parse_agent_addresses),
    "ct_addresses": (CT, shapes.parse_lxc_addresses),
    "storage_content": (
        {"node": "pve", "storage": "externalhdd", "content": "backup"},
        shapes.parse_backup_volumes,
    ),
    "node_disks": ({"node": "pve"}, lambda data, _: data[0]["health"]),
    "node_zfs": ({"node": "pve"}, lambda data, _: data),
    "node_firewall": ({"node": "pve"}, lambda data, _: data["enable"]),
    "node_firewall_rules": ({"node": "pve"}, lambda data, _: data[0]["action"]),
    "cluster_firewall": ({}, lambda data, _: data["enable"]),
    "task_status": ({"node": "?", "upid": "?"}, lambda data, _: shapes.parse_task_status(data, "homelab")),
    "task_log": ({"node": "?", "upid": "?", "limit": 500}, shapes.parse_task_log),
}


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Homelab]:
    async with Homelab(load(), tmp_path / "sim", delays=Delays(0.05, 0.5)) as made:
        await made.advance(30)
        yield made


def settings(lab: Homelab, *first: str, **changes: Any) -> ClusterSettings:
    """Endpoints in the order of ``first``, the other nodes behind."""
    names = [*first, *(name for name in lab.endpoints if name not in first)]
    told = lab.sim_json()
    values = {
        "endpoints": [lab.endpoints[name] for name in names],
        "token_id": told["token_id"],
        "token_secret": pydantic.SecretStr(told["token_secret"]),
        "tls": "fingerprint",
        "fingerprints": told["fingerprints"],
        "simulated": True,
        "call_timeout_s": 3.0,
        "ssh": {key: told["ssh"][key] for key in ("user", "key_file", "hosts")} | {"timeout_s": 3.0},
    }
    return ClusterSettings.model_validate(values | changes)


@pytest.fixture
async def connect(lab: Homelab) -> AsyncIterator[Callable[..., Proxmox]]:
    made: list[Proxmox] = []

    def make(*first: str, clock: ManualClock | None = None, **changes: Any) -> Proxmox:
        made.append(Proxmox(settings(lab, *first, **changes), clock=clock or ManualClock()))
        return made[-1]

    yield make
    for proxmox in made:
        await proxmox.close()


Connect = Callable[..., Proxmox]


async def failing(proxmox: Proxmox, name: str, **arguments: Any) -> JarvisError:
    with pytest.raises(JarvisError) as caught:
        await proxmox.call(name, **arguments)
    return caught.value


class TestEveryCall:
    def test_none_is_left_out(self) -> None:
        assert set(PARSERS) | {"metrics_export"} == {call.name for call in CALLS.values() if not call.writes}

    async def test_metrics_are_exported(self, connect: Connect) -> None:
        answer = await connect().call("metrics_export", history=False)
        assert {"node/Home", "qemu/100", "storage/pve/local"} <= {row["id"] for row in answer["data"]}

    async def test_each_is_answered_and_nothing_is_dropped(self, connect: Connect) -> None:
        proxmox = connect()
        finished = shapes.parse_tasks(await proxmox.call("cluster_tasks"), "homelab")[-1]
        for name, (arguments, parse) in PARSERS.items():
            if "upid" in arguments:
                arguments = arguments | {"node": finished.node, "upid": finished.id}
            dropped: Counter[str] = Counter()
            assert parse(await proxmox.call(name, **arguments), dropped) is not None, name
            assert not dropped, name
        assert proxmox.endpoints_failed == {}

    async def test_the_whole_homelab_is_there(self, connect: Connect) -> None:
        found = shapes.parse_resources(await connect().call("cluster_resources"))
        assert {node.name for node in found.nodes} == NODES
        assert {node.status for node in found.nodes} == {"online"}
        by_name = {guest.name: guest for guest in found.guests}
        assert len(by_name) == 18
        assert (by_name["plex"].vmid, by_name["plex"].kind, by_name["plex"].node) == (103, "ct", "agent1")
        assert by_name["debian12-template"].template is True
        assert by_name["dev-sandbox"].lock == "backup"
        assert by_name["windows11"].status == "stopped"
        assert {storage.name for storage in found.storages} == {"local", "local-lvm", "externalhdd", "tank"}
        assert found.dropped == {}

    async def test_the_daemons_token_lacks_nothing_it_needs(self, connect: Connect) -> None:
        proxmox = connect()
        version = shapes.parse_version(await proxmox.call("version"))
        held = shapes.parse_permissions(await proxmox.call("permissions"))
        assert held.missing(needed_privileges(version)) == []

    async def test_a_second_endpoint_sees_the_same_quorum(self, connect: Connect) -> None:
        proxmox = connect()
        first = shapes.parse_status(await proxmox.call("cluster_status"))
        second = shapes.parse_status(await proxmox.ask_other("cluster_status"))
        assert first.quorate is second.quorate is True
        assert [m.name for m in first.members if m.local] != [m.name for m in second.members if m.local]


class TestFaults:
    async def test_node_down(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect("pve")
        await lab.fault("node-down", "pve")
        status = shapes.parse_status(await proxmox.call("cluster_status"))
        assert {member.name: member.online for member in status.members}["pve"] is False
        assert list(proxmox.endpoints_failed) == [lab.endpoints["pve"]]
        error = await failing(proxmox, "node_status", node="pve")
        assert error.code == "cluster_unreachable"
        assert error.what.startswith("The node pve is unreachable through the endpoint")

    async def test_node_frozen_costs_part_of_one_deadline(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect("agent1", call_timeout_s=1.0)
        await lab.fault("node-frozen", "agent1")
        assert len(await proxmox.call("cluster_status")) == 5
        assert "does not answer" in proxmox.endpoints_failed[lab.endpoints["agent1"]]

    async def test_api_595(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect("Home")
        await lab.fault("api-595", "agent")
        error = await failing(proxmox, "node_status", node="agent")
        assert "The node agent is unreachable through the endpoint" in error.what
        assert proxmox.endpoints_failed == {}

    async def test_api_403(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect()
        await lab.fault("api-403", "Sys.Audit")
        error = await failing(proxmox, "node_status", node="pve")
        assert error.code == "cluster_denied"
        assert "lacks Sys.Audit on /nodes/pve" in error.what
        version = shapes.parse_version("9.1.3")
        held = shapes.parse_permissions(await proxmox.call("permissions"))
        assert held.missing(needed_privileges(version)) == ["Sys.Audit on /"]

    async def test_api_slow_is_a_timeout(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect(call_timeout_s=0.6)
        await lab.fault("api-slow", "*", seconds=30)
        error = await failing(proxmox, "cluster_status")
        assert error.code == "cluster_unreachable"
        assert "does not answer" in error.why

    async def test_api_truncated(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect()
        await lab.fault("api-truncated", "*")
        error = await failing(proxmox, "cluster_resources")
        assert error.code == "cluster_unreachable"
        assert "half a document" in error.why

    async def test_tls_change_is_refused_and_mended_by_nothing_but_the_old_one(
        self, lab: Homelab, connect: Connect
    ) -> None:
        clock = ManualClock()
        expected = lab.fingerprints["Home"]
        proxmox = connect(endpoints=[lab.endpoints["Home"]], clock=clock)
        await proxmox.call("version")
        await lab.fault("tls-change", "Home")
        for _ in range(2):
            error = await failing(proxmox, "version")
            assert error.code == "cluster_untrusted"
            assert expected in error.why
            assert lab.fingerprints["Home"] in error.why
            await clock.advance(60)
        await lab.heal()
        assert (await proxmox.call("version"))["version"] == "9.1.3"

    async def test_token_revoked(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect(endpoints=[lab.endpoints["Home"]])
        await lab.fault("token-revoked")
        before = lab.requests
        for _ in range(5):
            error = await failing(proxmox, "cluster_status")
            assert (error.code, error.what) == (
                "cluster_denied",
                f"Proxmox VE does not accept the API token {lab.token_id}",
            )
        assert lab.requests == before + 1

    async def test_quorum_loss_is_seen_alike_from_two_endpoints(self, lab: Homelab, connect: Connect) -> None:
        proxmox = connect()
        await lab.fault("quorum-loss")
        assert shapes.parse_status(await proxmox.call("cluster_status")).quorate is False
        assert shapes.parse_status(await proxmox.ask_other("cluster_status")).quorate is False


class TestSsh:
    @pytest.fixture
    async def ssh(self, lab: Homelab) -> AsyncIterator[SshNodes]:
        await lab.ssh_ready()
        nodes = SshNodes(settings(lab), known_hosts=lab.folder / "known_hosts", clock=SystemClock())
        yield nodes
        await nodes.close()

    @pytest.mark.parametrize(
        ("node", "origin", "chip"),
        [("Home", "sensors-json", "coretemp"), ("agent1", "sensors-json", "k10temp"), ("agent", "hwmon", "")],
    )
    async def test_each_kind_of_sensor(self, ssh: SshNodes, node: str, origin: str, chip: str) -> None:
        reading = await ssh.read(node)
        assert reading.temperatures is not None
        assert reading.temperatures.origin == origin
        assert reading.temperatures.cpu_c is not None
        assert 20 < reading.temperatures.cpu_c < 95
        assert (reading.temperatures.cpu_label or "").startswith(chip)

    async def test_services_up_and_down(self, lab: Homelab, ssh: SshNodes) -> None:
        await lab.fault("service-crash", "Home/llama-server")
        reading = await ssh.read("Home", services=["llama-server", "smbd", "ghost"])
        assert reading.services["llama-server"] == "failed"
        assert reading.services["smbd"] == "active"
        assert reading.services["ghost"] in ("inactive", "unknown")

    async def test_clock_skew(self, lab: Homelab, ssh: SshNodes) -> None:
        before = (await ssh.read("agent")).clock_skew_s
        await lab.fault("clock-skew", "agent", seconds=90)
        after = (await ssh.read("agent")).clock_skew_s
        assert before is not None
        assert after is not None
        assert after - before == pytest.approx(90, abs=1)

    async def test_overheat(self, lab: Homelab, ssh: SshNodes) -> None:
        await lab.fault("overheat", "agent1", celsius=97, seconds=1)
        await lab.advance(300)
        reading = await ssh.read("agent1")
        assert reading.temperatures is not None
        assert reading.temperatures.cpu_c == pytest.approx(97, abs=3)

    async def test_ssh_refused_then_healed(self, lab: Homelab, ssh: SshNodes) -> None:
        await ssh.read("agent1")
        await lab.fault("ssh-refused", "agent1")
        with pytest.raises(JarvisError) as caught:
            await ssh.read("agent1")
        assert caught.value.code == "cluster_unreachable"
        await lab.heal()
        assert (await ssh.read("agent1")).temperatures is not None
