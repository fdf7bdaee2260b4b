"""GREEN reads of what takes the space: a node's biggest folders and files, a storage's biggest volumes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.shapes.values import integer, number, rows, size, text
from jarvis_daemon.cluster.tools.backups import node_with
from jarvis_daemon.cluster.tools.cleanup import free_bytes, parse_sizes
from jarvis_daemon.cluster.tools.guest_reads import StorageRef
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import online, require_success
from jarvis_daemon.cluster.tools.places import storage_on
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

ROWS: Final = 20
ASK_S: Final = 60.0
KILLED: Final = 137
"""How ``timeout --signal=KILL`` ends."""
FolderPath = Annotated[
    str, Meta(min_length=1, max_length=200, pattern="^/[A-Za-z0-9._/@:+ -]*$", description="an absolute path")
]


class UsageArgs(Args):
    node: NodeRef
    path: FolderPath = "/"
    """Where to begin; other file systems below are left out."""


class Sized(msgspec.Struct):
    path: str
    size_bytes: int


class SizedFile(msgspec.Struct):
    path: str
    size_bytes: int
    changed_at: float | None


class DiskUsage(Output):
    """The biggest first; what takes less than 64 MiB is left out. A folder's size holds that of its own folders."""

    node: str
    path: str
    free_bytes: int
    folders: list[Sized]
    files: list[SizedFile]
    complete: bool
    """False: it took too long, or there was too much; what is listed is true, but there may be bigger ones."""


class VolumesArgs(Args):
    storage: StorageRef
    node: NodeRef | None = None
    """Of a storage that is not shared: on which node."""


class SizedVolume(msgspec.Struct):
    volid: str
    content: str
    size_bytes: int
    vmid: int | None
    guest: str | None
    """Name of the guest that it belongs to; None where there is none of this vmid."""
    made_at: float | None


class BiggestVolumes(Output):
    """The biggest first."""

    storage: str
    node: str
    volumes: list[SizedVolume]
    total: int
    """How many there are."""
    total_bytes: int


def specs(hands: Hands) -> list[ToolSpec]:
    usage = _Usage(hands)
    common: dict[str, Any] = {
        "room": "cluster", "tier": Tier.GREEN, "idempotent": True, "tainted": True, "concurrency": 2,
    }  # fmt: skip
    return [
        ToolSpec(
            name="get_disk_usage", description="The biggest folders and files of a node's root file system.",
            args=UsageArgs, output=DiskUsage, run=usage.disk, timeout_s=150.0, **common,
        ),
        ToolSpec(
            name="get_biggest_volumes", description="The biggest volumes of a storage: disks, backups, images.",
            args=VolumesArgs, output=BiggestVolumes, run=usage.volumes, timeout_s=60.0, **common,
        ),
    ]  # fmt: skip


class _Usage:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    async def disk(self, args: UsageArgs, target: Target, act: Act) -> DiskUsage:
        node = online(self._hands, args.node)
        free = await free_bytes(self._hands, node, args.path)
        ask = self._scene.ssh.ask
        du = await ask("folders", node.name, node.ip, timeout_s=ASK_S, path=args.path)
        find = await ask("big_files", node.name, node.ip, timeout_s=ASK_S, path=args.path)
        for ran in (du, find):
            if ran.exit_code != KILLED and not ran.stdout:  # files that vanish meanwhile make it 1, with an answer
                require_success(ran, f"Looking for what takes the space on {node.name}")
        folders = [Sized(path, size) for size, path in parse_sizes(du) if path != args.path]
        files = [found for line in find.stdout.splitlines() if (found := _file(line)) is not None]
        return DiskUsage(
            node=node.name, path=args.path, free_bytes=free, folders=_biggest(folders), files=_biggest(files),
            complete=not any(ran.truncated or ran.exit_code == KILLED for ran in (du, find)),
        )  # fmt: skip

    async def volumes(self, args: VolumesArgs, target: Target, act: Act) -> BiggestVolumes:
        """Raises ``not_found`` for a storage that the node does not have."""
        node = online(self._hands, args.node).name if args.node is not None else self._place(args.storage)
        if storage_on(self._hands, args.storage, node) is None:
            raise JarvisError(
                "not_found", f"{node} has no storage {args.storage}", next="`jarvis storage list` shows them."
            )
        reply = await self._scene.px.call("storage_content", node=node, storage=args.storage, timeout_s=ASK_S)
        names = {guest.vmid: guest.name for guest in self._scene.inventory.guests.entities.values()}
        found: list[SizedVolume] = []
        for row in rows(reply, "the content of the storage"):
            volid, taken, vmid = text(row.get("volid")), size(row.get("size")), integer(row.get("vmid"))
            if volid is not None and taken is not None:
                made_at = number(row.get("ctime"))
                found.append(
                    SizedVolume(volid, text(row.get("content")) or "", taken, vmid, names.get(vmid or 0), made_at)
                )
        return BiggestVolumes(
            storage=args.storage, node=node, volumes=_biggest(found), total=len(found),
            total_bytes=sum(volume.size_bytes for volume in found),
        )  # fmt: skip

    def _place(self, name: str) -> str:
        """An online node with the storage. Raises ``not_found`` ``ambiguous`` ``cluster_unreachable``."""
        found = [one for one in self._scene.inventory.storages.values() if one.name == name]
        if not found:
            raise JarvisError("not_found", f"There is no storage {name}", next="`jarvis storage list` shows them.")
        if len(found) > 1:
            nodes = ", ".join(sorted(one.node or "" for one in found))
            raise JarvisError(
                "ambiguous", f"{nodes} each have a storage {name} of their own", next="Name the node."
            )
        return node_with(self._hands, name)


def _biggest(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda one: one.size_bytes, reverse=True)[:ROWS]


def _file(line: str) -> SizedFile | None:
    """``BLOCKS CHANGED PATH``: blocks of 512 bytes, Unix seconds."""
    match = re.fullmatch(r"(\d+) (\d+(?:\.\d+)?) (/.*)", line)
    return SizedFile(clean(match[3], limit=200), 512 * int(match[1]), float(match[2])) if match else None
