"""The state that travels: one struct a kind of entity.

Conventions, the same on the wire and in the store:

* ids: ``node:pve``, ``guest:104``, ``storage:pve/local``, ``storage:externalhdd`` (shared),
  ``source:homelab/nodes/pve``; a task's id is its UPID; an incident's its number as text
* times: float Unix seconds, names end in ``_at``; uptime travels as ``started_at``
* ``None`` is "not known", never zero
* ``source`` names the entry of ``sources`` that tells the entity's age; ``freshness`` is set on an
  entity only where it deviates from that of its source (a guest on a dead node)
* ``METRICS`` of a struct names its fields that are mere numbers: ``max_hz`` may delay those and no other

Topics and their collections:

========== ================================================================
topic      collections (id -> entity)
========== ================================================================
cluster    clusters, nodes, guests, storages, sources
tasks      tasks
incidents  incidents, silences, repairs
services   services
health     health
clients    clients
approvals  approvals, killswitch, autonomy
presence   people               (later)
voice      voice                (later)
========== ================================================================
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

import msgspec

Freshness = Literal["fresh", "stale", "unknown"]
NodeStatus = Literal["online", "offline", "unknown"]
GuestStatus = Literal["running", "stopped", "paused", "suspended", "unknown"]
GuestKind = Literal["vm", "ct"]
TaskStatus = Literal["running", "ok", "warnings", "failed", "unknown"]
Severity = Literal["info", "warning", "error", "critical"]

STATE_TOPICS: Final = (
    "cluster", "tasks", "incidents", "approvals", "presence", "services", "health", "clients", "voice",
)  # fmt: skip
EVENT_TOPICS: Final = ("feed", "chat")


class Entity(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What every entity of a state topic has."""

    METRICS: ClassVar[frozenset[str]] = frozenset()

    id: str
    cluster: str = ""


class Cluster(Entity):
    """One Proxmox cluster, or one standalone node (``standalone``: no quorum to lose)."""

    METRICS = frozenset()

    name: str = ""
    standalone: bool = False
    simulated: bool = False
    quorate: bool | None = None
    votes_expected: int | None = None
    quorum_needed: int | None = None
    nodes_online: int | None = None
    nodes_total: int | None = None
    pve_version: str | None = None
    endpoint: str | None = None
    """The endpoint that answered last, as ``https://host:port``."""
    endpoints_total: int | None = None
    """How many endpoints are configured."""
    endpoints_failed: dict[str, str] = msgspec.field(default_factory=dict)
    """Endpoints that do not answer now, each with one sentence."""
    missing_privileges: list[str] = msgspec.field(default_factory=list)
    """Privileges the token lacks, as ``VM.Audit on /vms``: what they hide is unknown, not absent."""
    problem: str | None = None
    """One sentence when the cluster as a whole cannot be watched (bad token, changed certificate)."""
    problem_next: str | None = None
    """What to do about the problem: a command, mostly."""


class Source(Entity):
    """One thing that is asked at a rhythm: the age of all that it tells."""

    METRICS = frozenset({"polled_at", "ok_at", "duration_s"})

    what: str = ""
    """``resources`` ``status`` ``tasks`` ``ha`` ``node`` ``sensors`` ``permissions`` ``backups`` …"""
    target: str | None = None
    interval_s: float = 10.0
    stale_after_s: float = 60.0
    polled_at: float | None = None
    ok_at: float | None = None
    duration_s: float | None = None
    freshness: Freshness = "unknown"
    error: str | None = None
    """One sentence, None while the last poll succeeded."""


class Node(Entity):
    """A Proxmox node. Sizes in bytes, shares 0..1, temperatures in °C."""

    METRICS = frozenset({
        "cpu", "iowait", "loadavg", "memory_used_bytes", "memory_available_bytes", "swap_used_bytes",
        "rootfs_used_bytes", "rootfs_available_bytes", "temperature_c", "temperatures", "temperature_at",
        "last_seen_at", "clock_skew_s",
    })  # fmt: skip

    name: str = ""
    source: str | None = None
    freshness: Freshness | None = None
    status: NodeStatus = "unknown"
    stats_visible: bool = True
    """False: the token lacks Sys.Audit, so numbers are hidden; the node is not offline for that."""
    ip: str | None = None
    local: bool = False
    """True for the node that answered the last poll."""
    cpu: float | None = None
    cpu_count: int | None = None
    cpu_model: str | None = None
    iowait: float | None = None
    loadavg: list[float] | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    swap_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    rootfs_used_bytes: int | None = None
    rootfs_total_bytes: int | None = None
    rootfs_available_bytes: int | None = None
    started_at: float | None = None
    kernel: str | None = None
    pve_version: str | None = None
    ha_state: str | None = None
    temperature_c: float | None = None
    """The CPU's temperature by the rules of ``cluster/sensors.py``; None when no sensor tells it."""
    temperatures: dict[str, float] = msgspec.field(default_factory=dict)
    temperature_at: float | None = None
    last_seen_at: float | None = None
    """When the cluster last called this node online."""
    clock_skew_s: float | None = None
    certificate_expires_at: float | None = None


