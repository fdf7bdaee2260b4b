"""Guests that stopped by themselves, and guests that are about to."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.conditions.load import nodes_with_backup
from jarvis_daemon.cluster.conditions.picture import Picture, Stop
from jarvis_daemon.cluster.conditions.round import Memory, Round
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Guest, Incident, Node, Severity, Task
from jarvis_daemon.settings import ConditionSettings

SLACK_S: Final = 30.0
"""Between a guest's end, PVE's rhythm of 10 s and ours."""
AFTER_BOOT_S: Final = 300.0
"""For how long a node that came up may still be starting its guests."""
UNWATCHED_S: Final = 600.0
NODE_WIDE: Final = frozenset({"stopall", "migrateall", "suspendall"})
CLUSTER_WIDE: Final = frozenset({"bulkshutdown", "bulksuspend", "bulkmigrate"})
NEVER_STOP: Final = frozenset({"qmstart", "vzstart", "vncproxy", "termproxy", "spiceproxy", "vncshell", "qmconfig"})
MEMORY_FULL: Final = 0.98


def crashed(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Stopped, though it ran when last seen, and nobody's task explains it."""
    stops = found.memory.stops
    for stop in picture.stops:
        stops.setdefault(stop.guest, stop)
    if not picture.is_fresh("resources"):
        return
    found.cover("guest-crashed")
    dumping = nodes_with_backup(picture)
    tasks_source = picture.source("tasks")
    for stop in list(stops.values()):
        guest = picture.guests.get(stop.guest)
        if guest is None or guest.status in {"running", "paused", "suspended"} or guest.template:
            del stops[stop.guest]
        elif (
            guest.status == "unknown" or guest.lock or picture.in_window or guest.node in dumping
            or _starting(picture.nodes.get(f"node:{guest.node}"), stop, picture.now)
            or not picture.is_fresh("tasks") or tasks_source is None or (tasks_source.ok_at or 0) < stop.seen_at
        ):  # fmt: skip
            found.skip("guest-crashed", guest.id)
        elif _explained(picture, guest, stop) or _forgotten(picture, stop):
            del stops[stop.guest]
        else:
            _report_crash(picture, found, guest, stop)


def _report_crash(picture: Picture, found: Round, guest: Guest, stop: Stop) -> None:
    full = stop.memory_share is not None and stop.memory_share >= 0.95
    memory = f" Its memory was {stop.memory_share:.0%} full before." if full else ""
    found.report(
        "guest-crashed", guest.id, "error", f"{guest.name or guest.id} has stopped by itself",
        f"It ran on {guest.node} until {span(stop.seen_at - stop.last_running_at)} before it was found stopped; "
        f"no task explains it.{memory}",
        evidence={
            "node": guest.node, "last_running_at": stop.last_running_at, "seen_at": stop.seen_at,
            "memory_share": stop.memory_share,
        },
        settled=f"{guest.name or guest.id} is back",
    )  # fmt: skip


def _explained(picture: Picture, guest: Guest, stop: Stop) -> bool:
    """By HA's own will, or by a task that ran in the time in which the guest stopped."""
    if guest.ha_state in {"stopped", "request_stop", "disabled"}:
        return True
    begin, end = stop.last_running_at - SLACK_S, stop.seen_at + SLACK_S
    return any(
        task.started_at <= end and (task.ended_at or picture.now) >= begin and _may_stop(task, guest)
        for task in picture.tasks.values()
    )


def _forgotten(picture: Picture, stop: Stop) -> bool:
    """It was not watched for a while, and the list of tasks does not reach back so far: nobody can say."""
    since = picture.tasks_since_at
    unseen = stop.seen_at - stop.last_running_at > UNWATCHED_S
    return unseen and (since is None or since > stop.last_running_at)


def _may_stop(task: Task, guest: Guest) -> bool:
    if task.type in NODE_WIDE:
        return task.node == guest.node
    if task.type == "vzdump":  # waits until it has ended, and starts its guest again
        return False
    return task.type in CLUSTER_WIDE or (task.target == str(guest.vmid) and task.type not in NEVER_STOP)


def _starting(node: Node | None, stop: Stop, now: float) -> bool:
    """Its node came up after it was last seen running, and may still be about to start it."""
    if node is None or node.status != "online":
        return True
    booted_at = node.started_at or 0.0
    return booted_at > stop.last_running_at and now - booted_at < AFTER_BOOT_S


def out_of_memory(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """PVE tells a container's memory as its control group counts it: at the limit the kernel kills.

    Of a VM it tells what the balloon driver says, or, without one, the size of the process, which stays near
    100 % for good and may exceed it: so a VM above 100 % is not judged, and one below is a warning only.
    """
    if not picture.is_fresh("resources") or picture.in_window:
        return
    found.cover("guest-out-of-memory")
    limit, back = 100 * MEMORY_FULL, settings.hysteresis_pct
    for guest in picture.guests.values():
        used, total = guest.memory_used_bytes, guest.memory_total_bytes
        key = ("guest-out-of-memory", guest.id)
        if guest.status != "running" or guest.freshness is not None or used is None or not total:
            if guest.status != "stopped":
                found.skip(*key)
            continue
        percent = 100 * used / total
        if percent < limit - back:  # nearly all of them, nearly always
            if key in found.memory.since:
                del found.memory.since[key]
            continue
        judged = percent <= 100 or guest.kind == "ct"
        severity: Severity = "error" if guest.kind == "ct" else "warning"
        high = judged and found.level(key, percent, [(limit, severity)], back) is not None
        if found.lasting(key, high, settings.guest_memory_sustained_s, picture.mono):
            found.report(
                *key, severity, f"{guest.name or guest.id} is out of memory",
                f"{percent:.0f} % of {total / (1 << 20):.0f} MiB in use, for a while.",
                evidence={"node": guest.node, "percent": round(percent, 1), "used_bytes": used},
                settled=f"{guest.name or guest.id} has memory again",
            )  # fmt: skip


def seed(memory: Memory, incident: Incident) -> None:
    """Go on from an incident that was open when the daemon last ended."""
    if incident.condition == "guest-crashed":
        share = incident.evidence.get("memory_share")
        memory.stops[incident.target] = Stop(
            incident.target, float(incident.evidence.get("last_running_at") or 0.0),
            float(incident.evidence.get("seen_at") or 0.0), float(share) if share is not None else None,
        )  # fmt: skip
