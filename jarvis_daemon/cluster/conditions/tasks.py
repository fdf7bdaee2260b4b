"""Tasks that failed, and tasks that never end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Key, Memory, Round
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Incident, Task
from jarvis_daemon.settings import ConditionSettings

REMEMBERED_S: Final = 86400.0
"""A failed task stays a fault for a day, or until the same task succeeds."""
CONSOLES: Final = frozenset({"vncproxy", "vncshell", "termproxy", "spiceproxy", "spiceshell"})
"""They end with an error when a person closes the window."""
BY_HAND: Final = ("interrupted by signal", "received interrupt")
"""Exit texts of a task that a person stopped."""


def stuck(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Runs for longer than ``task_stuck_hours``, a backup too."""
    if not picture.is_fresh("tasks"):
        return
    found.cover("task-stuck")
    for task in picture.tasks.values():
        age = picture.now - task.started_at
        if task.status != "running" or task.type in CONSOLES or age < settings.task_stuck_hours * 3600:
            continue
        found.report(
            "task-stuck", task.id, "warning", f"{describe(picture, task)} does not end",
            f"It runs on {task.node} since {span(age)}, begun by {task.user}.",
            evidence={"node": task.node, "upid": task.id, "type": task.type, "started_at": task.started_at},
            settled=f"{describe(picture, task)} has ended",
        )  # fmt: skip


def failed(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Failed within the last day, and not made good since. Backups have their own condition."""
    if not picture.is_fresh("tasks"):
        return
    found.cover("task-failed")
    for target, task in unmended(found.memory, picture, "task-failed", lambda t: t.type != "vzdump").items():
        found.report(
            "task-failed", target, "warning", f"{describe(picture, task)} has failed",
            f"{task.exit_text}. Begun by {task.user} on {task.node}.", evidence=evidence_of(task),
            settled=f"{describe(picture, task)} has succeeded since, or is a day old",
        )  # fmt: skip


def evidence_of(task: Task) -> dict[str, Any]:
    return {
        "node": task.node, "upid": task.id, "type": task.type, "exit_text": task.exit_text,
        "started_at": task.started_at, "ended_at": task.ended_at,
    }  # fmt: skip


def unmended(
    memory: Memory, picture: Picture, condition: str, mine: Callable[[Task], bool], keep_s: float = REMEMBERED_S
) -> dict[str, Task]:
    """By guest or node: its newest failed task of those that the same task has not made good since."""
    for task in sorted(picture.tasks.values(), key=lambda t: t.ended_at or t.started_at):
        if not mine(task) or task.type in CONSOLES or task.ended_at is None:
            continue
        key: Key = (condition, f"{about(task)}/{task.type}")
        before = memory.failures.get(key)
        if before is not None and (before.ended_at or 0) > task.ended_at:
            continue
        if task.status == "failed" and not _by_hand(task):
            memory.failures[key] = task
        elif task.status in {"ok", "warnings"}:
            memory.failures.pop(key, None)
    newest: dict[str, Task] = {}
    for key, task in list(memory.failures.items()):
        if key[0] != condition:
            continue
        if picture.now - (task.ended_at or 0) > keep_s:
            del memory.failures[key]
        elif (task.ended_at or 0) >= (newest.get(about(task), task).ended_at or 0):
            newest[about(task)] = task
    return newest


def _by_hand(task: Task) -> bool:
    return task.type != "vzdump" and (task.exit_text or "").startswith(BY_HAND)


def about(task: Task) -> str:
    """The id of the guest that a task is about, else of its node."""
    return f"guest:{task.target}" if task.target.isdigit() else f"node:{task.node}"


def describe(picture: Picture, task: Task) -> str:
    """``Backup of plex``, ``Task aptupdate on pve``."""
    words = WORDS.get(task.type)
    if task.target.isdigit():
        name = picture.name_of(f"guest:{task.target}")
        return f"{words} of {name}" if words else f"Task {task.type} of {name}"
    return f"{words or f'Task {task.type}'} on {task.node}"


WORDS: Final = {
    "vzdump": "Backup", "qmstart": "Start", "vzstart": "Start", "qmstop": "Stop", "vzstop": "Stop",
    "qmshutdown": "Shutdown", "vzshutdown": "Shutdown", "qmreboot": "Reboot", "vzreboot": "Reboot",
    "qmigrate": "Migration", "vzmigrate": "Migration", "qmsnapshot": "Snapshot", "vzsnapshot": "Snapshot",
    "qmrollback": "Rollback", "vzrollback": "Rollback", "qmrestore": "Restore", "vzrestore": "Restore",
    "qmclone": "Clone", "vzclone": "Clone", "qmdestroy": "Removal", "vzdestroy": "Removal",
    "qmcreate": "Creation", "vzcreate": "Creation", "qmmove": "Disk move", "qmresize": "Resize",
    "aptupdate": "Package update", "download": "Download", "srvstart": "Service start",
    "srvrestart": "Service restart", "startall": "Start of all guests", "stopall": "Stop of all guests",
}  # fmt: skip
"""PVE's task types in a person's words."""


def seed(memory: Memory, incident: Incident) -> None:
    """Go on from an incident that was open when the daemon last ended."""
    evidence = incident.evidence
    if incident.condition not in {"task-failed", "backup-failed"} or "upid" not in evidence:
        return
    parts = str(evidence["upid"]).split(":")
    if len(parts) >= 8:
        task = Task(
            id=str(evidence["upid"]), cluster=incident.cluster, node=str(evidence.get("node") or parts[1]),
            type=str(evidence.get("type") or parts[5]), target=parts[6], user=parts[7], status="failed",
            started_at=float(evidence.get("started_at") or 0), ended_at=float(evidence.get("ended_at") or 0),
            exit_text=str(evidence.get("exit_text") or ""),
        )  # fmt: skip
        memory.failures[incident.condition, f"{about(task)}/{task.type}"] = task
