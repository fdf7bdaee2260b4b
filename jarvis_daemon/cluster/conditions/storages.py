"""Storages and root file systems that fill up."""

from __future__ import annotations

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.protocol.state import Node, Severity, Storage
from jarvis_daemon.settings import ConditionSettings

GIB = 1 << 30
SAME_SIZE = 0.01


def storages(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Judged where the size is known now; a root file system only where no storage lies on it."""
    if not picture.is_fresh("resources"):
        return
    found.cover("storage-high")
    for storage in picture.storages.values():
        used, total = storage.used_bytes, storage.total_bytes
        if storage.status != "available" or storage.freshness is not None or used is None or not total:
            found.skip("storage-high", storage.id)
        else:
            where = f"{storage.name} on {storage.node}" if storage.node else storage.name
            _judge(found, settings, storage, where, used, total)
    for node in picture.nodes.values():
        total, free = node.rootfs_total_bytes, node.rootfs_available_bytes
        known = node.status == "online" and node.freshness is None and picture.is_fresh("node", node.name)
        if not known or not total or free is None:
            found.skip("storage-high", node.id)
        elif not _is_storage_too(picture, node, total):
            _judge(found, settings, node, f"The root file system of {node.name}", total - free, total)


def _judge(
    found: Round, settings: ConditionSettings, of: Storage | Node, where: str, used: int, total: int
) -> None:
    steps: list[tuple[float, Severity]] = [
        (settings.storage_warning_pct, "error"), (settings.storage_critical_pct, "critical"),
    ]  # fmt: skip
    percent = 100 * used / total
    severity = found.level(("storage-high", of.id), percent, steps, settings.hysteresis_pct)
    if severity is not None:
        node = of.name if isinstance(of, Node) else of.node
        found.report(
            "storage-high", of.id, severity, f"{where} is nearly full",
            f"{percent:.0f} % in use, {(total - used) / GIB:.1f} of {total / GIB:.0f} GiB left.",
            evidence={"percent": round(percent, 1), "used_bytes": used, "total_bytes": total, "node": node},
            settled=f"{where} has room again",
        )  # fmt: skip


def _is_storage_too(picture: Picture, node: Node, total: int) -> bool:
    """A directory storage on the root file system has its size: one fault, one incident."""
    return any(
        s.node == node.name and s.total_bytes and abs(s.total_bytes - total) <= SAME_SIZE * total
        for s in picture.storages.values()
    )
