"""Pictures of a small cluster for the conditions: two nodes, three guests, two storages, all well."""

from __future__ import annotations

from typing import Any

from jarvis_daemon.cluster.conditions import Judge, Picture, Round
from jarvis_daemon.cluster.conditions.picture import source_id
from jarvis_daemon.incidents import Observation
from jarvis_daemon.protocol.state import Cluster, Guest, Node, Source, Storage, Task
from jarvis_daemon.settings import ConditionSettings

NOW = 1_800_000_000.0
GIB = 1 << 30
SETTINGS = ConditionSettings(services={"pve": ["smbd"]}, cpu_sustained_s=60, guest_memory_sustained_s=30)
CLUSTER_SOURCES = ("resources", "status", "tasks", "permissions", "backups", "replication")
NODE_SOURCES = ("node", "sensors", "clock", "certificates", "disks")


def node(name: str, **more: Any) -> Node:
    given: dict[str, Any] = {
        "status": "online", "cpu": 0.2, "cpu_count": 8, "memory_used_bytes": 8 * GIB,
        "memory_total_bytes": 32 * GIB,
        "temperature_c": 50.0, "temperature_at": NOW, "started_at": NOW - 86400, "last_seen_at": NOW,
        "clock_skew_s": 0.1, "certificate_expires_at": NOW + 300 * 86400, "rootfs_total_bytes": 90 * GIB,
        "rootfs_available_bytes": 60 * GIB,
    }  # fmt: skip
    return Node(id=f"node:{name}", name=name, cluster="homelab", **(given | more))


def guest(vmid: int, name: str, **more: Any) -> Guest:
    given: dict[str, Any] = {
        "status": "running", "kind": "ct", "node": "pve", "memory_used_bytes": GIB, "memory_total_bytes": 4 * GIB,
    }  # fmt: skip
    return Guest(id=f"guest:{vmid}", vmid=vmid, name=name, cluster="homelab", **(given | more))


def storage(name: str, **more: Any) -> Storage:
    given: dict[str, Any] = {"status": "available", "used_bytes": 40 * GIB, "total_bytes": 100 * GIB, "node": "pve"}
    return Storage(id=f"storage:pve/{name}", name=name, cluster="homelab", **(given | more))


def task(kind: str, target: str = "", **more: Any) -> Task:
    given: dict[str, Any] = {
        "node": "pve", "user": "root@pam", "status": "ok", "exit_text": "OK", "started_at": NOW - 60,
        "ended_at": NOW - 50,
    }  # fmt: skip
    made = given | more
    start = f"{int(made['started_at']):08X}"
    return Task(
        id=f"UPID:{made['node']}:00001000:00002000:{start}:{kind}:{target}:{made['user']}:",
        type=kind, target=target, cluster="homelab", **made,
    )  # fmt: skip


def picture(
    at: float = 0.0, *, stale: tuple[str, ...] = (), cluster: dict[str, Any] | None = None, **more: Any
) -> Picture:
    """All well at ``NOW + at``; ``more`` replaces fields, entities are given as lists."""
    names = [n.name for n in more.get("nodes", [node("pve"), node("agent")])]
    keys = [source_id("homelab", what) for what in CLUSTER_SOURCES]
    keys += [source_id("homelab", what, name) for what in NODE_SOURCES for name in names]
    keys += [source_id("homelab", "docker", host) for host in more.get("containers", {})]
    sources = {
        key: Source(id=key, cluster="homelab", polled_at=NOW + at, ok_at=NOW + at, interval_s=10.0) for key in keys
    }
    given: dict[str, Any] = {
        "nodes": [node("pve"), node("agent")], "guests": [guest(103, "plex"), guest(104, "jellyfin")],
        "storages": [storage("local")], "tasks": [],
    } | more  # fmt: skip
    for collection in ("nodes", "guests", "storages", "tasks"):
        given[collection] = {e.id: e for e in given[collection]}
    return Picture(
        now=NOW + at, mono=1000.0 + at,
        cluster=Cluster(id="cluster:homelab", name="homelab", **({"quorate": True} | (cluster or {}))),
        sources=given.pop("sources", sources),
        fresh=frozenset(key for key in keys if not any(f"/{what}" in key for what in stale)),
        tasks_since_at=given.pop("tasks_since_at", NOW - 86400), **given,
    )  # fmt: skip


def judged(judge: Judge, shown: Picture) -> tuple[list[Observation], Round]:
    found = judge.judge(shown)
    return found.observations, found


def ill(judge: Judge, shown: Picture) -> dict[tuple[str, str], str]:
    """(condition, target) -> severity of what may count: covered and judged."""
    found = judge.judge(shown)
    return {
        (o.condition, o.target): o.severity for o in found.observations
        if o.condition in found.covered and (o.condition, o.target) not in found.unjudged
    }  # fmt: skip
