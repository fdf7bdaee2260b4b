"""What the simulated homelab consists of: ``data/homelab.yaml``, exactly, or scaled up.

Sizes are bytes. Scaled up it keeps every entry of the file and has made-up ones behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Final, Literal

import yaml

GIB: Final = 1024**3
Kind = Literal["vm", "ct"]
SensorKind = Literal["coretemp", "k10temp", "hwmon-only"]


@dataclass(frozen=True)
class NodeSpec:
    name: str
    ip: str
    cpus: int
    memory_bytes: int
    role: str = ""
    cpu_model: str = "Intel(R) N100"
    sensors: SensorKind = "coretemp"
    services: tuple[str, ...] = ()

    @property
    def mac(self) -> str:
        """A locally administered address, fixed by the IP."""
        return "02:50:56:" + ":".join(f"{int(part):02x}" for part in self.ip.split(".")[1:])


@dataclass(frozen=True)
class GuestSpec:
    vmid: int
    name: str
    kind: Kind
    node: str
    cores: int
    memory_bytes: int
    disk_bytes: int
    onboot: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    status: Literal["running", "stopped"] = "running"
    lock: str | None = None
    template: bool = False
    ha: str | None = None
    startup: str = ""
    """As in PVE's configuration: ``order=3,up=30``."""
    protected: bool = False
    """A demo's daemon lists it under ``tools.protected``."""

    @property
    def startup_order(self) -> float:
        """Infinity without one."""
        order = next((part[6:] for part in self.startup.split(",") if part.startswith("order=")), "")
        return float(order) if order else float("inf")

    @property
    def pve_type(self) -> str:
        """``qemu`` or ``lxc``, as the API calls the kinds."""
        return "qemu" if self.kind == "vm" else "lxc"


@dataclass(frozen=True)
class StorageSpec:
    name: str
    type: str
    nodes: tuple[str, ...]
    shared: bool
    size_bytes: int
    used_share: float
    content: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class BackupJobSpec:
    id: str
    at: str
    """Time of day as ``HH:MM``, in the nodes' time zone (UTC)."""
    storage: str
    guests: tuple[int, ...]
    duration_s: float


