"""``/cluster/resources``: the oddities of PVE 5 to 9, each as a statement."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.cluster.shapes import GuestRow, NodeRow, StorageRow, parse_resources
from jarvis_daemon.protocol.errors import JarvisError

VM: dict[str, Any] = {
    "type": "qemu",
    "id": "qemu/100",
    "vmid": 100,
    "node": "pve",
    "name": "web",
    "status": "running",
    "template": 0,
    "cpu": 0.1,
    "maxcpu": 4,
    "mem": 1024,
    "maxmem": 2048,
    "disk": 0,
    "maxdisk": 4096,
    "uptime": 60,
}
STORAGE = {
    "type": "storage",
    "storage": "local",
    "node": "pve",
    "status": "available",
    "disk": 10,
    "maxdisk": 20,
}


def guest(**changes: Any) -> GuestRow:
    found = parse_resources([VM | changes])
    assert found.dropped == {}
    return found.guests[0]


def node(**changes: Any) -> NodeRow:
    return parse_resources([{"type": "node", "node": "pve"} | changes]).nodes[0]


def storage(**changes: Any) -> StorageRow:
    return parse_resources([STORAGE | changes]).storages[0]


def test_old_servers_send_text_and_empty_text() -> None:
    """PVE 5 and 6: vmid "100", template "", lock "", disk and maxdisk of containers as text."""
    row = guest(type="lxc", vmid="100", template="", lock="", disk="512", maxdisk="4096")
    assert (row.vmid, row.template, row.lock) == (100, False, None)
    assert (row.disk_used_bytes, row.disk_total_bytes) == (512, 4096)


def test_a_missing_template_is_none() -> None:
    row = {key: value for key, value in VM.items() if key != "template"}
    assert parse_resources([row]).guests[0].template is False


@pytest.mark.parametrize("value", [1, "1"])
def test_a_template_is_one(value: Any) -> None:
    assert guest(template=value, status="stopped").template is True


@pytest.mark.parametrize(("value", "cpu"), [(0, 0.0), (3.4e-05, 3.4e-05), ("0.5", 0.5), (None, None), ("", None)])
def test_cpu_comes_as_int_float_text_or_nothing(value: Any, cpu: float | None) -> None:
    assert guest(cpu=value).cpu == cpu


def test_more_memory_in_use_than_there_is_is_kept() -> None:
    row = guest(mem=4343412736, maxmem=4294967296)
    assert (row.memory_used_bytes, row.memory_total_bytes) == (4343412736, 4294967296)


def test_the_disk_of_a_vm_is_never_zero_but_unknown() -> None:
    assert guest(disk=0).disk_used_bytes is None
    assert guest(disk=77).disk_used_bytes is None


def test_the_disk_of_a_container_is_known_while_it_runs() -> None:
    assert guest(type="lxc", disk=77).disk_used_bytes == 77
    assert guest(type="lxc", disk=0, status="stopped").disk_used_bytes is None


def test_a_guest_of_a_long_dead_node_has_no_name_and_no_numbers() -> None:
    found = parse_resources([{"type": "qemu", "id": "qemu/100", "vmid": 100, "node": "pve", "status": "unknown"}])
    [row] = found.guests
    assert (row.vmid, row.status, row.name) == (100, "unknown", None)
    assert row.cpu is None
    assert row.memory_used_bytes is None
    assert row.uptime_s is None
    assert found.dropped == {}


def test_a_status_that_we_do_not_know_is_unknown_not_running() -> None:
    assert guest(status="io-error").status == "unknown"
    assert guest(status=None).status == "unknown"


@pytest.mark.parametrize("status", ["running", "stopped", "paused", "suspended"])
def test_known_states_pass(status: str) -> None:
    assert guest(status=status).status == status


def test_lock_ha_state_and_pool_pass_as_text() -> None:
    row = guest(lock="backup", hastate="some-later-state", pool="a/b")
    assert (row.lock, row.ha_state, row.pool) == ("backup", "some-later-state", "a/b")


@pytest.mark.parametrize(
    ("tags", "found"), [("b;a;b", ["b", "a"]), ("", []), (None, []), ("a; c", ["a", "c"]), (";;x;", ["x"])]
)
def test_tags_are_separated_by_semicolons(tags: Any, found: list[str]) -> None:
    assert guest(tags=tags).tags == found


def test_pressure_of_9_as_number_or_text_disturbs_nothing() -> None:
    assert guest(pressurecpusome=0, pressureiofull="0.00").status == "running"


def test_names_lose_escapes_and_bidi() -> None:
    assert guest(name="\x1b[31mred\x1b[0m\u202etxt\u200b").name == "redtxt"
    assert guest(name="café 🎉").name == "café 🎉"
    assert guest(name="   ").name is None


def test_a_name_that_is_a_number_is_text() -> None:
    assert guest(name=42).name == "42"


def test_an_offline_node_is_its_name_and_status_only() -> None:
    row = node(status="offline", **{"cgroup-mode": 2})
    assert (row.status, row.stats_visible) == ("offline", False)
    assert (row.cpu, row.cpu_count, row.memory_used_bytes, row.uptime_s) == (None, None, None, None)


def test_a_node_without_numbers_is_not_offline_for_that() -> None:
    """Without Sys.Audit, or just booted."""
    row = node(status="online", level="")
    assert (row.status, row.stats_visible) == ("online", False)


def test_ha_states_of_nodes_in_9() -> None:
    assert node(status="online", hastate="maintenance").ha_state == "maintenance"


def test_nested_pools_have_slashes_in_their_ids() -> None:
    found = parse_resources([{"type": "pool", "id": "/pool/a/b", "pool": "a/b"}])
    assert found.pools == ["a/b"]
    assert found.dropped == {}


def test_types_of_today_and_tomorrow_are_ignored_and_counted() -> None:
    found = parse_resources([{"type": "sdn"}, {"type": "network"}, {"type": "network"}, {"type": "quantum"}, {}])
    assert found.ignored == {"sdn": 1, "network": 2, "quantum": 1, "without a type": 1}


def test_shared_storage_comes_once_per_node_and_is_marked() -> None:
    found = parse_resources([STORAGE | {"shared": 1, "node": one} for one in ("pve", "Home")])
    assert [(row.node, row.shared) for row in found.storages] == [("pve", True), ("Home", True)]


def test_the_shared_flag_may_be_text_or_absent() -> None:
    assert storage(shared="1").shared is True
    assert storage().shared is False


def test_a_storage_without_rrd_is_unknown_and_not_empty() -> None:
    row = storage(status="unknown", disk=0, maxdisk=0)
    assert (row.status, row.used_bytes, row.total_bytes) == ("unknown", None, None)


def test_content_is_separated_by_commas_in_any_order() -> None:
    assert storage(content="rootdir,images").content == storage(content="images,rootdir").content


def test_an_empty_storage_that_is_known_is_zero() -> None:
    assert storage(disk=0, maxdisk=20).used_bytes == 0


def test_bad_rows_are_dropped_with_their_reason_and_the_rest_stays() -> None:
    found = parse_resources(
        [
            VM,
            {"type": "qemu", "node": "pve"},
            {"type": "lxc", "vmid": 101},
            {"type": "node"},
            "text",
            None,
            {"type": "storage", "node": "pve"},
            {"type": "storage", "storage": "x"},
            VM | {"vmid": "abc"},
        ]
    )
    assert [row.vmid for row in found.guests] == [100]
    assert found.dropped == {
        "guest without a vmid": 2,
        "guest without a node": 1,
        "node without a name": 1,
        "the cluster's resources: not an object": 2,
        "storage without a name": 1,
        "storage without a node": 1,
    }


@pytest.mark.parametrize("data", [{}, None, "text", 5, {"errors": "half"}])
def test_the_wrong_outermost_shape_raises(data: Any) -> None:
    with pytest.raises(JarvisError, match="wrong shape") as caught:
        parse_resources(data)
    assert caught.value.code == "cluster_unreachable"


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
_rows = st.fixed_dictionaries(
    {"type": st.sampled_from(["qemu", "lxc", "node", "storage", "pool", "sdn"])},
    optional=dict.fromkeys(
        (*list(VM)[1:], "storage", "content", "tags", "shared", "hastate", "lock", "pool"), _junk
    ),
)


@given(st.lists(_rows, max_size=4))
def test_no_row_whatever_its_values_breaks_the_reply(rows: list[dict[str, Any]]) -> None:
    found = parse_resources(rows)
    read = len(found.nodes) + len(found.guests) + len(found.storages) + len(found.pools)
    assert read + sum(found.ignored.values()) + sum(found.dropped.values()) == len(rows)
    msgspec.json.encode(found)  # nothing that cannot travel