class Guest(Entity):
    """A VM or container. ``status`` is what may be believed: unknown while its node is not online."""

    METRICS = frozenset({
        "cpu", "memory_used_bytes", "disk_used_bytes", "net_in_bytes", "net_out_bytes",
        "disk_read_bytes", "disk_write_bytes", "last_seen_at",
    })  # fmt: skip

    vmid: int = 0
    name: str = ""
    kind: GuestKind = "vm"
    node: str = ""
    source: str | None = None
    freshness: Freshness | None = None
    status: GuestStatus = "unknown"
    template: bool = False
    lock: str | None = None
    ha_state: str | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    pool: str | None = None
    cpu: float | None = None
    cpu_count: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    """Always None for a VM: PVE does not know it, and 0 would be a lie."""
    disk_total_bytes: int | None = None
    net_in_bytes: int | None = None
    net_out_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    started_at: float | None = None
    last_seen_at: float | None = None
    """When the guest was last seen with a status that may be believed."""


class Storage(Entity):
    """A storage; a shared one appears once, without ``node``."""

    METRICS = frozenset({"used_bytes", "total_bytes"})

    name: str = ""
    node: str | None = None
    nodes: list[str] = msgspec.field(default_factory=list)
    source: str | None = None
    freshness: Freshness | None = None
    type: str = ""
    shared: bool = False
    content: list[str] = msgspec.field(default_factory=list)
    status: Literal["available", "unknown", "inactive"] = "unknown"
    used_bytes: int | None = None
    total_bytes: int | None = None


class Task(Entity):
    """A PVE task; ``id`` is the UPID."""

    METRICS = frozenset({"progress"})

    node: str = ""
    type: str = ""
    target: str = ""
    """What the task is about as PVE writes it: a vmid, a service, or empty."""
    user: str = ""
    started_at: float = 0.0
    ended_at: float | None = None
    status: TaskStatus = "unknown"
    exit_text: str | None = None
    progress: float | None = None


class Incident(Entity):
    """One fault of one target, from its second observation to its end."""

    METRICS = frozenset({"updated_at", "evidence"})

    condition: str = ""
    """``node-unreachable`` ``guest-crashed`` ``storage-high`` …: the name runbooks and silences use."""
    target: str = ""
    """Entity id of what is ill."""
    severity: Severity = "warning"
    title: str = ""
    detail: str = ""
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
    status: Literal["open", "closed"] = "open"
    observed_at: float = 0.0
    opened_at: float = 0.0
    updated_at: float = 0.0
    announced_at: float | None = None
    closed_at: float | None = None
    close_reason: str | None = None
    acked_at: float | None = None
    acked_by: str | None = None
    silenced_until: float | None = None


class Silence(Entity):
    """A silence or maintenance window: matching incidents are kept but not announced."""

    condition: str = "*"
    target: str = "*"
    reason: str = ""
    by: str = ""
    starts_at: float = 0.0
    ends_at: float = 0.0
    maintenance: bool = False


CheckVerdict = Literal["pass", "hold", "ask", "refuse"]
"""pass: nothing against it; hold: later, by itself; ask: with a person's word; refuse: not while this is so."""


