"""Nodes: membership first, then the row of the cluster's resources, then what the node told itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from jarvis_daemon.cluster.remembered import Remembered
from jarvis_daemon.cluster.shapes import Member, NodeRow, NodeStatusReply, StatusReply
from jarvis_daemon.cluster.ssh_reading import Reading
from jarvis_daemon.protocol.state import Node, NodeStatus


def steady(old: float | None, new: float | None) -> float | None:
    """A start time reckoned from an uptime, without the jitter of PVE's own rhythm of ten seconds.

    An uptime that is told late makes the start look later than it was, never earlier.
    """
    if old is None or new is None:
        return new
    return old if old - 5.0 <= new <= old + 20.0 else new


@dataclass(slots=True)
class NodeMerger:
    """``entities`` by id. ``mute``: names of nodes that leave their own calls unanswered."""

    cluster: str
    source: str
    entities: dict[str, Node]
    members: dict[str, Member]
    ha: dict[str, str]
    mute: frozenset[str]

    def __init__(self, cluster: str, source: str) -> None:
        self.cluster, self.source = cluster, source
        self.entities, self.members, self.ha, self.mute = {}, {}, {}, frozenset()

    def restore(self, r: Remembered) -> None:
        self.entities[r.id] = Node(
            id=r.id, cluster=self.cluster, name=r.name, source=self.source, freshness="unknown", ip=r.ip,
            cpu_count=int(r.cpu_count) if r.cpu_count else None, cpu_model=r.cpu_model,
            memory_total_bytes=r.memory_total_bytes, rootfs_total_bytes=r.disk_total_bytes,
        )  # fmt: skip

    def merge_status(self, reply: StatusReply) -> None:
        self.members = {member.name: member for member in reply.members}

    def merge_rows(self, rows: Iterable[NodeRow], now: float) -> None:
        """All nodes of one poll; who is in no reply any more has left the cluster."""
        merged: dict[str, Node] = {}
        for row in rows:
            node = self._merge(row, self.entities.get(f"node:{row.name}"), now)
            merged[node.id] = node
        for name, member in self.members.items():  # a member without a row: known by name only
            if f"node:{name}" not in merged:
                row = NodeRow(name=name, status=_status(member, "unknown"))
                merged[f"node:{name}"] = self._merge(row, self.entities.get(f"node:{name}"), now)
        self.entities = merged

    def merge_detail(self, name: str, reply: NodeStatusReply, now: float) -> None:
        """What the node told of itself. Fields that the rows of the cluster carry stay with those rows."""
        node = self.entities.get(f"node:{name}")
        if node is None:
            return
        known: dict[str, Any] = {
            "cpu_model": reply.cpu_model, "iowait": reply.iowait, "loadavg": reply.loadavg,
            "memory_available_bytes": reply.memory_available_bytes, "swap_used_bytes": reply.swap_used_bytes,
            "swap_total_bytes": reply.swap_total_bytes, "kernel": reply.kernel, "pve_version": reply.pve_version,
            "rootfs_available_bytes": reply.rootfs_available_bytes,
        }  # fmt: skip
        if not node.stats_visible:  # the cluster's rows hide them, or the node has only just booted
            known |= {
                "cpu": reply.cpu, "cpu_count": reply.cpu_count, "memory_used_bytes": reply.memory_used_bytes,
                "memory_total_bytes": reply.memory_total_bytes, "rootfs_used_bytes": reply.rootfs_used_bytes,
                "rootfs_total_bytes": reply.rootfs_total_bytes,
                "started_at": steady(node.started_at, now - reply.uptime_s if reply.uptime_s else None),
            }  # fmt: skip
        self.change(name, **known)

    def merge_reading(self, name: str, reading: Reading, now: float) -> None:
        temperatures = reading.temperatures
        if temperatures is None:
            self.change(name, temperature_c=None, temperatures={}, temperature_at=None)
        else:
            self.change(
                name, temperature_c=temperatures.cpu_c, temperatures=temperatures.by_label, temperature_at=now
            )

    def change(self, name: str, **fields: Any) -> None:
        """Set fields of one node that is online: an answer that comes after its death tells of the past."""
        node = self.entities.get(f"node:{name}")
        if node is not None and node.status == "online":
            self.entities[node.id] = msgspec.structs.replace(node, **fields)

    def forget_detail(self, name: str) -> None:
        """The node has not told of itself for too long."""
        self.change(
            name, iowait=None, loadavg=None, memory_available_bytes=None, swap_used_bytes=None,
            rootfs_available_bytes=None,
        )  # fmt: skip

    def forget_reading(self, name: str) -> None:
        """No reading by SSH for too long: a temperature of then is none of now."""
        self.change(name, temperature_c=None, temperatures={}, temperature_at=None)

    def lose_sight(self) -> None:
        self.entities = {key: _dark(node, "unknown", "unknown") for key, node in self.entities.items()}

    def _merge(self, row: NodeRow, old: Node | None, now: float) -> Node:
        member = self.members.get(row.name)
        status = _status(member, row.status)
        node = msgspec.structs.replace(old) if old is not None else Node(id=f"node:{row.name}", name=row.name)
        node.cluster, node.source = self.cluster, self.source
        if member is not None:
            node.ip, node.local = member.ip or node.ip, member.local
        node.ha_state = row.ha_state or self.ha.get(row.name)
        if status != "online":
            return _dark(node, status, "unknown" if status == "unknown" else None)
        node.status, node.last_seen_at = status, now
        node.freshness = "stale" if row.name in self.mute else None
        node.stats_visible = row.stats_visible
        if row.stats_visible:
            node.cpu, node.memory_used_bytes = row.cpu, row.memory_used_bytes
            node.rootfs_used_bytes = row.rootfs_used_bytes
            node.cpu_count = row.cpu_count or node.cpu_count
            node.memory_total_bytes = row.memory_total_bytes or node.memory_total_bytes
            node.rootfs_total_bytes = row.rootfs_total_bytes or node.rootfs_total_bytes
            node.started_at = steady(node.started_at, now - row.uptime_s if row.uptime_s else None)
        elif old is None or old.stats_visible:  # hidden from now on: old numbers would be a lie
            node.cpu = node.memory_used_bytes = node.rootfs_used_bytes = node.started_at = None
        return node


def _status(member: Member | None, row: NodeStatus) -> NodeStatus:
    """Corosync's word where there is one: the rows follow it by some seconds."""
    if member is not None and member.online is not None:
        return "online" if member.online else "offline"
    if member is not None and member.local:
        return "online"
    return row


def _dark(node: Node, status: NodeStatus, freshness: Any) -> Node:
    """A node that is not online: names and sizes stay, numbers are not known."""
    return msgspec.structs.replace(
        node, status=status, freshness=freshness, local=False, cpu=None, iowait=None, loadavg=None,
        memory_used_bytes=None, memory_available_bytes=None, swap_used_bytes=None, rootfs_used_bytes=None,
        rootfs_available_bytes=None, started_at=None, temperature_c=None, temperatures={}, temperature_at=None,
        clock_skew_s=None,
    )  # fmt: skip
