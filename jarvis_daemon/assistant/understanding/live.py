"""The index of names follows the topics of the bus, entity by entity.

What changed is noted at once and entered before the next sentence: to who says nothing it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from jarvis_daemon.assistant.understanding.names import Entry, Names, phrases
from jarvis_daemon.bus import Bus
from jarvis_daemon.bus.state import StateDelta
from jarvis_daemon.protocol.state import Guest, Incident, Node, Silence, Storage
from jarvis_daemon.protocol.text import clean

_NAMING: Final = {
    "guests": frozenset({"name", "vmid", "kind", "node"}), "nodes": frozenset({"name"}),
    "storages": frozenset({"name", "node"}), "incidents": frozenset({"status", "target"}),
    "silences": frozenset({"target"}), "people": frozenset({"name"}),
}  # fmt: skip
"""Collection -> the fields that change what something is called."""
_LISTS: Final = {
    "guests": "guest", "nodes": "node", "storages": "storage", "incidents": "incident", "silences": "silence",
    "people": "person",
}  # fmt: skip


_AFTER: Final = {"service": ("service",), "docker": ("container", "docker container")}
"""What people put between a name and its node: "the smbd service on pve"."""


class Live:
    """``services``: node -> units; ``docker``: (host, container) of all that are known; ``runbooks``: name ->
    condition. The last two are asked again and again, so they may change."""

    def __init__(
        self, bus: Bus, *, services: Mapping[str, Sequence[str]],
        docker: Callable[[], Iterable[tuple[str, str]]], runbooks: Callable[[], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._names = Names()
        self._noted: dict[tuple[str, str], None] = {}
        self._bus, self._docker, self._runbooks = bus, docker, runbooks
        self._docker_known: tuple[tuple[str, str], ...] = ()
        self._runbooks_known: dict[str, str] = {}
        self._ends: list[Callable[[], None]] = []
        for topic in ("cluster", "incidents", "presence"):
            state = bus.state(topic)
            for collection in state.plain.keys() & _LISTS.keys():
                self._noted.update(((collection, entity_id), None) for entity_id in state.plain[collection])
            self._ends.append(state.listen(self._hear))
        for node, units in services.items():
            for unit in units:
                self._put_on_node("service", f"service:{node}/{unit}", unit, "unit", node)

    def stop(self) -> None:
        """Hear of no more changes."""
        while self._ends:
            self._ends.pop()()

    @property
    def names(self) -> Names:
        """As everything is now."""
        for collection, entity_id in self._noted:
            self._changed(collection, entity_id)
        self._noted.clear()
        self._ask()
        return self._names

    def _ask(self) -> None:
        """What is no state of the bus: entered only when it changed."""
        docker = tuple(self._docker())
        if docker != self._docker_known:
            for gone in set(self._docker_known) - set(docker):
                self._names.drop("docker", f"docker:{gone[0]}/{gone[1]}")
            for host, name in docker:
                self._put_on_node("docker", f"docker:{host}/{name}", name, "name", host)
            self._docker_known = docker
        runbooks = dict(self._runbooks())
        if runbooks != self._runbooks_known:
            self._enter("runbook", runbooks, self._runbooks_known)
            self._enter("condition", runbooks.values(), self._runbooks_known.values())
            self._runbooks_known = runbooks

    def _enter(self, of: str, now: Iterable[str], before: Iterable[str]) -> None:
        for gone in set(before) - set(now):
            self._names.drop(of, gone)
        for name in set(now):
            self._names.put(Entry(of, name, name, {"name": name}), phrases(name))

    def _hear(self, delta: StateDelta) -> None:
        for path in delta.delete:
            collection, _, entity_id = path.partition("/")
            if collection in _LISTS:
                self._noted[collection, entity_id] = None
        for path, fields in delta.set.items():
            collection, _, entity_id = path.partition("/")
            if collection in _LISTS and not _NAMING[collection].isdisjoint(fields):
                self._noted[collection, entity_id] = None

    def _changed(self, collection: str, entity_id: str) -> None:
        self._names.drop(_LISTS[collection], entity_id)
        if collection == "guests":
            self._guest(entity_id)
        elif collection == "nodes":
            node = self._bus.state("cluster").get("nodes", entity_id, Node)
            if node is not None:
                entry = Entry("node", entity_id, node.name, {"name": node.name, "id": entity_id})
                self._names.put(entry, phrases(node.name, "node"), shown=node.name)
        elif collection == "storages":
            storage = self._bus.state("cluster").get("storages", entity_id, Storage)
            if storage is not None:
                self._put_on_node("storage", entity_id, storage.name, "name", storage.node or "")
        elif collection == "incidents":
            self._incident(entity_id)
        elif collection == "silences":
            silence = self._bus.state("incidents").get("silences", entity_id, Silence)
            if silence is not None:
                entry = Entry("silence", entity_id, f"silence {entity_id}", {"number": entity_id})
                self._names.put(entry, self._name_phrases(silence.target))
        elif collection == "people":
            self._person(entity_id)

    def _person(self, entity_id: str) -> None:
        person = self._bus.state("presence").plain["people"].get(entity_id)
        if person is None:
            return
        name = clean(str(person.get("name", "")), limit=80)
        self._names.put(
            Entry("person", entity_id, name, {"name": name, "id": entity_id}), phrases(name), shown=name
        )

    def _guest(self, entity_id: str) -> None:
        guest = self._bus.state("cluster").get("guests", entity_id, Guest)
        if guest is None:
            return
        name = clean(guest.name, limit=80)
        what = "VM" if guest.kind == "vm" else "container"
        parts = {
            "vmid": str(guest.vmid), "id": entity_id, "name": name, "kind": guest.kind, "node": guest.node,
        }  # fmt: skip
        entry = Entry("guest", entity_id, f"{guest.vmid}, a {what} on {guest.node}", parts)
        named = phrases(name)
        self._names.put(entry, [*named, str(guest.vmid)], shown=name if named else "")

    def _incident(self, entity_id: str) -> None:
        incident = self._bus.state("incidents").get("incidents", entity_id, Incident)
        if incident is None or incident.status != "open":
            return
        entry = Entry("incident", entity_id, f"incident {entity_id}", {"number": entity_id})
        self._names.put(entry, self._name_phrases(incident.target))

    def _name_phrases(self, target: str) -> list[str]:
        """By which an incident or a silence is found: the name of what it is about."""
        kind, _, rest = target.partition(":")
        if kind == "guest":
            guest = self._bus.state("cluster").get("guests", target, Guest)
            return phrases(guest.name) if guest is not None else []
        if kind in {"storage", "service", "docker"} and "/" in rest:
            node, _, name = rest.partition("/")
            return [*phrases(name, kind), *_on(phrases(name, kind), node)]
        return phrases(rest, kind) if kind in {"node", "storage"} else []

    def _put_on_node(self, of: str, entity_id: str, name: str, part: str, node: str) -> None:
        label = f"{name} on {node}" if node else name
        said = phrases(name, of)
        said += [f"{one} {word}" for one in said for word in _AFTER.get(of, ())]
        entry = Entry(of, entity_id, label, {part: name, "id": entity_id, "node": node})
        self._names.put(entry, [*said, *(_on(said, node) if node else ())], shown=name)


def _on(said: Iterable[str], node: str) -> list[str]:
    return [f"{one} {word} {place}" for one in said for place in phrases(node)[:2] for word in ("on", "of")]
