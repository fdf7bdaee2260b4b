"""A fixed homelab for golden outputs: one dead node, one odd name, two guests of one name, three faults."""

from __future__ import annotations

from jarvis_daemon.incidents.observation import Observation
from jarvis_daemon.protocol.state import Cluster, Guest, Health, Node, Source, Storage, Task

NOW = 1_800_000_000.0
GIB = 1 << 30
MIB = 1 << 20
DAY = 86400.0


def source(what: str, age_s: float, target: str | None = None) -> Source:
    id_ = f"source:homelab/{what}" + (f"/{target}" if target else "")
    at = NOW - age_s
    return Source(
        id=id_,
        cluster="homelab",
        what=what,
        target=target,
        interval_s=10,
        polled_at=at,
        ok_at=at,
        freshness="fresh",
    )


CLUSTER = Cluster(
    id="cluster:homelab", cluster="homelab", name="homelab", simulated=True, quorate=True, votes_expected=4,
    quorum_needed=3, nodes_online=3, nodes_total=4, pve_version="9.1.3", endpoint="https://192.168.1.50:8006",
    endpoints_failed={"https://192.168.1.74:8006": "it does not answer"},
    missing_privileges=["VM.GuestAgent.Audit on /vms"],
)  # fmt: skip

SOURCES = [source("resources", 4), source("status", 4), source("node", 20, "Home"), source("node", 400, "pve")]

RESOURCES = "source:homelab/resources"


def node(name: str, ip: str, cpus: int, memory_gb: int, up_days: float | None, **more: object) -> Node:
    fields: dict[str, object] = {
        "status": "online", "cpu": 0.31, "memory_used_bytes": int(memory_gb * 0.74 * GIB), "last_seen_at": NOW - 4,
        "started_at": None if up_days is None else NOW - up_days * DAY, "pve_version": "9.1.3",
    }  # fmt: skip
    return Node(
        id=f"node:{name}", cluster="homelab", name=name, ip=ip, cpu_count=cpus, memory_total_bytes=memory_gb * GIB,
        source=RESOURCES, **(fields | more),  # type: ignore[arg-type]
    )  # fmt: skip


NODES = [
    node(
        "Home", "192.168.1.50", 20, 24, 41, temperature_c=58.0, temperatures={"Package id 0": 58.0, "Core 0": 55.0},
        temperature_at=NOW - 12, cpu_model="13th Gen Intel i7-1370P", loadavg=[1.2, 0.98, 0.75], local=True,
        kernel="6.14.8-2-pve", rootfs_used_bytes=30 * GIB, rootfs_total_bytes=94 * GIB,
    ),
    node(
        "pve", "192.168.1.74", 6, 31, None, status="offline", cpu=None, memory_used_bytes=None, freshness="stale",
        last_seen_at=NOW - 130,
    ),
    node("agent1", "192.168.1.61", 14, 31, 41, cpu=0.97, memory_used_bytes=int(30.1 * GIB), temperature_c=83.0),
    node("agent", "192.168.1.62", 2, 4, 0.04, cpu=None, memory_used_bytes=None, stats_visible=False),
]  # fmt: skip


def guest(vmid: int, name: str, kind: str, on: str, memory: int, **more: object) -> Guest:
    fields: dict[str, object] = {"status": "running", "cpu": 0.04, "memory_used_bytes": memory // 2}
    fields |= {"started_at": NOW - 3 * DAY - 7200, "last_seen_at": NOW - 4}
    return Guest(
        id=f"guest:{vmid}", cluster="homelab", vmid=vmid, name=name, kind=kind, node=on,  # type: ignore[arg-type]
        memory_total_bytes=memory, source=RESOURCES, **(fields | more),  # type: ignore[arg-type]
    )  # fmt: skip


STOPPED: dict[str, object] = {"status": "stopped", "cpu": None, "memory_used_bytes": None, "started_at": None}
LOST: dict[str, object] = {
    "status": "unknown", "cpu": None, "memory_used_bytes": None, "started_at": None, "freshness": "unknown",
    "last_seen_at": NOW - 130,
}  # fmt: skip

GUESTS = [
    guest(
        100, "management", "vm", "Home", 8 * GIB, tags=["docker", "infra"], cpu_count=4.0, net_in_bytes=7 * GIB,
        net_out_bytes=900 * MIB, disk_total_bytes=120 * GIB, pool="base",
    ),
    guest(101, "nextcloud", "ct", "pve", 4 * GIB, **LOST),
    guest(103, "plex", "ct", "agent1", 4 * GIB, tags=["media"], cpu=0.99),
    guest(104, "plex", "vm", "Home", 4 * GIB, **STOPPED),
    guest(
        105, "pihole", "ct", "agent", 512 * MIB, ha_state="started", disk_used_bytes=2 * GIB,
        disk_total_bytes=8 * GIB,
    ),
    guest(116, "dev-sandbox", "vm", "Home", 4 * GIB, lock="backup"),
    guest(120, "🍿 映画\x1b[31m-box", "ct", "agent1", 2 * GIB, tags=["日本"]),
    guest(9000, "debian12-template", "vm", "Home", 2 * GIB, template=True, **STOPPED),
]  # fmt: skip

STORAGES = [
    Storage(
        id="storage:Home/local", cluster="homelab", name="local", node="Home", nodes=["Home"], type="dir",
        status="available", content=["iso", "vztmpl"], used_bytes=36 * GIB, total_bytes=94 * GIB, source=RESOURCES,
    ),
    Storage(
        id="storage:agent1/local", cluster="homelab", name="local", node="agent1", nodes=["agent1"], type="dir",
        status="available", used_bytes=92 * GIB, total_bytes=94 * GIB, source=RESOURCES,
    ),
    Storage(
        id="storage:externalhdd", cluster="homelab", name="externalhdd", nodes=["Home", "pve"], type="cifs",
        shared=True, status="available", content=["backup", "iso"], used_bytes=3200 * GIB, total_bytes=4500 * GIB,
        source=RESOURCES,
    ),
    Storage(id="storage:pve/tank", cluster="homelab", name="tank", node="pve", nodes=["pve"], type="zfspool",
            status="unknown", source=RESOURCES),
]  # fmt: skip


def task(number: int, type_: str, target: str, age_s: float, **more: object) -> Task:
    upid = f"UPID:Home:0000{number:04X}:00A1B2C3:6B49D200:{type_}:{target}:root@pam:"
    return Task(
        id=upid, cluster="homelab", node="Home", type=type_, target=target, user="root@pam",
        started_at=NOW - age_s, **more,  # type: ignore[arg-type]
    )  # fmt: skip


TASKS = [
    task(1, "vzdump", "113", 130, status="running", progress=0.71),
    task(2, "qmstart", "104", 4000, status="ok", ended_at=NOW - 3997, exit_text="OK"),
    task(3, "vzdump", "101", 90000, status="failed", ended_at=NOW - 89990, exit_text="job errors"),
]

FAULTS = [
    Observation("node-unreachable", "node:pve", "error", "pve does not answer",
                "two endpoints agree", {"seen_s_ago": 130}, grace_s=0),
    Observation("memory-high", "node:agent1", "warning", "agent1 is short of memory", "97 % in use", grace_s=0),
]  # fmt: skip

HEALTH = Health(id="health:daemon", version="0.1.0", pid=4242, started_at=NOW - 3700, cpu=0.01, rss_bytes=80 * MIB,
                api_calls_per_min=14, store_bytes=3 * MIB)  # fmt: skip
