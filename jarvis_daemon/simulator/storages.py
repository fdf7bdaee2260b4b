"""Storages: one disk behind each pair of storage and node, or a single one behind a shared storage.

A disk has a used part of the past, what backups added since, and what a fault fills it with. What is full
stays full until somebody frees it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jarvis_daemon.simulator.inventory import StorageSpec
from jarvis_daemon.simulator.ramp import Ramp
from jarvis_daemon.simulator.timeline import Timeline


@dataclass
class Volume:
    """A file or volume on a storage, as ``…/content`` lists it."""

    volid: str
    content: str
    size: int
    ctime: int
    format: str
    vmid: int | None = None
    notes: str | None = None
    counted: bool = True
    """False: already part of the used share that the inventory names."""

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "volid": self.volid, "content": self.content, "size": self.size, "ctime": self.ctime,
            "format": self.format,
        }  # fmt: skip
        if self.vmid is not None:
            row["vmid"] = self.vmid
        if self.notes is not None:
            row["notes"] = self.notes
        if self.content == "backup":
            row["subtype"] = "qemu" if "vzdump-qemu" in self.volid else "lxc"
        return row


@dataclass(eq=False)
class File:
    """A file or a tree below the disk's root; see ``files.py``. ``counted``: it adds to the used share."""

    path: str
    size: int
    mtime: float
    folder: bool = False
    bulk: bool = False
    counted: bool = False


@dataclass
class Disk:
    """Bytes behind one storage entry."""

    id: str
    """``externalhdd`` when shared, else ``pve/local``."""
    spec: StorageSpec
    timeline: Timeline
    base_used: int
    fill: Ramp | None = None
    volumes: list[Volume] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    furnished: bool = False
    """Its own files have been made; see ``World.files_on``."""

    def used(self) -> int:
        """Bytes in use now, at most the size."""
        return min(self._own() + self.grown(), self.spec.size_bytes)

    def grown(self) -> int:
        """Bytes of it that a fault fills it with."""
        if self.fill is None:
            return 0
        return max(0, int(self.fill.at(self.timeline.sim) * self.spec.size_bytes) - self._own())

    def _own(self) -> int:
        counted = sum(volume.size for volume in self.volumes if volume.counted)
        return self.base_used + counted + sum(file.size for file in self.files if file.counted)

    def remove(self, file: File) -> None:
        """Free what a file takes; one that is gone already is no matter."""
        if file not in self.files:
            return
        self.files.remove(file)
        if not file.counted:
            self.base_used -= min(file.size, self.base_used)

    def free(self) -> int:
        return self.spec.size_bytes - self.used()

    def status(self) -> dict[str, Any]:
        """What ``/nodes/{n}/storage/{s}/status`` tells."""
        used, total = self.used(), self.spec.size_bytes
        return {
            "type": self.spec.type, "content": ",".join(self.spec.content), "shared": int(self.spec.shared),
            "active": 1, "enabled": 1, "total": total, "used": used, "avail": total - used,
        }  # fmt: skip


def make_disks(specs: tuple[StorageSpec, ...], timeline: Timeline) -> dict[str, Disk]:
    """Every disk by its id."""
    disks: dict[str, Disk] = {}
    for spec in specs:
        for ident in (spec.name,) if spec.shared else tuple(f"{node}/{spec.name}" for node in spec.nodes):
            disks[ident] = Disk(ident, spec, timeline, int(spec.size_bytes * spec.used_share))
    return disks


def disk_of(disks: dict[str, Disk], storage: str, node: str) -> Disk | None:
    """The disk that ``storage`` is on ``node``, None where it is not configured."""
    disk = disks.get(f"{node}/{storage}")
    if disk is None:
        shared = disks.get(storage)
        disk = shared if shared is not None and node in shared.spec.nodes else None
    return disk
