"""Guests: thousands of rows a poll, so this is the one place that counts microseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from jarvis_daemon.cluster.conditions import Stop
from jarvis_daemon.cluster.merge_nodes import steady
from jarvis_daemon.cluster.remembered import Remembered
from jarvis_daemon.cluster.shapes import GuestRow
from jarvis_daemon.protocol.state import Freshness, Guest, GuestStatus, Node


@dataclass(slots=True)
class Believed:
    """The last status that could be believed. ``memory_share`` 0..1 at that moment."""

    status: GuestStatus
    at: float
    memory_share: float | None = None


class GuestMerger:
    """``entities`` by id; ``believed`` by id, also while a guest is unknown."""

    def __init__(self, cluster: str, source: str) -> None:
        self.cluster, self.source = cluster, source
        self.entities: dict[str, Guest] = {}
        self.ha: dict[int, str] = {}
        self.mute: frozenset[str] = frozenset()
        self._believed: dict[str, Believed] = {}
        self._rows: dict[str, GuestRow] = {}
        self._changed: set[str] = set()
        self._seen: set[str] = set()
        self._context: dict[str, tuple[bool, bool]] = {}
        self._ids: dict[int, str] = {}

    def restore(self, r: Remembered, polled_at: float | None) -> None:
        guest = Guest(
            id=r.id, cluster=self.cluster, vmid=int(r.id.partition(":")[2]), name=r.name, kind=r.kind,
            node=r.node or "", source=self.source, freshness="unknown", template=r.template, tags=r.tags,
            pool=r.pool, cpu_count=r.cpu_count, memory_total_bytes=r.memory_total_bytes,
            disk_total_bytes=r.disk_total_bytes,
        )  # fmt: skip
        self.entities[r.id] = guest
        if polled_at is not None and r.status != "unknown":
            self._believed[r.id] = Believed(r.status, polled_at)

    def merge(self, rows: Iterable[GuestRow], nodes: Mapping[str, Node], now: float) -> list[Stop]:
        """One poll. Answers the guests that were running when last believed, and are stopped now."""
        online = {n.name: (n.status == "online", n.name in self.mute) for n in nodes.values()}
        stops: list[Stop] = []
        seen: set[str] = set()
        same_context = online == self._context
        for row in rows:
            key = self._ids.get(row.vmid) or self._ids.setdefault(row.vmid, f"guest:{row.vmid}")
            if key in seen:  # a migration under way: PVE may list both ends for a moment
                continue
            seen.add(key)
            old = self.entities.get(key)
            if old is not None and old.kind != row.kind:  # its number was given to another guest
                self.drop(key)
                old = None
            believable, mute = online.get(row.node, (False, False))
            believable = believable and row.status != "unknown"
            if believable:
                stop = self._believe(key, row, now)
                if stop is not None:
                    stops.append(stop)
            unchanged = old is not None and same_context and self._rows.get(key) == row
            if unchanged and old is not None and old.ha_state == (row.ha_state or self.ha.get(row.vmid)):
                continue
            self._rows[key] = row
            self.entities[key] = self._merged(key, row, old, believable, mute, now)
        self._seen, self._context = seen, online
        return stops

    def unseen(self) -> list[Guest]:
        """Guests that the last poll did not list."""
        return [guest for key, guest in self.entities.items() if key not in self._seen]

    def hide(self, guest: Guest) -> None:
        """It is not listed any more, and may be there: unknown."""
        self._rows.pop(guest.id, None)
        if guest.status != "unknown" or guest.freshness != "unknown":
            self.entities[guest.id] = self._dark(guest)

    def drop(self, key: str) -> None:
        """It is gone; who comes with the same number later is another, and has not stopped."""
        for table in (self.entities, self._believed, self._rows):
            table.pop(key, None)

    def lose_sight(self) -> None:
        self._rows.clear()
        self.entities = {key: self._dark(guest) for key, guest in self.entities.items()}

    def believed_status(self, key: str) -> GuestStatus:
        believed = self._believed.get(key)
        return believed.status if believed else "unknown"

    def take_changed(self) -> set[str]:
        """Ids whose lasting part may have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def all_changed(self) -> None:
        self._changed = set(self.entities)

    def _believe(self, key: str, row: GuestRow, now: float) -> Stop | None:
        share = None
        if row.memory_used_bytes is not None and row.memory_total_bytes and row.status == "running":
            share = row.memory_used_bytes / row.memory_total_bytes
        believed = self._believed.get(key)
        if believed is None:
            self._believed[key] = Believed(row.status, now, share)
            self._changed.add(key)
            return None
        stop = None
        if believed.status != row.status:
            self._changed.add(key)
            if row.status == "stopped" and believed.status == "running" and not row.template:
                stop = Stop(key, believed.at, now, believed.memory_share)
        believed.status, believed.at, believed.memory_share = row.status, now, share
        return stop

    def _merged(
        self, key: str, row: GuestRow, old: Guest | None, believable: bool, mute: bool, now: float
    ) -> Guest:
        name = row.name or (old.name if old is not None else "")
        if old is None or _lasting(old) != (
            name,
            row.node,
            row.template,
            row.memory_total_bytes,
            row.tags,
            row.pool,
        ):
            self._changed.add(key)
        if not believable:
            return self._unknown(key, row, old, name)
        runs = row.status != "stopped"
        freshness: Freshness | None = "stale" if mute else None
        started = now - row.uptime_s if row.uptime_s else None
        return Guest(
            id=key, cluster=self.cluster, vmid=row.vmid, name=name, kind=row.kind, node=row.node,
            source=self.source, freshness=freshness, status=row.status, template=row.template, lock=row.lock,
            ha_state=row.ha_state or self.ha.get(row.vmid), tags=row.tags, pool=row.pool,
            cpu=row.cpu if runs else None, cpu_count=row.cpu_count,
            memory_used_bytes=row.memory_used_bytes if runs else None, memory_total_bytes=row.memory_total_bytes,
            disk_used_bytes=row.disk_used_bytes, disk_total_bytes=row.disk_total_bytes,
            net_in_bytes=row.net_in_bytes if runs else None, net_out_bytes=row.net_out_bytes if runs else None,
            disk_read_bytes=row.disk_read_bytes if runs else None,
            disk_write_bytes=row.disk_write_bytes if runs else None,
            started_at=steady(old.started_at if old is not None else None, started), last_seen_at=now,
        )  # fmt: skip

    def _unknown(self, key: str, row: GuestRow, old: Guest | None, name: str) -> Guest:
        """PVE still tells of it, or has forgotten all but its number; neither is to be believed."""
        guest = old if old is not None else Guest(id=key, cluster=self.cluster, vmid=row.vmid)
        keep = old is not None and row.name is None
        return self._dark(msgspec.structs.replace(
            guest, name=name, kind=row.kind, node=row.node, source=self.source,
            template=row.template or (keep and guest.template), tags=guest.tags if keep else row.tags,
            pool=row.pool or guest.pool, cpu_count=row.cpu_count or guest.cpu_count,
            memory_total_bytes=row.memory_total_bytes or guest.memory_total_bytes,
            disk_total_bytes=row.disk_total_bytes or guest.disk_total_bytes,
            ha_state=row.ha_state or self.ha.get(row.vmid),
        ))  # fmt: skip

    def _dark(self, guest: Guest) -> Guest:
        """A guest of which nothing may be believed now: name and sizes stay, and when it was last seen."""
        believed = self._believed.get(guest.id)
        return msgspec.structs.replace(
            guest, status="unknown", freshness="unknown", lock=None, cpu=None, memory_used_bytes=None,
            disk_used_bytes=None, net_in_bytes=None, net_out_bytes=None, disk_read_bytes=None,
            disk_write_bytes=None, started_at=None, last_seen_at=believed.at if believed else guest.last_seen_at,
        )  # fmt: skip


def _lasting(guest: Guest) -> tuple[str, str, bool, int | None, list[str], str | None]:
    return guest.name, guest.node, guest.template, guest.memory_total_bytes, guest.tags, guest.pool
