"""Tasks, their UPIDs and their logs."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    Row,
    drop,
    integer,
    mapping,
    name,
    number,
    rows,
    text,
)
from jarvis_daemon.protocol.state import Task, TaskStatus
from jarvis_daemon.protocol.text import clean


class Upid(msgspec.Struct, kw_only=True, frozen=True):
    """``UPID:{node}:{pid}:{pstart}:{starttime}:{type}:{id}:{user}:``, the three numbers in hex."""

    node: str
    pid: int
    pstart: int
    started_at: float
    type: str
    target: str
    """The id field as PVE writes it; may be empty."""
    user: str


_UPID: Final = re.compile(
    r"UPID:(?P<node>[^:\s]+):(?P<pid>[0-9A-Fa-f]{8,9}):(?P<pstart>[0-9A-Fa-f]{8,9}):(?P<start>[0-9A-Fa-f]{8})"
    r":(?P<type>[^:\s]+):(?P<id>[^:\s]*):(?P<user>[^:\s]+):"
)
_WARNINGS: Final = re.compile(r"WARNINGS: \d+")


def parse_upid(upid: Any) -> Upid | None:
    """The parts of a UPID; None for anything that is not exactly one."""
    match = _UPID.fullmatch(upid) if isinstance(upid, str) and clean(upid) == upid else None
    if match is None:
        return None
    return Upid(
        node=clean(match["node"]),
        pid=int(match["pid"], 16),
        pstart=int(match["pstart"], 16),
        started_at=float(int(match["start"], 16)),
        type=clean(match["type"]),
        target=clean(match["id"]),
        user=clean(match["user"]),
    )


def task_outcome(exit_text: str | None, ended: bool) -> TaskStatus:
    """What an exit text means. "OK" alone is success; "WARNINGS: n" is success in part; other text failed."""
    if exit_text is None or exit_text == "RUNNING":
        return "unknown" if ended else "running"
    if exit_text == "OK":
        return "ok"
    if _WARNINGS.fullmatch(exit_text):
        return "warnings"
    return "unknown" if exit_text == "unexpected status" else "failed"


def parse_tasks(data: Any, cluster: str, dropped: Dropped | None = None) -> list[Task]:
    """``/cluster/tasks`` or ``/nodes/{node}/tasks``; ``status`` there is the exit text."""
    found: list[Task] = []
    for row in rows(data, "the tasks", dropped):
        task = _task(row, cluster, text(row.get("status")), dropped)
        if task is not None:
            found.append(task)
    return found


def parse_task_status(data: Any, cluster: str) -> Task | None:
    """``/nodes/{node}/tasks/{upid}/status``, where ``status`` is running|stopped and ``exitstatus`` the text.

    None when the reply names no valid UPID.
    """
    row = mapping(data, "the task")
    exit_text = text(row.get("exitstatus"))
    if row.get("status") == "stopped":
        task = _task(row, cluster, exit_text, None)
        if task is not None:
            task.status = task_outcome(exit_text, ended=True)
        return task
    task = _task(row, cluster, None, None)
    if task is not None and row.get("status") == "running":
        task.status, task.ended_at = "running", None
    return task


def _task(row: Row, cluster: str, exit_text: str | None, dropped: Dropped | None) -> Task | None:
    raw = row.get("upid")
    upid = parse_upid(raw)
    if upid is None:
        drop(dropped, "task without a valid UPID")
        return None
    ended_at = number(row.get("endtime")) or None
    status = task_outcome(exit_text, ended_at is not None)
    target = text(row.get("id"))
    return Task(
        id=str(raw),
        cluster=cluster,
        node=name(row.get("node")) or upid.node,
        type=name(row.get("type")) or upid.type,
        target=upid.target if target is None else target,
        user=name(row.get("user")) or upid.user,
        started_at=number(row.get("starttime")) or upid.started_at,
        ended_at=None if status == "running" else ended_at,
        status=status,
        exit_text=None if status == "running" else exit_text,
    )


class LogLine(msgspec.Struct, kw_only=True):
    """A line of a task's log; ``n`` counts from 1 and is the ``start`` of the next question."""

    n: int
    text: str


def parse_task_log(data: Any, dropped: Dropped | None = None) -> list[LogLine]:
    """Lines in order, clean; PVE's "no content" sentinel is an empty log."""
    lines: dict[int, str] = {}
    for row in rows(data, "the task's log", dropped):
        n, said = integer(row.get("n")), row.get("t")
        if n is None:
            drop(dropped, "log line without a number")
            continue
        lines[n] = clean(said, limit=2000) if isinstance(said, str) else ""
    if lines == {1: "no content"}:
        return []
    return [LogLine(n=n, text=lines[n]) for n in sorted(lines)]
