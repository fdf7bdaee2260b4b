"""``/cluster/resources``: every node, guest and storage in one reply."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    Row,
    drop,
    flag,
    integer,
    name,
    number,
    parts,
    rows,
    size,
    text,
)
from jarvis_daemon.protocol.state import GuestKind, GuestStatus, NodeStatus

_GUEST_STATUS: Final[dict[str, GuestStatus]] = {
    "running": "running",
    "stopped": "stopped",
    "paused": "paused",
    "suspended": "suspended",
}
_NODE_STATUS: Final[dict[str, NodeStatus]] = {"online": "online", "offline": "offline"}
_STORAGE_STATUS: Final[dict[str, Literal["available", "inactive"]]] = {
    "available": "available",
    "active": "available",
    "inactive": "inactive",
    "disabled": "inactive",
}


class NodeRow(msgspec.Struct, kw_only=True, gc=False):
    """A node as the cluster sees it. Sizes in bytes, ``cpu`` a share 0..1; None is not known."""

    name: str
    status: NodeStatus = "unknown"
    stats_visible: bool = False
    """False when the row has no numbers: offline, just booted, or no Sys.Audit (the three look alike)."""
    cpu: float | None = None
    cpu_count: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    rootfs_used_bytes: int | None = None
    rootfs_total_bytes: int | None = None
    uptime_s: int | None = None
    ha_state: str | None = None
    """PVE 9: ``online`` ``maintenance`` ``unknown`` ``fence`` ``gone``, or what comes later."""


class GuestRow(msgspec.Struct, kw_only=True):
    """A VM or container as its node last told; whether to believe it depends on that node."""

    vmid: int
    kind: GuestKind
    node: str
    name: str | None = None
    """None once PVE has forgotten it (300 s after its node died)."""
    status: GuestStatus = "unknown"
    template: bool = False
    lock: str | None = None
    ha_state: str | None = None
    tags: list[str] = []
    pool: str | None = None
    cpu: float | None = None
    cpu_count: float | None = None
    memory_used_bytes: int | None = None
    """May exceed the total on a running VM; kept as it came."""
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    """None for every VM (PVE always sends 0) and for a container that is not mounted."""
    disk_total_bytes: int | None = None
    net_in_bytes: int | None = None
    net_out_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    uptime_s: int | None = None
    """None when it does not run."""


class StorageRow(msgspec.Struct, kw_only=True):
    """A storage on one node: a shared one comes once per node, the same each time."""

    name: str
    node: str
    type: str = ""
    shared: bool = False
    content: list[str] = []
    """Sorted: PVE sends it in any order."""
    status: Literal["available", "unknown", "inactive"] = "unknown"
    used_bytes: int | None = None
    total_bytes: int | None = None


class Resources(msgspec.Struct, kw_only=True):
    """What ``/cluster/resources`` told."""

    nodes: list[NodeRow]
    guests: list[GuestRow]
    storages: list[StorageRow]
    pools: list[str]
    ignored: dict[str, int]
    """Rows of types that we do not show (``sdn`` ``network`` …), by type."""
    dropped: dict[str, int]
    """Rows that could not be read, by reason."""


def parse_resources(data: Any) -> Resources:
    """Raises ``cluster_unreachable`` when ``data`` is no list; single bad rows are dropped and counted."""
    nodes: list[NodeRow] = []
    guests: list[GuestRow] = []
    storages: list[StorageRow] = []
    pools: list[str] = []
    ignored: Counter[str] = Counter()
    dropped: Dropped = Counter()
    for row in rows(data, "the cluster's resources", dropped):
        kind = row.get("type")
        if kind in ("qemu", "lxc"):
            _add(guests, _guest(row, "vm" if kind == "qemu" else "ct", dropped))
        elif kind == "storage":
            _add(storages, _storage(row, dropped))
        elif kind == "node":
            _add(nodes, _node(row, dropped))
        elif kind == "pool":
            _add(pools, _pool(row, dropped))
        else:
            ignored[text(kind) or "without a type"] += 1
    return Resources(
        nodes=nodes, guests=guests, storages=storages, pools=pools, ignored=dict(ignored), dropped=dict(dropped)
    )


def _add(to: list[Any], found: Any) -> None:
    if found is not None:
        to.append(found)


def _pool(row: Row, dropped: Dropped) -> str | None:
    pool = name(row.get("pool"))
    if pool is None:
        drop(dropped, "pool without a name")
    return pool


def _node(row: Row, dropped: Dropped) -> NodeRow | None:
    node = name(row.get("node"))
    if node is None:
        drop(dropped, "node without a name")
        return None
    return NodeRow(
        name=node,
        status=_NODE_STATUS.get(str(row.get("status")), "unknown"),
        stats_visible=size(row.get("maxmem")) is not None or size(row.get("maxcpu")) is not None,
        cpu=number(row.get("cpu")),
        cpu_count=size(row.get("maxcpu")),
        memory_used_bytes=integer(row.get("mem")),
        memory_total_bytes=size(row.get("maxmem")),
        rootfs_used_bytes=integer(row.get("disk")),
        rootfs_total_bytes=size(row.get("maxdisk")),
        uptime_s=size(row.get("uptime")),
        ha_state=name(row.get("hastate")),
    )


def _guest(row: Row, kind: GuestKind, dropped: Dropped) -> GuestRow | None:
    vmid, node = integer(row.get("vmid")), name(row.get("node"))
    if vmid is None or vmid <= 0:
        drop(dropped, "guest without a vmid")
        return None
    if node is None:
        drop(dropped, "guest without a node")
        return None
    get = row.get
    status = _GUEST_STATUS.get(str(get("status")), "unknown")
    return GuestRow(
        vmid=vmid,
        kind=kind,
        node=node,
        name=text(get("name")),
        status=status,
        template=flag(get("template")),
        lock=name(get("lock")),
        ha_state=name(get("hastate")),
        tags=parts(get("tags"), ";"),
        pool=name(get("pool")),
        cpu=number(get("cpu")),
        cpu_count=_count(get("maxcpu")),
        memory_used_bytes=integer(get("mem")),
        memory_total_bytes=size(get("maxmem")),
        disk_used_bytes=container_disk(kind, status, get("disk")),
        disk_total_bytes=size(get("maxdisk")),
        net_in_bytes=integer(get("netin")),
        net_out_bytes=integer(get("netout")),
        disk_read_bytes=integer(get("diskread")),
        disk_write_bytes=integer(get("diskwrite")),
        uptime_s=size(get("uptime")),
    )


def _count(value: Any) -> float | None:
    """Cores of a guest: a container may have a part of one."""
    found = number(value)
    return found if found is not None and found > 0 else None


def container_disk(kind: GuestKind, status: GuestStatus, disk: Any) -> int | None:
    """Bytes in use; PVE knows them for a mounted container only and sends 0 for all others."""
    if kind == "vm":
        return None
    return integer(disk) if status == "running" else size(disk)


def _storage(row: Row, dropped: Dropped) -> StorageRow | None:
    storage, node = name(row.get("storage")), name(row.get("node"))
    if storage is None:
        drop(dropped, "storage without a name")
        return None
    if node is None:
        drop(dropped, "storage without a node")
        return None
    total = size(row.get("maxdisk"))
    return StorageRow(
        name=storage,
        node=node,
        type=name(row.get("plugintype")) or "",
        shared=flag(row.get("shared")),
        content=sorted(parts(row.get("content"), ",")),
        status=_STORAGE_STATUS.get(str(row.get("status")), "unknown"),
        used_bytes=None if total is None else integer(row.get("disk")),
        total_bytes=total,
    )
