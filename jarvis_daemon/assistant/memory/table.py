"""The table of memories: what goes in, what replaces what, when a thing ends. Every function runs inside the
caller's transaction; triggers keep the full-text index (and the vectors) in step.

A row with an end is gone at that second: no function answers it any more, a sweep deletes it later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from jarvis_daemon.assistant.memory.when import local_date
from jarvis_daemon.protocol.mind import MemoryItem, MemoryKind, MemoryTier
from jarvis_daemon.settings import MemorySettings
from jarvis_daemon.store.database import Database

Trust = Literal["operator", "system", "tainted"]
DAY_S: Final = 86400.0
PROMOTE_AFTER_DAYS: Final = 3
"""Different days on which a memory was of use, until it is kept longer."""
REPLACED_KEPT_S: Final = 30 * DAY_S
"""What was said anew is kept for so long, for who asks what held before."""
WORKING_MAX_S: Final = 2 * DAY_S
"""A session that nobody ended."""
ROWS_MAX: Final = 3000
"""Of those with an end; a sweep drops the oldest beyond."""
_TIERS: Final[tuple[MemoryTier, ...]] = ("working", "conversation", "episodic", "lasting")
_TRUST: Final[tuple[Trust, ...]] = ("tainted", "system", "operator")
_NAMES: Final = (
    "id", "tier", "kind", "subject", "text", "source", "trust", "happened_at", "created_at", "used_at", "uses",
    "expires_at", "superseded_by",
)  # fmt: skip
COLUMNS: Final = ", ".join(f"m.{name}" for name in _NAMES)
_LIVE: Final = "(m.expires_at is null or m.expires_at > ?)"
FORGOTTEN: Final = "memory:forgotten:"
"""Beginning of the keys that keep a forgotten record (incident, repair, session) from being written again."""


@dataclass(frozen=True)
class Ends:
    """How long each tier is kept, in seconds."""

    conversation_s: float
    episodic_s: float

    @classmethod
    def of(cls, settings: MemorySettings) -> Ends:
        return cls(settings.conversation_days * DAY_S, settings.episodic_days * DAY_S)

    def end(self, tier: MemoryTier, now: float) -> float | None:
        """Unix time at which a memory of this tier is gone; None: never."""
        lives = {"working": WORKING_MAX_S, "conversation": self.conversation_s, "episodic": self.episodic_s}
        return None if tier == "lasting" else now + lives[tier]


@dataclass(frozen=True)
class New:
    """What shall be remembered. ``text`` and ``subject`` are tidy. ``key``: only one memory has it; ``ours``: the
    daemon's own record under its key, which is written over; else the newer of two with one key holds."""

    text: str
    tier: MemoryTier = "conversation"
    kind: MemoryKind = "fact"
    subject: str = ""
    source: str = ""
    trust: Trust = "system"
    key: str | None = None
    ours: bool = False
    happened_at: float | None = None
    session: str | None = None


@dataclass(frozen=True)
class Put:
    """``instead``: the memory that this one replaces."""

    id: int
    how: Literal["new", "again", "changed"]
    instead: int | None = None


def put(db: Database, new: New, now: float, ends: Ends) -> Put:
    """Remember. The same said again is one memory; of two statements under one key the newer holds, unless the
    older is better trusted: then both are kept."""
    if new.trust == "tainted":
        new = replace(new, tier=min(new.tier, "episodic", key=_TIERS.index))
    if new.key is not None:
        db.execute("delete from memories where key = ? and expires_at <= ?", [new.key, now])
        row = db.execute("select id from memories where key = ?", [new.key]).fetchone()
        known = get(db, row[0], now) if row else None
        if known is not None and new.ours:
            return _written_over(db, known, new, now, ends)
        if known is not None and known.text.casefold() == new.text.casefold():
            return _again(db, known, new, now, ends)
        if known is not None:
            return _replacing(db, known, new, now, ends)
    same = _same(db, new, now)
    if same is not None:
        return _again(db, same, new, now, ends)
    return Put(_insert(db, new, now, ends), "new")


def _written_over(db: Database, known: MemoryItem, new: New, now: float, ends: Ends) -> Put:
    tier = max(known.tier, new.tier, key=_TIERS.index) if new.trust != "tainted" else new.tier
    happened = known.happened_at if new.happened_at is None else new.happened_at
    db.execute(
        "update memories set text = ?, subject = ?, trust = ?, tier = ?, expires_at = ?, happened_at = ? "
        "where id = ?",
        [new.text, new.subject, new.trust, tier, ends.end(tier, now), happened, known.id],
    )
    return Put(known.id, "changed" if known.text != new.text else "again")


