"""Backup jobs, the backups that lie on a storage, replication."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    Row,
    drop,
    flag,
    integer,
    maybe,
    name,
    number,
    rows,
    section,
    size,
    text,
    vmids,
)


class BackupJob(msgspec.Struct, kw_only=True):
    """A job of ``/cluster/backup``."""

    id: str
    enabled: bool = True
    all: bool = False
    """Every guest but ``exclude``."""
    vmids: list[int] = []
    exclude: list[int] = []
    pool: str | None = None
    node: str | None = None
    """Only guests on this node."""
    storage: str | None = None
    schedule: str | None = None
    next_run_at: float | None = None
    comment: str = ""


def parse_backup_jobs(data: Any, dropped: Dropped | None = None) -> list[BackupJob]:
    found: list[BackupJob] = []
    for row in rows(data, "the backup jobs", dropped):
        job = text(row.get("id"))
        if job is None:
            drop(dropped, "backup job without an id")
            continue
        enabled = maybe(row.get("enabled"))
        found.append(
            BackupJob(
                id=job,
                enabled=True if enabled is None else enabled,
                all=flag(row.get("all")),
                vmids=vmids(row.get("vmid")),
                exclude=vmids(row.get("exclude")),
                pool=text(row.get("pool")),
                node=name(row.get("node")),
                storage=name(row.get("storage")),
                schedule=text(row.get("schedule")) or _old_schedule(row),
                next_run_at=number(row.get("next-run")),
                comment=text(row.get("comment")) or "",
            )
        )
    return found


def _old_schedule(row: Row) -> str | None:
    """PVE before 7.1 had a start time and days of the week."""
    start, days = text(row.get("starttime")), text(row.get("dow"))
    return f"{days} {start}" if start and days else start


class BackupVolume(msgspec.Struct, kw_only=True):
    """One backup of one guest on a storage."""

    volid: str
    vmid: int
    at: float
    size_bytes: int | None = None
    format: str = ""
    protected: bool = False
    verified: bool | None = None
    """By a Proxmox Backup Server: True ok, False failed, None not verified."""
    notes: str = ""


_VZDUMP_VMID: Final = re.compile(r"vzdump-(?:qemu|lxc|openvz)-(\d+)-|backup/(?:vm|ct)/(\d+)/")


def parse_backup_volumes(data: Any, dropped: Dropped | None = None) -> list[BackupVolume]:
    """``/nodes/{node}/storage/{storage}/content``, newest first; volumes that are no backups are left out."""
    found: list[BackupVolume] = []
    for row in rows(data, "the backups", dropped):
        if row.get("content") not in (None, "backup"):
            continue
        volid = text(row.get("volid"))
        at = number(row.get("ctime"))
        vmid = integer(row.get("vmid")) or _vmid_of(volid)
        if volid is None or at is None or vmid is None:
            drop(dropped, "backup without a volume id, a guest or a time")
            continue
        state = text(section(row, "verification").get("state"))
        found.append(
            BackupVolume(
                volid=volid,
                vmid=vmid,
                at=at,
                size_bytes=size(row.get("size")),
                format=name(row.get("format")) or "",
                protected=flag(row.get("protected")),
                verified=None if state is None else state == "ok",
                notes=text(row.get("notes")) or "",
            )
        )
    return sorted(found, key=lambda volume: volume.at, reverse=True)


def _vmid_of(volid: str | None) -> int | None:
    match = _VZDUMP_VMID.search(volid or "")
    return int(match.group(1) or match.group(2)) if match else None


class ReplicationJob(msgspec.Struct, kw_only=True):
    """A replication job; state is only in replies of the guest's node (``/nodes/{node}/replication``)."""

    id: str
    vmid: int
    source: str | None = None
    target: str | None = None
    schedule: str | None = None
    disabled: bool = False
    last_sync_at: float | None = None
    """The last *good* run; None before the first."""
    last_try_at: float | None = None
    next_sync_at: float | None = None
    duration_s: float | None = None
    fail_count: int = 0
    error: str | None = None


def parse_replication(data: Any, dropped: Dropped | None = None) -> list[ReplicationJob]:
    """``/cluster/replication``, ``/nodes/{node}/replication`` or the one object of ``…/{id}/status``."""
    found: list[ReplicationJob] = []
    for row in rows([data] if isinstance(data, dict) else data, "the replication jobs", dropped):
        job = text(row.get("id"))
        vmid = integer(row.get("guest")) or integer((job or "").partition("-")[0])
        if job is None or vmid is None:
            drop(dropped, "replication job without an id")
            continue
        found.append(
            ReplicationJob(
                id=job,
                vmid=vmid,
                source=name(row.get("source")),
                target=name(row.get("target")),
                schedule=text(row.get("schedule")),
                disabled=flag(row.get("disable")),
                last_sync_at=number(row.get("last_sync")) or None,
                last_try_at=number(row.get("last_try")) or None,
                next_sync_at=number(row.get("next_sync")) or None,
                duration_s=number(row.get("duration")),
                fail_count=integer(row.get("fail_count")) or 0,
                error=text(row.get("error")),
            )
        )
    return found
