"""RRD data, computed backwards from the curves, so that a history is there at once.

Rows leave out what was not recorded (a stopped guest has no ``cpu``, a dead node only ``time``), as PVE does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.nodes import Node

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World

FRAMES: Final = {
    "hour": (60, 60), "day": (60, 1440), "week": (1800, 336), "month": (1800, 1440), "year": (21600, 1460),
    "decade": (604800, 520),
}  # fmt: skip
"""Resolution in seconds and number of rows by time frame (PVE 9)."""
PART: Final = 20
"""Guests whose history stands for that of a node with more."""


def _times(world: World, timeframe: str) -> list[int]:
    step, count = FRAMES[timeframe]
    last = int(world.now) // step * step
    return [last - step * back for back in range(count - 1, -1, -1)]


def guest_rows(world: World, guest: Guest, timeframe: str) -> list[dict[str, Any]]:
    """``GET …/{vmid}/rrddata``: rates in bytes per second, memory in bytes."""
    spec = guest.spec
    rows = []
    for at in _times(world, timeframe):
        row: dict[str, Any] = {"time": at}
        if world.nodes[guest.node].was_on(at):
            row |= {"maxcpu": spec.cores, "maxmem": spec.memory_bytes, "maxdisk": spec.disk_bytes}
            if guest.ran_at(at):
                row |= _guest_values(guest, at)
        rows.append(row)
    return rows


def _guest_values(guest: Guest, at: float) -> dict[str, Any]:
    netin, netout, diskread, diskwrite = guest.rates(at)
    cpu, used = guest.cpu(at), guest.memory(at)
    row: dict[str, Any] = {
        "cpu": cpu, "mem": used, "netin": netin, "netout": netout, "diskread": diskread,
        "diskwrite": diskwrite, "disk": guest.disk_used() if guest.spec.kind == "ct" else 0,
        "pressurecpusome": round(cpu * 0.4, 3), "pressurecpufull": 0, "pressureiosome": 0, "pressureiofull": 0,
        "pressurememorysome": 0, "pressurememoryfull": 0,
    }  # fmt: skip
    if guest.spec.kind == "vm":
        row["memhost"] = int(used * 1.08)
    return row


def _node_load(world: World, node: Node, at: float) -> tuple[float, int]:
    """CPU share and memory in bytes at ``at``; of many guests a part stands for all."""
    guests = world.guests_on(node.name)
    part = guests[:: len(guests) // PART + 1]
    scale = len(guests) / len(part) if part else 0.0
    cores = sum(guest.cpu(at) * guest.spec.cores for guest in part) * scale
    used = sum(guest.memory(at) for guest in part) * scale
    return (
        min(1.0, cores / node.spec.cpus + node.host_cpu(at)),
        min(node.spec.memory_bytes, int(node.host_memory(at) + used)),
    )


def node_rows(world: World, node: Node, timeframe: str) -> list[dict[str, Any]]:
    """``GET /nodes/{n}/rrddata``."""
    root = world.disk("local", node.name)
    total = root.spec.size_bytes if root else 0
    rows = []
    for at in _times(world, timeframe):
        row: dict[str, Any] = {"time": at}
        if node.was_on(at):
            cpu, used = _node_load(world, node, at)
            row |= {
                "cpu": cpu, "maxcpu": node.spec.cpus, "iowait": cpu * 0.02, "loadavg": cpu * node.spec.cpus,
                "memtotal": node.spec.memory_bytes, "memused": used,
                "memavailable": node.spec.memory_bytes - used, "arcsize": 0,
                "swaptotal": 8 * 2**30, "swapused": 0, "roottotal": total,
                "rootused": root.base_used if root else 0, "netin": 4e5 * (1 + cpu), "netout": 3e5 * (1 + cpu),
                "pressurecpusome": round(cpu * 0.2, 3), "pressureiosome": 0.0, "pressureiofull": 0.0,
                "pressurememorysome": 0.0, "pressurememoryfull": 0.0,
            }  # fmt: skip
        rows.append(row)
    return rows
