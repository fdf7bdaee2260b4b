"""Storages: a shared one comes once per node in the reply, and once in the inventory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from jarvis_daemon.cluster.shapes import StorageRow
from jarvis_daemon.protocol.state import Node, Storage


def merge_storages(
    rows: Iterable[StorageRow], old: Mapping[str, Storage], nodes: Mapping[str, Node], cluster: str, source: str
) -> dict[str, Storage]:
    """All storages of one poll by id. On a node that is not online a storage of its own is unknown."""
    merged: dict[str, Storage] = {}
    for row in rows:
        key = f"storage:{row.name}" if row.shared else f"storage:{row.node}/{row.name}"
        node = nodes.get(f"node:{row.node}")
        believable = node is not None and node.status == "online"
        status = row.status if believable else "unknown"
        known = believable and status == "available"
        before = merged.get(key)
        if before is None:
            was = old.get(key)
            before = merged[key] = Storage(
                id=key, cluster=cluster, name=row.name, node=None if row.shared else row.node, source=source,
                freshness="unknown", type=row.type or (was.type if was else ""), shared=row.shared,
                content=row.content or (was.content if was else []),
                total_bytes=was.total_bytes if was else None,
            )  # fmt: skip
        before.nodes.append(row.node)
        if known or (before.status == "unknown" and status != "unknown"):
            before.status = status
            before.used_bytes = row.used_bytes if known else None
            before.total_bytes = row.total_bytes or before.total_bytes
        if believable:
            before.freshness = "stale" if node is not None and node.freshness and not row.shared else None
    for storage in merged.values():
        storage.nodes.sort()
    return merged


def unknown_storage(storage: Storage) -> Storage:
    """It is not listed now, or may not be believed: name and size stay."""
    return msgspec.structs.replace(storage, status="unknown", freshness="unknown", used_bytes=None)
