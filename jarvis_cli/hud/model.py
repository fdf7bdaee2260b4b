"""What panels draw. Fed by the link's mirror and events; knows what changed; ages by the daemon's clock.

Lists are worked out once after a change, not once a panel. Nothing here knows of widgets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from jarvis_cli.hud.rings import Rings
from jarvis_cli.hud.states import ASCII, SEVERITY_ORDER, UNICODE, Entity, State, guest_state, node_state
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import UNKNOWN_AFTER_S, Level, assess, entity_freshness, source_freshness
from jarvis_daemon.protocol.mirror import Mirror

T = TypeVar("T")
TOPICS: Final = ("cluster", "tasks", "incidents", "health", "approvals", "feed")
TOPIC_OF: Final = {
    "tasks": "tasks", "incidents": "incidents", "silences": "incidents", "repairs": "incidents", "health": "health",
    "approvals": "approvals", "killswitch": "approvals", "autonomy": "approvals",
}  # fmt: skip
"""Collection -> topic, of all that are not in ``cluster``."""
NODES_AT_A_GLANCE: Final = 6
FLASH_S: Final = 1.5
"""How long a change of state is shown on the bar."""


class Clock(Protocol):
    """The part of a clock that durations need."""

    def monotonic(self) -> float: ...


class Source(Protocol):
    """What the model needs of a link; ``protocol.client.Link`` is one."""

    mirror: Mirror
    events: dict[str, deque[dict[str, Any]]]
    status: Any
    status_since: float
    welcome: dict[str, Any]
    latency_s: float | None
    error: JarvisError | None

    @property
    def clock(self) -> Clock: ...

    def now(self) -> float: ...


class Counts(dict[str, int]):
    """Guests by word of state; what is not there is zero."""

    def __missing__(self, key: str) -> int:
        return 0


class Model:
    """The picture of one moment."""

    def __init__(self, source: Source, *, ascii_only: bool = False, simulated: bool = False) -> None:
        self.source = source
        self.ascii_only = ascii_only
        self._simulated = simulated
        self.glyphs = ASCII if ascii_only else UNICODE
        self.rings = Rings()
        self._memo: dict[str, Any] = {}
        self._words: dict[str, str] = {}
        self._changed_at: dict[str, float] = {}
        self._ages: tuple[str, ...] = ()

    # --- being fed -----------------------------------------------------------------------------------------

    def touch(self, topic: str) -> None:
        """State or events of ``topic`` changed: forget what was worked out, note new states, feed the rings."""
        self._memo.clear()
        if topic == "cluster":
            self._note_changes()
            self._feed_rings()

    def tick(self) -> bool:
        """A second passed. True when a source became stale or fresh by that, so that everything may differ."""
        ages = tuple(source_freshness(source, self.now()) for source in self.collection("sources").values())
        if ages == self._ages:
            return False
        self._ages = ages
        self._memo.clear()
        return True

    def _note_changes(self) -> None:
        now = self.now()
        words = {entity_id: str(guest.get("status")) for entity_id, guest in self.collection("guests").items()}
        words |= {entity_id: str(node.get("status")) for entity_id, node in self.collection("nodes").items()}
        if self._words and words != self._words:
            for entity_id, word in words.items():
                if self._words.get(entity_id, word) != word:
                    self._changed_at[entity_id] = now
        self._words = words

    def _feed_rings(self) -> None:
        now = self.now()
        for entity_id, node in self.collection("nodes").items():
            online = node.get("status") == "online"
            total, used = node.get("memory_total_bytes"), node.get("memory_used_bytes")
            self.rings.add(entity_id, "cpu", now, node.get("cpu") if online else None)
            self.rings.add(
                entity_id, "memory", now, used / total if online and total and used is not None else None
            )
            self.rings.add(entity_id, "temperature", now, self.temperature(node) if online else None)

    # --- time and link -------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.source.now()

    @property
    def simulated(self) -> bool:
        told = self.source.welcome.get("simulated")
        return self._simulated or bool(told) or bool((self.cluster() or {}).get("simulated"))

    @property
    def linked(self) -> bool:
        return bool(self.source.status == "up")

    def flashing(self, entity_id: str) -> bool:
        changed = self._changed_at.get(entity_id)
        return changed is not None and self.now() - changed < FLASH_S

    def data_age(self) -> tuple[float | None, str]:
        """Seconds since the cluster as a whole was last read, and the freshness of that."""
        sources = self.collection("sources").values()
        main = [s for s in sources if s.get("what") in {"resources", "status"}] or list(sources)
        if not main:
            return None, "unknown"
        newest = min(main, key=lambda source: source.get("ok_at") or 0.0)  # as old as its oldest half
        if newest.get("ok_at") is None:
            return None, "unknown"
        return self.now() - newest["ok_at"], source_freshness(newest, self.now())

    # --- state ---------------------------------------------------------------------------------------------

    def collection(self, name: str) -> dict[str, Entity]:
        return self.source.mirror.state.get(TOPIC_OF.get(name, "cluster"), {}).get(name, {})

    def cluster(self) -> Entity | None:
        return next(iter(self.collection("clusters").values()), None)

    def freshness(self, entity: Entity) -> str:
        return entity_freshness(entity, self.source.mirror.state.get("cluster", {}), self.now())

    def age(self, entity: Entity) -> float | None:
        """Seconds since the entity's source last told of it."""
        source = self.collection("sources").get(entity.get("source") or "")
        return None if not source or source.get("ok_at") is None else self.now() - source["ok_at"]

    def temperature(self, node: Entity) -> float | None:
        """°C, while the reading is young enough to be believed."""
        at = node.get("temperature_at")
        old = at is not None and self.now() - at > UNKNOWN_AFTER_S
        found: float | None = None if old else node.get("temperature_c")
        return found

    def nodes(self) -> list[Entity]:
        return self._cached("nodes", lambda: sorted(self.collection("nodes").values(), key=self._place))

    def _place(self, node: Entity) -> tuple[bool, tuple[str, str]]:
        """By name; where there are more nodes than a panel shows, what is ill comes first."""
        many = len(self.collection("nodes")) > NODES_AT_A_GLANCE
        return many and node.get("status") == "online" and node["id"] not in self._ill(), _by_name(node)

    def _ill(self) -> set[str]:
        return {str(incident.get("target")) for incident in self.incidents()}

    def guests(self) -> list[Entity]:
        return self._cached("guests", lambda: sorted(self.collection("guests").values(), key=_by_vmid))

    def storages(self) -> list[Entity]:
        return self._cached("storages", lambda: sorted(self.collection("storages").values(), key=_by_place))

    def tasks(self) -> list[Entity]:
        """Running ones first, then the newest."""
        return self._cached("tasks", lambda: sorted(self.collection("tasks").values(), key=_by_recency))

    def incidents(self) -> list[Entity]:
        """Open ones, the gravest first."""
        found = self.collection("incidents").values()
        return self._cached(
            "incidents", lambda: sorted((i for i in found if i.get("status") == "open"), key=_by_gravity)
        )

    def approvals(self) -> list[Entity]:
        """What waits for the operator, the one that expires first first, then what was answered lately."""
        return self._cached("approvals", lambda: sorted(self.collection("approvals").values(), key=_by_urgency))

    def pending(self) -> list[Entity]:
        """Approvals that wait for an answer."""
        return [approval for approval in self.approvals() if approval.get("status") == "pending"]

    def killswitch(self) -> Entity | None:
        """The kill switch as last told; None before the daemon has told."""
        return next(iter(self.collection("killswitch").values()), None)

    def autonomy(self) -> Entity | None:
        """The autonomy level; None of a daemon that repairs nothing, and before it has told."""
        return next(iter(self.collection("autonomy").values()), None)

    def repairs_of(self, incident_id: str) -> list[Entity]:
        """The stories of an incident, oldest first."""
        found: dict[str, list[Entity]] = self._cached("repairs", self._repairs_by_incident)
        return found.get(incident_id, [])

    def _repairs_by_incident(self) -> dict[str, list[Entity]]:
        out: dict[str, list[Entity]] = {}
        for repair in sorted(self.collection("repairs").values(), key=lambda r: float(r.get("seen_at") or 0.0)):
            out.setdefault(str(repair.get("incident")), []).append(repair)
        return out

    def feed(self) -> list[dict[str, Any]]:
        """Events, newest first."""
        return self._cached("feed", lambda: list(reversed(self.source.events.get("feed", ()))))

    def level(self) -> tuple[Level, list[str]]:
        found: tuple[Level, list[str]] = self._cached(
            "level", lambda: assess(self.source.mirror.merged("cluster", "incidents", "health"), self.now())
        )
        return found

    def incident_of(self, entity_id: str) -> Entity | None:
        by_target: dict[str, Entity] = self._cached(
            "by_target", lambda: {i["target"]: i for i in reversed(self.incidents()) if i.get("target")}
        )
        return by_target.get(entity_id)

    def node_state(self, node: Entity) -> State:
        return node_state(node, self.freshness(node), self.now(), self.incident_of(node["id"]))

    def guest_state(self, guest: Entity) -> State:
        return guest_state(guest, self.freshness(guest))

    def guest_counts(self) -> Counts:
        return self._cached("counts", self._count_guests)

    def guests_on(self, node_name: str) -> Counts:
        by_node: dict[str, Counts] = self._cached("by_node", self._count_by_node)
        return by_node.get(node_name) or Counts()

    def find_guest(self, name: str) -> Entity | None:
        """By vmid, id or name."""
        return next((g for g in self.guests() if name in {str(g.get("vmid")), g.get("name"), g.get("id")}), None)

    def _count_guests(self) -> Counts:
        counts = Counts()
        for by_node in self._cached("by_node", self._count_by_node).values():
            for word, number in by_node.items():
                counts[word] += number
        return counts

    def _count_by_node(self) -> dict[str, Counts]:
        out: dict[str, Counts] = {}
        state, now = self.source.mirror.state.get("cluster", {}), self.now()
        known: dict[tuple[str | None, str | None], str] = {}
        for guest in self.guests():
            key = (guest.get("source"), guest.get("freshness"))
            fresh = known.get(key)
            if fresh is None:
                fresh = known[key] = entity_freshness(guest, state, now)
            counts = out.setdefault(str(guest.get("node")), Counts())
            counts[guest_state(guest, fresh).word] += 1
            counts["all"] += 1
        return out

    def _cached(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._memo:
            self._memo[name] = make()
        found: T = self._memo[name]
        return found


def _by_name(node: Entity) -> tuple[str, str]:
    return str(node.get("name")).casefold(), str(node.get("id"))


def _by_vmid(guest: Entity) -> tuple[int, str]:
    return int(guest.get("vmid") or 0), str(guest.get("id"))


def _by_place(storage: Entity) -> tuple[bool, str, str]:
    return not storage.get("shared"), str(storage.get("name")).casefold(), str(storage.get("node"))


def _by_recency(task: Entity) -> tuple[bool, float]:
    return task.get("status") != "running", -float(task.get("ended_at") or task.get("started_at") or 0.0)


def _by_gravity(incident: Entity) -> tuple[int, float]:
    return SEVERITY_ORDER.get(str(incident.get("severity")), 9), -float(incident.get("opened_at") or 0.0)


def _by_urgency(approval: Entity) -> tuple[bool, float]:
    if approval.get("status") == "pending":
        return False, float(approval.get("expires_at") or 0.0)
    return True, -float(approval.get("answered_at") or 0.0)
