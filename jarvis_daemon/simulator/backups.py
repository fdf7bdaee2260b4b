"""vzdump: the nightly job, backups asked for, their volumes and their log; and what makes them fail."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jarvis_daemon.simulator import curves
from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.inventory import BackupJobSpec
from jarvis_daemon.simulator.storages import Disk, Volume
from jarvis_daemon.simulator.tasks import Script, TaskError

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World

DAY_S: Final = 86400.0
KEEP_LAST: Final = 3
BYTES_PER_S: Final = 60e6
"""What a backup that was asked for writes a simulated second."""


@dataclass(frozen=True)
class Order:
    """One vzdump task: which guests of which node go where, and how long that takes."""

    node: str
    vmids: tuple[int, ...]
    storage: str
    mode: str = "snapshot"
    duration_s: float | None = None
    user: str = "root@pam"
    notes: str | None = None
    prunes: bool = True


class Backups:
    """Runs the jobs of the inventory at their time of day (UTC) and backups on demand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.failing: dict[int, str] = {}
        """Guests whose backups fail, with the reason; 0 stands for all."""
        for job in world.inventory.backup_jobs:
            self._plan(job)

    def next_run(self, job: BackupJobSpec) -> float:
        """Unix seconds of the next start."""
        hours, minutes = map(int, job.at.split(":"))
        today = self._world.now - self._world.now % DAY_S + hours * 3600 + minutes * 60
        return today if today > self._world.now else today + DAY_S

    def last_run(self, job: BackupJobSpec) -> float:
        """Unix seconds of the last start that can have ended by now."""
        return self.next_run(job) - DAY_S * (
            1 if self.next_run(job) - DAY_S + job.duration_s < self._world.now else 2
        )

    def _plan(self, job: BackupJobSpec) -> None:
        def due() -> None:
            self.run_job(job)
            self._plan(job)

        self._world.timeline.after_real(self.next_run(job) - self._world.now, due)

    def run_job(self, job: BackupJobSpec) -> list[str]:
        """Start ``job`` now on every node that has guests of it; the UPIDs."""
        upids = []
        for node, vmids in self.by_node(job).items():
            host = self._world.nodes[node]
            if host.online and not host.frozen and self._world.quorate(node):
                upids.append(self.start(Order(node, vmids, job.storage, duration_s=job.duration_s)))
        return upids

    def by_node(self, job: BackupJobSpec) -> dict[str, tuple[int, ...]]:
        """The guests of ``job`` by the node they are on."""
        nodes: dict[str, list[int]] = {}
        for vmid in (known for known in job.guests if known in self._world.guests):
            nodes.setdefault(self._world.guests[vmid].node, []).append(vmid)
        return {node: tuple(vmids) for node, vmids in nodes.items()}

    def start(self, order: Order) -> str:
        """Start one vzdump task; its UPID."""
        ident = str(order.vmids[0]) if len(order.vmids) == 1 else ""
        vmids = frozenset(order.vmids)
        return self._world.tasks.start(order.node, "vzdump", ident, order.user, self._script(order), vmids).upid

    def hang(self, order: Order, began: float) -> str:
        """A task that began then (Unix seconds), keeps its guest locked and never ends by itself; its UPID."""
        (vmid,) = order.vmids
        script = self._hanging(order, self._world.guests[vmid])
        tasks = self._world.tasks
        return tasks.start(
            order.node, "vzdump", str(vmid), order.user, script, frozenset(order.vmids), began=began
        ).upid

    def _hanging(self, order: Order, guest: Guest) -> Script:
        guest.lock = "backup"
        self._world.config_version += 1
        try:
            yield 0.0, f"INFO: Starting Backup of VM {guest.vmid} ({guest.spec.pve_type})"
            yield 0.0, f"INFO: creating vzdump archive on {order.storage}"
            while True:
                yield 3600.0, None
        finally:
            guest.lock = None
            self._world.config_version += 1

    def _script(self, order: Order) -> Script:
        ids = " ".join(map(str, order.vmids))
        yield 0.1, f"INFO: starting new backup job: vzdump {ids} --storage {order.storage} --mode {order.mode}"
        total = sum(self._world.guests[vmid].spec.disk_bytes for vmid in order.vmids) or 1
        failed = False
        for vmid in order.vmids:
            guest = self._world.guests[vmid]
            seconds = guest.spec.disk_bytes / BYTES_PER_S / 8
            if order.duration_s is not None:
                seconds = order.duration_s * guest.spec.disk_bytes / total
            try:
                yield from self._one(order, guest, seconds)
            except TaskError as error:
                failed = True
                yield 0.5, f"ERROR: Backup of {guest.label} failed - {error}"
                yield 0.0, f"INFO: Failed at {_clock(self._world.now)}"
        if failed:
            yield 0.2, "INFO: Backup job finished with errors"
            raise TaskError("job errors")
        yield 0.2, "INFO: Backup job finished successfully"
        return None

    def _one(self, order: Order, guest: Guest, seconds: float) -> Script:
        began, sim = self._world.now, self._world.timeline.sim
        kind = guest.spec.pve_type
        yield 0.2, f"INFO: Starting Backup of VM {guest.vmid} ({kind})"
        yield 0.0, f"INFO: Backup started at {_clock(began)}"
        yield 0.0, f"INFO: status = {'running' if guest.running else 'stopped'}"
        if guest.lock is not None:
            raise TaskError(f"{guest.spec.kind.upper()} is locked ({guest.lock})")
        disk = self._world.disk(order.storage, order.node)
        if disk is None:
            raise TaskError(f"storage '{order.storage}' is not available on node '{order.node}'")
        guest.lock = "backup"
        self._world.config_version += 1
        try:
            size = backup_size(guest)
            yield 0.2, f"INFO: {'VM' if kind == 'qemu' else 'CT'} Name: {guest.spec.name}"
            yield from self._copy(order, guest, disk, size, seconds)
        finally:
            guest.lock = None
            self._world.config_version += 1
        disk.volumes.append(volume(order.storage, guest, size, began, order.notes))
        yield 0.2, f"INFO: archive file size: {size / 2**30:.2f}GB"
        yield 0.1, f"INFO: Finished Backup of VM {guest.vmid} ({span(self._world.timeline.sim - sim)})"
        yield 0.0, f"INFO: Backup finished at {_clock(self._world.now)}"
        if order.prunes:
            prune(disk, guest.vmid)
        return None

    def _copy(self, order: Order, guest: Guest, disk: Disk, size: int, seconds: float) -> Script:
        reason = self.failing.get(guest.vmid) or self.failing.get(0)
        for percent in range(10, 101, 10):
            if reason is not None and percent > 20:
                raise TaskError(reason)
            if disk.free() < size * percent // 100:
                target = f"/mnt/pve/{order.storage}/dump/vzdump-{guest.spec.pve_type}-{guest.vmid}"
                raise TaskError(f"write error on '{target}': No space left on device")
            yield seconds / 10, f"INFO: {percent:3d}% ({size * percent / 100 / 2**30:.1f} GiB)"
        return None

    def job_rows(self) -> list[dict[str, Any]]:
        """``GET /cluster/backup``."""
        return [
            {
                "id": job.id, "type": "vzdump", "enabled": 1, "schedule": job.at, "storage": job.storage,
                "mode": "snapshot", "compress": "zstd", "vmid": ",".join(map(str, job.guests)),
                "prune-backups": {"keep-last": str(KEEP_LAST)}, "notes-template": "{{guestname}}",
                "next-run": int(self.next_run(job)),
            }
            for job in self._world.inventory.backup_jobs
        ]  # fmt: skip

    def not_backed_up(self) -> list[dict[str, Any]]:
        """``GET /cluster/backup-info/not-backed-up``."""
        covered = {vmid for job in self._world.inventory.backup_jobs for vmid in job.guests}
        return [
            {"vmid": guest.vmid, "name": guest.spec.name, "type": guest.spec.pve_type}
            for guest in self._world.guests.values()
            if guest.vmid not in covered
        ]


