"""One guest: status, configuration, snapshots, addresses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jarvis_daemon.cluster.shapes import (
    parse_agent_addresses,
    parse_guest_config,
    parse_guest_status,
    parse_lxc_addresses,
    parse_snapshots,
)
from jarvis_daemon.protocol.errors import JarvisError


class TestStatus:
    def test_a_running_vm_of_9(self) -> None:
        status = parse_guest_status(
            {
                "status": "running",
                "qmpstatus": "running",
                "name": "web",
                "cpus": 4,
                "cpu": 0.2,
                "mem": 5,
                "maxmem": 6,
                "disk": 0,
                "maxdisk": 7,
                "uptime": 8,
                "pid": "6153",
                "agent": 1,
                "ha": {"managed": 1, "state": "started"},
                "pressurecpusome": "0.00",
                "pressureiofull": 0,
            },
            "vm",
        )
        assert (status.status, status.pid, status.agent, status.uptime_s) == ("running", 6153, True, 8)
        assert (status.ha_managed, status.ha_state) == (True, "started")
        assert status.disk_used_bytes is None
        assert status.pressure == {"cpusome": 0.0, "iofull": 0.0}

    def test_a_stopped_one_has_no_pressure_and_no_pid(self) -> None:
        status = parse_guest_status({"status": "stopped", "pid": None, "ha": {"managed": 0}, "uptime": 0}, "vm")
        assert (status.status, status.pid, status.uptime_s, status.pressure) == ("stopped", None, None, {})
        assert status.ha_managed is False

    def test_paused_stands_in_qmpstatus(self) -> None:
        assert parse_guest_status({"status": "running", "qmpstatus": "paused"}, "vm").status == "paused"

    def test_a_container_knows_its_disk(self) -> None:
        assert parse_guest_status({"status": "running", "disk": "512"}, "ct").disk_used_bytes == 512


class TestConfig:
    def test_a_vm(self) -> None:
        config = parse_guest_config(
            {
                "name": "web",
                "cores": "4",
                "sockets": 1,
                "memory": "8192",
                "agent": "enabled=1,fstrim_cloned_disks=1",
                "onboot": 1,
                "tags": "a;b",
                "scsi0": "local-lvm:vm-100-disk-0,size=32G",
                "scsihw": "virtio-scsi-pci",
                "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
                "description": "line one\nline \x1b[1mtwo",
            }
        )
        assert (config.name, config.cores, config.memory_mb, config.agent) == ("web", 4, 8192, True)
        assert config.disks == {"scsi0": "local-lvm:vm-100-disk-0,size=32G"}
        assert list(config.nets) == ["net0"]
        assert config.tags == ["a", "b"]
        assert config.description == "line one\nline two"

    def test_a_container_has_a_hostname(self) -> None:
        config = parse_guest_config(
            {"hostname": "pihole", "rootfs": "local:105,size=8G", "mp0": "x", "memory": 512}
        )
        assert (config.name, config.memory_mb, config.agent) == ("pihole", 512, False)
        assert list(config.disks) == ["mp0", "rootfs"]

    def test_memory_of_newer_configurations(self) -> None:
        assert parse_guest_config({"memory": "current=4096,max=8192"}).memory_mb == 4096

    @pytest.mark.parametrize(
        ("value", "on"), [("1", True), (1, True), ("0", False), ("enabled=0", False), (None, False)]
    )
    def test_the_agent_flag_has_two_spellings(self, value: Any, on: bool) -> None:
        assert parse_guest_config({"agent": value}).agent is on

    def test_the_wrong_shape_raises(self) -> None:
        with pytest.raises(JarvisError, match="wrong shape"):
            parse_guest_config([])


def test_snapshots_are_sorted_and_without_the_present() -> None:
    snapshots = parse_snapshots(
        [
            {"name": "current", "description": "You are here!", "parent": "b"},
            {"name": "b", "snaptime": 20, "vmstate": 1, "parent": "a"},
            {"name": "a", "snaptime": 10, "description": "before\nupgrade"},
        ]
    )
    assert [(snapshot.name, snapshot.at, snapshot.with_memory) for snapshot in snapshots] == [
        ("a", 10.0, False),
        ("b", 20.0, True),
    ]
    assert snapshots[0].description == "before upgrade"


class TestAddresses:
    def test_of_the_agent_without_loopback_and_link_local(self) -> None:
        data = {
            "result": [
                {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}, {"ip-address": "::1"}]},
                {
                    "name": "eth0",
                    "hardware-address": "bc:24:11:00:00:01",
                    "ip-addresses": [{"ip-address": "192.168.1.65", "prefix": 24}, {"ip-address": "fe80::1%eth0"}],
                },
                {"name": "docker0"},
                {"name": "eth1", "ip-addresses": [{"ip-address": "not one"}, "odd"]},
            ]
        }
        assert [(one.interface, one.ip, one.mac) for one in parse_agent_addresses(data)] == [
            ("eth0", "192.168.1.65", "bc:24:11:00:00:01")
        ]

    def test_an_agent_that_refuses_raises(self) -> None:
        with pytest.raises(JarvisError, match="wrong shape"):
            parse_agent_addresses({"result": {"error": {"class": "CommandNotFound"}}})

    def test_of_a_container(self) -> None:
        found = parse_lxc_addresses(
            [
                {"name": "lo", "inet": "127.0.0.1/8", "inet6": "::1/128"},
                {
                    "name": "eth0",
                    "hwaddr": "bc:24:11:00:00:02",
                    "inet": "192.168.1.5/24",
                    "inet6": "2001:db8::5/64",
                },
            ]
        )
        assert [(one.interface, one.ip) for one in found] == [("eth0", "192.168.1.5"), ("eth0", "2001:db8::5")]

    def test_odd_rows_are_counted(self) -> None:
        dropped: Counter[str] = Counter()
        assert parse_lxc_addresses(["odd"], dropped) == []
        assert sum(dropped.values()) == 1


@pytest.mark.parametrize(
    ("startup", "order"),
    [
        ("order=3,up=30", 3), ("3,up=30", 3), ("up=30,order=12", 12), ("order=0", 0), ("up=30", None), ("", None),
        (None, None), ("order=", None), ("order=-1", None), (7, 7), ("order=x", None),
    ],
)  # fmt: skip
def test_the_place_in_the_boot_order(startup: Any, order: int | None) -> None:
    assert parse_guest_config({"startup": startup}).startup_order == order
