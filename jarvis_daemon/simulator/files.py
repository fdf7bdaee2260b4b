"""The files of a simulated node, as far as somebody may ask for them or clean them up.

They lie on the disk behind its storage ``local`` (the root file system) and behind its network mounts. What is not
``counted`` is part of the used share that the inventory names: when it is removed, that share shrinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.simulator import curves
from jarvis_daemon.simulator.inventory import GIB
from jarvis_daemon.simulator.storages import Disk, File, disk_of

MIB: Final = 1024**2
DAY_S: Final = 86400.0
CACHE: Final = "/var/cache/apt/archives"
TASK_LOGS: Final = "/var/log/pve/tasks"
VZ: Final = "/var/lib/vz"
TMP: Final = "/var/tmp"  # noqa: S108  (a path of the simulated node)
RUNAWAY: Final = "/var/log/runaway.log"
"""What a disk fills with when a fault lets it."""
_FOLDERS: Final = {"backup": "dump", "iso": "template/iso", "vztmpl": "template/cache", "snippets": "snippets"}
_PACKAGES: Final = (
    ("proxmox-kernel-6.17.4-1-pve-signed_6.17.4-1_amd64.deb", 112), ("pve-firmware_3.17-2_all.deb", 424),
    ("proxmox-kernel-6.14.11-4-pve-signed_6.14.11-4_amd64.deb", 108), ("pve-qemu-kvm_10.1.2-4_amd64.deb", 33),
    ("ceph-common_19.2.3-pve2_amd64.deb", 31), ("samba-libs_4.22.4_amd64.deb", 7),
    ("libc6-dbg_2.41-12_amd64.deb", 8),
)  # fmt: skip
"""Name and size in MiB."""
_TREES: Final = (
    ("/usr/lib/modules", int(1.3 * GIB)), ("/usr/lib/x86_64-linux-gnu", int(1.9 * GIB)),
    ("/usr/share", 820 * MIB), ("/var/log/journal", 384 * MIB), ("/boot", 240 * MIB),
)  # fmt: skip
"""Folders of many small files."""
OLD_LOGS: Final = 90
NEW_LOGS: Final = 30


@dataclass(frozen=True)
class Seen:
    """A file as a command on a node sees it. ``source``: what is removed with it, None for what stays."""

    path: str
    size: int
    mtime: float
    folder: bool
    bulk: bool
    """A tree of many files, each of them small."""
    disk: Disk
    source: File | None


def furnish(disk: Disk, node: str, seed: int, now: float) -> None:
    """What lies on the root file system of a node that has been in use for a year."""
    made = curves.seed_of(seed, "files", node)
    for name, mib in _PACKAGES:
        disk.files.append(File(f"{CACHE}/{name}", mib * MIB, now - 9 * DAY_S))
    for number in range(OLD_LOGS + NEW_LOGS):
        days = 1 + number * 0.9 if number < NEW_LOGS else 31 + (number - NEW_LOGS) * 4
        began = int(now - days * DAY_S)
        size = int((0.02 + 3 * curves.unit(made ^ number) ** 3) * MIB)
        name = f"UPID:{node}:{4000 + number:08X}:{number:08X}:{began:08X}:vzdump:{101 + number % 14}:root@pam:"
        disk.files.append(File(f"{TASK_LOGS}/{began & 15:X}/{name}", size, float(began)))
    for path, size in _TREES:
        disk.files.append(File(path, size, now - 3 * DAY_S, folder=True, bulk=True))


def seen_on(disks: dict[str, Disk], storages: tuple[str, ...], node: str) -> Iterator[Seen]:
    """Every file that a command on ``node`` comes across: its root file system first, then its network mounts."""
    for name in storages:
        disk = disk_of(disks, name, node)
        if disk is None or (name != "local" and not disk.spec.shared):
            continue
        root, base = ("", VZ) if name == "local" else (f"/mnt/pve/{name}",) * 2
        rest = disk.used()
        for file in disk.files:
            rest -= file.size
            yield Seen(root + file.path, file.size, file.mtime, file.folder, file.bulk, disk, file)
        for volume in disk.volumes:
            rest -= volume.size
            path = f"{base}/{_FOLDERS.get(volume.content, volume.content)}/{volume.volid.rpartition('/')[2]}"
            yield Seen(path, volume.size, float(volume.ctime), False, False, disk, None)
        grown = disk.grown()
        if grown > 0:
            yield Seen(root + RUNAWAY, grown, disk.timeline.now, False, False, disk, None)
        if (rest := rest - grown) > 0:
            yield Seen(f"{root}/srv/shares", rest, disk.timeline.now - DAY_S, True, True, disk, None)