@dataclass(frozen=True)
class Inventory:
    cluster: str
    votes_needed: int
    pve_version: str
    nodes: tuple[NodeSpec, ...]
    guests: tuple[GuestSpec, ...]
    storages: tuple[StorageSpec, ...]
    backup_jobs: tuple[BackupJobSpec, ...]
    runs_on: str
    docker: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Containers by the guest that hosts them."""


_CONTENT: Final = {
    "dir": ("iso", "vztmpl", "backup", "snippets"),
    "lvmthin": ("images", "rootdir"),
    "zfspool": ("images", "rootdir"),
    "cifs": ("backup", "iso"),
}


def load(nodes: int | None = None, guests: int | None = None) -> Inventory:
    """The homelab of the data file, scaled to so many nodes and guests. Raises ValueError for less than 1 node."""
    text = resources.files("jarvis_daemon.data").joinpath("homelab.yaml").read_text("utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    inventory = parse(yaml.load(text, Loader=loader))  # noqa: S506  (a safe loader, the C one where there is one)
    if nodes is not None and nodes < len(inventory.nodes):
        inventory = with_nodes(inventory, nodes)
    if guests is not None and guests < len(inventory.guests):
        inventory = with_guests(inventory, inventory.guests[:guests])
    return scaled(inventory, nodes or len(inventory.nodes), max(guests or 0, len(inventory.guests)))


def parse(data: dict[str, Any]) -> Inventory:
    """The inventory from the shape of ``homelab.yaml``."""
    services = data.get("services", {})
    nodes = tuple(
        NodeSpec(
            name=row["name"], ip=row["ip"], cpus=row["cpus"], memory_bytes=int(row["memory_gb"] * GIB),
            role=row["role"], cpu_model=row["cpu_model"], sensors=row["sensors"],
            services=tuple(services.get(row["name"], ())),
        )
        for row in data["nodes"]
    )  # fmt: skip
    names = tuple(node.name for node in nodes)
    return Inventory(
        cluster=data["cluster"]["name"],
        votes_needed=data["cluster"]["quorum_votes_needed"],
        pve_version=data["cluster"]["pve_version"],
        nodes=nodes,
        guests=tuple(_guest(row) for row in data["guests"]),
        storages=tuple(_storage(row, names) for row in data["storages"]),
        backup_jobs=tuple(
            BackupJobSpec(row["id"], row["at"], row["storage"], tuple(row["guests"]), row["duration_min"] * 60.0)
            for row in data["backup_jobs"]
        ),
        runs_on=data["llm"]["node"],
        docker={"management": tuple(data["docker_on_management"])},
    )


def _guest(row: dict[str, Any]) -> GuestSpec:
    return GuestSpec(
        vmid=row["vmid"], name=row["name"], kind=row["kind"], node=row["node"], cores=row["cores"],
        memory_bytes=int(row["memory_gb"] * GIB), disk_bytes=int(row["disk_gb"] * GIB),
        onboot=row.get("onboot", False), tags=tuple(row.get("tags", ())), note=row.get("note", ""),
        status="stopped" if row.get("template") else row.get("status", "running"),
        lock=row.get("lock"), template=row.get("template", False), ha=row.get("ha"),
        startup=row.get("startup", ""), protected=row.get("protected", False),
    )  # fmt: skip


def _storage(row: dict[str, Any], names: tuple[str, ...]) -> StorageSpec:
    return StorageSpec(
        name=row["name"], type=row["type"], nodes=names if row["nodes"] == "all" else tuple(row["nodes"]),
        shared=row["shared"], size_bytes=int(row["size_gb"] * GIB), used_share=row["used_pct"] / 100,
        content=tuple(row.get("content", _CONTENT[row["type"]])), note=row.get("note", ""),
    )  # fmt: skip


def with_nodes(inventory: Inventory, count: int) -> Inventory:
    """The first ``count`` nodes with what is on them. Raises ValueError for none."""
    if count < 1:
        raise ValueError("at least 1 node")
    nodes = inventory.nodes[:count]
    names = {node.name for node in nodes}
    kept = [(storage, tuple(at for at in storage.nodes if at in names)) for storage in inventory.storages]
    inventory = replace(
        inventory, nodes=nodes, votes_needed=count // 2 + 1,
        storages=tuple(replace(storage, nodes=at) for storage, at in kept if at),
    )  # fmt: skip
    return with_guests(inventory, tuple(guest for guest in inventory.guests if guest.node in names))


def with_guests(inventory: Inventory, guests: tuple[GuestSpec, ...]) -> Inventory:
    """``inventory`` with these guests only."""
    vmids = {guest.vmid for guest in guests}
    jobs = tuple(
        replace(job, guests=tuple(vmid for vmid in job.guests if vmid in vmids)) for job in inventory.backup_jobs
    )
    return replace(inventory, guests=guests, backup_jobs=jobs)


def scaled(inventory: Inventory, nodes: int, guests: int) -> Inventory:
    """``inventory`` with made-up nodes and guests behind its own, up to these counts."""
    if nodes == len(inventory.nodes) and guests == len(inventory.guests):
        return inventory
    more_nodes = tuple(
        NodeSpec(f"node{i:02d}", f"192.168.{2 + i // 200}.{10 + i % 200}", 64, 768 * GIB, "made up to scale")
        for i in range(len(inventory.nodes) + 1, nodes + 1)
    )
    hosts = [node.name for node in more_nodes or inventory.nodes]
    used = {guest.vmid for guest in inventory.guests}
    more_guests: list[GuestSpec] = []
    vmid = 10_000
    while len(inventory.guests) + len(more_guests) < guests:
        if vmid not in used:
            more_guests.append(_made_up(vmid, hosts))
        vmid += 1
    all_nodes = inventory.nodes + more_nodes
    names = tuple(node.name for node in all_nodes)
    whole = {node.name for node in inventory.nodes}
    return replace(
        inventory,
        nodes=all_nodes,
        guests=inventory.guests + tuple(more_guests),
        storages=tuple(
            replace(storage, nodes=names) if set(storage.nodes) == whole else storage
            for storage in inventory.storages
        ),
        votes_needed=nodes // 2 + 1,
    )


def _made_up(vmid: int, hosts: list[str]) -> GuestSpec:
    kind: Kind = "vm" if vmid % 3 else "ct"
    size = 1 + vmid // len(hosts) % 4  # by rounds over the hosts: else one host would get all the large ones
    return GuestSpec(
        vmid=vmid, name=f"{'vm' if kind == 'vm' else 'ct'}-{vmid}", kind=kind, node=hosts[vmid % len(hosts)],
        cores=size, memory_bytes=size * GIB, disk_bytes=(8 + vmid % 32) * GIB,
        onboot=vmid % 2 == 0, tags=("scaled",), status="stopped" if vmid % 10 == 0 else "running",
    )  # fmt: skip
