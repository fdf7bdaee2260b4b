"""The documented shapes of ``-o json|yaml|jsonl`` (docs/output.md), made of the contract's plain dicts.

The fields of each shape are listed here one by one, so that a field more in the contract changes no output.
Names ending in ``_at`` are RFC 3339 UTC, in ``_bytes`` bytes, in ``_s`` seconds, in ``_c`` °C; shares are
0..1; null is "not known". Standard library only.
"""

from __future__ import annotations

from typing import Any, Final

from jarvis_cli.values import rfc3339
from jarvis_daemon.protocol.health import State, assess, entity_freshness, source_freshness

Entity = dict[str, Any]

NODE: Final = (
    "name", "status", "freshness", "ip", "cpu", "cpu_count", "cpu_model", "iowait", "loadavg",
    "memory_used_bytes", "memory_total_bytes", "swap_used_bytes", "swap_total_bytes", "rootfs_used_bytes",
    "rootfs_total_bytes", "temperature_c", "temperatures", "temperature_at", "started_at", "last_seen_at", "kernel",
    "pve_version", "ha_state", "clock_skew_s", "certificate_expires_at", "stats_visible", "cluster",
)  # fmt: skip
GUEST: Final = (
    "name", "vmid", "kind", "node", "status", "freshness", "template", "lock", "ha_state", "tags", "pool", "cpu",
    "cpu_count", "memory_used_bytes", "memory_total_bytes", "disk_used_bytes", "disk_total_bytes",
    "net_in_bytes", "net_out_bytes", "started_at", "last_seen_at", "cluster",
)  # fmt: skip
STORAGE: Final = (
    "name", "node", "nodes", "type", "shared", "content", "status", "freshness", "used_bytes", "total_bytes",
    "cluster",
)  # fmt: skip
TASK: Final = (
    "id", "node", "type", "target", "user", "status", "exit_text", "progress", "started_at", "ended_at", "cluster",
)  # fmt: skip
INCIDENT: Final = (
    "id", "condition", "target", "severity", "title", "detail", "status", "opened_at", "updated_at",
    "announced_at", "closed_at", "close_reason", "acked_at", "acked_by", "silenced_until", "evidence", "cluster",
)  # fmt: skip
SILENCE: Final = ("id", "condition", "target", "reason", "by", "starts_at", "ends_at", "maintenance")
EVENT: Final = ("seq", "at", "kind", "severity", "text", "target", "data", "cluster")
SERVICE: Final = ("name", "status", "pid", "started_at", "heartbeat_at", "restarts", "last_error")
APPROVAL: Final = (
    "id", "tool", "tier", "args", "target", "target_name", "summary", "effects", "asked_by", "asked_at",
    "expires_at", "status", "answered_by", "answered_at", "outcome", "pin_needed", "cluster",
)  # fmt: skip
KILLSWITCH: Final = ("engaged", "since_at", "by", "reason")
AUDIT: Final = (
    "id", "at", "kind", "call_id", "principal", "tool", "tier", "target", "args", "data", "prev", "hash",
)  # fmt: skip
AUTONOMY: Final = ("level", "effective", "why", "conditions", "targets", "since_at", "by")
RUNBOOK: Final = (
    "name", "about", "condition", "scope", "shipped", "trusted", "sha256", "path", "problem", "steps",
)  # fmt: skip
CHECK: Final = ("guardrail", "verdict", "text")
STEP: Final = ("tool", "text", "outcome", "call_id", "began_at", "ended_at", "result")
REPAIR: Final = (
    "id", "incident", "condition", "target", "target_name", "runbook", "level", "by", "attempt", "status",
    "severity", "seen", "seen_at", "decided", "decided_at", "checks", "steps", "samples", "next_at", "approval_id",
    "ended_at", "text", "cluster",
)  # fmt: skip
CLIENT: Final = ("id", "client", "version", "role", "pid", "uid", "connected_at", "sent_bytes", "pending")

_TIMES: Final = frozenset({"at", "silenced_until"})


def shape(entity: Entity, names: tuple[str, ...]) -> Entity:
    """The named fields in their order, times as text, missing ones null."""
    return {
        name: rfc3339(value) if (name.endswith("_at") or name in _TIMES) and _number(value) else value
        for name, value in ((name, entity.get(name)) for name in names)
    }


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def believed(entity: Entity, state: State, now: float) -> Entity:
    """The entity with its freshness by ``now``, and no status where nothing may be believed any more."""
    freshness = entity_freshness(entity, state, now)
    out = {**entity, "freshness": freshness}
    if freshness == "unknown" and "status" in entity:
        out["status"] = "unknown"
    return out


def node_key(node: Entity) -> tuple[str, str]:
    return str(node.get("cluster", "")), str(node.get("name", "")).lower()


