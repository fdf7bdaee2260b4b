"""What the daily report is made of: read from the store and from the topics, at one moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.notify.report import Findings, Growth
from jarvis_daemon.notify.updates import NodeUpdates
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import (
    Approval,
    Autonomy,
    Cluster,
    FeedEvent,
    Guest,
    Incident,
    KillSwitchState,
    Node,
    Source,
    Task,
)
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import safe_line
from jarvis_daemon.store import Store
from jarvis_daemon.store.database import Database
from jarvis_daemon.store.feed import read_events

DAY_S: Final = 86400.0
FRESH_S: Final = 7200.0
"""The newest hour of a storage may be so old; an older one tells nothing of now."""
EVENTS_MAX: Final = 5000
NOT_ENDS: Final = frozenset({"repair.begun"})


async def gather(
    bus: Bus, store: Store, clock: Clock, hours: float, *, channels_down: Mapping[str, str],
    audit_head: Callable[[], Awaitable[str]], updates: Callable[[], Awaitable[list[NodeUpdates]]],
) -> Findings:  # fmt: skip
    """Findings of the last ``hours``. Raises ``store_failed`` where the store cannot be read at all."""
    now = clock.now()
    found = await store.read(lambda db: _stored(db, now, now - hours * 3600))
    skipped: list[str] = []
    head = ""
    try:
        head = await audit_head()
    except JarvisError as error:
        skipped.append(f"The audit could not be read: {error.sentence()}")
    approvals = bus.state("approvals")
    pending = [a for a in approvals.all("approvals", Approval).values() if a.status == "pending"]
    return replace(
        found, approvals=sorted(pending, key=lambda a: a.asked_at), channels_down=dict(channels_down),
        standing=_standing(bus), blind=_blind(bus), autonomy=approvals.get("autonomy", "autonomy:main", Autonomy),
        kill=approvals.get("killswitch", "killswitch:main", KillSwitchState), audit_head=head, skipped=skipped,
        backups=_backups(bus, found.since), names=_names(bus), updates=await updates(),
    )  # fmt: skip


def _stored(db: Database, now: float, since: float) -> Findings:
    incidents = [kept.incident for kept in incident_rows.read_incidents(db, status=None, closed_after=since)]
    worked_on = {str(row[0]) for row in db.execute("select incident from repairs where acted_at is not null")}
    incidents = [incident for incident in reversed(incidents) if _was_news(incident) or incident.id in worked_on]
    still = [incident for incident in incidents if incident.status == "open"]
    return Findings(
        now=now, since=since,
        opened=[incident for incident in incidents if incident.opened_at >= since],
        closed=[incident for incident in incidents if incident.status == "closed"],
        open=still, repairs=_repairs(db, since),
        escalated=_escalated(db) & {incident.id for incident in still}, growth=_growth(db, now),
    )  # fmt: skip


def _was_news(incident: Incident) -> bool:
    """Healed by itself within its grace: nobody was told, and nobody is now."""
    return incident.status == "open" or incident.announced_at is not None or incident.acked_at is not None


def _repairs(db: Database, since: float) -> list[FeedEvent]:
    """The ends of repairs, silent ones too: the report is where those are told."""
    last: dict[str, FeedEvent] = {}
    for event in read_events(db, None, None, since, EVENTS_MAX):
        if event.kind.startswith("repair.") and event.kind not in NOT_ENDS:
            key = str(event.data.get("repair") or f"event {event.seq}")
            last.pop(key, None)  # told again as it stands now
            last[key] = event
    return list(last.values())


def _escalated(db: Database) -> frozenset[str]:
    """Incidents of which the last word of the watchman was that a person is needed."""
    found = db.execute(
        "select incident, status from repairs where id in (select max(id) from repairs group by incident)"
    )
    return frozenset(str(incident) for incident, status in found if status == "escalated")


def _growth(db: Database, now: float) -> list[Growth]:
    """Of each storage that was measured lately: its share now, a day ago and a week ago."""
    names = [
        row[0]
        for row in db.execute(
            "select distinct entity from metrics where entity like 'storage:%' and metric = 'used' "
            "and resolution = 'hour' and at >= ?",
            [now - FRESH_S],
        )
    ]
    found = []
    for name in sorted(names):
        share = _share(db, name, now)
        if share is not None:
            day, week = _share(db, name, now - DAY_S), _share(db, name, now - 7 * DAY_S)
            month = _share(db, name, now - 30 * DAY_S) or _share_of_day(db, name, now - 30 * DAY_S)
            oldest_at, oldest = _oldest(db, name)
            days = (now - oldest_at) / DAY_S
            found.append(Growth(name.removeprefix("storage:"), share, day, week, month, oldest, days))
    return found


def _share_of_day(db: Database, entity: str, at: float) -> float | None:
    """The mean of a day: hours are kept for less long."""
    row = db.execute(
        "select total / n from metrics where entity = ? and metric = 'used' and resolution = 'day' and at = ?",
        [entity, int(at // DAY_S) * int(DAY_S)],
    ).fetchone()
    return None if row is None else float(row[0])


def _oldest(db: Database, entity: str) -> tuple[float, float]:
    """When the first of its figures is of (Unix seconds), and its share then."""
    row = db.execute(
        "select at, total / n from metrics where entity = ? and metric = 'used' and resolution in ('hour', 'day') "
        "order by at limit 1",
        [entity],
    ).fetchone()
    return float(row[0]), float(row[1])


def _backups(bus: Bus, since: float) -> list[Task]:
    tasks = bus.state("tasks").all("tasks", Task).values()
    mine = [task for task in tasks if task.type == "vzdump" and (task.ended_at or task.started_at) >= since]
    return sorted(mine, key=lambda task: task.started_at)


def _names(bus: Bus) -> dict[str, str]:
    guests = bus.state("cluster").view("guests", Guest).values()
    return {str(guest.vmid): clean(guest.name, limit=80) for guest in guests if guest.name}


def _share(db: Database, entity: str, at: float) -> float | None:
    """The mean of the hour of ``at``, or of the one before."""
    row = db.execute(
        "select total / n from metrics where entity = ? and metric = 'used' and resolution = 'hour' "
        "and at <= ? and at >= ? order by at desc limit 1",
        [entity, at, at - FRESH_S],
    ).fetchone()
    return None if row is None else float(row[0])


def _blind(bus: Bus) -> str:
    """Why nothing of the cluster is known now; empty while its round comes in."""
    topic = bus.state("cluster")
    problem = next((c.problem for c in topic.all("clusters", Cluster).values() if c.problem), None)
    if problem is not None:
        return safe_line(problem).rstrip(".")
    rounds = [source for source in topic.all("sources", Source).values() if source.what == "resources"]
    if not rounds:
        return "it has not been asked yet"
    stale = next((source for source in rounds if source.freshness != "fresh"), None)
    return "" if stale is None else safe_line(stale.error or "its last answer is old").rstrip(".")


def _standing(bus: Bus) -> str:
    topic = bus.state("cluster")
    nodes = list(topic.all("nodes", Node).values())
    guests = [guest for guest in topic.all("guests", Guest).values() if not guest.template]
    if not nodes:
        return "Nothing is known of the cluster yet"
    online, run = sum(n.status == "online" for n in nodes), sum(g.status == "running" for g in guests)
    quorate = next((c.quorate for c in topic.all("clusters", Cluster).values() if not c.standalone), None)
    quorum = "" if quorate is None else ", quorum holds" if quorate else ", quorum is lost"
    return f"{online} of {len(nodes)} nodes online, {run} of {len(guests)} guests run{quorum}"
