"""What a dead, frozen or lonely node looks like in ``/cluster/resources``, second by second."""

from __future__ import annotations

from typing import Any

from jarvis_daemon.simulator import cluster_view
from jarvis_daemon.simulator.world import World


def rows(world: World, view: str = "Home") -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in cluster_view.resources(world, view, None, lambda path, privilege: True)}


def test_a_dead_nodes_guests_stay_frozen_for_300_s_and_then_lose_their_name(world: World) -> None:
    world.advance(25)
    world.faults.begin("node-down", "pve")
    world.advance(60)
    first = rows(world)["qemu/110"]
    assert first["status"] == "running"
    assert first["name"] == "truenas"
    world.advance(200)
    assert rows(world)["qemu/110"] == first
    world.advance(60)
    assert rows(world)["qemu/110"] == {
        "id": "qemu/110", "vmid": 110, "node": "pve", "type": "qemu", "status": "unknown", "tags": "storage",
    }  # fmt: skip
    assert rows(world)["qemu/116"]["lock"] == "backup"


def test_an_offline_node_has_no_numbers_of_use(world: World) -> None:
    world.faults.begin("node-down", "pve")
    world.advance(20)
    node = rows(world)["node/pve"]
    assert node["status"] == "offline"
    assert not {"cpu", "mem", "disk", "uptime"} & set(node)
    world.advance(400)
    assert rows(world)["node/pve"] == {
        "id": "node/pve", "node": "pve", "type": "node", "status": "offline", "cgroup-mode": 2,
    }  # fmt: skip
    assert rows(world)["storage/pve/local"]["status"] == "unknown"
    assert "maxdisk" not in rows(world)["storage/pve/local"]


def test_a_node_that_comes_back_boots_and_starts_its_guests_by_tasks(world: World) -> None:
    world.faults.begin("node-down", "pve")
    world.advance(400)
    world.faults.heal()
    assert world.nodes["pve"].power == "booting"
    world.advance(60)
    found = rows(world)
    assert found["node/pve"]["status"] == "online"
    assert found["node/pve"]["uptime"] < 60
    assert found["qemu/110"]["status"] == "running"
    assert found["qemu/116"]["status"] == "running"
    assert found["qemu/9000"]["status"] == "stopped"
    kinds = [task.type for task in world.tasks.finished("pve")][:7]
    assert kinds.count("startall") == 1
    assert {"qmstart", "vzstart"} <= set(kinds)


def test_a_booted_node_starts_its_guests_in_the_order_of_their_configurations(world: World) -> None:
    world.faults.begin("node-down", "pve")
    world.advance(5)
    world.power_on("pve")
    world.advance(60)
    begun = [task.id for task in world.tasks.finished("pve") if task.type in {"qmstart", "vzstart"}][::-1]
    assert begun[:4] == ["110", "102", "107", "101"], "orders 3, 6, 7, 8"


def test_wake_on_lan_boots_it_too_and_ends_the_fault(world: World) -> None:
    world.faults.begin("node-down", "pve")
    world.advance(5)
    world.power_on("pve")
    world.advance(60)
    assert world.nodes["pve"].online
    assert world.faults.active() == []


def test_a_frozen_node_is_online_with_numbers_that_stand_still_then_unknown(world: World) -> None:
    world.faults.begin("node-frozen", "agent1")
    world.advance(30)
    first = rows(world)
    world.advance(100)
    later = rows(world)
    assert later["node/agent1"] == first["node/agent1"]
    assert later["node/agent1"]["status"] == "online"
    assert later["lxc/103"] == first["lxc/103"]
    world.advance(300)
    assert rows(world)["node/agent1"]["status"] == "unknown"
    assert rows(world)["lxc/103"]["status"] == "unknown"


def test_samples_are_published_every_interval_only(world: World) -> None:
    first = rows(world)
    world.advance(9)
    assert rows(world) == first
    world.advance(2)
    assert rows(world)["node/Home"] != first["node/Home"]


def test_without_quorum_each_view_is_its_own(world: World) -> None:
    world.faults.begin("quorum-loss")
    at_home = {row["name"]: row for row in cluster_view.status(world, "Home")}
    assert at_home["homelab"]["quorate"] == 0
    assert [at_home[name]["online"] for name in ("Home", "pve", "agent1", "agent")] == [1, 1, 0, 0]
    at_agent = {row["name"]: row for row in cluster_view.status(world, "agent")}
    assert [at_agent[name]["online"] for name in ("Home", "pve", "agent1", "agent")] == [0, 0, 0, 1]
    world.faults.heal()
    assert world.quorate("Home")


def test_one_lost_node_leaves_quorum(world: World) -> None:
    world.faults.begin("node-down", "agent")
    assert world.quorate("Home")
    world.faults.begin("node-down", "agent1")
    assert not world.quorate("Home")
