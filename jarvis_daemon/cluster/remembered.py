"""What outlives a restart: names, kinds and the last status that could be believed (table ``remembered``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from jarvis_daemon.protocol.state import Guest, GuestKind, GuestStatus, Node, Storage
from jarvis_daemon.store.database import Database

POLLED_AT: Final = "cluster.polled_at/"
"""Key in ``kv`` (with the cluster's name behind it): when the last good poll was, Unix seconds."""


class Remembered(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The part of an entity that changes seldom. ``status`` is of guests only."""

    id: str
    what: Literal["node", "guest", "storage"]
    name: str = ""
    kind: GuestKind = "vm"
    node: str | None = None
    status: GuestStatus = "unknown"
    template: bool = False
    tags: list[str] = []
    pool: str | None = None
    cpu_count: float | None = None
    cpu_model: str | None = None
    memory_total_bytes: int | None = None
    disk_total_bytes: int | None = None
    ip: str | None = None
    type: str = ""
    shared: bool = False


def of_guest(guest: Guest, believed: GuestStatus) -> Remembered:
    return Remembered(
        id=guest.id, what="guest", name=guest.name, kind=guest.kind, node=guest.node, status=believed,
        template=guest.template, tags=guest.tags, pool=guest.pool, cpu_count=guest.cpu_count,
        memory_total_bytes=guest.memory_total_bytes, disk_total_bytes=guest.disk_total_bytes,
    )  # fmt: skip


def of_node(node: Node) -> Remembered:
    return Remembered(
        id=node.id, what="node", name=node.name, cpu_count=node.cpu_count, cpu_model=node.cpu_model,
        memory_total_bytes=node.memory_total_bytes, disk_total_bytes=node.rootfs_total_bytes, ip=node.ip,
    )  # fmt: skip


def of_storage(storage: Storage) -> Remembered:
    return Remembered(
        id=storage.id, what="storage", name=storage.name, node=storage.node, type=storage.type,
        shared=storage.shared, disk_total_bytes=storage.total_bytes,
    )  # fmt: skip


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Remembered).decode


def save(db: Database, cluster: str, changed: Iterable[Remembered], gone: Iterable[str], polled_at: float) -> None:
    """Write what changed since the last poll, and when that poll was."""
    db.conn.executemany(
        "insert into remembered (cluster, id, kind, body, seen_at) values (?, ?, ?, ?, ?) "
        "on conflict do update set kind = excluded.kind, body = excluded.body, seen_at = excluded.seen_at",
        [(cluster, r.id, r.what, _encode(r).decode(), polled_at) for r in changed],
    )
    db.conn.executemany(
        "delete from remembered where cluster = ? and id = ?", [(cluster, entity_id) for entity_id in gone]
    )
    db.execute(
        "insert into kv (key, value) values (?, ?) on conflict do update set value = excluded.value",
        [POLLED_AT + cluster, repr(polled_at)],
    )


def load(db: Database, cluster: str) -> tuple[list[Remembered], float | None]:
    """All that is remembered of ``cluster``, and when its last good poll was."""
    rows = db.execute("select body from remembered where cluster = ?", [cluster]).fetchall()
    polled = db.execute("select value from kv where key = ?", [POLLED_AT + cluster]).fetchone()
    return [_decode(body) for (body,) in rows], float(polled[0]) if polled else None