def _replacing(db: Database, known: MemoryItem, new: New, now: float, ends: Ends) -> Put:
    outranked = _TRUST.index(new.trust) < _TRUST.index(known.trust)
    shorter = _TIERS.index(new.tier) < _TIERS.index(known.tier)
    if outranked or (shorter and new.trust != "operator"):
        return Put(_insert(db, replace(new, key=None), now, ends), "new")
    if shorter:
        new = replace(new, tier=known.tier)
    db.execute("update memories set key = null where id = ?", [known.id])
    number = _insert(db, new, now, ends)
    db.execute(
        "update memories set superseded_by = ?, expires_at = min(coalesce(expires_at, ?), ?) where id = ?",
        [number, now + REPLACED_KEPT_S, now + REPLACED_KEPT_S, known.id],
    )
    return Put(number, "changed", known.id)


def _same(db: Database, new: New, now: float) -> MemoryItem | None:
    found = db.execute(
        f"select {COLUMNS} from memories m where m.text = ? collate nocase and m.kind = ? and {_LIVE} "  # noqa: S608
        "and m.superseded_by is null and m.session is ? order by m.id limit 1",
        [new.text, new.kind, now, new.session],
    ).fetchone()
    return None if found is None else item(found)


def _again(db: Database, same: MemoryItem, new: New, now: float, ends: Ends) -> Put:
    """It lives on from now; a less trusted voice changes nothing."""
    if _TRUST.index(new.trust) >= _TRUST.index(same.trust):
        tier = max(same.tier, new.tier, key=_TIERS.index)
        db.execute(
            "update memories set trust = ?, tier = ?, expires_at = ?, key = coalesce(key, ?) where id = ?",
            [new.trust, tier, ends.end(tier, now), new.key, same.id],
        )
    return Put(same.id, "again")


