"""Faults of what a homelab carries along: containers, disks that wear out, backups that hang or leave rubbish."""

from __future__ import annotations

import time
from typing import ClassVar, Final

from jarvis_daemon.simulator.backups import Order
from jarvis_daemon.simulator.docker import Container
from jarvis_daemon.simulator.fault_kinds import Fault, Mend
from jarvis_daemon.simulator.files import TMP, VZ
from jarvis_daemon.simulator.storages import File

DAY_S: Final = 86400.0


class ContainerUnhealthy(Fault):
    """The health check of a Docker container fails. A restart mends it, unless it ``stays`` so."""

    name = "container-unhealthy"
    targets = "container"
    default_target = "management/grafana"
    params: ClassVar = {"stays": False}

    @property
    def container(self) -> Container:
        host, _, name = self.target.partition("/")
        return self.world.docker[host].containers[name]

    def unfit(self) -> str | None:
        return None if self.container.state == "running" else f"{self.target} does not run"

    def begin(self) -> Mend:
        container = self.container
        container.health, container.incurable = "unhealthy", bool(self.given["stays"])

        def mend() -> None:
            container.health, container.incurable = "healthy", False

        return mend

    def over(self) -> bool:
        return self.container.health != "unhealthy"


class DiskFailing(Fault):
    """SMART says of the node's disk that it fails, or, with ``wearout``, how little of its life is left."""

    name = "disk-failing"
    targets = "node"
    default_target = "pve"
    params: ClassVar = {"health": "FAILED!", "wearout": 96.0}

    def begin(self) -> Mend:
        node = self.node
        node.disk_health, node.disk_wearout = str(self.given["health"]), int(self.given["wearout"])

        def mend() -> None:
            node.disk_health, node.disk_wearout = "PASSED", 96

        return mend


class BackupStuck(Fault):
    """A backup of the guest that began ``hours`` ago never ends, and keeps the guest locked, until its task is
    stopped. Healed, it is stopped, and the guest is backed up anew."""

    name = "backup-stuck"
    targets = "guest"
    default_target = "gitea"
    params: ClassVar = {"hours": 13.0}

    def unfit(self) -> str | None:
        if not self.world.nodes[self.guest.node].online:
            return f"{self.guest.node} is not online"
        return f"{self.target} is locked ({self.guest.lock})" if self.guest.lock else None

    def begin(self) -> Mend:
        guest, backups = self.guest, self.world.backups
        storages = [spec for spec in self.world.inventory.storages if "backup" in spec.content]
        best = next((spec for spec in storages if spec.shared), storages[0])
        began = self.world.now - 3600 * float(self.given["hours"])
        self.upid = backups.hang(Order(guest.node, (guest.vmid,), best.name), began)

        def mend() -> None:
            task = self.world.tasks.get(self.upid)
            if task is not None:
                self.world.tasks.stop(task)
            if self.world.nodes[guest.node].online:
                backups.start(Order(guest.node, (guest.vmid,), best.name, duration_s=15.0))

        return mend

    def over(self) -> bool:
        task = self.world.tasks.get(self.upid)
        return task is None or not task.running


class VzdumpOrphan(Fault):
    """A backup that was cut short has left its temporary files on the node: its ``local`` is ``percent`` full, and
    nothing but their removal frees it."""

    name = "vzdump-orphan"
    targets = "node"
    default_target = "pve"
    params: ClassVar = {"percent": 97.0}

    def unfit(self) -> str | None:
        return None if self.world.disk("local", self.target) is not None else f"{self.target} has no storage local"

    def begin(self) -> Mend:
        disk = self.world.disk("local", self.target)
        assert disk is not None
        self.disk_id = disk.id
        size = max(2, int(float(self.given["percent"]) / 100 * disk.spec.size_bytes) - disk.used())
        vmid = next((guest.vmid for guest in self.world.guests_on(self.target) if guest.spec.kind == "ct"), 100)
        began = self.world.now - 1.1 * DAY_S
        stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(began))
        self.left = [
            File(f"{VZ}/dump/vzdump-lxc-{vmid}-{stamp}.tar.dat", size - size // 10, began, counted=True),
            File(f"{TMP}/vzdumptmp4711_{vmid}", size // 10, began, folder=True, bulk=True, counted=True),
        ]  # fmt: skip
        disk.files += self.left

        def mend() -> None:
            for file in self.left:
                disk.remove(file)

        return mend

    def over(self) -> bool:
        return not any(file in self.world.disks[self.disk_id].files for file in self.left)
