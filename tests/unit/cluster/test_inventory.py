"""What the inventory makes of replies: real ones, and walks through bad days."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_daemon.cluster.inventory import Inventory, Merged
from jarvis_daemon.cluster.merge_nodes import steady
from jarvis_daemon.cluster.shapes import (
    Permissions,
    parse_ha,
    parse_node_status,
    parse_permissions,
    parse_resources,
    parse_status,
)  # fmt: skip
from jarvis_daemon.cluster.ssh_reading import parse_reading

NOW = 1_800_000_000.0
ALL_RIGHTS = {path: {"Sys.Audit": 1, "VM.Audit": 1, "Datastore.Audit": 1} for path in ("/", "/vms", "/storage")}


def node_row(name: str, **more: Any) -> dict[str, Any]:
    online = {"cpu": 0.1, "maxcpu": 8, "mem": 8, "maxmem": 32, "disk": 1, "maxdisk": 9, "uptime": 1000}
    row: dict[str, Any] = {"type": "node", "node": name, "id": f"node/{name}", "status": "online"}
    return row | (online if more.get("status", "online") == "online" else {}) | more


def guest_row(vmid: int, node: str = "pve", **more: Any) -> dict[str, Any]:
    return {
        "type": "lxc", "vmid": vmid, "id": f"lxc/{vmid}", "node": node, "name": f"ct{vmid}", "status": "running",
        "cpu": 0.5, "maxcpu": 2, "mem": 100, "maxmem": 200, "uptime": 500, "template": 0, "tags": "a;b",
    } | more  # fmt: skip


def storage_row(name: str, node: str, *, shared: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "type": "storage", "storage": name, "node": node, "id": f"storage/{node}/{name}", "shared": shared,
        "status": "available", "disk": 40, "maxdisk": 100, "content": "backup,iso", "plugintype": "dir",
    } | more  # fmt: skip


def status_rows(**online: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"type": "cluster", "name": "c", "quorate": 1, "nodes": len(online), "version": 1}
    ]
    return rows + [{"type": "node", "name": name, "online": int(up)} for name, up in online.items()]


class Walk:
    """An inventory that is fed poll by poll, ten seconds apart."""

    def __init__(self) -> None:
        self.inventory = Inventory("homelab")
        self.now = NOW

    def poll(self, *rows: dict[str, Any], **online: bool) -> Merged:
        self.now += 10
        if online:
            self.inventory.merge_status(parse_status(status_rows(**online)))
        return self.inventory.merge_resources(parse_resources(list(rows)), self.now)

    def rights(self, held: dict[str, Any] = ALL_RIGHTS) -> None:
        self.inventory.merge_permissions(parse_permissions(held), self.now)

    def guest(self, vmid: int) -> Any:
        return self.inventory.guests.entities[f"guest:{vmid}"]

    def node(self, name: str) -> Any:
        return self.inventory.nodes.entities[f"node:{name}"]


@pytest.fixture
def walk() -> Walk:
    return Walk()


# --- real replies --------------------------------------------------------------------------------------


def reply(folder: Path, name: str) -> Any:
    return json.loads((folder / "pve" / "replies" / name).read_text())["data"]


def test_a_real_pve_8_4_is_read_whole(shared_data: Path, walk: Walk) -> None:
    walk.poll(*reply(shared_data, "datadog-pve8.4.1/cluster_resources.json"))
    name = "ip-122-82-3-112"
    assert walk.node(name).status == "online"
    assert walk.node(name).cpu_count == 72
    assert walk.guest(100).status == "running"
    assert walk.guest(100).disk_used_bytes is None  # a VM's is not known, and never 0
    assert walk.guest(100).started_at == walk.now - 12
    assert walk.guest(101).tags == ["sarah-wiit", "test", "testtag"]
    assert walk.guest(101).pool == "pool-1"
    assert walk.guest(111).status == "stopped"
    assert walk.guest(111).cpu is None
    (storage,) = walk.inventory.storages.values()
    assert (storage.id, storage.status, storage.node) == (f"storage:{name}/local", "available", name)
    walk.inventory.merge_ha(parse_ha(reply(shared_data, "datadog-pve8.4.1/ha_status_current.json")))


def test_a_real_offline_node_is_offline_without_numbers(shared_data: Path, walk: Walk) -> None:
    walk.poll(*reply(shared_data, "homepage-2184-offline-node/cluster_resources_nodes.json"))
    dead, alive = walk.node("elitedesk"), walk.node("router-pve")
    assert (dead.status, dead.cpu, dead.memory_used_bytes, dead.started_at) == ("offline", None, None, None)
    assert alive.status == "online"
    assert alive.started_at == walk.now - 2431567


@pytest.mark.parametrize("file", ["pve8.4.14-node/node_status.json", "pvexport-pve9.1.2/node_status.json"])
def test_a_real_node_status_adds_what_the_cluster_does_not_tell(shared_data: Path, walk: Walk, file: str) -> None:
    walk.poll(node_row("pve"))
    walk.inventory.merge_node("pve", parse_node_status(reply(shared_data, file)), walk.now)
    node = walk.node("pve")
    assert node.kernel
    assert node.pve_version
    assert node.loadavg is not None
    assert len(node.loadavg) == 3
    assert node.rootfs_available_bytes is not None
    assert node.cpu == 0.1  # the cluster's row, which is younger


# --- bad days ------------------------------------------------------------------------------------------


def test_guests_of_a_dead_node_are_unknown_though_pve_says_running(walk: Walk) -> None:
    walk.poll(node_row("pve"), node_row("agent"), guest_row(101), guest_row(105, "agent"), pve=True, agent=True)
    seen_at = walk.now
    walk.inventory.merge_node("pve", parse_node_status({"kversion": "Linux 6.8 #1", "wait": 0.1}), walk.now)
    walk.poll(node_row("pve"), node_row("agent"), guest_row(101), guest_row(105, "agent"), pve=False, agent=True)
    guest, node = walk.guest(101), walk.node("pve")
    assert (guest.status, guest.freshness, guest.cpu, guest.started_at) == ("unknown", "unknown", None, None)
    assert (guest.name, guest.memory_total_bytes, guest.last_seen_at) == ("ct101", 200, seen_at)
    assert walk.guest(105).status == "running"
    assert (node.status, node.cpu, node.iowait, node.cpu_count, node.kernel) == ("offline", None, None, 8, "6.8")


def test_a_forgotten_guest_keeps_its_name_and_kind(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101, tags="x", template=1))
    walk.poll(node_row("pve", status="offline"),
              {"type": "lxc", "vmid": 101, "id": "lxc/101", "node": "pve", "status": "unknown"})  # fmt: skip
    guest = walk.guest(101)
    assert (guest.name, guest.kind, guest.status, guest.tags, guest.template) == (
        "ct101",
        "ct",
        "unknown",
        ["x"],
        True,
    )
    assert guest.memory_total_bytes == 200


def test_a_returning_node_returns_its_guests(walk: Walk) -> None:
    for up in (True, False, True):
        walk.poll(node_row("pve"), guest_row(101), pve=up)
    assert walk.guest(101).status == "running"
    assert walk.guest(101).freshness is None


def test_a_guest_that_was_destroyed_goes_and_a_hidden_one_stays(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), guest_row(102))
    walk.rights()
    merged = walk.poll(node_row("pve"), guest_row(102))
    assert merged.suspicious
    assert walk.guest(101).status == "unknown"  # nobody knows yet
    walk.poll(node_row("pve"), guest_row(102))
    assert walk.guest(101).status == "unknown"  # the rights were read before it vanished
    walk.rights()
    assert walk.poll(node_row("pve"), guest_row(102)).gone == ["guest:101"]
    assert list(walk.inventory.guests.entities) == ["guest:102"]


def test_without_the_right_to_see_nothing_is_gone(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), storage_row("local", "pve"))
    for _ in range(10):
        walk.poll(node_row("pve"))
        walk.rights({"/": {"Sys.Audit": 1}})
    assert (walk.guest(101).status, walk.guest(101).freshness) == ("unknown", "unknown")
    assert walk.inventory.storages["storage:pve/local"].status == "unknown"
    assert walk.inventory.storages["storage:pve/local"].total_bytes == 100
    walk.poll(node_row("pve"), guest_row(101), storage_row("local", "pve"))
    assert walk.guest(101).status == "running"
    assert walk.inventory.storages["storage:pve/local"].used_bytes == 40


def test_nothing_of_a_dead_node_is_gone(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), storage_row("local", "pve"))
    for _ in range(5):
        walk.poll(node_row("pve", status="offline"))
        walk.rights()
    assert walk.guest(101).status == "unknown"
    assert "storage:pve/local" in walk.inventory.storages


def test_hidden_numbers_do_not_make_a_node_offline(walk: Walk) -> None:
    walk.poll(node_row("pve"), pve=True)
    walk.poll({"type": "node", "node": "pve", "status": "online"}, pve=True)
    node = walk.node("pve")
    assert (node.status, node.stats_visible, node.cpu, node.cpu_count) == ("online", False, None, 8)


def test_numbers_whose_source_fell_silent_are_forgotten(walk: Walk) -> None:
    walk.poll(node_row("pve"))
    walk.inventory.merge_node("pve", parse_node_status({"loadavg": ["1", "2", "3"], "wait": 0.1}), walk.now)
    walk.inventory.merge_reading("pve", parse_reading("#jarvis thermal-zone\n45000\n"), walk.now)
    assert walk.node("pve").temperature_c == 45.0
    walk.inventory.nodes.forget_detail("pve")
    walk.inventory.nodes.forget_reading("pve")
    node = walk.node("pve")
    assert (node.loadavg, node.iowait, node.temperature_c, node.temperatures) == (None, None, None, {})
    assert node.cpu == 0.1


def test_a_node_that_left_the_cluster_goes(walk: Walk) -> None:
    walk.poll(node_row("pve"), node_row("old"), pve=True, old=True)
    assert walk.poll(node_row("pve"), pve=True).gone == ["node:old"]
    assert list(walk.inventory.nodes.entities) == ["node:pve"]


def test_a_standalone_node_is_online_without_a_word_on_it(walk: Walk) -> None:
    walk.inventory.merge_status(parse_status([{"type": "node", "name": "pve", "nodeid": 0, "local": 1}]))
    walk.poll(node_row("pve"))
    assert walk.node("pve").status == "online"


def test_shared_storage_is_one_whatever_its_nodes_do(walk: Walk) -> None:
    rows = [storage_row("nas", name, shared=1) for name in ("a", "b")] + [storage_row("local", "a")]
    walk.poll(node_row("a"), node_row("b"), *rows)
    assert sorted(walk.inventory.storages) == ["storage:a/local", "storage:nas"]
    nas = walk.inventory.storages["storage:nas"]
    assert (nas.nodes, nas.node, nas.used_bytes) == (["a", "b"], None, 40)
    walk.poll(node_row("a", status="offline"), node_row("b"), *rows)
    nas, local = walk.inventory.storages["storage:nas"], walk.inventory.storages["storage:a/local"]
    assert (nas.status, nas.freshness, nas.used_bytes) == ("available", None, 40)
    assert (local.status, local.freshness, local.used_bytes, local.total_bytes) == ("unknown", "unknown", None, 100)


def test_a_mute_node_and_its_guests_are_stale(walk: Walk) -> None:
    walk.inventory.mark_mute(frozenset({"pve"}))
    walk.poll(node_row("pve"), guest_row(101))
    assert (walk.node("pve").freshness, walk.guest(101).freshness) == ("stale", "stale")
    walk.inventory.mark_mute(frozenset())
    walk.poll(node_row("pve"), guest_row(101))
    assert (walk.node("pve").freshness, walk.guest(101).freshness) == (None, None)


def test_when_nothing_is_heard_any_more_nothing_is_believed(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), storage_row("local", "pve"))
    walk.inventory.lose_sight()
    assert (walk.node("pve").status, walk.guest(101).status) == ("unknown", "unknown")
    assert walk.inventory.storages["storage:pve/local"].status == "unknown"
    walk.poll(node_row("pve"), guest_row(101))
    assert walk.guest(101).status == "running"


def test_who_ran_and_is_stopped_is_told_once(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), guest_row(102, status="stopped"), guest_row(103, template=1))
    ran_at = walk.now
    down = [
        guest_row(vmid, status="stopped", uptime=0, mem=0, template=int(vmid == 103)) for vmid in (101, 102, 103)
    ]
    (stop,) = walk.poll(node_row("pve"), *down).stops
    assert (stop.guest, stop.last_running_at, stop.seen_at, stop.memory_share) == (
        "guest:101",
        ran_at,
        walk.now,
        0.5,
    )
    assert walk.poll(node_row("pve"), *down).stops == []


def test_a_stop_behind_a_dead_node_is_told_when_the_node_is_back(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), pve=True)
    ran_at = walk.now
    assert walk.poll(node_row("pve"), guest_row(101, status="stopped"), pve=False).stops == []
    (stop,) = walk.poll(node_row("pve"), guest_row(101, status="stopped"), pve=True).stops
    assert stop.last_running_at == ran_at


def test_a_restart_remembers_names_and_who_ran(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), guest_row(102, status="stopped"), storage_row("local", "pve"))
    changed, gone = walk.inventory.changed_memories()
    assert gone == []
    assert walk.inventory.changed_memories() == ([], [])
    again = Walk()
    again.inventory.restore(changed, walk.now)
    guest = again.guest(101)
    assert (guest.name, guest.status, guest.freshness) == ("ct101", "unknown", "unknown")
    assert again.node("pve").status == "unknown"
    again.now = walk.now + 300
    stops = again.poll(node_row("pve"), guest_row(101, status="stopped"), guest_row(102, status="stopped")).stops
    assert [(s.guest, s.last_running_at) for s in stops] == [("guest:101", walk.now)]


def test_only_what_changed_is_written(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101), guest_row(102))
    walk.inventory.changed_memories()
    walk.poll(node_row("pve", cpu=0.9), guest_row(101, cpu=0.1, uptime=510), guest_row(102, status="stopped"))
    changed, _ = walk.inventory.changed_memories()
    assert [(r.id, r.status) for r in changed] == [("guest:102", "stopped")]


def test_nothing_is_built_anew_for_what_did_not_change(walk: Walk) -> None:
    walk.poll(node_row("pve"), guest_row(101, status="stopped"))
    before = walk.guest(101)
    walk.poll(node_row("pve"), guest_row(101, status="stopped"))
    assert walk.guest(101) is before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(1000.0, 1009.0, 1000.0), (1000.0, 996.0, 1000.0), (1000.0, 1300.0, 1300.0), (1000.0, 900.0, 900.0),
     (None, 5.0, 5.0), (5.0, None, None)],
)  # fmt: skip
def test_a_start_time_does_not_jitter(old: float | None, new: float | None, expected: float | None) -> None:
    assert steady(old, new) == expected


# --- always --------------------------------------------------------------------------------------------

_nodes = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["online", "offline", "unknown"]))
_members = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.booleans())
_guests = st.dictionaries(
    st.integers(100, 104),
    st.tuples(st.sampled_from(["a", "b", "c", "gone"]), st.sampled_from(["running", "stopped", "unknown", "odd"])),
)
_polls = st.lists(st.tuples(_nodes, _members, _guests, st.booleans(), st.booleans()), max_size=8)


@settings(max_examples=150, deadline=None)
@given(_polls)
def test_no_walk_shows_a_running_guest_on_a_node_that_is_not_online(polls: list[Any]) -> None:
    walk, known = Walk(), set[int]()
    for nodes, members, guests, may_see, sightless in polls:
        rows = [node_row(name, status=status) for name, status in nodes.items()]
        rows += [guest_row(vmid, node, status=status) for vmid, (node, status) in guests.items()]
        walk.poll(*rows, **members)
        walk.rights(ALL_RIGHTS if may_see else {})
        if sightless:
            walk.inventory.lose_sight()
        known |= guests.keys()
        online = {n.name for n in walk.inventory.nodes.entities.values() if n.status == "online"}
        for guest in walk.inventory.guests.entities.values():
            if guest.node not in online:
                assert guest.status == "unknown"
                assert guest.freshness == "unknown"
            if guest.status == "unknown":
                assert (guest.cpu, guest.started_at) == (None, None)
        assert {g.vmid for g in walk.inventory.guests.entities.values()} >= guests.keys()


def test_rights_by_path_decide_what_is_gone() -> None:
    held = Permissions(paths={"/": {"Sys.Audit": True}, "/vms/101": {"VM.Audit": True}})
    assert held.has("VM.Audit", "/vms/101")
    assert not held.has("VM.Audit", "/vms/102")
