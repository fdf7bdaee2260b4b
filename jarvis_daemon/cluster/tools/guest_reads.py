"""GREEN reads about guests: lists from the inventory; configuration, addresses, snapshots and backups asked now.

Names, notes and configuration come from outside: their results are tainted.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from msgspec import Meta, field

from jarvis_daemon.cluster.reads import readable_config
from jarvis_daemon.cluster.shapes import (
    Address,
    BackupVolume,
    Snapshot,
    parse_agent_addresses,
    parse_backup_volumes,
    parse_guest_config,
    parse_lxc_addresses,
    parse_snapshots,
)
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, NodeRef
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, GuestStatus
from jarvis_daemon.tools import Act, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

StorageRef = Annotated[
    str,
    Meta(min_length=2, max_length=64, pattern="^[A-Za-z][A-Za-z0-9_.-]*$", description="name of the storage"),
]
MAX_ROWS = 500


class GuestsArgs(Args):
    """Which guests to list; all when nothing is given."""

    node: NodeRef | None = None
    status: GuestStatus | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=60)] | None = None


class Guests(Output):
    """As the inventory knows them; ``status`` unknown means that their node does not answer."""

    guests: list[Guest] = field(default_factory=list)
    total: int = 0
    """Before the list was cut to its limit."""
    observed_at: float | None = None


class OneGuest(Args):
    guest: GuestRef


class GuestConfigResult(Output):
    """PVE's keys as they are, secrets hidden."""

    vmid: int
    name: str
    node: str
    config: dict[str, Any] = field(default_factory=dict)


class Addresses(Output):
    """None: not known, and ``why``."""

    vmid: int
    name: str
    addresses: list[Address] | None = None
    why: str | None = None


class Snapshots(Output):
    vmid: int
    name: str
    snapshots: list[Snapshot] = field(default_factory=list)


class BackupsArgs(Args):
    """Of one guest, on one storage, or all there are."""

    guest: GuestRef | None = None
    storage: StorageRef | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100


class StoredBackup(BackupVolume, kw_only=True):
    """A backup and where it lies."""

    storage: str = ""
    guest: str | None = None
    """Name of the guest, None where it is gone."""


class BackupList(Output):
    """Newest first."""

    backups: list[StoredBackup] = field(default_factory=list)
    total: int = 0
    not_asked: dict[str, str] = field(default_factory=dict)
    """Storages that could not be read, each with why: what lies there is unknown, not absent."""


def specs(hands: Hands) -> list[ToolSpec]:
    return [
        _list_spec(hands, "get_vms", "vm", "List VMs with status, node, load, memory and tags."),
        _list_spec(hands, "get_containers", "ct", "List containers (LXC) with status, node, load and tags."),
        _one(hands, "get_guest_config", GuestConfigResult, _config, "Read a guest's configuration, no secrets."),
        _one(hands, "get_guest_addresses", Addresses, _addresses, "Read the IP addresses that a guest has now."),
        _one(hands, "get_snapshots", Snapshots, _snapshots, "List a guest's snapshots, oldest first."),
        ToolSpec(
            name="get_backups", room="cluster", tier=Tier.GREEN, args=BackupsArgs, output=BackupList,
            run=_backups(hands),
            description="List the backups on all storages, newest first; of one guest or storage when given.",
            tainted=True, idempotent=True, timeout_s=60.0,
        ),
    ]  # fmt: skip


def _list_spec(hands: Hands, name: str, kind: str, text: str) -> ToolSpec:
    async def run(args: GuestsArgs, target: Target, act: Act) -> Guests:
        node = hands.node(args.node).name if args.node is not None else None
        found = [
            guest for guest in hands.scene.inventory.guests.entities.values()
            if guest.kind == kind and node in {None, guest.node} and args.status in {None, guest.status}
            and (args.tag is None or args.tag in guest.tags)
        ]  # fmt: skip
        found.sort(key=lambda guest: guest.vmid)
        return Guests(guests=found[:MAX_ROWS], total=len(found), observed_at=hands.observed_at())

    return ToolSpec(
        name=name, room="cluster", tier=Tier.GREEN, description=text, args=GuestsArgs, output=Guests, run=run,
        tainted=True, idempotent=True,
    )  # fmt: skip


