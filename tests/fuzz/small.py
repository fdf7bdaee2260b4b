"""A small homelab that has one of everything a guardrail asks about."""

from __future__ import annotations

from jarvis_daemon.simulator.inventory import GIB, GuestSpec, Inventory, NodeSpec, StorageSpec

NODES = ("n1", "n2", "n3", "n4")
PLAIN = ("web", "mail", "wiki", "cache", "build")
"""Guests that nothing speaks for or against."""
HA, LOCKED, TEMPLATE, TAGGED, PROTECTED, DOCKER = "db", "frozen", "golden", "hands", "gate", "dock"
SPECIAL = (HA, LOCKED, TAGGED, PROTECTED)
SERVICES = {"n1": ["smbd"], "n2": ["cron-jobs"]}
CONTAINERS = ("grafana", "traefik")


def _guest(vmid: int, name: str, node: str, kind: str = "ct", **more: object) -> GuestSpec:
    return GuestSpec(
        vmid=vmid, name=name, kind=kind, node=node, cores=1, memory_bytes=GIB, disk_bytes=8 * GIB,  # type: ignore[arg-type]
        onboot=True, **more,  # type: ignore[arg-type]
    )  # fmt: skip


INVENTORY = Inventory(
    cluster="small", votes_needed=3, pve_version="9.1.3",
    nodes=tuple(
        NodeSpec(name, f"192.168.7.{n}", 8, 32 * GIB, services=tuple(SERVICES.get(name, ())))
        for n, name in enumerate(NODES, start=11)
    ),
    guests=(
        _guest(101, "web", "n1", startup="order=3"), _guest(102, "mail", "n2", kind="vm", startup="order=2"),
        _guest(103, "wiki", "n3", startup="order=1"), _guest(104, "cache", "n4"),
        _guest(105, "build", "n2", kind="vm"), _guest(106, HA, "n1", ha="started"),
        _guest(107, LOCKED, "n3", kind="vm", lock="backup"), _guest(108, TAGGED, "n4", tags=("no-jarvis",)),
        _guest(109, PROTECTED, "n1", kind="vm", protected=True), _guest(110, DOCKER, "n3", kind="vm"),
        GuestSpec(900, TEMPLATE, "vm", "n2", 1, GIB, 8 * GIB, status="stopped", template=True),
    ),
    storages=(
        StorageSpec("local", "dir", NODES, False, 94 * GIB, 0.38, ("iso", "backup")),
        StorageSpec("local-lvm", "lvmthin", NODES, False, 800 * GIB, 0.5, ("images", "rootdir")),
    ),
    backup_jobs=(), runs_on="n1", docker={DOCKER: CONTAINERS},
)  # fmt: skip
