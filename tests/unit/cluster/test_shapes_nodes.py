"""Node status, clock, certificates, services, storages and history."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jarvis_daemon.cluster.shapes import (
    api_certificate,
    parse_certificates,
    parse_metrics_export,
    parse_node_status,
    parse_node_storages,
    parse_rrd,
    parse_services,
    parse_time,
)
from jarvis_daemon.protocol.errors import JarvisError


class TestNodeStatus:
    def test_an_empty_object_is_all_unknown(self) -> None:
        """A node that has just booted, or one behind an old server."""
        status = parse_node_status({})
        assert (status.cpu, status.loadavg, status.memory_total_bytes, status.kernel, status.pve_version) == (
            None,
            None,
            None,
            None,
            None,
        )

    def test_loadavg_is_a_list_of_text(self) -> None:
        assert parse_node_status({"loadavg": ["0.10", "1", 2.5]}).loadavg == [0.1, 1.0, 2.5]
        assert parse_node_status({"loadavg": ["0.10", "x", "1"]}).loadavg is None
        assert parse_node_status({"loadavg": []}).loadavg is None

    def test_the_kernel_of_old_servers_stands_in_kversion(self) -> None:
        assert parse_node_status({"kversion": "Linux 5.15.30-2-pve #1 SMP PVE"}).kernel == "5.15.30-2-pve"

    def test_swap_may_be_none_at_all(self) -> None:
        status = parse_node_status({"swap": {"total": 0, "used": 0, "free": 0}})
        assert (status.swap_total_bytes, status.swap_used_bytes) == (0, 0)

    def test_the_space_left_is_avail_and_not_free(self) -> None:
        rootfs = {"avail": 1564672, "free": 635187200, "total": 13471539200, "used": 12836352000}
        assert parse_node_status({"rootfs": rootfs}).rootfs_available_bytes == 1564672

    def test_sections_of_the_wrong_type_are_unknown(self) -> None:
        assert parse_node_status({"memory": "full", "cpuinfo": [], "swap": None}).memory_used_bytes is None

    @pytest.mark.parametrize("data", [[], None, "half"])
    def test_the_wrong_shape_raises(self, data: Any) -> None:
        with pytest.raises(JarvisError, match="wrong shape"):
            parse_node_status(data)


def test_the_clock_is_in_seconds() -> None:
    assert parse_time({"time": 1800000000, "localtime": 1800003600, "timezone": "Europe/Berlin"}) == 1800000000.0
    assert parse_time({}) is None


PVE_SSL = {
    "filename": "pve-ssl.pem",
    "notafter": 1800000000,
    "notbefore": 1700000000,
    "fingerprint": "AA:BB",
    "san": ["127.0.0.1", "pve"],
    "subject": "/CN=pve",
}


class TestCertificates:
    def test_what_expires_when(self) -> None:
        [one] = parse_certificates([PVE_SSL])
        assert (one.filename, one.expires_at, one.starts_at) == ("pve-ssl.pem", 1800000000.0, 1700000000.0)
        assert (one.names, one.fingerprint) == (["127.0.0.1", "pve"], "AA:BB")

    def test_an_own_certificate_is_the_one_that_is_served(self) -> None:
        both = parse_certificates([{"filename": "pve-root-ca.pem"}, PVE_SSL, {"filename": "pveproxy-ssl.pem"}])
        served = api_certificate(both)
        assert served is not None
        assert served.filename == "pveproxy-ssl.pem"
        assert api_certificate(both[:2]) == both[1]
        assert api_certificate(both[:1]) is None

    def test_a_row_without_a_file_is_dropped(self) -> None:
        dropped: Counter[str] = Counter()
        assert parse_certificates([{"notafter": 1}], dropped) == []
        assert dropped == {"certificate without a file name": 1}


def test_services_with_and_without_the_active_state_of_9() -> None:
    rows = parse_services(
        [
            {
                "name": "pveproxy",
                "service": "pveproxy",
                "state": "running",
                "active-state": "active",
                "desc": "API",
            },
            {"service": "ksmtuned", "state": "dead", "active-state": "inactive"},
            {"name": "cron", "state": "running"},
            {"name": "later", "active-state": "unknown"},
            {},
        ]
    )
    assert [(row.name, row.state, row.active) for row in rows] == [
        ("pveproxy", "running", True),
        ("ksmtuned", "dead", False),
        ("cron", "running", None),
        ("later", "unknown", None),
    ]


def test_storages_of_a_node_tell_which_are_active() -> None:
    """The list names the storages of the whole cluster."""
    rows = parse_node_storages(
        [
            {"storage": "local", "active": 1, "enabled": 1, "total": 100, "used": 40, "avail": 55, "type": "dir"},
            {"storage": "tank", "active": 0, "total": 0, "used": 0, "avail": 0, "content": "images,backup"},
        ]
    )
    assert [(row.name, row.active) for row in rows] == [("local", True), ("tank", False)]
    assert (rows[0].used_bytes, rows[0].available_bytes) == (40, 55)
    assert rows[1].total_bytes is None
    assert rows[1].used_bytes is None
    assert rows[1].content == ["backup", "images"]


class TestRrd:
    def test_rows_of_a_node(self) -> None:
        [(at, values)] = parse_rrd([{"time": 1800000000, "cpu": 0.5, "memused": 10, "memtotal": 20, "iowait": 0.1}])
        assert at == 1800000000.0
        assert values == {"cpu": 0.5, "memory_used_bytes": 10, "memory_total_bytes": 20, "iowait": 0.1}

    def test_rows_of_a_guest_have_other_names_for_the_same(self) -> None:
        [(_, values)] = parse_rrd([{"time": 1, "mem": 5, "maxmem": 6, "memhost": 7, "netin": 8, "diskwrite": 9}])
        assert values == {
            "memory_used_bytes": 5,
            "memory_total_bytes": 6,
            "memory_host_bytes": 7,
            "net_in_bytes_s": 8,
            "disk_write_bytes_s": 9,
        }

    def test_a_gap_is_missing_and_never_zero(self) -> None:
        points = parse_rrd([{"time": 60}, {"time": 120, "cpu": None}, {"time": 180, "cpu": 0}])
        assert points == [(60.0, {}), (120.0, {}), (180.0, {"cpu": 0.0})]

    def test_pressure_of_9_as_number_or_text(self) -> None:
        [(_, values)] = parse_rrd([{"time": 1, "pressurecpusome": "0.00", "pressureiofull": 0}])
        assert values == {"pressurecpusome": 0.0, "pressureiofull": 0.0}

    def test_rows_are_sorted_and_those_without_a_time_dropped(self) -> None:
        dropped: Counter[str] = Counter()
        assert [at for at, _ in parse_rrd([{"time": 2}, {"cpu": 1}, {"time": 1}], dropped)] == [1.0, 2.0]
        assert dropped == {"history row without a time": 1}


def test_a_metric_without_a_value_is_dropped() -> None:
    dropped: Counter[str] = Counter()
    data = {
        "data": [
            {"id": "node/pve", "metric": "cpu", "timestamp": 5},
            {"id": "node/pve", "metric": "cpu", "timestamp": 5, "value": 1},
        ]
    }
    assert [point.value for point in parse_metrics_export(data, dropped)] == [1.0]
    assert sum(dropped.values()) == 1
