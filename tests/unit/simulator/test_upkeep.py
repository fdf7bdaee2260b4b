"""The files of a node and what frees them, containers, disks and backups that hang."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from jarvis_daemon.simulator.errors import ControlError
from jarvis_daemon.simulator.inventory import GIB
from jarvis_daemon.simulator.ssh_commands import run
from jarvis_daemon.simulator.ssh_upkeep import Answer
from jarvis_daemon.simulator.world import World

DUMP = "/var/lib/vz/dump"
TEMPORARIES = "( -name vzdump-*.tmp -o -name vzdump-*.dat )"


def shell(world: World, line: str, node: str = "pve") -> Answer:
    return run(world, node, shlex.join(line.split(" ")))


def size_of(world: World, folder: str, node: str = "pve") -> int:
    answer = shell(world, f"env LC_ALL=C du --summarize --block-size=1 --one-file-system -- {folder}", node)
    assert answer.exit_code == 0, answer.stderr
    return int(answer.stdout.split("\t")[0])


def available(world: World, node: str = "pve") -> int:
    answer = shell(world, "df --block-size=1 --output=size,used,avail -- /", node)
    total, used, free = map(int, answer.stdout.splitlines()[1].split())
    assert total == used + free
    return free


def test_the_root_file_system_adds_up(world: World) -> None:
    disk = world.disks["pve/local"]
    assert size_of(world, "/") == pytest.approx(disk.used(), abs=8192)
    assert available(world) == disk.spec.size_bytes - disk.used()
    world.faults.begin("disk-fill", "pve/local", {"percent": 90, "seconds": 0})
    assert size_of(world, "/") == pytest.approx(disk.used(), abs=8192)
    biggest = shell(world, "find / -xdev -type f -size +65536k -printf %b_%p\\n").stdout
    assert "_/var/log/runaway.log\n" in biggest


def test_cleaning_the_package_cache_frees_what_it_took(world: World) -> None:
    before, cache = available(world), size_of(world, "/var/cache/apt/archives")
    assert cache > 600 * 2**20
    assert shell(world, "env LC_ALL=C apt-get clean").exit_code == 0
    assert size_of(world, "/var/cache/apt/archives") == 4096
    assert available(world) - before == cache - 4096
    assert available(world, "Home") == available(world, "agent"), "no other node is touched"


def test_only_old_task_logs_go(world: World) -> None:
    base = "find /var/log/pve/tasks -xdev -mindepth 2 -maxdepth 2 -type f -name UPID:* -mmin +43200"
    blocks = [int(line) for line in shell(world, f"{base} -printf %b\\n").stdout.splitlines()]
    all_logs, before = len(shell(world, "find /var/log/pve/tasks -type f").stdout.splitlines()), available(world)
    assert len(blocks) == 90
    assert shell(world, f"{base} -delete").exit_code == 0
    assert len(shell(world, "find /var/log/pve/tasks -type f").stdout.splitlines()) == all_logs - 90
    assert 0 < available(world) - before <= 512 * sum(blocks)
    assert shell(world, f"{base} -printf %b\\n").stdout == ""


def test_an_orphan_fills_its_node_until_it_is_removed(world: World) -> None:
    disk = world.disks["agent1/local"]
    before = disk.used()
    world.faults.begin("vzdump-orphan", "agent1", {"percent": 97.0})
    assert disk.used() == int(0.97 * disk.spec.size_bytes)
    world.advance(86400)
    shell(world, "apt-get clean", "agent1")
    assert disk.used() > 0.95 * disk.spec.size_bytes, "nothing but their removal frees it"
    for folder, names in ((DUMP, TEMPORARIES), ("/var/tmp", "( -name vzdumptmp* )")):
        find = f"find {folder} -xdev -mindepth 1 -maxdepth 1 -mmin +1440 {names}"
        listed = shell(world, f"{find} -exec du --summarize --block-size=1 -- {{}} +", "agent1").stdout
        assert re.fullmatch(rf"\d+\t{folder}/vzdump\S+\n", listed), listed
        assert world.faults.active() != []
        shell(world, f"{find} -exec rm --recursive --force -- {{}} +", "agent1")
    assert disk.used() < before
    assert world.faults.active() == []


def test_what_is_younger_or_called_otherwise_stays(world: World) -> None:
    disk = world.disks["pve/local"]
    world.faults.begin("vzdump-orphan", "pve")
    before = world.files_on("pve")
    shell(world, f"find {DUMP} -xdev -mindepth 1 -maxdepth 1 -mmin +14400 {TEMPORARIES} -exec rm -- {{}} +")
    assert len(world.faults.active()) == 1
    assert world.files_on("pve") == before
    world.faults.heal()
    assert disk.used() < 0.5 * disk.spec.size_bytes


@pytest.mark.parametrize(
    "line",
    ["find / -executable", "find /nowhere -type f", "find / -size +1M", "find / -exec sh {} +",
     "du --summarize -- /no", "df --output=size,used,avail -- /no/such"],
)  # fmt: skip
def test_what_is_not_known_is_an_error(world: World, line: str) -> None:
    answer = shell(world, line)
    assert answer.exit_code == 1
    assert answer.stderr


def test_a_container_is_unhealthy_until_it_is_restarted(world: World) -> None:
    host = world.docker["management"]

    def status() -> str:
        rows = json.loads(host.answer("GET", "/v1.41/containers/json?all=1")[2])
        return next(str(row["Status"]) for row in rows if row["Names"] == ["/grafana"])

    assert status() == "Up 3 days"
    world.faults.begin("container-unhealthy", "grafana")
    assert status() == "Up 3 days (unhealthy)"
    assert world.faults.active()[0]["target"] == "management/grafana"
    world.advance(5)
    assert host.answer("POST", "/v1.41/containers/grafana/restart")[0] == 204
    assert status() == "Up Less than a second (health: starting)"
    world.advance(10)
    assert status() == "Up 10 seconds (healthy)"
    assert world.faults.active() == []
    world.faults.begin("container-unhealthy", "management/grafana", {"stays": True})
    host.answer("POST", "/v1.41/containers/grafana/restart")
    world.advance(90)
    assert status() == "Up About a minute (unhealthy)"
    world.faults.heal()
    assert status() == "Up About a minute (healthy)"
    host.answer("POST", "/v1.41/containers/grafana/stop")
    with pytest.raises(ControlError, match="does not run"):
        world.faults.begin("container-unhealthy", "grafana")


def test_a_stuck_backup_holds_its_lock_until_its_task_is_stopped(world: World) -> None:
    world.faults.begin("backup-stuck", "gitea")
    (task,) = world.tasks.running("pve")
    assert (task.type, task.id, world.now - task.starttime) == ("vzdump", "107", pytest.approx(13 * 3600, abs=1))
    assert f":{task.starttime:08X}:vzdump:107:" in task.upid
    world.advance(3 * 86400)
    assert task.running
    assert world.guests[107].lock == "backup"
    with pytest.raises(ControlError, match="locked"):
        world.faults.begin("backup-stuck", "gitea")
    world.tasks.stop(task)
    assert (world.guests[107].lock, task.exitstatus) == (None, "interrupted by signal")
    assert world.faults.active() == []


def test_a_healed_stuck_backup_is_made_good(world: World) -> None:
    world.faults.begin("backup-stuck", "gitea")
    world.faults.heal()
    world.advance(120)
    ends = [task.exitstatus for task in world.tasks.finished("pve") if task.id == "107"]
    assert ends[:2] == ["OK", "interrupted by signal"]


def test_the_disks_of_a_node_tell_what_smart_says(world: World) -> None:
    world.faults.begin("disk-failing", "pve")
    assert (world.nodes["pve"].disk_health, world.nodes["agent"].disk_health) == ("FAILED!", "PASSED")
    world.faults.begin("disk-failing", "pve", {"health": "PASSED", "wearout": 3})
    assert (world.nodes["pve"].disk_health, world.nodes["pve"].disk_wearout) == ("PASSED", 3)
    world.faults.heal()
    assert world.nodes["pve"].disk_wearout == 96


def test_the_files_of_a_node_are_a_small_part_of_its_disk(world: World) -> None:
    for name in world.nodes:
        disk = world.disks[f"{name}/local"]
        assert sum(seen.size for seen in world.files_on(name) if seen.disk is disk) == disk.used()
        assert 4 * GIB < sum(file.size for file in disk.files) < disk.base_used
