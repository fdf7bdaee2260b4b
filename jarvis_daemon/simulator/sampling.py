"""pvestatd and pmxcfs: what a node publishes every few seconds, and what each other node still holds of it.

A sample older than ``max_age_s`` (pmxcfs: 300) is dropped: then a guest is ``{id, vmid, node, type, status:
"unknown"}``, a storage has no sizes, and an offline node is ``{id, node, type, status}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jarvis_daemon.simulator.nodes import Node
    from jarvis_daemon.simulator.world import World


@dataclass(frozen=True)
class Sample:
    """What one node published at ``at`` (elapsed real seconds)."""

    at: float
    node: dict[str, Any]
    guests: dict[int, dict[str, Any]]
    storages: dict[str, tuple[int, int]]
    """(used, total) by storage."""
    counters: dict[str, float]
    """What only the export of metrics tells of the node: load averages, iowait, traffic."""


class Replicas:
    """Every node's copy of every node's last sample."""

    def __init__(self, max_age_s: float) -> None:
        self.max_age_s = max_age_s
        self._held: dict[str, dict[str, Sample]] = {}

    def deliver(self, sample: Sample, sender: str, members: set[str]) -> None:
        for receiver in members:
            self._held.setdefault(receiver, {})[sender] = sample

    def forget(self, receiver: str) -> None:
        """A node that boots starts with nothing."""
        self._held.pop(receiver, None)

    def of(self, receiver: str, sender: str, now: float) -> Sample | None:
        """The copy that ``receiver`` holds of ``sender``, None when there is none or it is too old."""
        sample = self._held.get(receiver, {}).get(sender)
        return sample if sample is not None and now - sample.at <= self.max_age_s else None


def take(world: World, node: Node) -> Sample:
    """What ``node`` sees of itself now; moves its counters, those of its guests and its heat on."""
    elapsed = world.timeline.elapsed - node.sampled_at
    node.sampled_at = world.timeline.elapsed
    rows: dict[int, dict[str, Any]] = {}
    cores, memory = 0.0, node.host_memory()
    for guest in world.guests_on(node.name):
        if guest.running:
            netin, netout = guest.count(elapsed)
            node.netin += netin
            node.netout += netout
        row = rows[guest.vmid] = guest.resource_row()
        cores += row["cpu"] * guest.spec.cores
        memory += guest.host_memory()
    cpu = world.cpu_of(node.name, cores)
    node.heat(cpu)
    loads = zip(("cpu_avg1", "cpu_avg5", "cpu_avg15"), map(float, node.loadavg(cpu)), strict=True)
    counters = {**dict(loads), "cpu_iowait": cpu * 0.02, "net_in": node.netin, "net_out": node.netout}
    disks = [(spec, world.disk(spec.name, node.name)) for spec in world.inventory.storages]
    storages = {spec.name: (disk.used(), spec.size_bytes) for spec, disk in disks if disk is not None}
    used, total = storages.get("local", (0, 0))
    row = {
        "uptime": node.uptime(), "cpu": cpu, "maxcpu": node.spec.cpus,
        "mem": min(node.spec.memory_bytes, memory), "maxmem": node.spec.memory_bytes,
        "disk": used, "maxdisk": total,
    }  # fmt: skip
    return Sample(world.timeline.elapsed, row, rows, storages, counters)