def _insert(db: Database, new: New, now: float, ends: Ends) -> int:
    happened = now if new.happened_at is None else new.happened_at
    cursor = db.execute(
        "insert into memories (tier, kind, subject, text, source, trust, key, happened_at, created_at, uses, "
        "used_days, expires_at, session) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
        [new.tier, new.kind, new.subject, new.text, new.source, new.trust, new.key, happened, now,
         ends.end(new.tier, now), new.session],
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


# --- reads -------------------------------------------------------------------------------------------------


def item(values: Sequence[Any]) -> MemoryItem:
    """A row selected by ``COLUMNS``."""
    return MemoryItem(**dict(zip(_NAMES, values, strict=True)))


def get(db: Database, number: int, now: float) -> MemoryItem | None:
    query = f"select {COLUMNS} from memories m where m.id = ? and {_LIVE}"  # noqa: S608
    found = db.execute(query, [number, now]).fetchone()
    return None if found is None else item(found)


def read(
    db: Database, now: float, *, tier: str | None = None, kind: str | None = None, replaced: bool = False,
    session: str | None = None, since: float | None = None, until: float | None = None, limit: int = -1,
) -> list[MemoryItem]:  # fmt: skip
    """The newest first. ``replaced``: also what does not hold any more. Working memories of other sessions only
    where ``tier`` asks for that tier."""
    where, args = [_LIVE], [now]
    asked: list[tuple[str, Any]] = [
        ("m.tier = ?", tier), ("m.kind = ?", kind), ("m.happened_at >= ?", since), ("m.happened_at < ?", until),
    ]  # fmt: skip
    for clause, value in asked:
        if value is not None:
            where.append(clause)
            args.append(value)
    if not replaced:
        where.append("m.superseded_by is null")
    if tier != "working":
        where.append("(m.tier != 'working' or m.session = ?)")
        args.append(session)  # type: ignore[arg-type]
    query = f"select {COLUMNS} from memories m where {' and '.join(where)} order by m.happened_at desc, m.id desc"  # noqa: S608
    return [item(row) for row in db.execute(f"{query} limit ?", [*args, limit])]


def newest_id(db: Database) -> int:
    """The highest number ever given."""
    row = db.execute("select seq from sqlite_sequence where name = 'memories'").fetchone()
    return int(row[0]) if row else 0


# --- use, end ----------------------------------------------------------------------------------------------


def used(db: Database, numbers: Iterable[int], now: float, ends: Ends) -> None:
    """They were of use. On ``PROMOTE_AFTER_DAYS`` different local days, one moves up a tier; never a tainted one,
    and a summary not beyond the episodic."""
    for number in numbers:
        query = f"select {COLUMNS}, m.used_days from memories m where m.id = ?"  # noqa: S608
        found = db.execute(query, [number]).fetchone()
        if found is None:
            continue
        known, days = item(found[:-1]), int(found[-1])
        days += known.used_at is None or local_date(known.used_at) != local_date(now)
        tier, end = known.tier, known.expires_at
        if days >= PROMOTE_AFTER_DAYS and _may_rise(known):
            tier, days = _TIERS[_TIERS.index(tier) + 1], 0
            end = ends.end(tier, now)
        db.execute(
            "update memories set uses = uses + 1, used_at = ?, used_days = ?, tier = ?, expires_at = ? "
            "where id = ?",
            [now, days, tier, end, number],
        )


def _may_rise(known: MemoryItem) -> bool:
    if known.trust == "tainted" or known.superseded_by is not None:
        return False
    return known.tier == "conversation" or (known.tier == "episodic" and known.kind != "summary")


def forget(db: Database, number: int, now: float, ends: Ends) -> list[int]:
    """Delete one. What it replaced holds again (those numbers are answered), or is replaced by what replaced it."""
    row = db.execute("select key, superseded_by from memories where id = ?", [number]).fetchone()
    if row is None:
        return []
    key, by = row
    db.execute("delete from memories where id = ?", [number])
    before = [one[0] for one in db.execute("select id from memories where superseded_by = ? order by id", [number])]
    for older in before:
        known = get(db, older, now)
        if known is None:
            continue
        end = ends.end(known.tier, known.created_at) if by is None else known.expires_at
        db.execute("update memories set superseded_by = ?, expires_at = ? where id = ?", [by, end, older])
    if before and by is None:
        db.execute("update memories set key = ? where id = ?", [key, before[-1]])
    elif key is not None and not key.startswith("said:"):
        db.execute("insert or replace into kv (key, value) values (?, ?)", [FORGOTTEN + key, str(now)])
    return [] if by is not None else [older for older in before if get(db, older, now) is not None]


def traces(db: Database, number: int) -> list[str]:
    """Where something of a memory lies."""
    places = {
        "row": "select 1 from memories where id = ?",
        "index": "select 1 from memories_fts_docsize where id = ?",
        "vector": "select 1 from memory_vectors where id = ?",
    }
    return [name for name, query in places.items() if db.execute(query, [number]).fetchone() is not None]


def edit(db: Database, known: MemoryItem, new: New, now: float, ends: Ends) -> None:
    """The operator's own edit of a memory: tier, kind, subject, text. What he worded himself is his, unless text
    from outside is in it."""
    reworded = known.text != new.text
    trust = "operator" if reworded and known.trust != "tainted" else known.trust
    end = known.expires_at if known.tier == new.tier else ends.end(new.tier, now)
    db.execute(
        "update memories set tier = ?, kind = ?, subject = ?, text = ?, trust = ?, expires_at = ?, "
        "key = case when ? then null else key end where id = ?",
        [new.tier, new.kind, new.subject, new.text, trust, end, reworded or known.kind != new.kind, known.id],
    )


def was_forgotten(db: Database, key: str) -> bool:
    """The operator had the memory of this key forgotten: it does not come back by itself."""
    return db.execute("select 1 from kv where key = ?", [FORGOTTEN + key]).fetchone() is not None


def end_session(db: Database, session: str) -> int:
    """Drop what was only of this session; how many went."""
    gone = db.execute("delete from memories where tier = 'working' and session = ?", [session])
    return int(gone.rowcount)


def sweep(db: Database, now: float) -> int:
    """Delete what has ended, and the oldest beyond ``ROWS_MAX``; how many went."""
    gone = db.execute("delete from memories where expires_at <= ?", [now]).rowcount
    gone += db.execute(
        "delete from memories where id in (select id from memories where expires_at is not null "
        "order by created_at desc, id desc limit -1 offset ?)", [ROWS_MAX],
    ).rowcount  # fmt: skip
    db.execute(
        "delete from kv where key >= ? and key < ? and cast(value as real) < ?",
        [FORGOTTEN, FORGOTTEN + "\x7f", now - 90 * DAY_S],
    )
    return int(gone)


# --- what is remembered beside the rows --------------------------------------------------------------------


def note(db: Database, key: str) -> str | None:
    row = db.execute("select value from kv where key = ?", [key]).fetchone()
    return None if row is None else str(row[0])


def keep_note(db: Database, key: str, value: str) -> None:
    db.execute("insert or replace into kv (key, value) values (?, ?)", [key, value])
