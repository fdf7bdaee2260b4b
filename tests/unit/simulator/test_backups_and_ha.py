"""The nightly job, pruning, replication, and the HA manager."""

from __future__ import annotations

import time

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.backups import KEEP_LAST
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.world import World

from .conftest import NOW


def until(world: World, clock: str) -> float:
    """Seconds until the next ``HH:MM`` UTC."""
    hours, minutes = map(int, clock.split(":"))
    return (hours * 3600 + minutes * 60 - world.now) % 86400


def test_the_nightly_job_runs_at_its_time_and_keeps_three() -> None:
    world = World(load(), NOW, stat_interval_s=300)
    disk = world.disks["externalhdd"]
    before = {volume.volid for volume in disk.volumes}
    assert len([volume for volume in disk.volumes if volume.vmid == 101]) == KEEP_LAST
    world.advance(until(world, "02:30") + 60)
    running = world.tasks.running()
    assert {task.type for task in running} == {"vzdump"}
    assert {task.node for task in running} == {"Home", "pve", "agent1"}
    assert world.guests[101].lock == "backup"
    assert world.guests[103].lock is None
    world.advance(46 * 60)
    assert world.tasks.running() == []
    assert world.guests[101].lock is None
    own = [volume for volume in disk.volumes if volume.vmid == 101]
    assert len(own) == KEEP_LAST
    assert len({volume.volid for volume in disk.volumes} - before) == 7
    stamp = time.strftime("%Y_%m_%d-02_30", time.gmtime(world.now))
    assert any(stamp in volume.volid for volume in disk.volumes)


def test_a_backup_of_a_locked_guest_fails_with_pves_words(world: World) -> None:
    world.faults.begin("backup-fail", "dev-sandbox")
    world.advance(60)
    task = next(iter(world.tasks.finished("pve")))
    assert task.exitstatus == "job errors"
    assert "ERROR: Backup of VM 116 failed - VM is locked (backup)" in task.log
    assert world.guests[116].lock == "backup"


def test_backup_fail_fails_until_healed(world: World) -> None:
    world.faults.begin("backup-fail", "nextcloud", {"reason": "Input/output error"})
    world.advance(60)
    task = next(iter(world.tasks.finished("pve")))
    assert (task.type, task.id, task.exitstatus) == ("vzdump", "101", "job errors")
    assert "ERROR: Backup of CT 101 failed - Input/output error" in task.log
    world.faults.heal()
    world.advance(3600)  # the failed backup is made up for
    assert next(iter(world.tasks.finished("pve"))).exitstatus == "OK"
    world.backups.run_job(world.inventory.backup_jobs[0])
    world.advance(3600)
    assert {next(iter(world.tasks.finished(name))).exitstatus for name in ("Home", "pve", "agent1")} == {"OK"}


def test_replication_fails_counts_and_recovers(world: World) -> None:
    (row,) = world.replication.status_rows("pve")
    assert row["fail_count"] == 0
    assert "error" not in row
    world.faults.begin("replication-fail")
    world.advance(1000)
    (row,) = world.replication.status_rows("pve")
    assert row["fail_count"] >= 2
    assert "zfs send" in row["error"]
    world.faults.heal()
    (row,) = world.replication.status_rows("pve")
    assert row["fail_count"] == 0
    assert row["last_sync"] == int(world.now)


def test_ha_restarts_what_crashed_by_a_task(world: World) -> None:
    world.faults.begin("guest-crash", "postgres")
    assert not world.guests[108].running
    world.advance(20)
    assert world.guests[108].running
    assert next(iter(world.tasks.finished("Home"))).type == "vzstart"
    assert world.faults.active() == []


def test_power_actions_on_a_managed_guest_go_through_ha(world: World) -> None:
    upid = actions.shutdown(world, world.guests[108], "jarvis@pve!daemon")
    assert ":hastop:108:" in upid
    world.advance(1)
    assert world.ha.resources["ct:108"].state == "request_stop"
    assert world.guests[108].running
    world.advance(20)
    assert not world.guests[108].running
    assert world.ha.resources["ct:108"].state == "stopped"
    assert ":hastart:108:" in actions.start(world, world.guests[108], "jarvis@pve!daemon")
    world.advance(20)
    assert world.guests[108].running
    assert world.ha.resources["ct:108"].state == "started"


def test_the_node_of_a_managed_guest_dies_and_returns(world: World) -> None:
    world.faults.begin("node-down", "Home")
    world.advance(70)
    assert world.ha.resources["ct:108"].state == "fence"
    world.advance(80)
    assert world.ha.resources["ct:108"].state == "recovery"
    rows = {row["id"]: row for row in world.ha.rows("pve")}
    assert rows["quorum"]["status"] == "OK"
    assert rows["master"]["node"] == "pve"
    assert "dead?" in rows["lrm:Home"]["status"]
    world.faults.heal()
    world.advance(60)
    assert world.ha.resources["ct:108"].state == "started"
    assert world.guests[108].running
