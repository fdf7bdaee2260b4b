"""What the cluster room tells in the feed: the heartbeat, the storages, what tasks did. Facts first, dry, short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jarvis_daemon.bus import Feed
from jarvis_daemon.bus.feed import FeedSeverity
from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.tasks import describe
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.incidents.observation import RANK
from jarvis_daemon.protocol.state import Incident, Storage, Task

DONE: Final = {
    "qmstart": ("guest.started", "started"), "vzstart": ("guest.started", "started"),
    "qmstop": ("guest.stopped", "stopped"), "vzstop": ("guest.stopped", "stopped"),
    "qmshutdown": ("guest.stopped", "shut down"), "vzshutdown": ("guest.stopped", "shut down"),
    "qmreboot": ("guest.rebooted", "rebooted"), "vzreboot": ("guest.rebooted", "rebooted"),
    "qmreset": ("guest.rebooted", "reset"),
    "qmsuspend": ("guest.suspended", "suspended"), "vzsuspend": ("guest.suspended", "suspended"),
    "qmresume": ("guest.resumed", "resumed"), "vzresume": ("guest.resumed", "resumed"),
    "qmigrate": ("guest.migrated", "migrated"), "vzmigrate": ("guest.migrated", "migrated"),
    "qmcreate": ("guest.created", "created"), "vzcreate": ("guest.created", "created"),
    "qmdestroy": ("guest.removed", "removed"), "vzdestroy": ("guest.removed", "removed"),
    "qmrestore": ("guest.restored", "restored"), "vzrestore": ("guest.restored", "restored"),
    "vzdump": ("backup.done", "backed up"),
}  # fmt: skip
"""Task types that are told when they succeed: kind of feed event, past participle. Failures are incidents."""


async def tell_tasks(feed: Feed, picture: Picture, ended: Iterable[Task]) -> None:
    """One line for each task that did something to a guest; a task is told once, whoever restarts."""
    for task in sorted(ended, key=lambda t: t.ended_at or 0):
        if task.type not in DONE or task.status not in {"ok", "warnings"}:
            continue
        kind, done = DONE[task.type]
        if task.target.isdigit():
            target = f"guest:{task.target}"
            text = f"{picture.name_of(target)} was {done} by {task.user}."
        elif task.type == "vzdump":
            target, text = f"node:{task.node}", f"{describe(picture, task)} is done."
        else:
            continue
        severity: FeedSeverity = "info" if task.status == "ok" else "warning"
        if task.status == "warnings":
            text = f"{text[:-1]}, with warnings."
        await feed.post(kind, text, severity=severity, target=target, data={"upid": task.id}, key=f"task:{task.id}")


async def tell_heartbeat(feed: Feed, picture: Picture, incidents: list[Incident]) -> None:
    """How things are, honestly."""
    text, severity = heartbeat(picture, incidents)
    await feed.post("heartbeat", text, severity=severity)


def heartbeat(picture: Picture, incidents: list[Incident]) -> tuple[str, FeedSeverity]:
    """The sentence and its gravity."""
    source = picture.source("resources")
    if not picture.is_fresh("resources") or source is None:
        since = f" since {span(picture.now - source.ok_at)}" if source and source.ok_at else ""
        why = picture.cluster.problem or (source.error if source else None) or "no answer yet"
        return f"Nothing is known of {picture.cluster.name}{since}: {why}", "critical"
    facts = facts_of(picture)
    if not incidents:
        return f"All well: {facts}.", "ok"
    gravest = max(incidents, key=lambda i: RANK[i.severity])
    more = f" and {len(incidents) - 1} more" if len(incidents) > 1 else ""
    return f"{facts}. Open: {gravest.title}{more}.", gravest.severity


def facts_of(picture: Picture) -> str:
    """``4 nodes online, 14 of 17 guests run, quorum holds``"""
    nodes = list(picture.nodes.values())
    online = sum(n.status == "online" for n in nodes)
    guests = [g for g in picture.guests.values() if not g.template]
    running = sum(g.status == "running" for g in guests)
    unknown = sum(g.status == "unknown" for g in guests)
    some = "" if online == len(nodes) else f"{online} of "
    parts = [
        f"{some}{_count(len(nodes), 'node')} online",
        f"{running} of {_count(len(guests), 'guest')} run",
    ]  # fmt: skip
    if unknown:
        parts.append(f"{unknown} are unknown" if unknown > 1 else "1 is unknown")
    if picture.cluster.quorate is not None and not picture.cluster.standalone:
        parts.append("quorum holds" if picture.cluster.quorate else "quorum is lost")
    return ", ".join(parts)


async def tell_storages(feed: Feed, picture: Picture, warning_pct: float) -> None:
    """The fullest storages; nothing where nothing is known."""
    line = storage_line(picture.storages.values(), warning_pct)
    if line is not None and picture.is_fresh("resources"):
        await feed.post("storage.check", line[0], severity=line[1])


def storage_line(storages: Iterable[Storage], warning_pct: float) -> tuple[str, FeedSeverity] | None:
    shares = sorted(
        ((100 * s.used_bytes / s.total_bytes, s) for s in storages if s.used_bytes is not None and s.total_bytes),
        key=lambda pair: -pair[0],
    )
    if not shares:
        return None
    fullest = ", ".join(f"{s.name}{f' on {s.node}' if s.node else ''} {percent:.0f} %" for percent, s in shares[:3])
    above = sum(percent > warning_pct for percent, _ in shares)
    tail = f"{_count(above, 'storage')} above {warning_pct:.0f} %" if above else f"none above {warning_pct:.0f} %"
    return f"Storages: {fullest}; {tail}.", "warning" if above else "info"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
