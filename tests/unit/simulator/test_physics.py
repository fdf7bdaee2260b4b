"""The world obeys physics, whatever is done to it and in whatever steps time passes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.errors import ControlError
from jarvis_daemon.simulator.fault_kinds import KINDS, candidates
from jarvis_daemon.simulator.inventory import GIB, load
from jarvis_daemon.simulator.sampling import take
from jarvis_daemon.simulator.world import World

from .conftest import NOW


def fresh(**options: float) -> World:
    world = World(load(), NOW, **options)  # type: ignore[arg-type]
    world.access.add("jarvis@pve!daemon", "secret")
    return world


def test_a_healthy_homelab_stays_below_every_threshold_for_a_week() -> None:
    world = fresh(stat_interval_s=600)
    for _ in range(7 * 24):
        world.advance(3600)
        for name, node in world.nodes.items():
            assert world.node_cpu(name) < 0.9
            assert world.node_memory(name) < 0.84 * node.spec.memory_bytes
            assert node.temperature() < 80
        for guest in world.guests.values():
            assert guest.memory() < 0.84 * guest.spec.memory_bytes
        for disk in world.disks.values():
            assert disk.used() < 0.85 * disk.spec.size_bytes
    failed = [t for name in world.nodes for t in world.tasks.finished(name) if t.exitstatus != "OK"]
    assert failed == []


def test_a_stopped_guest_frees_memory_and_cpu(world: World) -> None:
    guest = world.guests[110]
    memory, cpu = world.node_memory("pve"), world.node_cpu("pve")
    used = guest.host_memory()
    actions.shutdown(world, guest, "root@pam")
    assert world.guests[110].running
    world.advance(8)
    assert not guest.running
    assert guest.cpu() == 0
    assert guest.memory() == 0
    assert memory - world.node_memory("pve") == pytest.approx(used, rel=0.05)
    assert world.node_cpu("pve") < cpu


def test_a_started_guest_fills_its_memory_slowly(world: World) -> None:
    guest = world.guests[104]
    actions.start(world, guest, "root@pam")
    world.advance(3)
    assert guest.running
    early = guest.memory()
    world.advance(90)
    assert guest.memory() > 2 * early


def test_a_full_disk_stays_full_until_it_is_freed(world: World) -> None:
    disk = world.disks["pve/local"]
    before = disk.used()
    world.faults.begin("disk-fill", "pve/local", {"percent": 99, "seconds": 10})
    world.advance(5)
    assert before < disk.used() < 0.99 * disk.spec.size_bytes
    world.advance(3600)
    assert disk.used() == int(0.99 * disk.spec.size_bytes)
    world.faults.heal()
    assert disk.used() == before


def test_a_backup_to_a_full_disk_fails_and_leaves_no_lock(world: World) -> None:
    world.faults.begin("disk-fill", "externalhdd", {"percent": 100, "seconds": 0})
    upids = world.backups.run_job(world.inventory.backup_jobs[0])
    world.advance(3600)
    tasks = [world.tasks.get(upid) for upid in upids]
    assert [task.exitstatus for task in tasks if task] == ["job errors"] * 3
    assert any("No space left on device" in line for task in tasks if task for line in task.log)
    assert world.guests[101].lock is None


def test_temperature_follows_load_with_inertia(world: World) -> None:
    node = world.nodes["pve"]
    world.advance(60)
    hot = node.temperature_c
    for guest in world.guests_on("pve"):
        guest.stop()
    world.advance(10)
    soon = node.temperature_c
    world.advance(300)
    assert hot > soon > node.temperature_c


def test_overheating_rises_and_falls_again(world: World) -> None:
    node = world.nodes["agent1"]
    world.faults.begin("overheat", "agent1", {"celsius": 98.0, "seconds": 30.0})
    world.advance(200)
    assert node.temperature() > 95
    world.faults.heal()
    world.advance(200)
    assert node.temperature() < 80


def test_a_leak_grows_to_its_end_and_dies_with_the_process(world: World) -> None:
    guest = world.guests[114]
    world.faults.begin("guest-leak", "immich", {"percent": 101.0, "seconds": 60.0})
    world.advance(30)
    half = guest.memory()
    world.advance(60)
    assert guest.memory() > half
    assert guest.memory() > guest.spec.memory_bytes
    actions.reboot(world, guest, "root@pam")
    world.advance(20)
    assert guest.memory() < 0.5 * guest.spec.memory_bytes
    assert world.faults.active() == []


def test_the_speed_scales_growth_and_tasks_but_not_uptime() -> None:
    slow, fast = fresh(), fresh(speed=10)
    for world in (slow, fast):
        world.faults.begin("disk-fill", "pve/local", {"percent": 98, "seconds": 100})
        world.advance(10)
    assert fast.disks["pve/local"].used() > slow.disks["pve/local"].used()
    assert fast.nodes["pve"].uptime() == slow.nodes["pve"].uptime()
    assert fast.now == slow.now


def test_the_same_seed_is_the_same_world() -> None:
    one, two, other = fresh(seed=5), fresh(seed=5), fresh(seed=6)
    for world in (one, two, other):
        world.advance(777)
    assert one.node_memory("Home") == two.node_memory("Home")
    assert take(one, one.nodes["pve"]) == take(two, two.nodes["pve"])
    assert one.node_memory("Home") != other.node_memory("Home")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_done_to_the_world_breaks_it(data: st.DataObject) -> None:
    world = fresh(stat_interval_s=30)
    for _ in range(data.draw(st.integers(3, 8))):
        name = data.draw(st.sampled_from([*KINDS, "heal"]))
        if name == "heal":
            world.faults.heal()
        else:
            target = data.draw(st.sampled_from(candidates(world, KINDS[name].targets)))
            with contextlib.suppress(ControlError):  # a stopped guest cannot crash
                world.faults.begin(name, target)
        world.advance(data.draw(st.floats(0.1, 400)))
        for node_name, node in world.nodes.items():
            assert 0 <= world.node_cpu(node_name) <= 1
            assert 0 <= world.node_memory(node_name) <= node.spec.memory_bytes
            if node.power != "on":
                assert not any(guest.running for guest in world.guests_on(node_name))
        for disk in world.disks.values():
            assert 0 <= disk.used() <= disk.spec.size_bytes
    world.faults.heal()
    world.advance(120)
    assert all(node.online and not node.frozen for node in world.nodes.values())
    assert all(world.quorate(name) for name in world.nodes)
    wanted = {guest.vmid for guest in world.guests.values() if guest.spec.status == "running"}
    assert {guest.vmid for guest in world.guests.values() if guest.running} == wanted


def test_unknown_names_are_refused_with_the_nearest(world: World) -> None:
    with pytest.raises(ControlError) as error:
        world.faults.begin("node-dwon", "pve")
    assert "node-down" in error.value.next
    with pytest.raises(ControlError) as error:
        world.faults.begin("guest-crash", "plexx")
    assert "'plex'" in error.value.next
    with pytest.raises(ControlError, match="no parameter"):
        world.faults.begin("overheat", "pve", {"celcius": 90})
    with pytest.raises(ControlError, match="is a number"):
        world.faults.begin("overheat", "pve", {"celsius": "hot"})
    with pytest.raises(ControlError, match="does not run"):
        world.faults.begin("guest-crash", "jellyfin")
    with pytest.raises(ControlError, match="Nothing is broken"):
        world.faults.heal("pve")


def test_memory_of_the_homelab_is_as_small_as_the_file_says(world: World) -> None:
    assert world.guests[102].memory() < GIB // 2


def test_counters_only_grow_and_start_again_with_the_process(world: World) -> None:
    guest = world.guests[110]
    before = guest.netin
    world.advance(60)
    assert guest.netin > before
    actions.reboot(world, guest, "root@pam")
    world.advance(20)
    assert guest.netin < before
