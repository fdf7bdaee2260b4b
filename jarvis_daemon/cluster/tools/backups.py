"""Backups of guests: make one, delete one, put a guest back to one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from jarvis_daemon.cluster.tools.guest_reads import StorageRef, StoredBackup, backups_of, snapshots_of
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, TaskDone
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Storage
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

GIB: Final = 2**30
Volid = Annotated[
    str,
    Meta(
        min_length=5, max_length=250, pattern=r"^[A-Za-z][A-Za-z0-9_.-]*:[A-Za-z0-9_.:+=@/-]+$",
        description="volume id of the backup, as get_backups tells it",
    ),
]  # fmt: skip
Mode = Literal["snapshot", "suspend", "stop"]
_MODE_EFFECT: Final[dict[Mode, str]] = {
    "snapshot": "",
    "suspend": "It stands still while its disks are copied.",
    "stop": "It is shut down, backed up and started again.",
}


class BackupArgs(Args):
    guest: GuestRef
    storage: StorageRef | None = None
    """None: the storage of the guest's last backup, else the only one that takes backups."""
    mode: Mode = "snapshot"
    notes: Annotated[str, Meta(max_length=200)] = ""


class BackupDone(TaskDone):
    volid: str | None = None
    size_bytes: int | None = None


class DeleteBackupArgs(Args):
    backup: Volid


class RestoreArgs(Args):
    guest: GuestRef
    backup: Volid


def specs(hands: Hands) -> list[ToolSpec]:
    run = ToolSpec(
        name="run_backup", room="cluster", tier=Tier.YELLOW, args=BackupArgs, output=BackupDone,
        description="Back up one guest now and wait until the backup lies on its storage.",
        resolve=_resolve_run(hands), risk=_run_risk(hands), run=_run(hands), verify=_run_verify(hands),
        undo=_run_undo, sentences=Sentences("Back up {target}", "The backup of {target} is done."),
        timeout_s=8 * 3600.0, freshness_s=60.0, long=True, concurrency=2,
    )  # fmt: skip
    delete = ToolSpec(
        name="delete_backup", room="cluster", tier=Tier.BLACK, args=DeleteBackupArgs, output=TaskDone,
        description="Delete a backup for good.",
        resolve=_resolve_backup(hands), risk=_delete_risk(hands), run=_delete(hands), verify=_delete_verify(hands),
        sentences=Sentences("Delete the backup {backup}", "The backup {backup} is deleted."),
        timeout_s=1800.0, long=True,
    )  # fmt: skip
    restore = ToolSpec(
        name="restore_backup", room="cluster", tier=Tier.BLACK, args=RestoreArgs, output=TaskDone,
        description="Put an existing, stopped guest back to a backup of it: all it holds now is lost.",
        resolve=_resolve_restore(hands), risk=_restore_risk(hands), run=_restore(hands),
        verify=_restore_verify(hands),
        sentences=Sentences("Overwrite {target} with the backup {backup}", "{target} is restored from {backup}."),
        timeout_s=8 * 3600.0, freshness_s=60.0, long=True,
    )  # fmt: skip
    return [run, delete, restore]


# --- run_backup ------------------------------------------------------------------------------------------


