"""Tasks take time, write their log line by line, fail, are stopped, and are not kept for ever."""

from __future__ import annotations

import re

from jarvis_daemon.simulator import actions
from jarvis_daemon.simulator.tasks import ARCHIVE_PER_NODE, Script, TaskError, TaskTable
from jarvis_daemon.simulator.timeline import Timeline
from jarvis_daemon.simulator.world import World

UPID = re.compile(r"UPID:(\w+):([0-9A-F]{8}):([0-9A-F]{8}):([0-9A-F]{8}):(\w+):(\w*):([^:]+):")


def counting(lines: int) -> Script:
    for number in range(lines):
        yield 1.0, f"line {number}"
    return None


def test_a_upid_has_eight_fields_and_hex_numbers(world: World) -> None:
    upid = actions.start(world, world.guests[104], "jarvis@pve!daemon")
    match = UPID.fullmatch(upid)
    assert match is not None
    assert match[1] == "agent1"
    assert int(match[4], 16) == int(world.now)
    assert match.group(5, 6, 7) == ("vzstart", "104", "jarvis@pve!daemon")


def test_the_log_grows_and_the_end_is_told(world: World) -> None:
    task = world.tasks.start("pve", "test", "", "root@pam", counting(3))
    assert task.log == []
    assert task.running
    assert "status" not in task.row()
    assert task.status()["status"] == "running"
    world.advance(2)
    assert task.log == ["line 0", "line 1"]
    world.advance(2)
    assert task.log == ["line 0", "line 1", "line 2", "TASK OK"]
    assert task.row()["status"] == "OK"
    assert task.status() | {"status": "stopped", "exitstatus": "OK"} == task.status()
    assert task.endtime == int(world.now) - 1


def test_failures_and_warnings_have_their_own_texts(world: World) -> None:
    def failing() -> Script:
        yield 1.0, "working"
        raise TaskError("connection timed out")

    def warning() -> Script:
        yield 1.0, "working"
        return "WARNINGS: 2"

    bad = world.tasks.start("pve", "test", "", "root@pam", failing())
    odd = world.tasks.start("pve", "test", "", "root@pam", warning())
    world.advance(1)
    assert bad.exitstatus == "connection timed out"
    assert bad.log[-1] == "TASK ERROR: connection timed out"
    assert odd.exitstatus == "WARNINGS: 2"
    assert odd.log[-1] == "TASK WARNINGS: 2"


def test_a_stopped_task_cleans_up(world: World) -> None:
    upid = actions.snapshot(world, world.guests[100], "root@pam", "before", "", False)
    assert world.guests[100].lock == "snapshot"
    task = world.tasks.get(upid)
    assert task is not None
    world.tasks.stop(task)
    assert task.exitstatus == "interrupted by signal"
    assert world.guests[100].lock is None
    world.advance(10)
    assert world.guests[100].snapshots == []


def test_a_power_cut_ends_the_tasks_of_the_node(world: World) -> None:
    task = world.tasks.start("pve", "test", "", "root@pam", counting(100))
    world.power_off("pve")
    assert task.exitstatus == "unexpected status"
    assert world.tasks.running("pve") == []


def test_old_tasks_are_forgotten() -> None:
    table = TaskTable(Timeline(1000.0))
    first = table.record("pve", "test", "", "root@pam", 0, 1)
    for number in range(ARCHIVE_PER_NODE):
        table.record("pve", "test", "", "root@pam", number, 1)
    assert len(list(table.finished("pve"))) == ARCHIVE_PER_NODE
    assert table.get(first.upid) is None


def test_the_past_is_healthy_and_in_order(world: World) -> None:
    for name in world.nodes:
        tasks = list(world.tasks.finished(name))
        assert [task.starttime for task in tasks] == sorted((task.starttime for task in tasks), reverse=True)
        assert {task.exitstatus for task in tasks} <= {"OK"}
        assert all(task.endtime is not None and task.endtime <= world.now for task in tasks)
    kinds = {task.type for name in world.nodes for task in world.tasks.finished(name)}
    assert {"vzdump", "aptupdate", "vzshutdown", "qmshutdown"} <= kinds
