"""UPID tasks: they take time, write their log line by line, may fail, and are remembered up to a limit.

``UPID:{node}:{pid}:{pstart}:{starttime}:{type}:{id}:{user}:`` with pid, pstart and starttime in hex.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.simulator.timeline import Timeline, Timer

ARCHIVE_PER_NODE: Final = 400
LOG_LINES: Final = 2000


class TaskError(Exception):
    """Ends a task with this exit text."""


Script = Generator[tuple[float, str | None], None, str | None]
"""What a task does: it yields (simulated seconds until the next line, that line or None) and acts between.

It may return an exit text other than OK (``WARNINGS: 1``) or raise ``TaskError``; when it is stopped, its
``finally`` clauses run.
"""


@dataclass
class Task:
    upid: str
    node: str
    pid: int
    pstart: int
    starttime: int
    type: str
    id: str
    user: str
    endtime: int | None = None
    exitstatus: str | None = None
    log: list[str] = field(default_factory=list)
    vmids: frozenset[int] = frozenset()
    script: Script | None = None
    timer: Timer | None = None

    @property
    def running(self) -> bool:
        return self.exitstatus is None

    def row(self) -> dict[str, Any]:
        """As the task lists show it: ``status`` is the exit text; absent while running."""
        row: dict[str, Any] = {
            "upid": self.upid, "node": self.node, "pid": self.pid, "pstart": self.pstart,
            "starttime": self.starttime, "type": self.type, "id": self.id, "user": self.user,
        }  # fmt: skip
        if self.exitstatus is not None:
            row["endtime"] = self.endtime
            row["status"] = self.exitstatus
        return row

    def status(self) -> dict[str, Any]:
        """As ``/tasks/{upid}/status`` shows it: running or stopped, plus ``exitstatus``."""
        row: dict[str, Any] = {
            "upid": self.upid, "node": self.node, "pid": self.pid, "pstart": self.pstart,
            "starttime": self.starttime, "type": self.type, "id": self.id, "user": self.user,
            "status": "running" if self.running else "stopped",
        }  # fmt: skip
        if "!" in self.user:
            row["user"], row["tokenid"] = self.user.split("!", 1)
        if self.exitstatus is not None:
            row["exitstatus"] = self.exitstatus
        return row


class TaskTable:
    """All tasks of the cluster: those that run, and an archive of limited length for each node."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._running: dict[str, Task] = {}
        self._archive: dict[str, deque[Task]] = {}
        self._by_upid: dict[str, Task] = {}
        self._next_pid = 4000
        self.version = 0
        """Changes with every change of a list."""

    def start(
        self, node: str, kind: str, ident: str, user: str, script: Script, vmids: frozenset[int] = frozenset(),
        *, began: float | None = None,
    ) -> Task:  # fmt: skip
        """Start a task; its script runs at once up to its first pause. ``began``: when it says that it did."""
        task = self._make(node, kind, ident, user, int(self._timeline.now if began is None else began), vmids)
        task.script = script
        self._running[task.upid] = task
        self._next(task)
        return task

    def record(
        self, node: str, kind: str, ident: str, user: str, started_at: float, took_s: float,
        exitstatus: str = "OK", log: Sequence[str] = (), vmids: frozenset[int] = frozenset(),
    ) -> Task:  # fmt: skip
        """A task of the past."""
        task = self._make(node, kind, ident, user, int(started_at), vmids)
        task.log.extend(log)
        self._finish(task, exitstatus, int(started_at + took_s))
        return task

    def get(self, upid: str) -> Task | None:
        return self._by_upid.get(upid)

    def running(self, node: str | None = None, vmid: int | None = None) -> list[Task]:
        return [
            task for task in self._running.values()
            if (node is None or task.node == node) and (vmid is None or vmid in task.vmids)
        ]  # fmt: skip

    def finished(self, node: str) -> Iterator[Task]:
        """Ended tasks of ``node``, the newest first."""
        return reversed(self._archive.get(node, deque()))

    def stop(self, task: Task, text: str = "interrupted by signal") -> None:
        """End a running task from outside."""
        if task.running:
            if task.timer is not None:
                task.timer.cancel()
            if task.script is not None:
                task.script.close()
            self._finish(task, text, int(self._timeline.now))

    def forget_running(self, node: str) -> None:
        """The node lost its power: its tasks never ended properly."""
        for task in self.running(node):
            self.stop(task, "unexpected status")

    def _make(self, node: str, kind: str, ident: str, user: str, at: int, vmids: frozenset[int]) -> Task:
        self._next_pid += 7
        pid, pstart = self._next_pid, (at * 100) & 0x7FFFFFFF
        upid = f"UPID:{node}:{pid:08X}:{pstart:08X}:{at:08X}:{kind}:{ident}:{user}:"
        task = Task(upid, node, pid, pstart, at, kind, ident, user, vmids=vmids)
        self._by_upid[upid] = task
        self.version += 1
        return task

    def _next(self, task: Task) -> None:
        assert task.script is not None
        try:
            after_s, line = next(task.script)
        except StopIteration as end:
            self._finish(task, end.value or "OK", int(self._timeline.now))
            return
        except TaskError as error:
            self._finish(task, str(error), int(self._timeline.now))
            return

        def go_on() -> None:
            if line is not None and len(task.log) < LOG_LINES:
                task.log.append(line)
            self._next(task)

        task.timer = self._timeline.after(after_s, go_on)

    def _finish(self, task: Task, exitstatus: str, endtime: int) -> None:
        task.exitstatus, task.endtime, task.timer, task.script = exitstatus, endtime, None, None
        plain = exitstatus == "OK" or exitstatus.startswith("WARNINGS: ")
        task.log.append(f"TASK {exitstatus}" if plain else f"TASK ERROR: {exitstatus}")
        self._running.pop(task.upid, None)
        archive = self._archive.setdefault(task.node, deque())
        archive.append(task)
        while len(archive) > ARCHIVE_PER_NODE:
            self._by_upid.pop(archive.popleft().upid, None)
        self.version += 1