def _resolve_run(hands: Hands) -> Any:
    async def resolve(args: BackupArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
        guest: Guest = target.facts["guest"]
        known, failed = await backups_of(hands, guest.vmid)
        storage = _choose(hands, guest, args.storage, known)
        return replace(target, facts={**target.facts, "known": known, "failed": failed, "storage": storage})

    return resolve


def _choose(hands: Hands, guest: Guest, wanted: str | None, known: list[StoredBackup]) -> Storage:
    """Raises ``not_found`` or ``ambiguous``."""
    fit = [
        storage for storage in hands.scene.inventory.storages.values()
        if "backup" in storage.content and (storage.node == guest.node or guest.node in storage.nodes)
    ]  # fmt: skip
    names = ", ".join(sorted(storage.name for storage in fit)) or "none"
    if wanted is None and known and any(storage.name == known[0].storage for storage in fit):
        wanted = known[0].storage
    if wanted is None:
        shared = [storage for storage in fit if storage.shared]
        fit = shared if len(shared) == 1 else fit
        if len(fit) != 1:
            raise JarvisError("ambiguous", f"Where to back up {guest.name} is not clear", why=f"there are {names}")
        return fit[0]
    found = next((storage for storage in fit if storage.name == wanted), None)
    if found is None:
        what = f"{guest.node} has no storage {wanted} that takes backups"
        raise JarvisError("not_found", what, why=f"there are {names}")
    return found


def _run_risk(hands: Hands) -> Any:
    def risk(args: BackupArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        storage: Storage = target.facts["storage"]
        common = hands.guest_risk(target, disrupts=args.mode != "snapshot", template=True)
        if common.refuse:
            return common
        if storage.status != "available":
            return Risk(refuse=f"The storage {storage.name} is not available")
        known: list[StoredBackup] = target.facts["known"]
        if _too_full(storage, known):
            return Risk(refuse=f"{storage.name} has less room than the last backup of {target.name} took")
        effects = [f"It goes to {storage.name}.", "Older backups of it stay; the next backup job prunes them."]
        if _MODE_EFFECT[args.mode] and guest.status == "running":
            why = "; ".join(part for part in (common.why, f"mode {args.mode} disrupts it") if part)
            return Risk(max(Tier.RED, common.tier), why, (*effects, _MODE_EFFECT[args.mode], *common.effects))
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _too_full(storage: Storage, known: list[StoredBackup]) -> bool:
    if storage.total_bytes is None or storage.used_bytes is None or not known:
        return False
    return storage.total_bytes - storage.used_bytes < (known[0].size_bytes or 0)


def _run(hands: Hands) -> Any:
    async def run(args: BackupArgs, target: Target, act: Act) -> BackupDone:
        storage: Storage = target.facts["storage"]
        more = {"notes_template": args.notes} if args.notes else {}
        done = await hands.task(
            act, f"backs up {target.name} ({target.vmid}) to {storage.name}", "vzdump", node=target.node,
            vmid=target.vmid, storage=storage.name, mode=args.mode,
            remove=False, **more,  # pruning deletes backups, and what deletes them is BLACK
        )  # fmt: skip
        result = BackupDone(
            upid=done.upid, status=done.status, exit_text=done.exit_text, duration_s=done.duration_s
        )
        made = await _newest_of(hands, target)
        if made is not None:
            result.volid, result.size_bytes = made.volid, made.size_bytes
        return result

    return run


async def _newest_of(hands: Hands, target: Target) -> StoredBackup | None:
    """The backup that was not there before."""
    before = {backup.volid for backup in target.facts["known"]}
    storage: Storage = target.facts["storage"]
    now, _ = await backups_of(hands, target.vmid, storage=storage.name)
    return next((backup for backup in now if backup.volid not in before), None)


def _run_verify(hands: Hands) -> Any:
    async def verify(args: BackupArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        made = await _newest_of(hands, target)
        storage: Storage = target.facts["storage"]
        if made is None:
            return Verdict("contradicted", f"No new backup of {target.name} lies on {storage.name}.")
        size = f"{(made.size_bytes or 0) / GIB:.1f} GiB"
        return Verdict(
            "verified", f"The backup of {target.name} lies on {storage.name} ({size}).",
            {"volid": made.volid, "size_bytes": made.size_bytes},
        )  # fmt: skip

    return verify


def _run_undo(args: BackupArgs, target: Target, result: Any) -> Undo | None:
    return Undo("delete_backup", {"backup": result.volid}) if result is not None and result.volid else None


# --- delete_backup ---------------------------------------------------------------------------------------


def _resolve_backup(hands: Hands) -> Any:
    async def resolve(args: DeleteBackupArgs, ctx: Context) -> Target:
        backup, siblings = await find_backup(hands, args.backup)
        name = args.backup.rpartition("/")[2]
        guests = hands.scene.inventory.guests.entities
        guest = guests.get(f"guest:{backup.vmid}")
        labels = () if guest is None else (guest.name, guest.id, str(guest.vmid), *(f"tag:{t}" for t in guest.tags))
        return Target(
            f"backup:{backup.volid}", name, "backup", hands.scene.cluster.name, backup.vmid,
            node_with(hands, backup.storage), observed_at=ctx.now, labels=labels,
            facts={"backup": backup, "siblings": siblings},
        )  # fmt: skip

    return resolve


async def find_backup(hands: Hands, volid: str) -> tuple[StoredBackup, list[StoredBackup]]:
    """The backup, and all backups of its guest. Raises ``not_found``, or ``cluster_unreachable`` when unsure."""
    found, failed = await backups_of(hands, storage=volid.partition(":")[0])
    backup = next((one for one in found if one.volid == volid), None)
    if backup is None:
        if failed:
            raise JarvisError("cluster_unreachable", "Not every storage answers", why="; ".join(failed.values()))
        raise JarvisError("not_found", f"There is no backup {clean(volid, limit=120)!r}", next="Ask get_backups.")
    siblings, _ = await backups_of(hands, backup.vmid)
    return backup, siblings


def node_with(hands: Hands, storage: str) -> str:
    """An online node that has the storage. Raises ``cluster_unreachable``."""
    nodes = hands.scene.inventory.nodes.entities
    for entity in hands.scene.inventory.storages.values():
        if entity.name == storage:
            for name in entity.nodes or [entity.node or ""]:
                node = nodes.get(f"node:{name}")
                if node is not None and node.status == "online":
                    return name
    raise JarvisError("cluster_unreachable", f"No node that has the storage {storage} answers")


def _delete_risk(hands: Hands) -> Any:
    def risk(args: DeleteBackupArgs, target: Target, ctx: Context) -> Risk:
        backup: StoredBackup = target.facts["backup"]
        if (refused := hands.quorum_risk()).refuse:
            return refused
        if backup.protected:
            return Risk(refuse=f"{target.name} is marked as protected on its storage")
        others = [one for one in target.facts["siblings"] if one.volid != backup.volid]
        who = backup.guest or f"guest {backup.vmid}"
        effects = [f"{who} keeps {len(others)} other backup{'' if len(others) == 1 else 's'}."]
        if not others:
            effects = [f"It is the last backup of {who}."]
        return Risk(Tier.BLACK, effects=("It cannot be brought back.", *effects))

    return risk


def _delete(hands: Hands) -> Any:
    async def run(args: DeleteBackupArgs, target: Target, act: Act) -> TaskDone:
        backup: StoredBackup = target.facts["backup"]
        return await hands.task(
            act, f"deletes the backup {backup.volid}", "delete_volume", node=target.node, storage=backup.storage,
            volume=backup.volid,
        )  # fmt: skip

    return run


def _delete_verify(hands: Hands) -> Any:
    async def verify(args: DeleteBackupArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        backup: StoredBackup = target.facts["backup"]
        now, failed = await backups_of(hands, storage=backup.storage)
        if any(one.volid == backup.volid for one in now):
            return Verdict("contradicted", f"{target.name} still lies on {backup.storage}.")
        if failed:
            return Verdict("unverified", f"{'; '.join(failed.values())}.")
        return Verdict("verified", evidence={"left": len(now)})

    return verify


# --- restore_backup --------------------------------------------------------------------------------------


def _resolve_restore(hands: Hands) -> Any:
    async def resolve(args: RestoreArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
        backup, _ = await find_backup(hands, args.backup)
        snapshots = await snapshots_of(hands, target.facts["guest"])
        return replace(target, facts={**target.facts, "backup": backup, "snapshots": snapshots})

    return resolve


def _restore_risk(hands: Hands) -> Any:
    def risk(args: RestoreArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        backup: StoredBackup = target.facts["backup"]
        common = hands.guest_risk(target, disrupts=True)
        if common.refuse:
            return common
        if backup.vmid != guest.vmid:
            return Risk(refuse=f"{backup.volid} is a backup of guest {backup.vmid}, not of {target.name}")
        if guest.status != "stopped":
            return Risk(refuse=f"{target.name} is not stopped ({guest.status})", next="Stop it first.")
        made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(backup.at))
        effects = [f"All that {target.name} holds now is lost; it becomes as it was at {made}."]
        if snapshots := target.facts["snapshots"]:
            effects.append(f"Its {len(snapshots)} snapshots are lost.")
        return replace(common, effects=(*effects, *common.effects))

    return risk


def restore_call(kind: str, volid: str) -> dict[str, Any]:
    """The parameters by which PVE makes a guest from a backup."""
    return {"archive": volid} if kind == "vm" else {"ostemplate": volid, "restore": True}


def _restore(hands: Hands) -> Any:
    async def run(args: RestoreArgs, target: Target, act: Act) -> TaskDone:
        guest: Guest = target.facts["guest"]
        return await hands.task(
            act, f"overwrites {target.name} ({target.vmid}) with {args.backup}", f"{guest.kind}_restore",
            node=guest.node, vmid=guest.vmid, force=True, **restore_call(guest.kind, args.backup),
        )  # fmt: skip

    return run


def _restore_verify(hands: Hands) -> Any:
    async def verify(args: RestoreArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """The guest is there, unlocked, its snapshots gone as a restore leaves it; the task told the rest."""
        guest: Guest = target.facts["guest"]
        status = await hands.status_of(guest)
        if status.lock is not None:
            return Verdict("contradicted", f"{target.name} is locked ({status.lock}).")
        if await snapshots_of(hands, guest):
            return Verdict("contradicted", f"{target.name} still has its snapshots.")
        if result is None or result.status not in {"ok", "warnings"}:
            return Verdict("unverified", "How the task ended is not known.")
        return Verdict("verified", evidence={"status": status.status, "task": result.status})

    return verify
