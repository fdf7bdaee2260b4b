"""The tasks of the cluster: PVE lists the running ones and the last finished ones; we keep a day of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from jarvis_daemon.protocol.state import Node, Task

KEEP_S: Final = 86400.0
KEEP_MAX: Final = 1000


class TaskBook:
    """``tasks`` by UPID."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.oldest_known_at: float | None = None
        """The list reaches back to here: a task that began later and is not listed never was."""

    def merge(self, listed: Iterable[Task], now: float) -> tuple[list[Task], list[Task]]:
        """One poll. Answers (tasks that ended since the last poll, tasks that ran and are not listed any more)."""
        ended: list[Task] = []
        seen: set[str] = set()
        for task in listed:
            seen.add(task.id)
            before = self.tasks.get(task.id)
            if task.ended_at is not None and (before is None or before.ended_at is None):
                ended.append(task)
            self.tasks[task.id] = task
        if seen and self.oldest_known_at is None:
            self.oldest_known_at = min(self.tasks[key].started_at for key in seen)
        lost = [t for t in self.tasks.values() if t.status == "running" and t.id not in seen]
        self._drop_old(seen, now)
        return ended, lost

    def settle(self, task: Task) -> None:
        """What was asked of a lost task."""
        self.tasks[task.id] = task

    def lose(self, task: Task) -> None:
        """It ran on a node that does not tell any more."""
        self.tasks[task.id] = msgspec.structs.replace(task, status="unknown")

    def lost_to(self, nodes: Mapping[str, Node]) -> list[Task]:
        """Running tasks of nodes that are not online."""
        dark = {n.name for n in nodes.values() if n.status != "online"}
        return [t for t in self.tasks.values() if t.status == "running" and t.node in dark]

    def _drop_old(self, listed: set[str], now: float) -> None:
        old = [
            t for t in self.tasks.values()
            if t.id not in listed and t.status != "running" and now - (t.ended_at or t.started_at) > KEEP_S
        ]  # fmt: skip
        for task in old:
            del self.tasks[task.id]
        if len(self.tasks) > KEEP_MAX:
            # not what is still listed: it would come back with the next poll, as one that has just ended
            finished = sorted(
                (t for t in self.tasks.values() if t.status != "running" and t.id not in listed),
                key=lambda t: t.started_at,
            )
            for task in finished[: len(self.tasks) - KEEP_MAX]:
                del self.tasks[task.id]