def guest_key(guest: Entity) -> tuple[str, int]:
    return str(guest.get("cluster", "")), int(guest.get("vmid") or 0)


def autonomy(state: State) -> Entity | None:
    """The autonomy level; None where the daemon tells nothing of one."""
    found = state.get("autonomy", {}).get("autonomy:main")
    return None if found is None else shape(found, AUTONOMY)


def repair(found: Entity) -> Entity:
    """One story, with its verdicts and steps in their own shapes."""
    return {
        **shape(found, REPAIR),
        "checks": [shape(check, CHECK) for check in found.get("checks") or []],
        "steps": [shape(step, STEP) for step in found.get("steps") or []],
        "samples": [rfc3339(at) for at in found.get("samples") or []],
    }


def nodes(state: State, now: float) -> list[Entity]:
    return [believed(node, state, now) for node in sorted(state.get("nodes", {}).values(), key=node_key)]


def guests(state: State, now: float) -> list[Entity]:
    return [believed(guest, state, now) for guest in sorted(state.get("guests", {}).values(), key=guest_key)]


def storages(state: State, now: float) -> list[Entity]:
    found = state.get("storages", {}).values()
    return [
        believed(storage, state, now)
        for storage in sorted(found, key=lambda s: (str(s.get("name", "")), str(s.get("node") or "")))
    ]


def tasks(state: State) -> list[Entity]:
    """Running ones first, then the newest."""
    found = state.get("tasks", {}).values()
    return sorted(found, key=lambda t: (t.get("status") != "running", -(t.get("started_at") or 0.0)))


def killswitch(state: State) -> Entity | None:
    """The kill switch; None where the daemon tells nothing of one."""
    found = state.get("killswitch", {}).get("killswitch:main")
    return None if found is None else shape(found, KILLSWITCH)


_SEVERITY: Final = {"critical": 0, "error": 1, "warning": 2, "info": 3}


def incidents(found: list[Entity]) -> list[Entity]:
    """Open ones first, the gravest first, then the newest."""
    return sorted(
        found,
        key=lambda i: (
            i.get("status") != "open",
            _SEVERITY.get(str(i.get("severity")), 9),
            -(i.get("opened_at") or 0),
        ),
    )


def open_incidents(state: State) -> list[Entity]:
    return incidents([i for i in state.get("incidents", {}).values() if i.get("status") == "open"])


def picture_source(state: State) -> list[Entity]:
    """The sources that tell the picture of the whole cluster."""
    return [s for s in state.get("sources", {}).values() if s.get("what") in {"resources", "status"}]


def as_of(state: State) -> float | None:
    """How old the picture may be at most: the time of the oldest cluster-wide answer; None before the first."""
    times = [source.get("ok_at") for source in picture_source(state)]
    known = [at for at in times if at is not None]
    return min(known) if known and len(known) == len(times) else None


def quorum(cluster: Entity) -> Entity:
    names = ("standalone", "quorate", "nodes_online", "nodes_total", "votes_expected", "quorum_needed")
    return {name: cluster.get(name) for name in names}


def status(state: State, now: float, *, simulated: bool) -> Entity:
    """The document of `jarvis status -o json`."""
    level, reasons = assess(state, now)
    clusters = sorted(state.get("clusters", {}).values(), key=lambda c: str(c.get("name")))
    return {
        "simulated": simulated,
        "as_of": rfc3339(as_of(state)),
        "now": rfc3339(now),
        "health": level,
        "reasons": reasons,
        "killswitch": killswitch(state),
        "autonomy": autonomy(state),
        "quorum": quorum(clusters[0]) if clusters else None,
        "clusters": [
            {
                "name": cluster.get("name"), "pve_version": cluster.get("pve_version"),
                "endpoint": cluster.get("endpoint"), "endpoints_failed": cluster.get("endpoints_failed") or {},
                "missing_privileges": cluster.get("missing_privileges") or [], "problem": cluster.get("problem"),
                "problem_next": cluster.get("problem_next"),
                "quorum": quorum(cluster),
            }
            for cluster in clusters
        ],
        "nodes": [shape(node, NODE) for node in nodes(state, now)],
        "guests": [shape(guest, GUEST) for guest in guests(state, now)],
        "incidents": [shape(incident, INCIDENT) for incident in open_incidents(state)],
        "sources": [
            {**shape(s, ("what", "target", "polled_at", "ok_at", "error")), "freshness": source_freshness(s, now)}
            for s in sorted(state.get("sources", {}).values(), key=lambda s: str(s.get("id")))
        ],
    }  # fmt: skip


def listing(name: str, rows: list[Entity], state: State, *, simulated: bool) -> Entity:
    """The document of a *list* command: its rows with the age and the kind of the picture."""
    return {"simulated": simulated, "as_of": rfc3339(as_of(state)), name: rows}
