"""One guest: status, configuration, snapshots, addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes.resources import container_disk
from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    Row,
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
    wrong_shape,
)
from jarvis_daemon.protocol.state import GuestKind, GuestStatus
from jarvis_daemon.protocol.text import clean_block


class GuestStatusReply(msgspec.Struct, kw_only=True):
    """``…/status/current``. Sizes in bytes, ``cpu`` a share 0..1."""

    status: GuestStatus = "unknown"
    name: str | None = None
    lock: str | None = None
    template: bool = False
    agent: bool = False
    """A VM whose configuration has the guest agent enabled."""
    ha_managed: bool = False
    ha_state: str | None = None
    pid: int | None = None
    uptime_s: int | None = None
    cpu: float | None = None
    cpu_count: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_total_bytes: int | None = None
    pressure: dict[str, float] = {}
    """PVE 9: ``cpusome`` ``iofull`` … in percent."""


def parse_guest_status(data: Any, kind: GuestKind) -> GuestStatusReply:
    """Raises ``cluster_unreachable`` when ``data`` is no object."""
    row = mapping(data, "the guest's status")
    ha = section(row, "ha")
    status = _status(row)
    pressure = {key.removeprefix("pressure"): number(row[key]) for key in row if key.startswith("pressure")}
    return GuestStatusReply(
        status=status,
        name=text(row.get("name")),
        lock=name(row.get("lock")),
        template=flag(row.get("template")),
        agent=flag(row.get("agent")),
        ha_managed=flag(ha.get("managed")),
        ha_state=name(ha.get("state")),
        pid=integer(row.get("pid")),
        uptime_s=size(row.get("uptime")),
        cpu=number(row.get("cpu")),
        cpu_count=number(row.get("cpus")) or None,
        memory_used_bytes=integer(row.get("mem")),
        memory_total_bytes=size(row.get("maxmem")),
        disk_used_bytes=container_disk(kind, status, row.get("disk")),
        disk_total_bytes=size(row.get("maxdisk")),
        pressure={key: value for key, value in pressure.items() if value is not None},
    )


def _status(row: Row) -> GuestStatus:
    said, qemu = row.get("status"), row.get("qmpstatus")
    if said == "running":
        return "paused" if qemu == "paused" else "suspended" if qemu == "suspended" else "running"
    return "stopped" if said == "stopped" else "unknown"


class GuestConfig(msgspec.Struct, kw_only=True):
    """``…/config`` of a VM or container, the part that people ask for."""

    name: str | None = None
    description: str = ""
    cores: int | None = None
    sockets: int | None = None
    memory_mb: int | None = None
    ostype: str | None = None
    onboot: bool = False
    startup_order: int | None = None
    """Of ``startup: order=N,up=…``: PVE starts low numbers first, those without one last."""
    protection: bool = False
    template: bool = False
    lock: str | None = None
    agent: bool = False
    tags: list[str] = []
    disks: dict[str, str] = {}
    """``scsi0`` to ``local-lvm:vm-100-disk-0,size=32G``."""
    nets: dict[str, str] = {}
    """``net0`` to ``virtio=BC:…,bridge=vmbr0``."""


_DISK: Final = re.compile(r"(?:scsi|virtio|sata|ide|mp|unused|efidisk|tpmstate)\d+|rootfs")
_NET: Final = re.compile(r"net\d+")


def parse_guest_config(data: Any) -> GuestConfig:
    """Raises ``cluster_unreachable`` when ``data`` is no object."""
    row = mapping(data, "the guest's configuration")
    description = row.get("description")
    return GuestConfig(
        name=text(row.get("name")) or text(row.get("hostname")),
        description=clean_block(description) if isinstance(description, str) else "",
        cores=integer(row.get("cores")),
        sockets=integer(row.get("sockets")),
        memory_mb=_memory_mb(row.get("memory")),
        ostype=name(row.get("ostype")),
        onboot=flag(row.get("onboot")),
        startup_order=_startup_order(row.get("startup")),
        protection=flag(row.get("protection")),
        template=flag(row.get("template")),
        lock=name(row.get("lock")),
        agent=_agent(row.get("agent")),
        tags=parts(row.get("tags"), ";"),
        disks={key: text(row[key]) or "" for key in sorted(row) if _DISK.fullmatch(key)},
        nets={key: text(row[key]) or "" for key in sorted(row) if _NET.fullmatch(key)},
    )


def _startup_order(value: Any) -> int | None:
    """``order=3,up=30``; the key may be left out (``3,up=30``), and there may be no order (``up=30``)."""
    for part in (text(value) or "").split(","):
        key, equals, order = part.strip().rpartition("=")
        if (key == "order" or not equals) and order.isdecimal():
            return int(order)
    return None


def _memory_mb(value: Any) -> int | None:
    if isinstance(value, str) and value.startswith("current="):
        value = value.removeprefix("current=").split(",")[0]
    return integer(value)


def _agent(value: Any) -> bool:
    said = (text(value) or "").split(",")  # "1", "enabled=1,fstrim_cloned_disks=1"
    return "1" in said or "enabled=1" in said


class Snapshot(msgspec.Struct, kw_only=True):
    """A snapshot of a guest."""

    name: str
    at: float | None = None
    description: str = ""
    parent: str | None = None
    with_memory: bool = False


def parse_snapshots(data: Any, dropped: Dropped | None = None) -> list[Snapshot]:
    """``…/snapshot``, oldest first; the pseudo entry ``current`` (the guest as it is) is left out."""
    found: list[Snapshot] = []
    for row in rows(data, "the snapshots", dropped):
        snapshot = text(row.get("name"))
        if snapshot is None:
            drop(dropped, "snapshot without a name")
        elif snapshot != "current":
            found.append(
                Snapshot(
                    name=snapshot,
                    at=number(row.get("snaptime")),
                    description=text(row.get("description")) or "",
                    parent=text(row.get("parent")),
                    with_memory=bool(maybe(row.get("vmstate"))),
                )
            )
    return sorted(found, key=lambda snapshot: snapshot.at or 0.0)


class Address(msgspec.Struct, kw_only=True):
    """An address of a guest that others can reach: neither loopback nor link-local."""

    interface: str
    ip: str
    mac: str | None = None


def parse_agent_addresses(data: Any, dropped: Dropped | None = None) -> list[Address]:
    """``…/agent/network-get-interfaces``: the agent's answer lies in ``result``."""
    result = mapping(data, "the guest's addresses").get("result")
    if isinstance(result, dict):  # {"error": {"class": …, "desc": …}} of an agent that refuses
        raise wrong_shape("the guest's addresses", "a list", result)
    found: list[Address] = []
    for row in rows(result, "the guest's addresses", dropped):
        interface, mac = text(row.get("name")) or "?", text(row.get("hardware-address"))
        given = row.get("ip-addresses")
        for one in given if isinstance(given, list) else []:
            if isinstance(one, dict):
                _address(found, interface, mac, one.get("ip-address"))
    return found


def parse_lxc_addresses(data: Any, dropped: Dropped | None = None) -> list[Address]:
    """``/nodes/{node}/lxc/{vmid}/interfaces``: ``inet`` and ``inet6`` with their prefix lengths."""
    found: list[Address] = []
    for row in rows(data, "the container's addresses", dropped):
        interface = text(row.get("name")) or "?"
        mac = text(row.get("hwaddr")) or text(row.get("hardware-address"))
        for key in ("inet", "inet6"):
            _address(found, interface, mac, row.get(key))
    return found


def _address(found: list[Address], interface: str, mac: str | None, value: Any) -> None:
    try:
        ip = ipaddress.ip_address((text(value) or "").split("/")[0].split("%")[0])
    except ValueError:
        return
    if not ip.is_loopback and not ip.is_link_local:
        found.append(Address(interface=interface, ip=str(ip), mac=mac))
