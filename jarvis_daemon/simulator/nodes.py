"""A node: its power, its links, its heat, its services, and what the API tells of it."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

from jarvis_daemon.simulator import curves
from jarvis_daemon.simulator.inventory import GIB, NodeSpec
from jarvis_daemon.simulator.ramp import Ramp
from jarvis_daemon.simulator.timeline import Timeline, Timer

Power = Literal["on", "booting", "off"]
BOOT_S: Final = 12.0
"""Simulated seconds from power-on until a node is online."""
PVE_SERVICES: Final = (
    "pveproxy", "pvedaemon", "pvestatd", "pve-cluster", "corosync", "pvescheduler", "pve-ha-crm", "pve-ha-lrm",
    "ssh", "chrony", "cron",
)  # fmt: skip
HOST_MEMORY: Final = {"llama-server": 5.2 * GIB, "email-agent": 0.4 * GIB, "cluster-advisor": 0.5 * GIB}
"""What a service takes from the memory of its node, where it is much."""
KERNEL: Final = ("6.17.4-1-pve", "#1 SMP PREEMPT_DYNAMIC PMX 6.17.4-1 (2025-12-03T15:42Z)")
THERMAL_TAU_S: Final = 25.0
IDLE_C: Final = 39.0
FULL_LOAD_C: Final = 41.0
"""Degrees above idle at full load."""


class Node:
    """One machine of the cluster. The load of its guests is handed in by the world."""

    def __init__(self, spec: NodeSpec, timeline: Timeline, seed: int) -> None:
        self.spec = spec
        self.name = spec.name
        self.seed = curves.seed_of(seed, "node", spec.name)
        self.power: Power = "on"
        self.frozen = False
        self.partition = 0
        """Nodes with the same number hear each other over corosync."""
        self.ssh_refused = False
        self.peers_refused = False
        """Requests that another node proxies to this one end in 595."""
        self.certificate = 0
        """Counts up with every new certificate; faults swap it and back."""
        self.wakes = True
        """Its network card hears a wake-on-LAN packet."""
        self.clock_skew_s = 0.0
        self.overheat: Ramp | None = None
        self.booted_at = timeline.now - (3 + 60 * curves.unit(self.seed)) * 86400
        self.services = dict.fromkeys((*PVE_SERVICES, *spec.services), "active")
        self.service_since: dict[str, float] = {}
        """Unit to the wall time of its last restart, where that was after the boot."""
        self.broken_services: set[str] = set()
        """Units that fail again right after every start."""
        self.hanging_commands: set[str] = set()
        """First words of commands that never come to an end."""
        self.refused_commands: set[str] = set()
        """How commands begin that end with "Access denied"."""
        self.updates = {"pve-manager": ("9.1.3", "9.1.4"), "proxmox-kernel-6.17": ("6.17.4-1", "6.17.4-2")}
        """Packages with a newer version: what is installed, what there is."""
        self.disk_health = "PASSED"
        self.disk_wearout = 96
        """Percent of its life that is left."""
        self.held_back = False
        """An upgrade, or a cleaning, ends well and does nothing."""
        self.dead_mounts: set[str] = set()
        """Network mounts that never answer."""
        self.journal_padding = 0
        """Characters behind each line of the journal."""
        self.commands: list[str] = []
        """What shells were asked to do here, the last ones."""
        self.temperature_c = IDLE_C + 8.0
        self.netin = self.netout = 0.0
        self.sampled_at = timeline.elapsed
        self.history: list[tuple[float, bool]] = []
        self.ran_before: set[int] = set()
        """Guests that ran when its power went, until they were started again."""
        self.boot: Timer | None = None
        self._timeline = timeline
        self._heated_at = timeline.sim

    @property
    def online(self) -> bool:
        return self.power == "on"

    @property
    def reachable(self) -> bool:
        """Its ports answer at all."""
        return self.power == "on"

    def set_power(self, power: Power) -> None:
        if (power == "on") != (self.power == "on"):
            self.history.append((self._timeline.now, power == "on"))
        if power == "on" and self.power != "on":
            self.booted_at = self._timeline.now
            self.temperature_c = IDLE_C - 4
            self.netin = self.netout = 0.0
            self.sampled_at = self._timeline.elapsed
            self.services = dict.fromkeys(self.services, "active")
            self.service_since.clear()
        self.power = power

    def active_since(self, unit: str) -> float:
        """Seconds after the boot at which ``unit`` became active."""
        since = self.service_since.get(unit)
        return 12.0 if since is None else max(12.0, since - self.booted_at)

    def start_service(self, unit: str) -> None:
        """Start or restart it; one that is broken falls at once."""
        self.services[unit] = "failed" if unit in self.broken_services else "active"
        self.service_since[unit] = self._timeline.now

    def was_on(self, wall: float) -> bool:
        for since, on in reversed(self.history):
            if since <= wall:
                return on
        return True

    def uptime(self) -> int:
        return max(1, int(self._timeline.now - self.booted_at)) if self.online else 0

    def time(self) -> float:
        """Its own clock, Unix seconds."""
        return self._timeline.now + self.clock_skew_s

    def host_cpu(self, wall: float | None = None) -> float:
        """What the host itself uses, as a share of the node."""
        at = self._timeline.load_at(wall)
        return 0.015 + 0.02 * (1 + curves.noise(self.seed ^ 0x11, at, 300)) * 0.5

    def host_memory(self, wall: float | None = None) -> int:
        """Bytes used by the host, its services and its caches."""
        own = 0.55 * GIB + 0.025 * self.spec.memory_bytes
        own += sum(HOST_MEMORY.get(name, 0.03 * GIB) for name, state in self.services.items() if state == "active")
        at = self._timeline.load_at(wall)
        return int(own * (1 + 0.02 * curves.noise(self.seed ^ 0x12, at, 3600)))

    def heat(self, cpu: float) -> None:
        """Let the temperature follow ``cpu`` with the inertia of the cooler."""
        elapsed = self._timeline.sim - self._heated_at
        self._heated_at = self._timeline.sim
        target = self.heat_target(cpu)
        self.temperature_c = target + (self.temperature_c - target) * math.exp(-elapsed / THERMAL_TAU_S)

    def heat_target(self, cpu: float) -> float:
        """Where the temperature settles at this load, °C."""
        target = IDLE_C + 6 * curves.unit(self.seed ^ 0x13) + FULL_LOAD_C * float(cpu**0.8)
        if self.overheat is not None:
            target = max(target, self.overheat.at(self._timeline.sim))
        return target

    def temperature(self) -> float:
        """°C of the CPU package now, with the flicker of a sensor."""
        return self.temperature_c + 0.6 * curves.noise(self.seed ^ 0x14, self._timeline.load_at(), 7)

    def loadavg(self, cpu: float) -> list[str]:
        at = self._timeline.load_at()
        base = cpu * self.spec.cpus
        return [
            f"{max(0.0, base * (1 + 0.1 * curves.noise(self.seed ^ 0x15, at, period))):.2f}"
            for period in (60, 300, 900)
        ]

    def cpuinfo(self) -> dict[str, Any]:
        return {
            "cpus": self.spec.cpus, "cores": max(1, self.spec.cpus // 2), "sockets": 1, "hvm": "1",
            "model": self.spec.cpu_model, "mhz": f"{2400 + 900 * curves.unit(self.seed):.3f}", "user_hz": 100,
            "flags": "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush",
        }  # fmt: skip
