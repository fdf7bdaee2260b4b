"""What guardrails and runbooks look at: one frozen picture, made of protocol structs from the topics.

Nothing in here asks anybody anything. ``Facts`` is taken once a round; a ``Case`` adds the one incident, its target
and its runbook. ``lookup`` is what a dotted path in a runbook means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Silence, Source, Storage, Task
from jarvis_daemon.remediation.runbook import Kept, Runbook

Opinion = Literal["agrees", "disagrees", "none"]
UNKNOWN: Final = msgspec.UNSET
"""What ``lookup`` answers for a fact that is not known."""


@dataclass(frozen=True)
class SecondLook:
    """What another endpoint says of the cluster and of one target. ``at``: monotonic."""

    opinion: Opinion
    at: float
    why: str = ""


@dataclass(frozen=True)
class Limits:
    """The bounds in numbers; ``settings.RemediationSettings`` can only tighten them."""

    attempts: int = 3
    cool_down_factor: float = 1.0
    acts_per_hour: int = 6
    acts_per_day: int = 20
    guests_at_once: int = 2
    nodes_at_once: int = 1
    nodes_unreachable: int = 2
    """With so many nodes unreachable nothing is done."""
    ha_patience_s: float = 180.0
    person_quiet_s: float = 600.0
    flapping_openings: int = 3
    flapping_window_s: float = 3600.0
    fresh_s: float = 60.0
    """The target's facts may be so old."""
    second_look_s: float = 30.0
    """A second endpoint's word is good for so long."""


@dataclass(frozen=True)
class Facts:
    """The cluster as it is known at one moment. ``now`` is wall time, ``mono`` monotonic."""

    now: float
    mono: float
    cluster: Cluster
    nodes: Mapping[str, Node] = field(default_factory=dict)
    guests: Mapping[str, Guest] = field(default_factory=dict)
    storages: Mapping[str, Storage] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    """Open ones."""
    silences: Mapping[str, Silence] = field(default_factory=dict)
    killed: bool = False
    kill_reason: str = ""
    protected: tuple[str, ...] = ()
    """As in the settings: ids, names, vmids, ``tag:NAME``."""
    runs_on: str = ""
    """The node or guest that carries Jarvis."""
    in_window: bool = False
    """Within a configured backup window."""
    our_user: str = ""
    """The id of our token, ``USER@REALM!NAME``: tasks of others are a person's, or HA's."""
    orders: Mapping[str, float] = field(default_factory=dict)
    """Guest id -> its place in the boot order of PVE, where that is known."""
    limits: Limits = field(default_factory=Limits)

    @property
    def endpoints_reachable(self) -> int:
        return (self.cluster.endpoints_total or 0) - len(self.cluster.endpoints_failed)


@dataclass(frozen=True)
class Past:
    """What was done before, as far as it concerns one case. Ages in seconds of the monotonic clock."""

    age_s: float = 0.0
    """Since the fault was first seen."""
    attempts: int = 0
    """At this incident, or at this fault of this target within a day, whichever is more."""
    last_act_age_s: float | None = None
    """Since the last attempt at this fault ended."""
    openings: int = 0
    """How often this fault of this target opened within the flapping window, this time included."""
    acts_hour: int = 0
    acts_day: int = 0
    running_guests: int = 0
    running_nodes: int = 0
    running_here: bool = False
    """A repair of this very target is under way."""


@dataclass(frozen=True)
class Case:
    """One incident, its runbook and its target; what a guardrail judges."""

    facts: Facts
    incident: Incident
    kept: Kept
    past: Past = field(default_factory=Past)
    second: SecondLook | None = None
    by_hand: bool = False
    """A person runs it: attempts, cool-down, flapping and the counts do not bind; the rest does."""

    @property
    def runbook(self) -> Runbook:
        return self.kept.runbook

    @property
    def guest(self) -> Guest | None:
        """The guest that the target is, or that it lies on (a container's host). Two of one name are neither."""
        found = self.facts.guests.get(self.incident.target)
        if found is None and (name := self._host()) is not None:
            named = [g for g in self.facts.guests.values() if name in {g.name, str(g.vmid)}]
            found = named[0] if len(named) == 1 else None
        return found

    @property
    def node(self) -> Node | None:
        """The node that the target is, or lies on."""
        if (found := self.facts.nodes.get(self.incident.target)) is not None:
            return found
        guest = self.guest
        name = guest.node if guest else self.incident.evidence.get("node") or self._host()
        return self.facts.nodes.get(f"node:{name}")

    @property
    def storage(self) -> Storage | None:
        return self.facts.storages.get(self.incident.target)

    @property
    def name(self) -> str:
        """The target as a person calls it."""
        if (guest := self.facts.guests.get(self.incident.target)) is not None:
            return guest.name or guest.id
        return self.incident.target.partition(":")[2] or self.incident.target

    def _host(self) -> str | None:
        """Of ``service:Home/smbd`` and ``container:management/grafana``: the machine."""
        kind, _, rest = self.incident.target.partition(":")
        return rest.partition("/")[0] if kind in {"service", "container"} else None


def lookup(case: Case, path: str) -> Any:
    """A fact by its dotted path, or ``UNKNOWN``.

    ``incident.*`` (and ``incident.age_s``), ``guest.*``, ``node.*``, ``storage.*``, ``cluster.*``, ``target.id``,
    ``target.name``, ``target.kind`` and ``target.unit`` (what stands behind the slash of ``service:`` and
    ``container:``). ``None`` in a struct means that it is not known.
    """
    head, _, rest = path.partition(".")
    found: Any
    if head == "target":
        kind, _, name = case.incident.target.partition(":")
        own = {"id": case.incident.target, "name": case.name, "kind": kind, "host": name.partition("/")[0]}
        if "/" in name:
            own["unit"] = name.partition("/")[2]
        return own.get(rest, UNKNOWN)
    if path == "incident.age_s":
        return case.past.age_s
    roots: dict[str, Any] = {
        "incident": case.incident, "guest": case.guest, "node": case.node, "storage": case.storage,
        "cluster": case.facts.cluster,
    }  # fmt: skip
    found = roots.get(head)
    for part in rest.split(".") if rest else []:
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, msgspec.Struct) and part in found.__struct_fields__:
            found = getattr(found, part)
        else:
            found = None
        if found is None:
            return UNKNOWN
    return UNKNOWN if found is None or not rest else found
