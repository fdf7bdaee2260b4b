"""A guest: what runs in it, what it takes from its node, and what the API tells of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from jarvis_daemon.simulator import curves
from jarvis_daemon.simulator.inventory import GIB, GuestSpec
from jarvis_daemon.simulator.ramp import Ramp
from jarvis_daemon.simulator.timeline import Timeline

GuestState = Literal["running", "stopped", "paused"]
START_RAMP_S: Final = 60.0
"""Seconds until a started guest has filled its usual memory."""
NET_PEAK: Final = 12e6
DISK_PEAK: Final = 40e6


@dataclass
class Snapshot:
    name: str
    description: str
    snaptime: int
    parent: str | None = None
    vmstate: bool = False


class Guest:
    """One VM or container. Times are Unix seconds, sizes bytes, shares 0..1."""

    def __init__(self, spec: GuestSpec, timeline: Timeline, seed: int) -> None:
        self.spec = spec
        self.vmid = spec.vmid
        self.node = spec.node
        self.lock = spec.lock
        self.seed = curves.seed_of(seed, "guest", spec.vmid)
        self.state: GuestState = "stopped"
        self.started_at = 0.0
        self.leak: Ramp | None = None
        self.pid = 0
        self.snapshots: list[Snapshot] = []
        self.parent: str | None = None
        """The snapshot that the guest as it is now comes from."""
        self.pending: dict[str, int] = {}
        """Changes of the specification that a running VM takes on with its next start."""
        self.restored_at: float | None = None
        self.history: list[tuple[float, bool]] = []
        self.updates = {"openssl": ("3.5.1", "3.5.2")}
        """Packages with a newer version: what is installed, what there is."""
        """(since, running), oldest first: what RRD would have recorded."""
        self.netin = self.netout = self.diskread = self.diskwrite = 0.0
        self._timeline = timeline

    @property
    def running(self) -> bool:
        return self.state != "stopped"

    @property
    def ha_sid(self) -> str:
        return f"{self.spec.kind}:{self.vmid}"

    @property
    def label(self) -> str:
        """``VM 109`` or ``CT 103``, as PVE's messages call it."""
        return f"{self.spec.kind.upper()} {self.vmid}"

    def start(self, at: float | None = None) -> None:
        self.spec = replace(self.spec, **self.pending)  # type: ignore[arg-type]
        self.pending = {}
        self.state = "running"
        self.started_at = self._timeline.now if at is None else at
        self.pid = 2000 + self.vmid % 30000
        self.netin = self.netout = self.diskread = self.diskwrite = 0.0
        self._note(True)

    def stop(self) -> None:
        """Off at once: memory, CPU and leak are gone with the process."""
        self.state = "stopped"
        self.leak = None
        self._note(False)

    def _note(self, running: bool) -> None:
        self.history.append((self._timeline.now, running))
        del self.history[:-200]

    def ran_at(self, wall: float) -> bool:
        """Whether it ran at ``wall``; before the first record: as at the start."""
        for since, running in reversed(self.history):
            if since <= wall:
                return running
        return self.spec.status == "running"

    def uptime(self) -> int:
        return max(1, int(self._timeline.now - self.started_at)) if self.running else 0

    def cpu(self, wall: float | None = None) -> float:
        """CPU in use as a share of its cores."""
        if self.state == "paused" or not self._ran(wall):
            return 0.0
        value = curves.cpu(self.seed, self._timeline.load_at(wall))
        if wall is None and self._timeline.now - self.started_at < 20:
            value = max(value, 0.65)
        return value

    def memory(self, wall: float | None = None) -> int:
        """Bytes in use as the guest sees it; a leak lets a VM pass its limit by a little, as PVE shows it."""
        if not self._ran(wall):
            return 0
        share = curves.memory(self.seed, self._timeline.load_at(wall))
        if wall is None:
            warm = (self._timeline.now - self.started_at) / START_RAMP_S
            share *= 0.15 + 0.85 * min(1.0, max(0.0, warm))
        if self.leak is not None:
            sim = self._timeline.sim - (0.0 if wall is None else (self._timeline.now - wall) * self._timeline.speed)
            grown = self.leak.at(sim)
            share = max(share, grown) if sim >= self.leak.begin else share
        return int(share * self.spec.memory_bytes)

    def host_memory(self) -> int:
        """Bytes the node gives up for it: a VM also keeps what it once touched."""
        if not self.running:
            return 0
        used = self.memory()
        if self.spec.kind == "ct":
            return used
        return int(min(self.spec.memory_bytes * 1.02, used * 1.08 + 60e6))

    def disk_used(self) -> int:
        """Bytes of the root disk in use; PVE knows it for running containers only."""
        if self.spec.kind == "vm" or not self.running:
            return 0
        return int(self.spec.disk_bytes * (0.25 + 0.4 * curves.unit(self.seed ^ 0x99)))

    def rates(self, wall: float | None = None) -> tuple[float, float, float, float]:
        """Bytes per second: net in, net out, disk read, disk write."""
        if self.state == "paused" or not self._ran(wall):
            return 0.0, 0.0, 0.0, 0.0
        at = self._timeline.load_at(wall)
        return (
            curves.rate(self.seed ^ 1, at, NET_PEAK), curves.rate(self.seed ^ 2, at, NET_PEAK),
            curves.rate(self.seed ^ 3, at, DISK_PEAK), curves.rate(self.seed ^ 4, at, DISK_PEAK),
        )  # fmt: skip

    def count(self, seconds: float) -> tuple[float, float]:
        """Move the traffic counters on by ``seconds``; the bytes in and out of the network."""
        netin, netout, diskread, diskwrite = (rate * seconds for rate in self.rates())
        self.netin += netin
        self.netout += netout
        self.diskread += diskread
        self.diskwrite += diskwrite
        return netin, netout

    def _ran(self, wall: float | None) -> bool:
        return self.running if wall is None else self.ran_at(wall)

    def resource_row(self) -> dict[str, Any]:
        """The row that pvestatd publishes for ``/cluster/resources``."""
        spec, on = self.spec, self.running
        row: dict[str, Any] = {
            "id": f"{spec.pve_type}/{self.vmid}", "vmid": self.vmid, "name": spec.name, "type": spec.pve_type,
            "node": self.node, "status": self.state, "template": int(spec.template), "uptime": self.uptime(),
            "cpu": self.cpu(), "maxcpu": spec.cores, "mem": self.memory() if on else 0,
            "maxmem": spec.memory_bytes, "disk": self.disk_used(), "maxdisk": spec.disk_bytes,
            "netin": int(self.netin), "netout": int(self.netout), "diskread": int(self.diskread),
            "diskwrite": int(self.diskwrite),
        }  # fmt: skip
        if spec.kind == "vm":
            row["memhost"] = self.host_memory()
        return row

    def status_row(self, full: bool = True) -> dict[str, Any]:
        """What ``…/{vmid}/status/current`` tells, without the HA part."""
        spec = self.spec
        row = self.resource_row()
        row["status"] = "running" if self.running else "stopped"
        row["cpus"] = row.pop("maxcpu")
        for key in ("id", "type", "node", "template"):
            row.pop(key)
        if spec.template:
            row["template"] = 1
        if self.lock:
            row["lock"] = self.lock
        if spec.tags:
            row["tags"] = ";".join(spec.tags)
        if spec.kind == "ct":
            row |= {"type": "lxc", "swap": 0, "maxswap": min(spec.memory_bytes, GIB // 2)}
        elif full:
            row["qmpstatus"] = self.state
        if self.running:
            row["pid"] = self.pid
            pressure = round(self.cpu() * 0.4, 2)
            for name in ("cpusome", "iosome", "memorysome"):
                row[f"pressure{name}"] = pressure if name == "cpusome" else 0
        if self.running and full and spec.kind == "vm":
            row |= {"agent": 1, "running-machine": "pc-i440fx-10.1+pve0", "running-qemu": "10.1.2"}
        return row

    def config(self) -> dict[str, Any]:
        """What ``…/{vmid}/config`` tells, pending changes included."""
        spec = replace(self.spec, **self.pending)  # type: ignore[arg-type]
        mac = f"BC:24:11:{self.vmid >> 16 & 255:02X}:{self.vmid >> 8 & 255:02X}:{self.vmid & 255:02X}"
        size = f"{spec.disk_bytes // GIB}G"
        row: dict[str, Any] = {
            "cores": spec.cores, "memory": int(spec.memory_bytes / 2**20), "onboot": int(spec.onboot),
            "digest": f"{self.seed:08x}" * 5,
        }  # fmt: skip
        if spec.kind == "vm":
            row |= {
                "name": spec.name, "agent": "1", "boot": "order=scsi0;net0", "cpu": "x86-64-v2-AES", "numa": 0,
                "ostype": "win11" if "windows" in spec.name else "l26", "scsihw": "virtio-scsi-single",
                "scsi0": f"local-lvm:{'base' if spec.template else 'vm'}-{self.vmid}-disk-0,size={size}",
                "net0": f"virtio={mac},bridge=vmbr0,firewall=1", "sockets": 1,
                "memory": str(int(spec.memory_bytes / 2**20)),
            }  # fmt: skip
        else:
            row |= {
                "hostname": spec.name, "arch": "amd64", "ostype": "debian", "swap": 512, "unprivileged": 1,
                "rootfs": f"local-lvm:vm-{self.vmid}-disk-0,size={size}", "features": "nesting=1",
                "net0": f"name=eth0,bridge=vmbr0,firewall=1,hwaddr={mac},ip=dhcp,type=veth",
            }  # fmt: skip
        if spec.startup:
            row["startup"] = spec.startup
        if spec.tags:
            row["tags"] = ";".join(spec.tags)
        if spec.note:
            row["description"] = spec.note + "\n"
        if self.lock:
            row["lock"] = self.lock
        if spec.template:
            row["template"] = 1
        return row
