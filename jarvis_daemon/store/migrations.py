"""The schema, as numbered steps forward. A step that has been released is never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jarvis_daemon.store.database import Database


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


def _004_mind(db: Database) -> None:
    """Conversations with their events, what models cost, what is remembered, the operator's words for things."""
    _run(
        db,
        """
        create table chat_sessions (
            id text primary key, title text not null, client text not null, created_at real not null,
            used_at real not null, summary text not null, summary_upto integer not null
        );
        create table chat_turns (
            id integer primary key autoincrement, session text not null, key text, at real not null,
            role text not null, client text not null, asked text not null, status text not null,
            reply text not null, body text not null, trace text not null, ended_at real
        );
        create unique index chat_turns_key on chat_turns (key) where key is not null;
        create index chat_turns_session on chat_turns (session, id);
        create index chat_turns_status on chat_turns (status) where status in ('open', 'asks');
        create table chat (
            seq integer primary key autoincrement, at real not null, session text not null, turn integer not null,
            kind text not null, text text not null, data text not null
        );
        create index chat_turn on chat (turn, seq);
        create table llm_calls (
            id integer primary key autoincrement, at real not null, day text not null, backend text not null,
            model text not null, turn integer, status text not null, input_tokens integer not null,
            output_tokens integer not null, cached_tokens integer not null, written_tokens integer not null,
            usd real not null, reserved_usd real not null, estimated integer not null, first_token_ms real,
            total_ms real, fallback_of text not null
        );
        create index llm_calls_day on llm_calls (day);
        create table memories (
            id integer primary key autoincrement, tier text not null, kind text not null, subject text not null,
            text text not null, source text not null, trust text not null, key text, happened_at real not null,
            created_at real not null, used_at real, uses integer not null, used_days integer not null,
            expires_at real, superseded_by integer, session text
        );
        create unique index memories_key on memories (key) where key is not null;
        create index memories_expiry on memories (expires_at);
        create index memories_happened on memories (happened_at);
        create table memory_vectors (id integer primary key, model text not null, vector blob not null);
        create table aliases (word text primary key, target text not null, at real not null) without rowid;
        create virtual table memories_fts using fts5 (
            subject, text, content='memories', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
        );
    """,
    )
    columns = "(new.id, new.subject, new.text)"
    old = "('delete', old.id, old.subject, old.text)"
    gone = f"insert into memories_fts (memories_fts, rowid, subject, text) values {old}"  # noqa: S608  # names of ours
    here = f"insert into memories_fts (rowid, subject, text) values {columns}"  # noqa: S608
    vector_gone = "delete from memory_vectors where id = old.id"
    for name, event, body in (
        ("added", "insert", here), ("gone", "delete", f"{gone}; {vector_gone}"),
        ("changed", "update of subject, text", f"{gone}; {here}; {vector_gone}"),
    ):  # fmt: skip
        db.execute(f"create trigger memories_{name} after {event} on memories begin {body}; end")


MIGRATIONS: Final[tuple[Callable[[Database], None], ...]] = (_001_spine, _002_hands, _003_watchman, _004_mind)


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
