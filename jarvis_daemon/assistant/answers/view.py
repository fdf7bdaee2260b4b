"""The state as questions see it: what is known, how old it is, what may be believed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from jarvis_daemon.assistant.answers.words import safe
from jarvis_daemon.bus import Bus
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import (
    Approval,
    Autonomy,
    Cluster,
    Guest,
    Health,
    Incident,
    KillSwitchState,
    Node,
    Repair,
    Source,
    Storage,
    Task,
)

GRAVE: Final = frozenset({"error", "critical"})
RANK: Final = {"critical": 3, "error": 2, "warning": 1, "info": 0}
READING_S: Final = 300.0
"""A temperature that is older says nothing of now."""


@dataclass(frozen=True)
class View:
    """One moment of the bus's topics. ``now``: Unix seconds."""

    bus: Bus
    now: float

    # --- entities ----------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> list[Node]:
        return sorted(self.bus.state("cluster").all("nodes", Node).values(), key=lambda n: n.name.lower())

    @cached_property
    def guests(self) -> list[Guest]:
        """Without templates, by vmid."""
        found = self.bus.state("cluster").view("guests", Guest).values()
        return sorted((g for g in found if not g.template), key=lambda g: g.vmid)

    @cached_property
    def storages(self) -> list[Storage]:
        return sorted(self.bus.state("cluster").view("storages", Storage).values(), key=lambda s: s.id)

    @cached_property
    def tasks(self) -> list[Task]:
        """The newest first."""
        found = self.bus.state("tasks").view("tasks", Task).values()
        return sorted(found, key=lambda t: t.started_at, reverse=True)

    @cached_property
    def incidents(self) -> list[Incident]:
        """Open ones, the gravest first, then the newest."""
        found = self.bus.state("incidents").view("incidents", Incident).values()
        still = [i for i in found if i.status == "open"]
        return sorted(still, key=lambda i: (-RANK.get(i.severity, 0), -i.opened_at))

    @cached_property
    def repairs(self) -> list[Repair]:
        """Those that the topic holds, the newest first."""
        found = self.bus.state("incidents").view("repairs", Repair).values()
        return sorted(found, key=lambda r: r.seen_at, reverse=True)

    @property
    def cluster(self) -> Cluster | None:
        return next(iter(self.bus.state("cluster").view("clusters", Cluster).values()), None)

    @property
    def approvals(self) -> list[Approval]:
        """Those that wait, the oldest first."""
        found = self.bus.state("approvals").view("approvals", Approval).values()
        waiting = [a for a in found if a.status == "pending" and a.expires_at > self.now]
        return sorted(waiting, key=lambda a: a.asked_at)

    @property
    def kill(self) -> KillSwitchState | None:
        return self.bus.state("approvals").get("killswitch", "killswitch:main", KillSwitchState)

    @property
    def autonomy(self) -> Autonomy | None:
        return self.bus.state("approvals").get("autonomy", "autonomy:main", Autonomy)

    @property
    def health(self) -> Health | None:
        return self.bus.state("health").get("health", "health:daemon", Health)

    def node(self, ref: object) -> Node | None:
        """By id or name."""
        name = str(ref).removeprefix("node:")
        return self.bus.state("cluster").get("nodes", f"node:{name}", Node) or next(
            (n for n in self.nodes if n.name.lower() == name.lower()), None
        )

    def guest(self, ref: object) -> Guest | None:
        """By id, vmid or name; of two of one name none."""
        word = str(ref).removeprefix("guest:")
        found = self.bus.state("cluster").get("guests", f"guest:{word}", Guest)
        if found is not None:
            return found
        same = [g for g in self.guests if g.name.lower() == word.lower()]
        return same[0] if len(same) == 1 else None

    def storage(self, ref: object) -> list[Storage]:
        """By id; by name all of that name, since each node has a ``local`` of its own."""
        word = str(ref).removeprefix("storage:")
        found = self.bus.state("cluster").get("storages", f"storage:{word}", Storage)
        return [found] if found is not None else [s for s in self.storages if s.name.lower() == word.lower()]

    def name(self, target: str) -> str:
        """An entity as a person calls it."""
        kind, _, rest = target.partition(":")
        if kind == "guest" and (guest := self.guest(target)) is not None and guest.name:
            return self.called(guest)
        if kind == "storage" and "/" in rest:
            node, _, name = rest.partition("/")
            return f"{safe(name, 80)} on {safe(node, 80)}"
        if kind in {"service", "container", "disk"} and "/" in rest:
            place, _, name = rest.partition("/")
            return f"{safe(name, 80)} on {safe(place, 80)}"
        return safe(rest or target, 120)

    def called(self, guest: Guest) -> str:
        """Its name; with the vmid where two have the same."""
        name = safe(guest.name, 80)
        if not name:
            return f"guest {guest.vmid}"
        return f"{name} (vmid {guest.vmid})" if self._names[guest.name.casefold()] > 1 else name

    @cached_property
    def _names(self) -> Counter[str]:
        return Counter(g.name.casefold() for g in self.guests)

    def about(self, target: str) -> list[Incident]:
        """Open incidents of an entity, and of what lies on it."""
        return [i for i in self.incidents if self.touches(i, target)]

    def touches(self, incident: Incident, target: str) -> bool:
        if incident.target == target:
            return True
        kind, _, name = target.partition(":")
        return kind == "node" and (
            incident.target.startswith((f"service:{name}/", f"disk:{name}/", f"storage:{name}/"))
        )

    # --- age ---------------------------------------------------------------------------------------------

    @cached_property
    def blind(self) -> str:
        """Why nothing of the cluster is known now, without a full stop; empty while its rounds come in."""
        cluster = self.cluster
        if cluster is not None and cluster.problem:
            return safe(cluster.problem).rstrip(".")
        rounds = [s for s in self._sources if s.what == "resources"]
        if not rounds:
            return "it has not answered yet"
        stale = next((s for s in rounds if s.freshness != "fresh"), None)
        if stale is None:
            return ""
        since = (
            "it has never answered"
            if stale.ok_at is None
            else f"its last answer is {span(self.now - stale.ok_at)} old"
        )
        return f"{since}: {safe(stale.error).rstrip('.')}" if stale.error else since

    def fresh(self, entity: Node | Guest | Storage) -> bool:
        """Whether what is said of it may be said of now."""
        return not self.old(entity)

    def old(self, entity: Node | Guest | Storage) -> str:
        """Empty while the entity is fresh; else when it was last seen: ``last seen 3 min ago``."""
        source = self.bus.state("cluster").get("sources", entity.source, Source) if entity.source else None
        state = entity.freshness or (
            source.freshness if source is not None else "unknown" if entity.source else "fresh"
        )
        if state == "fresh":
            return ""
        told = (getattr(entity, "last_seen_at", None), source.ok_at if source is not None else None)
        seen = [at for at in told if at is not None]
        return f"last seen {span(self.now - min(seen))} ago" if seen else "never seen"

    def source_age(self, what: str) -> str:
        """Why what a source tells is not of now: empty while it is fresh."""
        found = [s for s in self._sources if s.what == what]
        if not found:
            return "not read yet"
        worst = next((s for s in found if s.freshness != "fresh"), None)
        if worst is None:
            return ""
        return "never read" if worst.ok_at is None else f"read {span(self.now - worst.ok_at)} ago"

    def temperature(self, node: Node) -> tuple[float | None, str]:
        """°C and how old, empty while the reading is of now; None where there is none."""
        if node.temperature_c is None:
            return None, ""
        at = node.temperature_at
        age = None if at is None else self.now - at
        if node.status == "online" and not self.old(node) and (age is None or age < READING_S):
            return node.temperature_c, ""
        return node.temperature_c, "of an unknown moment" if age is None else f"{span(age)} old"

    def midnight(self) -> float:
        """The last midnight, local."""
        here = time.localtime(self.now)
        return time.mktime((here.tm_year, here.tm_mon, here.tm_mday, 0, 0, 0, 0, 0, -1))

    @cached_property
    def _sources(self) -> list[Source]:
        return list(self.bus.state("cluster").all("sources", Source).values())


def gravest(incidents: Iterable[Incident]) -> bool:
    """Whether one of them leaves no room for wit."""
    return any(i.severity in GRAVE for i in incidents)
