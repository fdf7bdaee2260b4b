"""The house in a few lines, as a model is told of it: live data with its age, never longer than its budget.

Made from state only; kept until something other than a number changed, half a minute at most. Names come from
outside: the block is data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.assistant.llm.contract import guess_tokens
from jarvis_daemon.assistant.reasoning.said import Words, key
from jarvis_daemon.bus import Bus
from jarvis_daemon.bus.state import StateDelta
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Source, Storage
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import safe_line

BUDGET: Final = 600
KEPT_S: Final = 30.0
NAMED_MAX: Final = 8
"""Guests that the question names get a line each, so many at most."""
_TOPICS: Final = ("cluster", "incidents")


@dataclass(frozen=True)
class Block:
    """``text`` of at most the budget; ``ids`` and ``names`` of what it shows."""

    text: str
    ids: frozenset[str]
    names: frozenset[str]


class Context:
    """``block`` for a question; ``close`` ends listening."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._lines: list[tuple[str, tuple[str, ...]]] | None = None
        self._made_at = 0.0
        self._ends = [bus.state(topic).listen(self._changed) for topic in _TOPICS]
        self.made = 0
        """How often it was made anew."""

    def close(self) -> None:
        for end in self._ends:
            end()

    def block(self, question: str = "", budget: int = BUDGET) -> Block:
        """The most important lines that fit into ``budget`` tokens, by a cautious count."""
        now = self._clock.monotonic()
        if self._lines is None or now - self._made_at > KEPT_S:
            self._lines, self._made_at = list(self._make()), now
            self.made += 1
        lines = [*self._lines[:1], *self._named(question), *self._lines[1:]]
        kept, ids, left = list[str](), set[str](), budget
        for text, about in lines:
            cost = guess_tokens(text + "\n")
            if cost > left:
                text, cost = _shorter(text, left)
            if text and text not in kept:
                kept.append(text)
                ids.update(about)
                left -= cost
        return Block("\n".join(kept), frozenset(ids), frozenset(self._names(ids)))

    def _changed(self, delta: StateDelta) -> None:
        if delta.urgent:
            self._lines = None

    # --- lines, the most important first -----------------------------------------------------------------------

    def _make(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        cluster = self._bus.state("cluster")
        nodes = sorted(cluster.view("nodes", Node).values(), key=lambda node: node.name)
        guests = sorted(cluster.view("guests", Guest).values(), key=lambda guest: guest.vmid)
        yield self._head(), ()
        incidents = self._bus.state("incidents").view("incidents", Incident).values()
        yield from _incidents([one for one in incidents if one.status == "open"])
        for node in nodes[:24]:
            yield _node(node), (node.id,)
        if len(nodes) > 24:
            yield f"{len(nodes) - 24} more nodes", ()
        yield from _guests(guests)
        for storage in sorted(cluster.view("storages", Storage).values(), key=_fullness)[:12]:
            yield _storage(storage), (storage.id,)

    def _head(self) -> str:
        cluster = self._bus.state("cluster")
        parts = []
        for one in cluster.view("clusters", Cluster).values():
            quorum = {True: "has quorum", False: "HAS NO QUORUM", None: "quorum not known"}[one.quorate]
            online = f"{one.nodes_online}/{one.nodes_total} nodes online" if one.nodes_total else "nodes not known"
            simulated = ", simulated" if one.simulated else ""
            parts.append(f"cluster {clean(one.name, limit=40)}{simulated}: {quorum}, {online}")
            if one.problem:
                parts.append(f"NOT WATCHED: {safe_line(one.problem, limit=160)}")
        return f"{'; '.join(parts) or 'nothing is known of the cluster yet'}. {self._age()}"

    def _age(self) -> str:
        sources = self._bus.state("cluster").view("sources", Source).values()
        told = [source for source in sources if source.what == "resources"]
        times = [source.ok_at for source in told if source.ok_at is not None]
        if not times:
            return "Age not known."
        age = max(0.0, self._clock.now() - max(times))
        stale = any(source.freshness != "fresh" for source in told)
        return f"Seen {age:.0f} s ago{'; STALE, do not rely on it' if stale else ''}."

    def _named(self, question: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Lines of guests that the question names, however many guests there are."""
        if not question:
            return
        words = Words.of(question[:2000])
        together = {found for _, _, found in words.windows()}
        found = 0
        for guest in self._bus.state("cluster").view("guests", Guest).values():
            if key(guest.name) in together or str(guest.vmid) in together:
                yield _guest(guest), (guest.id,)
                found += 1
                if found == NAMED_MAX:
                    return

    def _names(self, ids: Iterable[str]) -> Iterator[str]:
        cluster = self._bus.state("cluster")
        for entity_id in ids:
            kind = entity_id.partition(":")[0]
            if kind == "guest" and (guest := cluster.get("guests", entity_id, Guest)) is not None:
                yield from (guest.name.casefold(), str(guest.vmid))
            elif kind == "node" and (node := cluster.get("nodes", entity_id, Node)) is not None:
                yield node.name.casefold()
            elif kind == "storage" and (storage := cluster.get("storages", entity_id, Storage)) is not None:
                yield storage.name.casefold()


def _share(part: float | None, whole: float | None) -> str:
    return f"{100 * part / whole:.0f}%" if part is not None and whole else "?"


def _node(node: Node) -> str:
    numbers = [f"cpu {node.cpu * 100:.0f}%"] if node.cpu is not None else []
    if node.memory_used_bytes is not None:
        numbers.append(f"memory {_share(node.memory_used_bytes, node.memory_total_bytes)}")
    if node.temperature_c is not None:
        numbers.append(f"{node.temperature_c:.0f} °C")
    return f"node {clean(node.name, limit=40)}: {node.status}{', ' if numbers else ''}{', '.join(numbers)}"


def _guest(guest: Guest) -> str:
    more = f", locked ({clean(guest.lock, limit=20)})" if guest.lock else ""
    if guest.freshness not in {None, "fresh"}:
        more += f", {guest.freshness}"
    kind = "template" if guest.template else {"vm": "VM", "ct": "container"}[guest.kind]
    cpu = f", cpu {guest.cpu * 100:.0f}%" if guest.cpu is not None and guest.status == "running" else ""
    where = f"{guest.status} on {clean(guest.node, limit=40)}"
    return f"{kind} {clean(guest.name, limit=40)} ({guest.vmid}): {where}{cpu}{more}"


def _guests(guests: list[Guest]) -> Iterator[tuple[str, tuple[str, ...]]]:
    states = Counter(guest.status for guest in guests if not guest.template)
    told = ", ".join(f"{many} {state}" for state, many in states.most_common())
    yield f"guests: {told or 'none known'}", ()
    idle = [guest for guest in guests if guest.status != "running" and not guest.template][:12]
    for guest in idle:
        yield _guest(guest), (guest.id,)
    rest = [guest for guest in guests if guest not in idle and not guest.template][:60]
    for at in range(0, len(rest), 10):
        some = rest[at : at + 10]
        line = ", ".join(f"{clean(g.name, limit=40)} ({g.vmid}, {g.kind}, {clean(g.node, limit=24)})" for g in some)
        yield f"running: {line}", tuple(guest.id for guest in some)


def _incidents(incidents: list[Incident]) -> Iterator[tuple[str, tuple[str, ...]]]:
    grave = {"critical": 0, "error": 1, "warning": 2, "info": 3}
    for one in sorted(incidents, key=lambda i: (grave.get(i.severity, 4), -i.opened_at))[:8]:
        text = f"incident {one.id} open: {one.severity}, {one.condition} of {clean(one.target, limit=60)}: "
        yield text + safe_line(one.title, limit=120), (one.target, f"incident:{one.id}")
    yield (f"{len(incidents)} incidents are open" if incidents else "no incident is open"), ()


def _fullness(storage: Storage) -> float:
    return -((storage.used_bytes or 0) / storage.total_bytes) if storage.total_bytes else 0.0


def _storage(storage: Storage) -> str:
    where = f" on {clean(storage.node, limit=40)}" if storage.node else ""
    used = _share(storage.used_bytes, storage.total_bytes)
    return f"storage {clean(storage.name, limit=40)}{where}: {storage.status}, {used} used"


def _shorter(text: str, left: int) -> tuple[str, int]:
    """A list loses its last names to fit; anything else is left out."""
    head, colon, names = text.partition(": ")
    if not text.startswith("running") or not colon:
        return "", 0
    items = names.split("), ")
    while items:
        items.pop()
        shorter = f"{head}: {'), '.join(items)}), …"
        if items and (cost := guess_tokens(shorter + "\n")) <= left:
            return shorter, cost
    return "", 0
