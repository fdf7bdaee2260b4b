"""Everything that the conditions may look at: one consistent picture of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jarvis_daemon.cluster.shapes import BackupJob, DiskRow, ReplicationJob
from jarvis_daemon.protocol.state import Cluster, Guest, Node, Source, Storage, Task


@dataclass(frozen=True, slots=True)
class Stop:
    """A guest that ran when it was last seen, and is stopped now. Unix seconds."""

    guest: str
    last_running_at: float
    seen_at: float
    memory_share: float | None = None
    """Of its memory in use when it last ran, 0..1."""


@dataclass(frozen=True, slots=True)
class Muteness:
    """A node that does not answer its own calls."""

    failures: int
    since_at: float
    error: str


@dataclass(frozen=True, slots=True)
class Backups:
    """What is known of backups: the jobs, and the last good one of each guest (vmid -> Unix seconds)."""

    jobs: list[BackupJob]
    last: dict[int, float]


@dataclass(frozen=True, slots=True)
class IllContainer:
    """A Docker container that is not well; ``since_at``: when that was first read, Unix seconds."""

    name: str
    health: str
    """``unhealthy``, ``restarting`` again and again, or ``starting`` after it was ill: not checked yet."""
    status: str
    """Docker's own words."""
    since_at: float


@dataclass(slots=True)
class Picture:
    """``fresh`` names the sources that may be believed now, judged by the monotonic clock."""

    now: float
    mono: float
    cluster: Cluster
    nodes: Mapping[str, Node] = field(default_factory=dict)
    guests: Mapping[str, Guest] = field(default_factory=dict)
    storages: Mapping[str, Storage] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    stops: list[Stop] = field(default_factory=list)
    """Guests seen to stop since the last picture."""
    mute: Mapping[str, Muteness] = field(default_factory=dict)
    """Node name -> why its own calls fail."""
    endpoints_untrusted: frozenset[str] = frozenset()
    """Endpoints that showed another certificate than the pinned one."""
    endpoints_next: Mapping[str, str] = field(default_factory=dict)
    """Endpoint that fails -> what to do about it."""
    endpoint_nodes: Mapping[str, str] = field(default_factory=dict)
    """Endpoint -> name of the node that answers there."""
    units: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Node name -> systemd unit -> ``active`` ``inactive`` ``failed`` …"""
    backups: Backups | None = None
    replications: Mapping[str, list[ReplicationJob]] | None = None
    """Node -> the jobs that it is the source of; a node whose list was not read yet has an empty one."""
    containers: Mapping[str, list[IllContainer]] = field(default_factory=dict)
    """Docker host of the settings -> its containers that are not well; empty for one that was not read yet."""
    disks: Mapping[str, list[DiskRow]] = field(default_factory=dict)
    """Node name -> its disks, as last read."""
    tasks_since_at: float | None = None
    """The list of tasks reaches back to here, Unix seconds."""
    in_window: bool = False
    """Within a configured backup window."""

    def source(self, what: str, target: str | None = None) -> Source | None:
        """A source by what it tells and of which node."""
        return self.sources.get(source_id(self.cluster.name, what, target))

    def is_fresh(self, what: str, target: str | None = None) -> bool:
        return source_id(self.cluster.name, what, target) in self.fresh

    def name_of(self, guest_id: str) -> str:
        """A guest as a person calls it."""
        guest = self.guests.get(guest_id)
        return (guest.name if guest else "") or guest_id


def source_id(cluster: str, what: str, target: str | None = None) -> str:
    """``source:homelab/resources``, ``source:homelab/node/pve``."""
    return f"source:{cluster}/{what}/{target}" if target else f"source:{cluster}/{what}"
