"""Definitions are pinned: a tool whose definition changed is not the one that the operator let in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from jarvis_daemon.store import Database

_KEY: Final = "mcp-pin:"
Pinned = Literal["new", "same", "changed"]


def fingerprint(definition: Mapping[str, Any]) -> str:
    """sha256 of all that a server tells of a tool."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check(db: Database, server: str, found: Mapping[str, str]) -> dict[str, Pinned]:
    """Each tool (name to fingerprint) against its pin; one that was never seen is pinned now."""
    verdicts: dict[str, Pinned] = {}
    for name, digest in found.items():
        row = db.execute("select value from kv where key = ?", [_key(server, name)]).fetchone()
        verdicts[name] = "new" if row is None else "same" if row[0] == digest else "changed"
        if row is None:
            db.execute("insert into kv (key, value) values (?, ?)", [_key(server, name), digest])
    return verdicts


def accept(db: Database, server: str, found: Mapping[str, str]) -> None:
    """Pin these and forget what else was pinned of that server."""
    db.execute("delete from kv where substr(key, 1, ?) = ?", [len(_key(server, "")), _key(server, "")])
    for name, digest in found.items():
        db.execute("insert into kv (key, value) values (?, ?)", [_key(server, name), digest])


def _key(server: str, tool: str) -> str:
    return f"{_KEY}{server}/{tool}"