def _one(hands: Hands, name: str, output: type[Output], read: Any, text: str) -> ToolSpec:
    async def run(args: OneGuest, target: Target, act: Act) -> Output:
        guest: Guest = target.facts["guest"]
        hands.require_node(guest)
        found: Output = await read(hands, guest)
        return found

    return ToolSpec(
        name=name, room="cluster", tier=Tier.GREEN, description=text, args=OneGuest, output=output, run=run,
        resolve=lambda args, ctx: hands.guest_target(args.guest), tainted=True, idempotent=True,
    )  # fmt: skip


async def _config(hands: Hands, guest: Guest) -> GuestConfigResult:
    config = await hands.scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid)
    return GuestConfigResult(vmid=guest.vmid, name=guest.name, node=guest.node, config=readable_config(config))


async def _addresses(hands: Hands, guest: Guest) -> Addresses:
    result = Addresses(vmid=guest.vmid, name=guest.name)
    if guest.status != "running":
        result.why = f"it does not run ({guest.status})"
        return result
    px = hands.scene.px
    if guest.kind == "vm":
        config = parse_guest_config(await px.call("vm_config", node=guest.node, vmid=guest.vmid))
        if not config.agent:
            result.why = "the guest agent is not enabled in its configuration"
            return result
    try:
        reply = await px.call(f"{guest.kind}_addresses", node=guest.node, vmid=guest.vmid)
    except JarvisError as error:
        if error.code != "cluster_refused" or guest.kind != "vm":
            raise
        result.why = "the guest agent does not answer"
        return result
    result.addresses = parse_agent_addresses(reply) if guest.kind == "vm" else parse_lxc_addresses(reply)
    return result


async def _snapshots(hands: Hands, guest: Guest) -> Snapshots:
    return Snapshots(vmid=guest.vmid, name=guest.name, snapshots=await snapshots_of(hands, guest))


async def snapshots_of(hands: Hands, guest: Guest) -> list[Snapshot]:
    """As its node tells them now, oldest first. Raises as ``Proxmox.call``."""
    reply = await hands.scene.px.call(f"{guest.kind}_snapshots", node=guest.node, vmid=guest.vmid)
    return parse_snapshots(reply)


def _backups(hands: Hands) -> Any:
    async def run(args: BackupsArgs, target: Target, act: Act) -> BackupList:
        vmid = hands.guest(args.guest).vmid if args.guest is not None else None
        found, failed = await backups_of(hands, vmid, storage=args.storage)
        return BackupList(backups=found[: args.limit], total=len(found), not_asked=failed)

    return run


async def backups_of(
    hands: Hands, vmid: int | None = None, *, storage: str | None = None
) -> tuple[list[StoredBackup], dict[str, str]]:
    """Backups, newest first, and the storages that could not be read, each with why.

    Raises ``not_found`` for a storage that does not exist or holds no backups.
    """
    inventory = hands.scene.inventory
    places: dict[str, tuple[str, str]] = {}
    for entity in inventory.storages.values():
        if "backup" in entity.content and storage in {None, entity.name}:
            online = [n for n in entity.nodes or [entity.node or ""] if _online(hands, n)]
            places[entity.id] = (entity.name, online[0] if online else "")
    if storage is not None and not places:
        raise JarvisError("not_found", f"There is no storage {storage!r} that holds backups")
    names = {guest.vmid: guest.name for guest in inventory.guests.entities.values()}

    async def read(name: str, node: str) -> list[StoredBackup]:
        if not node:
            raise JarvisError("cluster_unreachable", f"No node that has the storage {name} answers")
        call = hands.scene.px.call
        reply = await call("storage_content", node=node, storage=name, content="backup", vmid=vmid)
        return [_stored(volume, name, names.get(volume.vmid)) for volume in parse_backup_volumes(reply)]

    answers = await asyncio.gather(*(read(*place) for place in places.values()), return_exceptions=True)
    found: list[StoredBackup] = []
    failed: dict[str, str] = {}
    for ident, answer in zip(places, answers, strict=True):
        if isinstance(answer, JarvisError):
            failed[ident] = answer.sentence()
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return sorted(found, key=lambda backup: backup.at, reverse=True), failed


def _stored(volume: BackupVolume, storage: str, guest: str | None) -> StoredBackup:
    fields = {name: getattr(volume, name) for name in volume.__struct_fields__}
    return StoredBackup(**fields, storage=storage, guest=guest)


def _online(hands: Hands, name: str) -> bool:
    node = hands.scene.inventory.nodes.entities.get(f"node:{name}")
    return node is not None and node.status == "online"
