"""The tables of incidents and silences. Every function runs inside the caller's transaction."""

from __future__ import annotations

from typing import Any

import msgspec

from jarvis_daemon.protocol.state import Incident, Silence
from jarvis_daemon.store.database import Database


class Kept(msgspec.Struct, kw_only=True):
    """An incident with what only this room needs of it; the ``body`` column holds it as JSON."""

    incident: Incident
    room: str = ""
    grace_s: float = 60.0
    settled: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


def insert_incident(db: Database, kept: Kept) -> None:
    """Write a new incident and give it its number."""
    i = kept.incident
    cursor = db.execute(
        "insert into incidents (cluster, condition, target, status, severity, opened_at, updated_at, body) "
        "values (?, ?, ?, ?, ?, ?, ?, '')",
        [i.cluster, i.condition, i.target, i.status, i.severity, i.opened_at, i.updated_at],
    )
    i.id = str(cursor.lastrowid)
    update_incident(db, kept)


def update_incident(db: Database, kept: Kept) -> None:
    """Write what an incident is now."""
    i = kept.incident
    db.execute(
        "update incidents set status = ?, severity = ?, closed_at = ?, updated_at = ?, body = ? where id = ?",
        [i.status, i.severity, i.closed_at, i.updated_at, _encode(kept).decode(), int(i.id)],
    )


def read_incidents(db: Database, *, status: str | None, closed_after: float = 0.0, limit: int = -1) -> list[Kept]:
    """Incidents, the newest first; open ones always, closed ones from ``closed_after`` on."""
    rows = db.execute(
        "select body from incidents where (? is null or status = ?) and (status = 'open' or closed_at >= ?) "
        "order by id desc limit ?",
        [status, status, closed_after, limit],
    )
    return [_decode(body) for (body,) in rows]


def read_incident(db: Database, incident_id: str) -> Kept | None:
    """One incident by its number, open or closed."""
    number = int(incident_id) if incident_id.isascii() and incident_id.isdigit() else -1
    row = db.execute("select body from incidents where id = ?", [min(number, 2**62)]).fetchone()
    return _decode(row[0]) if row else None


def insert_silence(db: Database, silence: Silence) -> None:
    """Write a new silence and give it its number."""
    row: dict[str, Any] = msgspec.to_builtins(silence)
    del row["id"]
    columns = ", ".join(row)
    marks = ", ".join("?" * len(row))
    cursor = db.execute(f"insert into silences ({columns}) values ({marks})", [*row.values()])  # noqa: S608
    silence.id = str(cursor.lastrowid)


def read_silences(db: Database, ending_after: float) -> list[Silence]:
    """Silences that have not ended by ``ending_after`` (Unix seconds)."""
    rows = db.execute(
        "select id, cluster, condition, target, reason, by, starts_at, ends_at, maintenance "
        "from silences where ends_at > ? order by id",
        [ending_after],
    )
    return [
        Silence(
            id=str(row[0]), cluster=row[1], condition=row[2], target=row[3], reason=row[4], by=row[5],
            starts_at=row[6], ends_at=row[7], maintenance=bool(row[8]),
        )
        for row in rows
    ]  # fmt: skip


def end_silence(db: Database, silence_id: str, now: float) -> None:
    """Let a silence end now."""
    db.execute("update silences set ends_at = min(ends_at, ?) where id = ?", [now, int(silence_id)])


def sweep(db: Database, older_than: float) -> int:
    """Delete closed incidents and ended silences from before ``older_than``; returns how many went."""
    gone = db.execute("delete from incidents where status = 'closed' and closed_at < ?", [older_than]).rowcount
    gone += db.execute("delete from silences where ends_at < ?", [older_than]).rowcount
    return int(gone)
