"""The state of the cluster: what the last replies told, merged with what was known before.

The inventory believes node status first: a guest of a node that is not online is *unknown*, whatever PVE still
says of it (it says "running" for up to five minutes). What is missing from a reply is kept as unknown until
it is certain that it is gone and not merely hidden: its node is online, and the token may see it.
No clock, no network, no store in here: replies and moments come in, entities go out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jarvis_daemon.cluster.conditions import Stop
from jarvis_daemon.cluster.conditions.picture import source_id
from jarvis_daemon.cluster.merge_guests import GuestMerger
from jarvis_daemon.cluster.merge_nodes import NodeMerger
from jarvis_daemon.cluster.merge_storages import merge_storages, unknown_storage
from jarvis_daemon.cluster.remembered import Remembered, of_guest, of_node, of_storage
from jarvis_daemon.cluster.shapes import (
    Certificate,
    HaReply,
    NodeStatusReply,
    Permissions,
    Resources,
    StatusReply,
    api_certificate,
)  # fmt: skip
from jarvis_daemon.cluster.ssh_reading import Reading
from jarvis_daemon.protocol.state import Guest, Storage

GONE_AFTER_POLLS: Final = 2
"""Good polls in a row that a guest or storage has to be missing from."""


@dataclass(slots=True)
class Missing:
    """Since when something is missing from good replies."""

    since_at: float
    polls: int = 1


@dataclass(slots=True)
class Merged:
    """What one poll changed."""

    stops: list[Stop] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    suspicious: bool = False
    """Something is missing: permissions should be read again."""


class Inventory:
    """Entities by id, rebuilt poll by poll. Structs are never changed in place, so they may be handed out."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.source = source_id(cluster, "resources")
        self.nodes = NodeMerger(cluster, self.source)
        self.guests = GuestMerger(cluster, self.source)
        self.storages: dict[str, Storage] = {}
        self.permissions: tuple[Permissions, float] | None = None
        """What the token may see, and when that was read."""
        self._missing: dict[str, Missing] = {}
        self._remembered: dict[str, Remembered] = {}
        self._dirty: set[str] = set()

    # --- what comes in -------------------------------------------------------------------------------

    def restore(self, remembered: Iterable[Remembered], polled_at: float | None) -> None:
        """Before the first poll: last-known names, everything unknown."""
        for r in remembered:
            self._remembered[r.id] = r
            if r.what == "node":
                self.nodes.restore(r)
            elif r.what == "guest":
                self.guests.restore(r, polled_at)
            else:
                self.storages[r.id] = unknown_storage(Storage(
                    id=r.id, cluster=self.cluster, name=r.name, node=r.node, source=self.source, type=r.type,
                    shared=r.shared, total_bytes=r.disk_total_bytes,
                ))  # fmt: skip

    def merge_status(self, reply: StatusReply) -> None:
        """Membership; to be merged before the resources of the same poll."""
        self.nodes.merge_status(reply)

    def merge_resources(self, reply: Resources, now: float) -> Merged:
        """One poll of ``/cluster/resources``; ``now`` in Unix seconds."""
        merged = Merged()
        known_nodes = set(self.nodes.entities)
        self.nodes.merge_rows(reply.nodes, now)
        for gone in known_nodes - set(self.nodes.entities):
            merged.gone.append(gone)
        merged.stops = self.guests.merge(reply.guests, self.nodes.entities, now)
        fresh = merge_storages(reply.storages, self.storages, self.nodes.entities, self.cluster, self.source)
        self._settle_missing(merged, fresh, now)
        self.storages = fresh
        return merged

    def merge_node(self, name: str, reply: NodeStatusReply, now: float) -> None:
        self.nodes.merge_detail(name, reply, now)

    def merge_ha(self, reply: HaReply) -> None:
        """States that rows of PVE 8 and before do not carry."""
        self.nodes.ha = dict(reply.nodes)
        self.guests.ha = dict(reply.guests)

    def merge_reading(self, name: str, reading: Reading, now: float) -> None:
        """Temperatures by SSH."""
        self.nodes.merge_reading(name, reading, now)

    def merge_skew(self, name: str, skew_s: float | None) -> None:
        self.nodes.change(name, clock_skew_s=None if skew_s is None else round(skew_s, 1))

    def merge_certificates(self, name: str, certificates: list[Certificate]) -> None:
        api = api_certificate(certificates)
        self.nodes.change(name, certificate_expires_at=api.expires_at if api else None)

    def merge_permissions(self, permissions: Permissions, now: float) -> None:
        self.permissions = (permissions, now)

    def mark_mute(self, names: frozenset[str]) -> None:
        """These nodes are online but do not answer: what is known of them and of their guests ages."""
        self.nodes.mute = names
        self.guests.mute = names

    def lose_sight(self) -> None:
        """Nothing was heard for so long that nothing may be believed any more."""
        self.nodes.lose_sight()
        self.guests.lose_sight()
        self.storages = {key: unknown_storage(s) for key, s in self.storages.items()}

    def forget(self, entity_id: str) -> None:
        """A task destroyed it: it need not be looked for."""
        self.guests.drop(entity_id)
        self._missing.pop(entity_id, None)

    # --- what goes out -------------------------------------------------------------------------------

    def changed_memories(self) -> tuple[list[Remembered], list[str]]:
        """What has to be written to the store since the last call: changed entities and ids that are gone."""
        now: dict[str, Remembered] = {n.id: of_node(n) for n in self.nodes.entities.values()}
        now |= {s.id: of_storage(s) for s in self.storages.values()}
        changed = [r for key, r in now.items() if self._remembered.get(key) != r]
        for key in self.guests.take_changed():
            guest = self.guests.entities.get(key)
            if guest is not None:
                r = of_guest(guest, self.guests.believed_status(key))
                if self._remembered.get(key) != r:
                    changed.append(r)
        gone = [key for key in self._remembered if key not in now and key not in self.guests.entities]
        for key in gone:
            del self._remembered[key]
        self._remembered |= {r.id: r for r in changed}
        return changed, gone

    def forget_saved(self) -> None:
        """The store failed: everything is to be written again."""
        self._remembered.clear()
        self.guests.all_changed()

    # --- missing from a reply ------------------------------------------------------------------------

    def _settle_missing(self, merged: Merged, storages: dict[str, Storage], now: float) -> None:
        missing: dict[str, Guest | Storage] = {g.id: g for g in self.guests.unseen()}
        missing |= {key: s for key, s in self.storages.items() if key not in storages}
        for key in [key for key in self._missing if key not in missing]:
            del self._missing[key]
        for key, entity in missing.items():
            seen = self._missing.get(key)
            if seen is None:
                self._missing[key] = seen = Missing(now)
            else:
                seen.polls += 1
            if seen.polls >= GONE_AFTER_POLLS and self._certainly_gone(entity, seen):
                merged.gone.append(key)
                self.guests.drop(key)
                del self._missing[key]
                continue
            merged.suspicious = merged.suspicious or seen.polls <= GONE_AFTER_POLLS
            if isinstance(entity, Storage):
                storages[key] = unknown_storage(entity)
            else:
                self.guests.hide(entity)

    def _certainly_gone(self, entity: Guest | Storage, seen: Missing) -> bool:
        node = self.nodes.entities.get(f"node:{entity.node}") if entity.node else None
        if node is not None and node.status != "online":
            return False
        if self.permissions is None or self.permissions[1] < seen.since_at:
            return False
        held = self.permissions[0]
        if isinstance(entity, Storage):
            return held.has("Datastore.Audit", f"/storage/{entity.name}")
        return held.has("VM.Audit", f"/vms/{entity.vmid}")