class Check(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What one guardrail, or one precondition of a runbook, says, in one sentence."""

    guardrail: str = ""
    verdict: CheckVerdict = "pass"
    text: str = ""


class RepairStep(msgspec.Struct, kw_only=True, omit_defaults=False):
    """One step of a runbook as it went: a tool call through the gate."""

    tool: str = ""
    text: str = ""
    outcome: str = ""
    """As of the gate; empty while it runs."""
    call_id: str = ""
    began_at: float = 0.0
    ended_at: float | None = None
    result: dict[str, Any] = msgspec.field(default_factory=dict)
    """Of a read: the evidence, cut to what a person reads. Text from outside."""


RepairStatus = Literal[
    "holding", "refused", "recommended", "asking", "acting", "verifying", "repaired", "failed", "escalated",
    "reported", "cancelled", "over",
]  # fmt: skip
"""holding, refused, recommended: judged again while the incident is open; asking: a step waits for the operator;
acting, verifying: under way. The others are ends: repaired (two fresh samples), failed (tried again after its
cool-down), escalated (handed to a person), reported (evidence gathered, nothing to repair), cancelled (kill switch,
or the operator), over (the fault went away before anything was done)."""


class Repair(Entity):
    """One story: what was seen, decided, done and verified; or why nothing was done. Times are Unix seconds."""

    METRICS = frozenset({"samples"})

    incident: str = ""
    """Number of the incident; empty where a guest was left alone without one."""
    condition: str = ""
    target: str = ""
    target_name: str = ""
    runbook: str = ""
    level: int = 2
    """The autonomy level that held for it."""
    by: str = "watchman"
    """``watchman``, or the operator who ran the runbook by hand."""
    attempt: int = 0
    """Counted once something was done; 0 before."""
    status: RepairStatus = "holding"
    severity: Severity = "warning"
    seen: str = ""
    seen_at: float = 0.0
    decided: str = ""
    decided_at: float | None = None
    checks: list[Check] = msgspec.field(default_factory=list)
    """The guardrails' verdicts at the decision."""
    steps: list[RepairStep] = msgspec.field(default_factory=list)
    samples: list[float] = msgspec.field(default_factory=list)
    """When fresh facts showed it mended."""
    next_at: float | None = None
    """When it is tried again, where that is known."""
    approval_id: str | None = None
    ended_at: float | None = None
    text: str = ""
    """The whole of it in a sentence or two."""


class Autonomy(Entity):
    """How much is done without asking (one entity, ``autonomy:main``): L0 observe, L1 alert, L2 recommend,
    L3 act and report, L4 act silently."""

    level: int = 2
    """As chosen."""
    effective: int = 2
    """What holds now: with one reachable endpoint at most 2."""
    why: str = ""
    """Why less holds than was chosen."""
    conditions: dict[str, int] = msgspec.field(default_factory=dict)
    """Condition -> its own level."""
    targets: dict[str, int] = msgspec.field(default_factory=dict)
    """Entity id -> its own level; it goes before that of a condition."""
    since_at: float | None = None
    by: str = ""


class Service(Entity):
    """A worker or service the supervisor looks after."""

    METRICS = frozenset({"heartbeat_at"})

    name: str = ""
    status: Literal["stopped", "starting", "running", "backoff", "failed"] = "stopped"
    pid: int | None = None
    started_at: float | None = None
    heartbeat_at: float | None = None
    restarts: int = 0
    last_error: str | None = None


class Health(Entity):
    """The daemon about itself (one entity, ``health:daemon``)."""

    METRICS = frozenset({"cpu", "rss_bytes", "api_calls_per_min", "store_bytes", "poll_cpu_ms"})

    version: str = ""
    pid: int = 0
    started_at: float = 0.0
    cpu: float | None = None
    """Share of one core since the last report."""
    rss_bytes: int | None = None
    api_calls_per_min: float | None = None
    poll_cpu_ms: float | None = None
    store_bytes: int | None = None
    store_error: str | None = None
    """One sentence while nothing can be saved (a full disk): nothing is acknowledged then."""


class ClientInfo(Entity):
    """A session attached to the daemon."""

    METRICS = frozenset({"sent_bytes", "pending"})

    client: str = ""
    version: str = ""
    role: str = ""
    pid: int | None = None
    uid: int | None = None
    connected_at: float = 0.0
    sent_bytes: int = 0
    pending: int = 0


class Approval(Entity):
    """A call that waits for the operator, or was answered within the last minutes."""

    tool: str = ""
    tier: str = "red"
    args: dict[str, Any] = msgspec.field(default_factory=dict)
    """As asked, secrets redacted."""
    target: str = ""
    """Entity id of what would be acted on."""
    target_name: str = ""
    summary: str = ""
    """What will happen, in one sentence."""
    effects: list[str] = msgspec.field(default_factory=list)
    """What else it touches, a line each."""
    asked_by: str = ""
    asked_at: float = 0.0
    expires_at: float = 0.0
    status: Literal["pending", "approved", "denied", "expired", "void"] = "pending"
    answered_by: str | None = None
    answered_at: float | None = None
    outcome: str | None = None
    """Of the call, once it has run."""
    pin_needed: bool = False


class KillSwitchState(Entity):
    """The kill switch (one entity, ``killswitch:main``). Engaged: nothing writes, the operator neither."""

    engaged: bool = True
    since_at: float | None = None
    by: str = ""
    reason: str = ""


class FeedEvent(msgspec.Struct, kw_only=True, omit_defaults=False):
    """One line of the feed: numbered without holes, kept, told in the past tense."""

    seq: int = 0
    at: float = 0.0
    cluster: str = ""
    kind: str = ""
    """``incident.opened`` ``incident.closed`` ``heartbeat`` ``storage.check`` ``guest.stopped`` …"""
    severity: Literal["info", "ok", "warning", "error", "critical"] = "info"
    text: str = ""
    target: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


COLLECTIONS: Final[dict[str, tuple[str, type[Entity]]]] = {
    "clusters": ("cluster", Cluster),
    "nodes": ("cluster", Node),
    "guests": ("cluster", Guest),
    "storages": ("cluster", Storage),
    "sources": ("cluster", Source),
    "tasks": ("tasks", Task),
    "incidents": ("incidents", Incident),
    "silences": ("incidents", Silence),
    "repairs": ("incidents", Repair),
    "services": ("services", Service),
    "health": ("health", Health),
    "clients": ("clients", ClientInfo),
    "approvals": ("approvals", Approval),
    "killswitch": ("approvals", KillSwitchState),
    "autonomy": ("approvals", Autonomy),
}
"""collection -> (topic, struct)"""
