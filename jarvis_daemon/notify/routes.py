"""Which event of the feed goes to which channel."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from jarvis_daemon.notify import outbox
from jarvis_daemon.notify.channel import Route
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store.database import Database

RANK: Final = {"info": 0, "ok": 0, "warning": 1, "error": 2, "critical": 3}
ESCALATED: Final = "repair.escalated"
REGULAR: Final = frozenset({"heartbeat", "storage.check"})
"""Lines that come by the clock: what is new in them has a line of its own."""
ENDS: Final = frozenset({
    "incident.closed", "kill", "repair.repaired", "repair.failed", "repair.escalated", "repair.reported",
    "repair.cancelled", "repair.asking", "repair.over",
})  # fmt: skip
"""What is told however soon after the same."""
STORIES: Final = frozenset({
    "repair.repaired", "repair.refused", "repair.recommended", "repair.failed", "repair.escalated",
    "repair.reported", "repair.cancelled", "repair.asking",
})  # fmt: skip
"""What is told of repairs whatever its severity."""
FOR_A_PERSON: Final = frozenset({ESCALATED, "repair.asking"})
"""Told even where repairs are silent: they wait for somebody."""
LOOK_BACK: Final = 20_000
"""How many events of the feed a story may reach back."""


def is_urgent(kind: str, severity: str) -> bool:
    """What a person is woken for."""
    return severity == "critical" or kind == ESCALATED


def is_wanted(db: Database, channel: str, route: Route, event: FeedEvent) -> bool:
    """Whether ``channel`` is told of ``event``."""
    kind, data = event.kind, event.data
    if kind == "repair.begun" or (data.get("silent") and kind not in FOR_A_PERSON):
        return False
    if route.kinds and not any(fnmatchcase(kind, pattern) for pattern in route.kinds):
        return False
    if kind in REGULAR and kind not in route.kinds:
        return False
    if kind.startswith("notify.") and data.get("channel") == channel:
        return False  # of its own trouble no channel is told; another one is
    if kind.startswith("tool.") and str(data.get("by", "")).startswith("runbook:"):
        return False  # a step of a repair, whose story says it
    if kind == "incident.closed":
        incident = str(data.get("incident", ""))
        told = outbox.kinds_told(db, channel, incident)
        return bool(told) and not _told_by_its_repair(db, event.seq, incident)
    if kind == "incident.opened" and not is_urgent(kind, event.severity):
        told = outbox.kinds_told(db, channel, str(data.get("incident", "")))
        if told & STORIES:
            return False  # what the watchman makes of it says that it is there
    if kind == "kill":  # who was told that nothing acts is told that it acts again
        return RANK["warning"] >= RANK[route.min_severity]
    if kind == "repair.over":
        told = outbox.kinds_told(db, channel, str(data.get("incident", "")))
        return bool(told & STORIES) and "incident.closed" not in told
    return kind in STORIES or RANK.get(event.severity, 0) >= RANK[route.min_severity]


def _told_by_its_repair(db: Database, seq: int, incident: str) -> bool:
    """Whether a repair told of the end, or is about to."""
    row = db.execute(
        "select kind, data from feed where seq > ? and seq < ? and kind like 'repair.%' "
        "and json_extract(data, '$.incident') = ? order by seq desc limit 1",
        [seq - LOOK_BACK, seq, incident],
    ).fetchone()
    return row is not None and row[0] in {"repair.begun", "repair.repaired"} and '"silent": true' not in row[1]
