"""A node is lost: from which backup, and where, each of its guests could be brought back. Reads only.

Restoring stays an operator's: ``restore_backup`` overwrites, and is refused while the guest's own node does not
answer. What works meanwhile is a new guest from the backup (``create_guest``), under another vmid.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.tools.guest_reads import StoredBackup, backups_of
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.places import free_memory, free_space, storage_on
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.tools import Act, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

GIB: Final = 2**30
CONTENT: Final = {"vm": "images", "ct": "rootdir"}
WARNINGS: Final = (
    "A guest made from a backup gets a new vmid, and has the name and the addresses of the lost one: be sure that "
    "{node} is off, and stays off, before you start it.",
    "What was written after a backup is not in it.",
    "When {node} comes back with its disks, starting the old guest there loses nothing: waiting may be better.",
)


class PlanArgs(Args):
    node: NodeRef
    """One that is not online."""


class Planned(msgspec.Struct, kw_only=True):
    """One guest of the lost node."""

    vmid: int
    name: str
    kind: str
    backup: str | None = None
    """Volume id of its newest backup that can be reached now and did not fail its verification."""
    backup_at: float | None = None
    age_s: float | None = None
    storage: str | None = None
    """Where that backup lies."""
    node: str | None = None
    """A node that has room for it, and reaches its backup."""
    disk_storage: str | None = None
    command: str | None = None
    """What an operator types to make it anew there."""
    when_back: str | None = None
    """What an operator types to put it back to that backup, once its own node answers and the guest is stopped."""
    why: str = ""
    """One sentence where something is missing."""


class RestorePlan(Output):
    node: str
    status: str
    guests: list[Planned]
    warnings: list[str]
    not_asked: dict[str, str]
    """Storages that could not be read, each with why: backups may lie there."""


def specs(hands: Hands) -> list[ToolSpec]:
    plan = _Plan(hands)
    return [
        ToolSpec(
            name="plan_restore", room="cluster", tier=Tier.GREEN, args=PlanArgs, output=RestorePlan,
            description="For each guest of a node that is down: its last backup, a node with room, and the command "
            "that an operator would type. Nothing is restored.",
            run=plan.run, idempotent=True, tainted=True, timeout_s=90.0, concurrency=2,
        )
    ]  # fmt: skip


class _Plan:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    async def run(self, args: PlanArgs, target: Target, act: Act) -> RestorePlan:
        node = self._hands.node(args.node)
        if node.status == "online":
            raise JarvisError(
                "refused", f"{node.name} is online: its guests need no restoring",
                next="`jarvis tool call get_backups` lists backups.",
            )  # fmt: skip
        found, failed = await backups_of(self._hands)
        newest: dict[int, StoredBackup] = {}
        for backup in found:  # newest first
            if backup.verified is not False:
                newest.setdefault(backup.vmid, backup)
        guests = [
            guest for guest in self._scene.inventory.guests.entities.values()
            if guest.node == node.name and not guest.template
        ]  # fmt: skip
        room = _Room(self._hands, node.name)
        return RestorePlan(
            node=node.name, status=node.status,
            guests=[
                self._planned(guest, newest.get(guest.vmid), room, failed)
                for guest in sorted(guests, key=lambda guest: guest.vmid)
            ],
            warnings=[text.format(node=node.name) for text in WARNINGS], not_asked=failed,
        )  # fmt: skip

    def _planned(self, guest: Guest, backup: StoredBackup | None, room: _Room, failed: dict[str, str]) -> Planned:
        planned = Planned(vmid=guest.vmid, name=guest.name, kind=guest.kind)
        if backup is None:
            planned.why = self._no_backup(guest, failed)
            return planned
        planned.backup, planned.backup_at, planned.storage = backup.volid, backup.at, backup.storage
        planned.age_s = max(0.0, round(self._scene.clock.now() - backup.at))
        planned.when_back = f"jarvis tool call restore_backup guest={guest.vmid} backup={backup.volid}"
        if guest.ha_state:
            planned.why = f"HA manages it ({guest.ha_state}), and brings it up itself where it can."
            return planned
        found = room.take(guest, backup.storage)
        if found is None:
            planned.why = room.why(guest, backup.storage)
            return planned
        planned.node, planned.disk_storage = found
        planned.command = f"jarvis tool call create_guest backup={backup.volid} node={found[0]} storage={found[1]}"
        return planned

    def _no_backup(self, guest: Guest, failed: dict[str, str]) -> str:
        known = self._scene.backups.last.get(guest.vmid) if self._scene.backups is not None else None
        if failed:
            where = ", ".join(sorted(key.removeprefix("storage:") for key in failed))
            before = " There was one when they were read last." if known is not None else ""
            return f"No backup can be reached; {where} cannot be read now.{before}"
        return "It has no backup."


class _Room:
    """What the other nodes have free, less what is planned already."""

    def __init__(self, hands: Hands, lost: str) -> None:
        self._hands = hands
        nodes = hands.scene.inventory.nodes.entities.values()
        self._nodes: list[Node] = [n for n in nodes if n.name != lost and n.status == "online"]
        self._memory: dict[str, int] = {n.name: free_memory(n) or 0 for n in self._nodes}
        self._space: dict[str, int] = {}

    def take(self, guest: Guest, backup_storage: str) -> tuple[str, str] | None:
        """Plan it on the node with most memory free: (node, storage for its disks), or None where none has room."""
        wanted = guest.memory_total_bytes or 0
        for node in sorted(self._nodes, key=lambda n: (-self._memory[n.name], n.name)):
            if self._memory[node.name] < wanted or storage_on(self._hands, backup_storage, node.name) is None:
                continue
            storage = self._storage(guest, node.name)
            if storage is not None:
                self._memory[node.name] -= wanted
                self._space[storage[0]] = storage[2] - (guest.disk_total_bytes or 0)
                return node.name, storage[1]
        return None

    def _storage(self, guest: Guest, node: str) -> tuple[str, str, int] | None:
        """(id, name, bytes free) of the storage there with most room for its disks."""
        fit: list[tuple[int, str, str]] = []
        for storage in self._hands.scene.inventory.storages.values():
            here = storage.node == node or node in storage.nodes
            if not here or storage.status != "available" or CONTENT[guest.kind] not in storage.content:
                continue
            free: Any = self._space.get(storage.id, free_space(storage))
            if free is not None and free >= (guest.disk_total_bytes or 0):
                fit.append((free, storage.id, storage.name))
        if not fit:
            return None
        free, ident, name = max(fit)
        return ident, name, free

    def why(self, guest: Guest, backup_storage: str) -> str:
        memory, disk = (guest.memory_total_bytes or 0) / GIB, (guest.disk_total_bytes or 0) / GIB
        return (
            f"No node that reaches {backup_storage} has {memory:.1f} GiB of memory and {disk:.0f} GiB of disk free "
            "beside what is planned here already."
        )
