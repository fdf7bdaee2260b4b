"""A state topic: entities by collection and id, told to listeners as deltas.

Entities are kept twice: as structs for rooms, as plain dicts for the wire. A delta holds changed fields only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, cast

import msgspec

from jarvis_daemon.protocol.messages import DELTA_RING
from jarvis_daemon.protocol.state import COLLECTIONS, Entity

E = TypeVar("E", bound=Entity)
Plain = dict[str, dict[str, dict[str, Any]]]


@dataclass
class StateDelta:
    """What one change did. ``urgent`` is False when only numbers changed (``METRICS`` of the struct)."""

    topic: str
    seq: int
    set: dict[str, dict[str, Any]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    urgent: bool = False
    frame: bytes | None = None
    """The encoded notification, kept by the first session that sends this delta unmerged."""


class StateTopic:
    """One topic. ``plain`` is the wire's form of the whole state; it is never replaced, only changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seq = 0
        self.plain: Plain = {c: {} for c, (topic, _) in COLLECTIONS.items() if topic == name}
        self._structs: dict[str, dict[str, Entity]] = {c: {} for c in self.plain}
        self._ring: deque[StateDelta] = deque(maxlen=DELTA_RING)
        self._listeners: list[Callable[[StateDelta], None]] = []
        self.settled = asyncio.Event()
        """Set by the room that owns the topic once its first picture is there."""

    def get(self, collection: str, entity_id: str, kind: type[E]) -> E | None:
        """The struct of one entity, or None."""
        found = self._structs[collection].get(entity_id)
        return found if isinstance(found, kind) else None

    def all(self, collection: str, kind: type[E]) -> dict[str, E]:
        """The structs of a collection by id; a copy of the mapping, the structs are shared: do not change them."""
        return {key: entity for key, entity in self._structs[collection].items() if isinstance(entity, kind)}

    def view(self, collection: str, kind: type[E]) -> Mapping[str, E]:
        """The structs of a collection by id, read-only and live: for who looks at few of many."""
        return MappingProxyType(cast("dict[str, E]", self._structs[collection]))

    def apply(self, changes: Mapping[str, Mapping[str, Entity]]) -> StateDelta | None:
        """Set entities, ``{collection: {id: struct}}``; what is not named stays. None when nothing changed."""
        return self._commit(changes, [])

    def replace(self, changes: Mapping[str, Mapping[str, Entity]]) -> StateDelta | None:
        """As ``apply``, and entities that are missing from a named collection are removed."""
        gone = [
            f"{collection}/{entity_id}"
            for collection, entities in changes.items()
            for entity_id in self._structs[collection]
            if entity_id not in entities
        ]
        return self._commit(changes, gone)

    def remove(self, collection: str, *entity_ids: str) -> StateDelta | None:
        """Remove entities; unknown ids are ignored."""
        known = [f"{collection}/{key}" for key in entity_ids if key in self._structs[collection]]
        return self._commit({}, known)

    def since(self, seq: int) -> list[StateDelta] | None:
        """The deltas after ``seq``, or None when the ring no longer reaches back so far."""
        if seq == self.seq:
            return []
        if seq > self.seq or not self._ring or self._ring[0].seq > seq + 1:
            return None
        return [delta for delta in self._ring if delta.seq > seq]

    def listen(self, callback: Callable[[StateDelta], None]) -> Callable[[], None]:
        """Call ``callback`` for each delta, at once and in the loop; returns what ends it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def _commit(self, changes: Mapping[str, Mapping[str, Entity]], gone: list[str]) -> StateDelta | None:
        delta = StateDelta(self.name, self.seq + 1, delete=gone, urgent=bool(gone))
        for path in gone:
            collection, _, entity_id = path.partition("/")
            del self._structs[collection][entity_id]
            del self.plain[collection][entity_id]
        for collection, entities in changes.items():
            self._set(delta, collection, entities)
        if not delta.set and not delta.delete:
            return None
        self.seq = delta.seq
        self._ring.append(delta)
        for listener in tuple(self._listeners):
            listener(delta)
        return delta

    def _set(self, delta: StateDelta, collection: str, entities: Mapping[str, Entity]) -> None:
        structs, plain = self._structs[collection], self.plain[collection]
        for entity_id, entity in entities.items():
            old = structs.get(entity_id)
            if old == entity:
                continue
            new_plain: dict[str, Any] = msgspec.to_builtins(entity)
            old_plain = plain.get(entity_id)
            structs[entity_id] = entity
            if old_plain is None:
                changed = new_plain
                delta.urgent = True
            else:
                changed = {key: value for key, value in new_plain.items() if old_plain.get(key) != value}
                if not delta.urgent and not changed.keys() <= entity.METRICS:
                    delta.urgent = True
            plain[entity_id] = new_plain
            if changed:
                delta.set[f"{collection}/{entity_id}"] = changed
