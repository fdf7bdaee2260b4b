"""One node: its status, clock, certificates, services and storages."""

from __future__ import annotations

from typing import Any

import msgspec

from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    drop,
    flag,
    integer,
    mapping,
    maybe,
    name,
    number,
    parts,
    rows,
    section,
    size,
    text,
)


class NodeStatusReply(msgspec.Struct, kw_only=True):
    """``/nodes/{node}/status`` of PVE 7 to 9. Sizes in bytes, ``cpu`` and ``iowait`` shares 0..1."""

    cpu: float | None = None
    cpu_count: int | None = None
    cpu_model: str | None = None
    iowait: float | None = None
    loadavg: list[float] | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    """PVE 9 only."""
    swap_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    """0 where the node has no swap."""
    rootfs_used_bytes: int | None = None
    rootfs_total_bytes: int | None = None
    rootfs_available_bytes: int | None = None
    """What may still be written: can be far below total minus used (reserved blocks)."""
    uptime_s: int | None = None
    kernel: str | None = None
    pve_version: str | None = None


class DiskRow(msgspec.Struct, kw_only=True):
    """A physical disk of ``/nodes/{node}/disks/list``."""

    device: str
    """``/dev/sda``."""
    model: str = ""
    serial: str = ""
    size_bytes: int | None = None
    health: str = "UNKNOWN"
    """SMART's word: PASSED, OK, FAILED …, or UNKNOWN."""
    wearout_pct: float | None = None
    """What is left of an SSD's life; None where it does not tell ("N/A")."""
    used: str = ""


def parse_disks(data: Any, dropped: Dropped | None = None) -> list[DiskRow]:
    found: list[DiskRow] = []
    for row in rows(data, "the disks", dropped):
        device = text(row.get("devpath"))
        if device is None or not device.startswith("/dev/"):
            drop(dropped, "disk without a device")
            continue
        found.append(
            DiskRow(
                device=device,
                model=text(row.get("model")) or "",
                serial=text(row.get("serial")) or "",
                size_bytes=size(row.get("size")),
                health=text(row.get("health")) or "UNKNOWN",
                wearout_pct=number(row.get("wearout")),
                used=text(row.get("used")) or "",
            )
        )
    return found


def parse_node_status(data: Any) -> NodeStatusReply:
    """Raises ``cluster_unreachable`` when ``data`` is no object."""
    row = mapping(data, "the node's status")
    cpuinfo, memory = section(row, "cpuinfo"), section(row, "memory")
    swap, rootfs = section(row, "swap"), section(row, "rootfs")
    return NodeStatusReply(
        cpu=number(row.get("cpu")),
        cpu_count=size(cpuinfo.get("cpus")),
        cpu_model=text(cpuinfo.get("model")),
        iowait=number(row.get("wait")),
        loadavg=_loadavg(row.get("loadavg")),
        memory_used_bytes=integer(memory.get("used")),
        memory_total_bytes=size(memory.get("total")),
        memory_available_bytes=integer(memory.get("available")),
        swap_used_bytes=integer(swap.get("used")),
        swap_total_bytes=integer(swap.get("total")),
        rootfs_used_bytes=integer(rootfs.get("used")),
        rootfs_total_bytes=size(rootfs.get("total")),
        rootfs_available_bytes=integer(rootfs.get("avail")),
        uptime_s=size(row.get("uptime")),
        kernel=_kernel(section(row, "current-kernel").get("release"), row.get("kversion")),
        pve_version=_manager_version(row.get("pveversion")),
    )


def _loadavg(value: Any) -> list[float] | None:
    if not isinstance(value, list):
        return None
    found = [number(part) for part in value]
    return [part for part in found if part is not None] if found and None not in found else None


def _kernel(release: Any, kversion: Any) -> str | None:
    if found := text(release):
        return found
    words = (text(kversion) or "").split()  # "Linux 6.8.12-15-pve #1 SMP …"
    return words[1] if len(words) > 1 and words[0] == "Linux" else None


