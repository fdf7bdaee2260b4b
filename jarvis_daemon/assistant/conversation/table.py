"""Rows of conversations: sessions, turns, and the events by which a turn is told. Every function runs inside the
caller's transaction.

A turn is *open* from its first row to its end; a daemon that starts finds those its predecessor left open. Its
events are numbered by SQLite and never renumbered: who lost a link asks for what is behind the last number it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.conversation.turn import PastTurn
from jarvis_daemon.assistant.llm.contract import Message
from jarvis_daemon.protocol.mind import ChatReply, ChatSession, ChatTurn, TraceSpan
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store.database import Database

TITLE_MAX: Final = 60
PAST_MAX: Final = 200
_TURN: Final = "id, session, at, asked, status, reply, body, ended_at, role"


class Body(msgspec.Struct, kw_only=True):
    """What a turn keeps beside its reply: what a model was told, and whether text from outside was in it."""

    messages: list[Message] = []
    tainted: bool = False


def begin_session(db: Database, session: str, title: str, client: str, now: float) -> None:
    db.execute(
        "insert into chat_sessions (id, title, client, created_at, used_at, summary, summary_upto) "
        "values (?, ?, ?, ?, ?, '', 0)",
        [session, title[:TITLE_MAX], client, now, now],
    )


def last_session(db: Database) -> str | None:
    """The one used last."""
    row = db.execute("select id from chat_sessions order by used_at desc, created_at desc limit 1").fetchone()
    return str(row[0]) if row else None


def session(db: Database, wanted: str) -> ChatSession | None:
    """By its id; a beginning of it that is unique will do."""
    found = db.execute(
        "select s.id, s.title, s.client, s.created_at, s.used_at, count(t.id) from chat_sessions s "
        "left join chat_turns t on t.session = s.id "
        "where s.id = :id or (length(:id) >= 4 and substr(s.id, 1, length(:id)) = :id) group by s.id limit 2",
        {"id": wanted},
    ).fetchall()
    return _session(found[0]) if len(found) == 1 else None


def sessions(db: Database, limit: int) -> list[ChatSession]:
    found = db.execute(
        "select s.id, s.title, s.client, s.created_at, s.used_at, count(t.id) from chat_sessions s "
        "left join chat_turns t on t.session = s.id group by s.id order by s.used_at desc limit ?",
        [limit],
    )
    return [_session(row) for row in found]


def _session(row: tuple[Any, ...]) -> ChatSession:
    return ChatSession(id=row[0], title=row[1], client=row[2], created_at=row[3], used_at=row[4], turns=row[5])


def idle_sessions(db: Database, since: float, until: float) -> list[str]:
    """Sessions used last within the span."""
    rows = db.execute(
        "select id from chat_sessions where used_at > ? and used_at <= ? order by used_at", [since, until]
    )
    return [row[0] for row in rows]


def summary(db: Database, session: str) -> tuple[str, int]:
    """The rolling summary, and the last turn that is in it."""
    row = db.execute("select summary, summary_upto from chat_sessions where id = ?", [session]).fetchone()
    return (str(row[0]), int(row[1])) if row else ("", 0)


def keep_summary(db: Database, session: str, text: str, upto: int) -> None:
    db.execute("update chat_sessions set summary = ?, summary_upto = ? where id = ?", [text, upto, session])


# --- turns ---------------------------------------------------------------------------------------------------


def turn_of_key(db: Database, key: str) -> int | None:
    row = db.execute("select id from chat_turns where key = ?", [key]).fetchone()
    return int(row[0]) if row else None


def begin_turn(
    db: Database, session: str, key: str | None, asked: str, now: float, *, role: str, client: str
) -> int:
    cursor = db.execute(
        "insert into chat_turns (session, key, at, role, client, asked, status, reply, body, trace) "
        "values (?, ?, ?, ?, ?, ?, 'open', '', '', '')",
        [session, key, now, role, client, asked],
    )
    db.execute("update chat_sessions set used_at = ? where id = ?", [now, session])
    return int(cursor.lastrowid or 0)


def end_turn(db: Database, reply: ChatReply, body: Body, trace: Iterable[TraceSpan], now: float) -> None:
    db.execute(
        "update chat_turns set status = ?, reply = ?, body = ?, trace = ?, ended_at = ? where id = ?",
        [
            reply.status, _json(reply), _json(body), _json(list(trace)), now, reply.turn,
        ],
    )  # fmt: skip
    db.execute("update chat_sessions set used_at = ? where id = ?", [now, reply.session])


def reopen_turn(db: Database, turn: int) -> bool:
    """Of one that asks: True for whoever comes first."""
    cursor = db.execute("update chat_turns set status = 'open' where id = ? and status = 'asks'", [turn])
    return bool(cursor.rowcount)


def close_asked(db: Database, turn: int) -> None:
    db.execute("update chat_turns set status = 'done' where id = ? and status = 'asks'", [turn])


def close_all_asked(db: Database) -> None:
    """The plans of a daemon that is gone are gone with it: nobody is to wait for their confirmation."""
    db.execute("update chat_turns set status = 'done' where status = 'asks'")


def turn(db: Database, number: int) -> ChatTurn | None:
    row = db.execute(f"select {_TURN} from chat_turns where id = ?", [number]).fetchone()  # noqa: S608
    return _turn(row) if row else None


def turns(db: Database, session: str, limit: int, before: int | None) -> list[ChatTurn]:
    """The last ones, oldest first."""
    rows = db.execute(
        f"select {_TURN} from chat_turns where session = ? and id < ? order by id desc limit ?",  # noqa: S608
        [session, before if before is not None else 1 << 62, limit],
    ).fetchall()
    return [_turn(row) for row in reversed(rows)]


def suggestion(db: Database, session: str, before: int, role: str, since: float) -> str | None:
    """What the turn right before suggested, where one of that role asked, and it ended since then."""
    row = db.execute(
        f"select {_TURN} from chat_turns where session = ? and id < ? order by id desc limit 1",  # noqa: S608
        [session, before],
    ).fetchone()
    if row is None or row[8] != role or (row[7] or 0.0) < since:
        return None
    return _reply(row).suggestion


def open_turns(db: Database) -> list[int]:
    return [row[0] for row in db.execute("select id from chat_turns where status = 'open' order by id")]


def past(db: Database, session: str, before: int, upto: int) -> list[PastTurn]:
    """The ended turns of a session behind its summary, oldest first."""
    rows = db.execute(
        f"select {_TURN} from chat_turns where session = ? and id < ? and id > ? and status != 'open' "  # noqa: S608
        "order by id desc limit ?",
        [session, before, upto, PAST_MAX],
    ).fetchall()
    found = []
    for row in reversed(rows):
        body = msgspec.json.decode(row[6], type=Body) if row[6] else Body()
        ended_at = row[7] or row[2]
        found.append(
            PastTurn(row[0], row[3], _reply(row).text, tuple(body.messages), body.tainted, row[8], ended_at)
        )
    return found


def _turn(row: tuple[Any, ...]) -> ChatTurn:
    return ChatTurn(turn=row[0], at=row[2], asked=row[3], reply=_reply(row))


def _reply(row: tuple[Any, ...]) -> ChatReply:
    reply = msgspec.json.decode(row[5], type=ChatReply) if row[5] else ChatReply()
    reply.session, reply.turn, reply.status = row[1], row[0], row[4]
    return reply


def trace(db: Database, number: int | None) -> tuple[ChatTurn, list[TraceSpan]] | None:
    """Of a turn, or of the one that ended last."""
    where, args = ("id = ?", [number]) if number is not None else ("status != 'open'", [])
    row = db.execute(
        f"select {_TURN}, trace from chat_turns where {where} order by id desc limit 1",  # noqa: S608
        args,
    ).fetchone()
    if row is None:
        return None
    return _turn(row[:-1]), msgspec.json.decode(row[-1], type=list[TraceSpan]) if row[-1] else []


# --- events --------------------------------------------------------------------------------------------------


def append(
    db: Database, session: str, turn: int, kind: str, text: str, data: dict[str, Any], now: float
) -> FeedEvent:
    """Write an event and return it numbered."""
    cursor = db.execute(
        "insert into chat (at, session, turn, kind, text, data) values (?, ?, ?, ?, ?, ?)",
        [now, session, turn, kind, text, _json(data)],
    )
    told = {"session": session, "turn": turn, **data}
    return FeedEvent(seq=int(cursor.lastrowid or 0), at=now, kind=kind, text=text, data=told)


def events(
    db: Database, *, turn: int | None = None, after: int | None = None, before: int | None = None,
    since_at: float | None = None, limit: int = 5000,
) -> list[FeedEvent]:  # fmt: skip
    """Events oldest first: with ``after`` the first ``limit`` behind it, else the last ``limit``."""
    where, args = ["1"], list[Any]()
    for clause, value in (("turn = ?", turn), ("seq > ?", after), ("seq < ?", before), ("at >= ?", since_at)):
        if value is not None:
            where.append(clause)
            args.append(value)
    order = "asc" if after is not None else "desc"
    rows = db.execute(
        f"select seq, at, session, turn, kind, text, data from chat where {' and '.join(where)} "  # noqa: S608
        f"order by seq {order} limit ?",
        [*args, max(0, min(limit, 5000))],
    ).fetchall()
    found = [
        FeedEvent(seq=r[0], at=r[1], kind=r[4], text=r[5], data={"session": r[2], "turn": r[3], **json.loads(r[6])})
        for r in rows
    ]
    return found if after is not None else found[::-1]


def last_seq(db: Database) -> int:
    row = db.execute("select seq from sqlite_sequence where name = 'chat'").fetchone()
    return int(row[0]) if row else 0


# --- ends ----------------------------------------------------------------------------------------------------


def forget(db: Database, session: str) -> bool:
    """A session with all that was said in it; False where there is none."""
    for table in ("chat", "chat_turns"):
        db.execute(f"delete from {table} where session = ?", [session])  # noqa: S608
    return bool(db.execute("delete from chat_sessions where id = ?", [session]).rowcount)


def sweep(db: Database, older_than: float) -> int:
    """Forget sessions that were used last before; returns how many."""
    old = [row[0] for row in db.execute("select id from chat_sessions where used_at < ?", [older_than])]
    return sum(forget(db, session) for session in old)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
