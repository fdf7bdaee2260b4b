"""The audit: append-only rows, each hashed with the one before it. Secrets are redacted before hashing.

Rows of one call share its ``call_id``: *asked*, then perhaps *approval*, *intent* before the act, *step* for each
side effect, *outcome* after. A missing outcome is an open intent, and is told at the next start. Reads are
written too, but together once a second and without a sync of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.messages import AuditVerifyResult
from jarvis_daemon.redact import redact_tree
from jarvis_daemon.store import Database, Store

Kind = Literal["asked", "refused", "approval", "intent", "step", "outcome", "read", "kill", "open_intent"]
GENESIS: Final = "0" * 64
READS_EVERY_S: Final = 1.0
_SELECT: Final = "select id, at, kind, call_id, principal, tool, tier, target, args, data, prev, hash from audit"
_COLUMNS: Final = ("at", "kind", "call_id", "principal", "tool", "tier", "target", "args", "data")


@dataclass(frozen=True)
class Entry:
    """One row before it is numbered and hashed. ``args`` and ``data`` are plain JSON."""

    kind: Kind
    call_id: str
    principal: str
    tool: str
    tier: str = ""
    target: str = ""
    args: dict[str, Any] | None = None
    data: dict[str, Any] | None = None


class Audit:
    """``write`` returns when the row is on the disk."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._reads: list[tuple[float, Entry]] = []
        self._flushing = asyncio.Lock()

    async def write(self, entry: Entry, *, durable: bool = True) -> str:
        """Append; the new head. Raises ``store_failed``, and then nothing may be done.

        ``durable=False`` for a row that a durable one of the same call follows at once or stands before: it
        survives the daemon's death, and the next sync takes it along.
        """
        at = self._clock.now()
        return await self._store.write(lambda db: append(db, at, entry), durable=durable)

    def note_read(self, entry: Entry) -> None:
        """Queue the row of a read; ``run`` writes them."""
        self._reads.append((self._clock.now(), entry))

    async def run(self) -> None:
        """Write queued reads once a second, for ever."""
        while True:
            await self._clock.sleep(READS_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what is queued; when this returns it is in the store, whoever wrote it."""
        async with self._flushing:
            reads, self._reads = self._reads, []
            if reads:
                await self._store.write(lambda db: [append(db, at, entry) for at, entry in reads])

    async def list_rows(
        self, *, limit: int, before: int | None = None, call_id: str | None = None, tool: str | None = None
    ) -> list[dict[str, Any]]:
        """Rows newest first, as plain dicts."""
        return await self._store.read(lambda db: _rows(db, limit, before, call_id, tool))

    async def verify(self, head: str | None = None) -> AuditVerifyResult:
        """Recompute the chain; names the first row that does not fit, or tells that ``head`` is missing."""
        await self.flush()
        return await self._store.read(lambda db: verify_chain(db, head))

    async def head(self) -> str:
        return await self._store.read(lambda db: _head(db))

    async def open_intents(self) -> list[dict[str, Any]]:
        """Intents without an outcome: the daemon died in between."""
        return await self._store.read(_open_intents)


def append(db: Database, at: float, entry: Entry) -> str:
    """Write one row in the open transaction; its hash."""
    values = [
        at, entry.kind, entry.call_id, entry.principal, entry.tool, entry.tier, entry.target,
        _json(redact_tree(entry.args or {})), _json(redact_tree(entry.data or {})),
    ]  # fmt: skip
    previous = _head(db)
    digest = _hash(previous, values)
    db.execute(
        "insert into audit (at, kind, call_id, principal, tool, tier, target, args, data, prev, hash) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*values, previous, digest],
    )
    return digest


def verify_chain(db: Database, head: str | None) -> AuditVerifyResult:
    """Walk all rows in order; rows that are written meanwhile are no fault."""
    last = db.execute("select seq from sqlite_sequence where name = 'audit'").fetchone()  # before the walk
    previous, rows, expected, seen = GENESIS, 0, None, head in (None, GENESIS)
    for number, *rest in db.execute(f"{_SELECT} order by id"):
        *values, prev, digest = rest
        rows += 1
        expected = number if expected is None else expected + 1
        if number != expected:
            return _broken(rows, previous, expected, f"row {expected} is missing")
        if prev != previous or digest != _hash(previous, values):
            return _broken(rows, previous, number, f"row {number} was changed, or the one before it")
        previous = digest
        seen = seen or digest == head
    if last is not None and (expected or 0) < last[0]:
        return _broken(rows, previous, (expected or 0) + 1, f"rows after {expected or 0} are missing")
    if not seen:
        return AuditVerifyResult(
            ok=False, rows=rows, head=previous, why="the noted head is not in the chain: its tail was cut"
        )
    return AuditVerifyResult(ok=True, rows=rows, head=previous)


def _broken(rows: int, head: str, row: int, why: str) -> AuditVerifyResult:
    return AuditVerifyResult(ok=False, rows=rows, head=head, broken_row=row, why=why)


def _hash(previous: str, values: list[Any]) -> str:
    return hashlib.sha256(_json([previous, *values]).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def _head(db: Database) -> str:
    row = db.execute("select hash from audit order by id desc limit 1").fetchone()
    return str(row[0]) if row else GENESIS


def _rows(
    db: Database, limit: int, before: int | None, call_id: str | None, tool: str | None
) -> list[dict[str, Any]]:
    where, args = ["1"], list[Any]()
    for clause, value in (("id < ?", before), ("call_id = ?", call_id), ("tool = ?", tool)):
        if value is not None:
            where.append(clause)
            args.append(value)
    query = f"{_SELECT} where {' and '.join(where)} order by id desc limit ?"
    names = ("id", *_COLUMNS, "prev", "hash")
    rows = [dict(zip(names, row, strict=True)) for row in db.execute(query, [*args, max(1, min(limit, 10000))])]
    for row in rows:
        row["args"], row["data"] = json.loads(row["args"]), json.loads(row["data"])
    return rows


def _open_intents(db: Database) -> list[dict[str, Any]]:
    query = """
        select call_id, tool, target, principal, at from audit a where kind = 'intent' and not exists (
            select 1 from audit b where b.call_id = a.call_id and b.kind in ('outcome', 'open_intent')
        ) order by id
    """
    names = ("call_id", "tool", "target", "principal", "at")
    return [dict(zip(names, row, strict=True)) for row in db.execute(query)]


async def forever(audit: Audit) -> None:
    """``run``, flushing what is left when it is cancelled."""
    try:
        await audit.run()
    except asyncio.CancelledError:
        await audit.flush()
        raise
