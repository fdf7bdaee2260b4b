"""The schema, as numbered steps forward. A step that has been released is never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlite_utils import Database


def _run(db: Database, script: str) -> None:
    """Statement by statement: ``executescript`` would commit the open transaction."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)


def _001_spine(db: Database) -> None:
    """Feed, incidents, silences, metrics, what is remembered of guests."""
    _run(
        db,
        """
        create table feed (
            seq integer primary key autoincrement, at real not null, cluster text not null, kind text not null,
            severity text not null, text text not null, target text, data text not null, key text unique
        );
        create index feed_at on feed (at);
        create table incidents (
            id integer primary key autoincrement, cluster text not null, condition text not null,
            target text not null, status text not null, severity text not null, opened_at real not null,
            closed_at real, updated_at real not null, body text not null
        );
        create unique index incidents_open on incidents (cluster, condition, target) where status = 'open';
        create index incidents_closed on incidents (closed_at);
        create table silences (
            id integer primary key autoincrement, cluster text not null, condition text not null,
            target text not null, reason text not null, by text not null, starts_at real not null,
            ends_at real not null, maintenance integer not null
        );
        create table metrics (
            cluster text not null, entity text not null, metric text not null, resolution text not null,
            at integer not null, n integer not null, total real not null, low real not null, high real not null,
            primary key (cluster, entity, metric, resolution, at)
        ) without rowid;
        create table remembered (
            cluster text not null, id text not null, kind text not null, body text not null, seen_at real not null,
            primary key (cluster, id)
        ) without rowid;
        create table kv (key text primary key, value text not null) without rowid;
    """,
    )


def _002_hands(db: Database) -> None:
    """The audit's chain, idempotency keys, and the kill switch, which is off until somebody engages it."""
    _run(
        db,
        """
        create table audit (
            id integer primary key autoincrement, at real not null, kind text not null, call_id text not null,
            principal text not null, tool text not null, tier text not null, target text not null,
            args text not null, data text not null, prev text not null, hash text not null
        );
        create index audit_call on audit (call_id);
        create table idempotency (
            principal text not null, key text not null, args_hash text not null, call_id text not null,
            at real not null, outcome text, primary key (principal, key)
        ) without rowid;
        insert or ignore into kv (key, value) values ('killswitch', '{"engaged": false}');
    """,
    )


def _003_watchman(db: Database) -> None:
    """Stories of repairs, autonomy levels, trusted runbooks, and messages to people."""
    _run(
        db,
        """
        create table repairs (
            id integer primary key autoincrement, cluster text not null, incident text not null,
            condition text not null, target text not null, runbook text not null, status text not null,
            began_at real not null, acted_at real, ended_at real, body text not null, facts text not null
        );
        create index repairs_incident on repairs (incident);
        create index repairs_began on repairs (began_at);
        create table autonomy (
            kind text not null, name text not null, level integer not null, at real not null, by text not null,
            primary key (kind, name)
        ) without rowid;
        create table trusted_runbooks (
            name text primary key, sha256 text not null, at real not null, by text not null
        ) without rowid;
        create table messages (
            id integer primary key autoincrement, channel text not null, key text not null, kind text not null,
            severity text not null, subject text not null, body text not null, status text not null,
            held text not null, created_at real not null, next_at real not null, attempts integer not null,
            sent_at real, batch text
        );
        create unique index messages_key on messages (channel, key);
        create index messages_due on messages (status, next_at);
    """,
    )


MIGRATIONS: Final[tuple[Callable[[Database], None], ...]] = (_001_spine, _002_hands, _003_watchman)


def migrate(connection: sqlite3.Connection, path: Path) -> int:
    """Bring the schema up to date and return its number; before each step an old file is copied aside.

    Raises ``ValueError`` for a file from a newer version: nothing is changed then.
    """
    current = int(connection.execute("pragma user_version").fetchone()[0])
    if current > len(MIGRATIONS):
        raise ValueError(f"its schema is number {current}, this version knows {len(MIGRATIONS)}")
    for number, step in enumerate(MIGRATIONS[current:], start=current + 1):
        if number > 1:
            _copy_aside(connection, path.with_name(f"{path.name}.before-{number:03d}"))
        connection.execute("begin immediate")
        try:
            step(Database(connection))
            connection.execute(f"pragma user_version = {number}")
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
    return len(MIGRATIONS)


def _copy_aside(connection: sqlite3.Connection, target: Path) -> None:
    target.touch(mode=0o600)
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
