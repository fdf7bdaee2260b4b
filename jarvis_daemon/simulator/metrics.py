"""``GET /cluster/metrics/export``: every metric of the last samples, and the half hour before on request.

One row a metric: ``{id, metric, timestamp, type, value}``, ``gauge`` for levels, ``derive`` for counters; the ids
are ``node/NAME``, ``qemu/VMID``, ``lxc/VMID`` and ``storage/NODE/NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jarvis_daemon.simulator.sampling import Sample
from jarvis_daemon.simulator.world import World

HISTORY_S: Final = 1800
POINTS_MAX: Final = 20_000
"""History gets coarser than pvestatd's interval rather than longer than this."""
_GUEST: Final = {
    "cpu": "cpu_current", "maxcpu": "cpu_max", "mem": "mem_used", "maxmem": "mem_total", "uptime": "uptime",
    "netin": "net_in", "netout": "net_out", "diskread": "disk_read", "diskwrite": "disk_write",
    "disk": "disk_used", "maxdisk": "disk_total",
}  # fmt: skip
_COUNTERS: Final = frozenset({"net_in", "net_out", "disk_read", "disk_write"})


def _row(ident: str, metric: str, at: float, value: Any) -> dict[str, Any]:
    kind = "derive" if metric in _COUNTERS else "gauge"
    return {"id": ident, "metric": metric, "timestamp": int(at), "type": kind, "value": value}


def export(world: World, view: str, *, since: float, history: bool, names: set[str] | None) -> list[dict[str, Any]]:
    """The rows that ``view`` answers, newer than ``since``, of the nodes ``names`` (None: all)."""
    rows: list[dict[str, Any]] = []
    chosen = [name for name in world.nodes if names is None or name in names]
    if history:
        rows += _past(world, chosen, since)
    for name in chosen:
        sample = world.replicas.of(view, name, world.timeline.elapsed)
        if sample is not None:
            at = world.now - (world.timeline.elapsed - sample.at)
            if at > since:
                rows += _current(name, sample, at)
    return rows


def _current(name: str, sample: Sample, at: float) -> Iterator[dict[str, Any]]:
    for key in ("cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime"):
        yield _row(f"node/{name}", _GUEST[key], at, sample.node[key])
    for metric, value in sample.counters.items():
        yield _row(f"node/{name}", metric, at, int(value) if metric in _COUNTERS else value)
    for guest in sample.guests.values():
        for key, metric in _GUEST.items():
            yield _row(guest["id"], metric, at, guest[key])
    for storage, (used, total) in sample.storages.items():
        yield _row(f"storage/{name}/{storage}", "disk_used", at, used)
        yield _row(f"storage/{name}/{storage}", "disk_total", at, total)


def _past(world: World, names: list[str], since: float) -> Iterator[dict[str, Any]]:
    guests = [guest for name in names for guest in world.guests_on(name)]
    step = max(int(world.stat_interval_s), 10, 2 * len(guests) * HISTORY_S // POINTS_MAX)
    last = int(world.now) // step * step
    for at in range(last - HISTORY_S // step * step, last, step):
        if at <= since:
            continue
        for guest in guests:
            if guest.ran_at(at):
                ident = f"{guest.spec.pve_type}/{guest.vmid}"
                yield _row(ident, "cpu_current", at, guest.cpu(at))
                yield _row(ident, "mem_used", at, guest.memory(at))
