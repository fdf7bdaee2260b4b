"""The tasks of the cluster: PVE lists the running ones and the last finished ones; we keep a day of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from jarvis_daemon.protocol.state import Node, Task

KEEP_S: Final = 86400.0
KEEP_MAX: Final = 1000
FULL: Final = 20
"""PVE lists about the last 25 tasks of each node: with so many, older ones may be missing."""


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
            self.oldest_known_at = _reach([self.tasks[key] for key in seen])
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


def _reach(listed: list[Task]) -> float:
    """Since when no ended task is missing from a list (Unix seconds), on whatever node.

    What still runs says nothing of that: it may be days old. A node whose share of the list is full hides what was
    before its oldest; one with fewer tasks has told all it knows.
    """
    starts: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for task in listed:
        counts[task.node] = counts.get(task.node, 0) + 1
        if task.ended_at is not None:
            starts.setdefault(task.node, []).append(task.started_at)
    full = [min(starts[node]) for node, count in counts.items() if count >= FULL and node in starts]
    if full:
        return max(full)
    return min((start for own in starts.values() for start in own), default=max(t.started_at for t in listed))