def _manager_version(value: Any) -> str | None:
    said = text(value)
    return said if said is None or "/" not in said else said.split("/")[1]


def parse_time(data: Any) -> float | None:
    """``/nodes/{node}/time``: the node's clock in Unix seconds (whole ones)."""
    return number(mapping(data, "the node's clock").get("time"))


class Certificate(msgspec.Struct, kw_only=True):
    """A certificate of a node."""

    filename: str
    """``pveproxy-ssl.pem`` (own) or ``pve-ssl.pem`` (PVE's) serve the API; ``pve-root-ca.pem`` signs."""
    fingerprint: str | None = None
    subject: str | None = None
    issuer: str | None = None
    starts_at: float | None = None
    expires_at: float | None = None
    names: list[str] = []


def parse_certificates(data: Any, dropped: Dropped | None = None) -> list[Certificate]:
    """``/nodes/{node}/certificates/info``."""
    found: list[Certificate] = []
    for row in rows(data, "the node's certificates", dropped):
        filename = text(row.get("filename"))
        if filename is None:
            drop(dropped, "certificate without a file name")
            continue
        san = row.get("san")
        found.append(
            Certificate(
                filename=filename,
                fingerprint=text(row.get("fingerprint")),
                subject=text(row.get("subject")),
                issuer=text(row.get("issuer")),
                starts_at=number(row.get("notbefore")),
                expires_at=number(row.get("notafter")),
                names=[one for one in map(text, san) if one] if isinstance(san, list) else [],
            )
        )
    return found


def api_certificate(certificates: list[Certificate]) -> Certificate | None:
    """The one that the API serves: the node's own where there is one, else PVE's."""
    by_name = {certificate.filename: certificate for certificate in certificates}
    return by_name.get("pveproxy-ssl.pem") or by_name.get("pve-ssl.pem")


class ServiceRow(msgspec.Struct, kw_only=True):
    """A systemd unit that PVE itself looks after."""

    name: str
    description: str = ""
    state: str = "unknown"
    """``running`` ``dead`` ``exited`` …, systemd's sub-state."""
    active: bool | None = None


def parse_services(data: Any, dropped: Dropped | None = None) -> list[ServiceRow]:
    """``/nodes/{node}/services``."""
    found: list[ServiceRow] = []
    for row in rows(data, "the node's services", dropped):
        unit = name(row.get("name")) or name(row.get("service"))
        if unit is None:
            drop(dropped, "service without a name")
            continue
        active = text(row.get("active-state"))
        found.append(
            ServiceRow(
                name=unit,
                description=text(row.get("desc")) or "",
                state=name(row.get("state")) or "unknown",
                active=None if active in (None, "unknown") else active == "active",
            )
        )
    return found


class NodeStorageRow(msgspec.Struct, kw_only=True):
    """A storage as one node has it (``/nodes/{node}/storage`` lists those of all nodes: see ``active``)."""

    name: str
    type: str = ""
    active: bool = False
    enabled: bool = True
    shared: bool = False
    content: list[str] = []
    used_bytes: int | None = None
    available_bytes: int | None = None
    total_bytes: int | None = None


def parse_node_storages(data: Any, dropped: Dropped | None = None) -> list[NodeStorageRow]:
    found: list[NodeStorageRow] = []
    for row in rows(data, "the node's storages", dropped):
        storage = name(row.get("storage"))
        if storage is None:
            drop(dropped, "storage without a name")
            continue
        total, enabled = size(row.get("total")), maybe(row.get("enabled"))
        found.append(
            NodeStorageRow(
                name=storage,
                type=name(row.get("type")) or "",
                active=flag(row.get("active")),
                enabled=True if enabled is None else enabled,
                shared=flag(row.get("shared")),
                content=sorted(parts(row.get("content"), ",")),
                used_bytes=None if total is None else integer(row.get("used")),
                available_bytes=None if total is None else integer(row.get("avail")),
                total_bytes=total,
            )
        )
    return found
