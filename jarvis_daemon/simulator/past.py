"""What happened before the simulation began: last nights' backups, updates, and who stopped what is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jarvis_daemon.simulator import backups
from jarvis_daemon.simulator.storages import Volume

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World

NIGHTS: Final = 3
_IMAGES: Final = (
    ("iso", "debian-12.11.0-amd64-netinst.iso", "iso", 702_545_920),
    ("vztmpl", "debian-12-standard_12.7-1_amd64.tar.zst", "tzst", 126_515_062),
)


def write(world: World) -> None:
    """Fill the task archive and the backup storage, oldest first. A healthy past: nothing failed."""
    events: list[tuple[float, str, str, str, float, tuple[int, ...]]] = []
    for job in world.inventory.backup_jobs:
        for night in range(NIGHTS):
            at = world.backups.last_run(job) - night * backups.DAY_S
            for node, vmids in world.backups.by_node(job).items():
                events.append((at + 2, node, "vzdump", "", job.duration_s - 120, vmids))
            _volumes(world, job.storage, at, job.guests)
    _images(world)
    for node in world.nodes:
        update = world.now - world.now % backups.DAY_S + 4 * 3600 + (sum(map(ord, node)) % 3600)
        update -= backups.DAY_S if update > world.now - 60 else 0
        events.append((update, node, "aptupdate", "", 6.0, ()))
    for guest in world.guests.values():
        if guest.spec.status == "stopped" and not guest.spec.template and len(world.guests) < 100:
            kind = "qmshutdown" if guest.spec.kind == "vm" else "vzshutdown"
            at = world.now - 1.4 * backups.DAY_S - guest.vmid
            events.append((at, guest.node, kind, str(guest.vmid), 9.0, (guest.vmid,)))
    for at, node, kind, ident, took, vmids in sorted(events):
        log = _log(world, at, took, vmids) if kind == "vzdump" else []
        world.tasks.record(node, kind, ident, "root@pam", at, took, log=log, vmids=frozenset(vmids))


def _volumes(world: World, storage: str, at: float, vmids: tuple[int, ...]) -> None:
    for index, vmid in enumerate(vmids):
        guest = world.guests[vmid]
        disk = world.disk(storage, guest.node)
        if disk is not None:
            volume = backups.volume(storage, guest, backups.backup_size(guest), at + 60 * index)
            volume.counted = False
            disk.volumes.append(volume)


def _images(world: World) -> None:
    """Installation media and container templates, part of the used share that the inventory names."""
    at = int(world.now - 100 * backups.DAY_S)
    for disk in world.disks.values():
        for content, name, suffix, size in _IMAGES:
            if content in disk.spec.content:
                folder = "iso" if content == "iso" else "vztmpl"
                volid = f"{disk.spec.name}:{folder}/{name}"
                disk.volumes.append(Volume(volid, content, size, at, suffix, counted=False))


def _log(world: World, at: float, took: float, vmids: tuple[int, ...]) -> list[str]:
    ids = " ".join(map(str, vmids))
    lines = [f"INFO: starting new backup job: vzdump {ids} --storage externalhdd --mode snapshot"]
    each = took / max(1, len(vmids))
    for vmid in vmids:
        guest = world.guests[vmid]
        lines += [
            f"INFO: Starting Backup of VM {vmid} ({guest.spec.pve_type})",
            f"INFO: archive file size: {backups.backup_size(guest) / 2**30:.2f}GB",
            f"INFO: Finished Backup of VM {vmid} ({backups.span(each)})",
        ]
    return [*lines, "INFO: Backup job finished successfully"]
