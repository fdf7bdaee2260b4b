"""Numbers over time: RRD data and the metrics export."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes.values import Dropped, drop, integer, mapping, name, number, rows

_NAMES: Final = {
    "maxcpu": "cpu_count",
    "mem": "memory_used_bytes",
    "memused": "memory_used_bytes",
    "maxmem": "memory_total_bytes",
    "memtotal": "memory_total_bytes",
    "memavailable": "memory_available_bytes",
    "memhost": "memory_host_bytes",
    "swapused": "swap_used_bytes",
    "swaptotal": "swap_total_bytes",
    "rootused": "rootfs_used_bytes",
    "roottotal": "rootfs_total_bytes",
    "disk": "disk_used_bytes",
    "maxdisk": "disk_total_bytes",
    "used": "used_bytes",
    "total": "total_bytes",
    "netin": "net_in_bytes_s",
    "netout": "net_out_bytes_s",
    "diskread": "disk_read_bytes_s",
    "diskwrite": "disk_write_bytes_s",
}
"""PVE's names, which differ between nodes, guests and storages, to ours; others (cpu, iowait, loadavg,
pressure…) stay as they are."""


def parse_rrd(data: Any, dropped: Dropped | None = None) -> list[tuple[float, dict[str, float]]]:
    """``…/rrddata`` as (Unix seconds, metric to value), oldest first; a gap is a missing metric, never 0."""
    found: list[tuple[float, dict[str, float]]] = []
    for row in rows(data, "the history", dropped):
        at = number(row.get("time"))
        if at is None:
            drop(dropped, "history row without a time")
            continue
        values = ((_NAMES.get(key, key), number(value)) for key, value in row.items() if key != "time")
        found.append((at, {metric: value for metric, value in values if value is not None}))
    return sorted(found, key=lambda point: point[0])


class MetricPoint(msgspec.Struct, kw_only=True, gc=False):
    """One value of ``/cluster/metrics/export`` (PVE 8.4 and later)."""

    id: str
    """``node/pve`` ``qemu/100`` ``storage/pve/local``."""
    metric: str
    at: float
    value: float
    counter: bool = False
    """True: a running total (PVE's ``derive`` and ``counter``); False: the value itself."""


def parse_metrics_export(data: Any, dropped: Dropped | None = None) -> list[MetricPoint]:
    """In the order of the reply."""
    found: list[MetricPoint] = []
    for row in rows(mapping(data, "the metrics").get("data"), "the metrics", dropped):
        entity, metric = name(row.get("id")), name(row.get("metric"))
        at, value = integer(row.get("timestamp")), number(row.get("value"))
        if entity is None or metric is None or at is None or value is None:
            drop(dropped, "metric without an id, a name, a time or a value")
            continue
        counter = row.get("type") in ("derive", "counter")
        found.append(MetricPoint(id=entity, metric=metric, at=float(at), value=value, counter=counter))
    return found
