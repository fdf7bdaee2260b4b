"""Idempotency: the same key of the same principal answers the first outcome, for 24 hours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.protocol.messages import ToolOutcome
from jarvis_daemon.store import Database

LIFE_S: Final = 86400.0


def args_hash(tool: str, args: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([tool, args], sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def look_up(
    db: Database, principal: str, key: str, wanted: str, now: float
) -> ToolOutcome | Literal["new", "open", "other"]:
    """``new``: never seen; ``other``: seen with other arguments; ``open``: its intent has no outcome yet."""
    row = db.execute(
        "select args_hash, outcome from idempotency where principal = ? and key = ? and at > ?",
        [principal, key, now - LIFE_S],
    ).fetchone()
    if row is None:
        return "new"
    if row[0] != wanted:
        return "other"
    return "open" if row[1] is None else msgspec.json.decode(row[1], type=ToolOutcome)


def begin(db: Database, principal: str, key: str, wanted: str, call_id: str, now: float) -> bool:
    """Note the key together with the intent, in its transaction; old ones are swept. False for a known one."""
    db.execute("delete from idempotency where at <= ?", [now - LIFE_S])
    noted = db.execute(
        "insert or ignore into idempotency (principal, key, args_hash, call_id, at) values (?, ?, ?, ?, ?)",
        [principal, key, wanted, call_id, now],
    )
    return noted.rowcount == 1


def finish(db: Database, principal: str, key: str, outcome: ToolOutcome) -> None:
    """Note the outcome with the audit's, in one transaction."""
    db.execute(
        "update idempotency set outcome = ? where principal = ? and key = ?",
        [msgspec.json.encode(outcome).decode(), principal, key],
    )