def backup_size(guest: Guest) -> int:
    """Bytes of a compressed backup."""
    return int(guest.spec.disk_bytes * (0.08 + 0.12 * curves.unit(guest.seed ^ 0x21)))


def volume(storage: str, guest: Guest, size: int, at: float, notes: str | None = None) -> Volume:
    """The volume that a backup of ``guest`` started at ``at`` leaves."""
    kind = guest.spec.pve_type
    suffix = "vma.zst" if kind == "qemu" else "tar.zst"
    stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(at))
    return Volume(
        f"{storage}:backup/vzdump-{kind}-{guest.vmid}-{stamp}.{suffix}", "backup", size, int(at), suffix,
        guest.vmid, notes or guest.spec.name,
    )  # fmt: skip


def prune(disk: Disk, vmid: int) -> None:
    """Keep the newest backups of ``vmid`` only."""
    own = sorted((v for v in disk.volumes if v.vmid == vmid and v.content == "backup"), key=lambda v: v.ctime)
    for old in own[:-KEEP_LAST]:
        disk.volumes.remove(old)
        if not old.counted:
            disk.base_used -= min(old.size, disk.base_used)


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def span(seconds: float) -> str:
    """``00:05:12``."""
    return time.strftime("%H:%M:%S", time.gmtime(seconds))
