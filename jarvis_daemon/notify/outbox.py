"""The table of messages: what people are to be told, one row a channel, until it has arrived.

A row is *queued*, *sent* once a channel took it, *failed* when it was given up, or *skipped* since the same had
just been told. ``batch`` names the parcel it went out in and is written before that parcel leaves: a row that has
one when it is read may have arrived already, and goes again in the same parcel under the same key. Every function
runs inside the caller's transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.protocol.messages import NotifyMessage
from jarvis_daemon.store.database import Database

CURSOR: Final = "notify:cursor"
ORIGIN: Final = "notify:origin"
READ_MAX: Final = 5000
LOOK_BACK: Final = 5000
"""How many messages the telling of one incident may reach back."""
_COLUMNS: Final = "m.id, m.key, m.kind, m.severity, m.subject, m.body, m.held, m.created_at, m.attempts, m.batch"


@dataclass(frozen=True)
class Row:
    """One queued message. The last three are those of its feed event; None where it has none, or it was swept."""

    id: int
    key: str
    kind: str
    severity: str
    subject: str
    body: str
    held: str
    created_at: float
    attempts: int
    batch: str | None
    target: str | None = None
    incident: str | None = None
    condition: str | None = None

    @property
    def what(self) -> tuple[str, str, str]:
        """Two messages with the same are the same news."""
        return self.kind, self.condition or self.subject, self.target or ""


@dataclass(frozen=True)
class Told:
    """What a channel took a moment ago."""

    what: tuple[str, str, str]
    severity: str
    sent_at: float


def insert(
    db: Database, channel: str, key: str, *, kind: str, severity: str, subject: str, body: str, now: float
) -> bool:
    """Queue a message; False when that channel has one of this ``key`` already."""
    cursor = db.execute(
        "insert or ignore into messages (channel, key, kind, severity, subject, body, status, held, created_at, "
        "next_at, attempts) values (?, ?, ?, ?, ?, ?, 'queued', '', ?, ?, 0)",
        [channel, key, kind, severity, subject, body, now, now],
    )
    return bool(cursor.rowcount)


_WITH_EVENT: Final = (
    " from messages m left join feed f on m.key like 'feed:%' and f.seq = cast(substr(m.key, 6) as integer) "
)


def waiting(db: Database, channel: str) -> list[Row]:
    """What is queued for a channel, oldest first."""
    found = db.execute(
        f"select {_COLUMNS}, f.target, f.data {_WITH_EVENT} "
        "where m.channel = ? and m.status = 'queued' order by m.id limit ?",
        [channel, READ_MAX],
    )
    return [_row(values) for values in found]


def told_since(db: Database, channel: str, since: float) -> list[Told]:
    """What a channel took since a moment (Unix seconds), oldest first."""
    found = db.execute(
        f"select {_COLUMNS}, f.target, f.data, m.sent_at {_WITH_EVENT} "
        "where m.channel = ? and m.status = 'sent' and m.sent_at >= ? order by m.sent_at",
        [channel, since],
    )
    rows = [(_row(values[:-1]), values[-1]) for values in found]
    return [Told(row.what, row.severity, sent_at) for row, sent_at in rows]


def _row(values: Sequence[Any]) -> Row:
    number, key, kind, severity, subject, body, held, created_at, attempts, batch, target, raw = values
    data = json.loads(raw) if raw else {}
    incident = data.get("incident")
    return Row(
        id=number, key=key, kind=kind, severity=severity, subject=subject, body=body, held=held,
        created_at=created_at, attempts=attempts, batch=batch, target=target,
        incident=None if incident is None else str(incident), condition=data.get("condition"),
    )  # fmt: skip


def kinds_told(db: Database, channel: str, incident: str) -> set[str]:
    """Kinds of what the channel was told of an incident, or is being told."""
    found = db.execute(
        f"select distinct m.kind {_WITH_EVENT} where m.channel = ? and m.status in ('queued', 'sent') "  # noqa: S608
        "and m.id > (select coalesce(max(id), 0) from messages) - ? and json_extract(f.data, '$.incident') = ?",
        [channel, LOOK_BACK, incident],
    )
    return {row[0] for row in found}


def seal(db: Database, ids: Iterable[int], batch: str) -> None:
    """These go out together, now."""
    _set(db, ids, "batch = ?", batch)


def hold(db: Database, ids: Iterable[int], why: str) -> None:
    _set(db, ids, "held = ?", why)


def skip(db: Database, ids: Iterable[int], why: str) -> None:
    _set(db, ids, "status = 'skipped', held = ?", why)


def sent(db: Database, ids: Iterable[int], now: float, note: str) -> None:
    """A channel took them."""
    _set(db, ids, "status = 'sent', attempts = attempts + 1, sent_at = ?, held = ?", now, note)


def missed(db: Database, ids: Iterable[int], next_at: float, why: str, *, keep_batch: bool) -> None:
    """They did not go, and are tried again at ``next_at``; without their batch they may go otherwise then."""
    batch = "" if keep_batch else ", batch = null"
    _set(db, ids, f"attempts = attempts + 1, next_at = ?, held = ?{batch}", next_at, why)


def leave(db: Database, channels: Iterable[str]) -> None:
    """What waits for a channel that is not one of these will not be sent: it was taken out of the settings."""
    known = list(channels)
    marks = ", ".join("?" * len(known))
    db.execute(
        "update messages set status = 'skipped', held = 'the channel is not configured any more' "  # noqa: S608
        f"where status = 'queued' and channel not in ({marks})",
        known,
    )


def give_up(db: Database, ids: Iterable[int]) -> None:
    _set(db, ids, "status = 'failed'")


def _set(db: Database, ids: Iterable[int], what: str, *values: Any) -> None:
    db.conn.executemany(
        f"update messages set {what} where id = ? and status = 'queued'",  # noqa: S608
        [[*values, number] for number in ids],
    )


def newest(db: Database, status: str | None, limit: int) -> list[NotifyMessage]:
    """Messages, the newest first."""
    found = db.execute(
        "select id, channel, kind, severity, subject, body, status, held, created_at, sent_at, next_at, attempts "
        "from messages where (? is null or status = ?) order by id desc limit ?",
        [status, status, max(1, min(limit, READ_MAX))],
    )
    names = NotifyMessage.__struct_fields__
    messages = [NotifyMessage(**dict(zip(names, values, strict=True))) for values in found]
    for message in messages:
        if message.status != "queued":
            message.next_at = None
    return messages


def sweep(db: Database, older_than: float) -> int:
    """Delete what ended and is older; returns how many went."""
    ended = "delete from messages where status != 'queued' and created_at < ?"
    return int(db.execute(ended, [older_than]).rowcount)


# --- what is remembered beside the rows ------------------------------------------------------------------


def remembered(db: Database, key: str) -> Any:
    """The value of a key of ours, None where there is none."""
    row = db.execute("select value from kv where key = ?", [key]).fetchone()
    return None if row is None else json.loads(row[0])


def remember(db: Database, key: str, value: Any) -> None:
    db.execute("insert or replace into kv (key, value) values (?, ?)", [key, json.dumps(value)])


def origin(db: Database) -> str:
    """A random word of this store's own: two installations never make the same Message-ID."""
    found = remembered(db, ORIGIN)
    if found is None:
        found = secrets.token_hex(8)
        remember(db, ORIGIN, found)
    return str(found)
