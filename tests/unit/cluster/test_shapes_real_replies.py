"""What each real reply of the shared material must show (PVE 8.4.1, 8.4.14, 9.1.2, one with an offline node)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.cluster import shapes

Load = Callable[[str], Any]


@pytest.fixture
def load(shared_data: Path) -> Load:
    return lambda name: json.loads((shared_data / "pve/replies" / name).read_text())["data"]


def test_every_reply_of_the_material_has_a_test_here(shared_data: Path) -> None:
    told = Path(__file__).read_text()
    for path in (shared_data / "pve/replies").rglob("*.json"):
        assert f"{path.parent.name}/{path.name}" in told


class TestDatadogCluster841:
    """One node, a running VM, two stopped containers, a pool, a storage, an SDN zone."""

    def test_resources(self, load: Load) -> None:
        found = shapes.parse_resources(load("datadog-pve8.4.1/cluster_resources.json"))
        assert (len(found.nodes), len(found.guests), len(found.storages)) == (1, 3, 1)
        assert found.pools == ["pool-1"]
        assert found.ignored == {"sdn": 1}
        assert found.dropped == {}

    def test_the_node_is_online_with_72_cores(self, load: Load) -> None:
        [node] = shapes.parse_resources(load("datadog-pve8.4.1/cluster_resources.json")).nodes
        assert (node.name, node.status, node.stats_visible) == ("ip-122-82-3-112", "online", True)
        assert node.cpu_count == 72
        assert node.cpu == pytest.approx(0.01596, abs=1e-5)
        assert (node.memory_used_bytes, node.memory_total_bytes) == (6550315008, 540883783680)
        assert (node.rootfs_used_bytes, node.uptime_s) == (14254190592, 2624)

    def test_the_vm_runs_and_its_disk_use_is_not_known(self, load: Load) -> None:
        vm = shapes.parse_resources(load("datadog-pve8.4.1/cluster_resources.json")).guests[0]
        assert (vm.vmid, vm.kind, vm.name, vm.status) == (100, "vm", "VM 100", "running")
        assert vm.disk_used_bytes is None
        assert vm.disk_total_bytes == 34359738368
        assert (vm.net_in_bytes, vm.net_out_bytes, vm.disk_read_bytes) == (190, 0, 53700096)
        assert (vm.uptime_s, vm.template, vm.lock, vm.tags) == (12, False, None, [])

    def test_the_containers_are_stopped_with_tags_and_pool(self, load: Load) -> None:
        _, first, second = shapes.parse_resources(load("datadog-pve8.4.1/cluster_resources.json")).guests
        assert (first.vmid, first.kind, first.name, first.status) == (101, "ct", "test-container", "stopped")
        assert first.tags == ["sarah-wiit", "test", "testtag"]
        assert first.pool == "pool-1"
        assert first.uptime_s is None
        assert (second.vmid, second.name, second.cpu_count, second.tags) == (111, "CT111", 72, ["tag1", "test"])

    def test_the_storage_is_not_shared_and_its_content_sorted(self, load: Load) -> None:
        [storage] = shapes.parse_resources(load("datadog-pve8.4.1/cluster_resources.json")).storages
        assert (storage.name, storage.node, storage.type) == ("local", "ip-122-82-3-112", "dir")
        assert storage.shared is False
        assert storage.status == "available"
        assert storage.content == ["backup", "images", "iso", "rootdir", "snippets", "vztmpl"]
        assert (storage.used_bytes, storage.total_bytes) == (14254186496, 5284205195264)

    def test_version(self, load: Load) -> None:
        version = shapes.parse_version(load("datadog-pve8.4.1/version.json"))
        assert (version.text, version.numbers) == ("8.4.1", (8, 4, 1))

    def test_ha_is_quorate_and_manages_nothing(self, load: Load) -> None:
        ha = shapes.parse_ha(load("datadog-pve8.4.1/ha_status_current.json"))
        assert ha.quorate is True  # the second quorum row says nothing and must not undo it
        assert ha.guests == {}
        assert list(ha.nodes) == ["ip-122-82-3-112"]

    def test_tasks_all_succeeded(self, load: Load) -> None:
        tasks = shapes.parse_tasks(load("datadog-pve8.4.1/nodes_tasks.json"), "homelab")
        assert len(tasks) == 11
        assert {task.status for task in tasks} == {"ok"}
        assert {task.cluster for task in tasks} == {"homelab"}

    def test_a_task_without_a_target_and_one_of_a_guest(self, load: Load) -> None:
        tasks = shapes.parse_tasks(load("datadog-pve8.4.1/nodes_tasks.json"), "homelab")
        assert (tasks[0].type, tasks[0].target, tasks[0].user) == ("aptupdate", "", "root@pam")
        assert (tasks[1].type, tasks[1].target) == ("vzshutdown", "111")
        assert (tasks[1].started_at, tasks[1].ended_at) == (1752690538.0, 1752690541.0)

    def test_the_task_without_pid_and_pstart_is_kept(self, load: Load) -> None:
        last = shapes.parse_tasks(load("datadog-pve8.4.1/nodes_tasks.json"), "homelab")[-1]
        assert (last.type, last.target, last.status) == ("qmshutdown", "100", "ok")

    def test_metrics_export(self, load: Load) -> None:
        points = shapes.parse_metrics_export(load("datadog-pve8.4.1/cluster_metrics_export_excerpt.json"))
        assert len(points) == 7
        by_name = {(point.id, point.metric): point for point in points}
        assert by_name["qemu/100", "cpu_current"].value == pytest.approx(0.0990, abs=1e-4)
        assert by_name["qemu/100", "disk_read"].counter is True
        assert by_name["storage/ip-122-82-3-112/local", "disk_used"].counter is False
        assert {point.at for point in points} == {1749063075.0}


class TestOfflineNode:
    def test_the_offline_node_has_no_numbers_and_the_other_has(self, load: Load) -> None:
        found = shapes.parse_resources(load("homepage-2184-offline-node/cluster_resources_nodes.json"))
        offline, online = found.nodes
        assert (offline.name, offline.status, offline.stats_visible) == ("elitedesk", "offline", False)
        assert offline.cpu is None
        assert offline.memory_used_bytes is None
        assert offline.memory_total_bytes is None
        assert (online.name, online.status, online.cpu_count) == ("router-pve", "online", 4)
        assert found.dropped == {}


class TestNodeStatus:
    def test_of_9_1_2_has_memory_available(self, load: Load) -> None:
        status = shapes.parse_node_status(load("pvexport-pve9.1.2/node_status.json"))
        assert (status.pve_version, status.kernel) == ("9.1.2", "6.17.4-1-pve")
        assert (status.cpu_model, status.cpu_count) == ("Intel(R) N100", 4)
        assert status.memory_available_bytes == 3868946432
        assert status.loadavg == [1.74, 1.86, 1.5]
        assert status.iowait == pytest.approx(0.00537, abs=1e-5)
        assert (status.swap_used_bytes, status.swap_total_bytes) == (6283759616, 8589930496)
        assert status.uptime_s == 1480737

    def test_of_8_4_14_has_none_and_its_root_is_full_though_635_mb_are_free(self, load: Load) -> None:
        status = shapes.parse_node_status(load("pve8.4.14-node/node_status.json"))
        assert status.pve_version == "8.4.14"
        assert status.memory_available_bytes is None
        assert (status.memory_used_bytes, status.memory_total_bytes) == (1952485376, 33537990656)
        assert status.rootfs_available_bytes == 1564672
        assert status.cpu == 0.0
        assert status.loadavg == [0.16, 0.10, 0.02]


def test_tokens_with_and_without_privilege_separation(load: Load) -> None:
    tokens = shapes.parse_tokens(load("pve8.4.14-node/access_tokens.json"))
    assert [(token.name, token.privilege_separation) for token in tokens] == [
        ("pveexporter", True),
        ("homarr", False),
        ("terraform", False),
    ]
    assert tokens[2].comment == "Terraform User"
    assert {token.expires_at for token in tokens} == {None}
