"""The table of feed events: numbered by SQLite, no number used twice, a key at most once."""

from __future__ import annotations

import json
from typing import Any

from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store.database import Database


def append_event(db: Database, event: FeedEvent, key: str | None) -> FeedEvent | None:
    """Write ``event`` in the open transaction and return it numbered; None when ``key`` is there already."""
    if key is not None and db.execute("select 1 from feed where key = ?", [key]).fetchone():
        return None
    cursor = db.execute(
        "insert into feed (at, cluster, kind, severity, text, target, data, key) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            event.at,
            event.cluster,
            event.kind,
            event.severity,
            event.text,
            event.target,
            json.dumps(event.data),
            key,
        ],
    )
    event.seq = int(cursor.lastrowid or 0)
    return event


def last_seq(db: Database) -> int:
    """The highest number ever given, 0 before the first."""
    row = db.execute("select seq from sqlite_sequence where name = 'feed'").fetchone()
    return int(row[0]) if row else 0


def read_events(
    db: Database, after: int | None, before: int | None, since_at: float | None, limit: int
) -> list[FeedEvent]:
    """Events oldest first: with ``after`` the first ``limit`` ones behind it, else the last ``limit`` ones."""
    where, args = ["1"], list[Any]()
    for clause, value in (("seq > ?", after), ("seq < ?", before), ("at >= ?", since_at)):
        if value is not None:
            where.append(clause)
            args.append(value)
    order = "asc" if after is not None else "desc"
    query = "select seq, at, cluster, kind, severity, text, target, data from feed where "
    query += f"{' and '.join(where)} order by seq {order} limit ?"
    rows = db.execute(query, [*args, max(0, min(limit, 5000))]).fetchall()
    events = [
        FeedEvent(
            seq=row[0], at=row[1], cluster=row[2], kind=row[3], severity=row[4], text=row[5], target=row[6],
            data=json.loads(row[7]),
        )
        for row in rows
    ]  # fmt: skip
    return events if after is not None else events[::-1]


def sweep_events(db: Database, older_than: float) -> int:
    """Delete events from before ``older_than`` (Unix seconds); their numbers are never used again."""
    return int(db.execute("delete from feed where at < ?", [older_than]).rowcount)
