"""New guests and the end of old ones: clone, create (from a template or a backup), delete.

What is new gets the next free vmid from the cluster, never one that somebody names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from msgspec import Meta

from jarvis_daemon.cluster.shapes import GuestConfig, parse_backup_jobs
from jarvis_daemon.cluster.shapes.values import integer
from jarvis_daemon.cluster.tools.backups import Volid, find_backup, node_with, restore_call
from jarvis_daemon.cluster.tools.guest_reads import StorageRef, StoredBackup, backups_of, snapshots_of
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, NodeRef, TaskDone
from jarvis_daemon.cluster.tools.places import free_space, size_of, storage_on
from jarvis_daemon.cluster.tools.resize import config_of
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, GuestKind
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

GIB: Final = 2**30
NewName = Annotated[
    str,
    Meta(
        min_length=1, max_length=63, pattern="^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        description="name of the new guest, as a DNS label",
    ),
]  # fmt: skip


class CloneArgs(Args):
    guest: GuestRef
    name: NewName
    full: bool = True
    """False: a linked clone, which a template only can give and which needs it for ever."""
    storage: StorageRef | None = None
    """Where its disks go; None: where those of the original lie."""


class CreateArgs(Args):
    """Exactly one of ``template`` and ``backup``."""

    template: GuestRef | None = None
    name: NewName | None = None
    """Of the new guest; needed with a template, a backup brings its own."""
    backup: Volid | None = None
    node: NodeRef | None = None
    """With a backup: where it is made; None: on a node that has the backup's storage."""
    storage: StorageRef | None = None


class DeleteArgs(Args):
    guest: GuestRef


class Born(TaskDone):
    vmid: int = 0
    node: str = ""


def specs(hands: Hands) -> list[ToolSpec]:
    clone = ToolSpec(
        name="clone_guest", room="cluster", tier=Tier.RED, args=CloneArgs, output=Born,
        description="Copy a guest under a new name and the next free vmid; the copy is not started.",
        resolve=_resolve_clone(hands), risk=_clone_risk(hands), run=_clone(hands), verify=_born(hands),
        undo=_undo_birth, sentences=Sentences("Clone {target} as {name}", "{target} is cloned as {name}."),
        timeout_s=6 * 3600.0, freshness_s=60.0, long=True, concurrency=2,
    )  # fmt: skip
    create = ToolSpec(
        name="create_guest", room="cluster", tier=Tier.RED, args=CreateArgs, output=Born,
        description="Make a new guest from a template or a backup, under the next free vmid; it is not started.",
        resolve=_resolve_create(hands), risk=_create_risk(hands), run=_create(hands), verify=_born(hands),
        undo=_undo_birth, sentences=Sentences("Make a guest from {target}", "A guest is made from {target}."),
        timeout_s=8 * 3600.0, freshness_s=60.0, long=True, concurrency=2,
    )  # fmt: skip
    delete = ToolSpec(
        name="delete_guest", room="cluster", tier=Tier.BLACK, args=DeleteArgs, output=TaskDone,
        description="Delete a stopped guest for good, with its disks and snapshots; its backups stay.",
        resolve=_resolve_delete(hands), risk=_delete_risk(hands), run=_delete(hands), verify=_gone(hands),
        sentences=Sentences("Delete {target}", "{target} is deleted."), timeout_s=1800.0, freshness_s=60.0,
        long=True,
    )  # fmt: skip
    return [clone, create, delete]


async def _next_vmid(hands: Hands) -> int:
    """As the cluster says; were it taken meanwhile, PVE refuses. Raises ``cluster_unreachable`` for no number."""
    vmid = integer(await hands.scene.px.call("next_vmid"))
    if vmid is None:
        raise JarvisError("cluster_unreachable", "The cluster names no free vmid", next="Try again in a moment.")
    return vmid


def _undo_birth(args: Any, target: Target, result: Any) -> Undo | None:
    return Undo("delete_guest", {"guest": str(result.vmid)}) if result is not None and result.vmid else None


def _born(hands: Hands) -> Any:
    async def verify(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        """The guest is there, unlocked, stopped, with the name that was asked for."""
        if result is None:
            return Verdict("unverified", "Which vmid it got is not known.")
        kind: GuestKind = "ct" if target.facts["kind"] == "ct" else "vm"
        made = Guest(id=f"guest:{result.vmid}", vmid=result.vmid, kind=kind, node=result.node)
        try:
            config = await config_of(hands, made)
        except JarvisError as error:
            if error.code == "not_found":
                return Verdict("contradicted", f"There is no guest {result.vmid}.")
            raise
        if config.lock is not None:
            return Verdict("contradicted", f"The new guest {result.vmid} is locked ({config.lock}).")
        if args.name is not None and config.name != args.name:
            return Verdict("contradicted", f"The new guest {result.vmid} is called {config.name}.")
        text = f"{config.name or result.vmid} is there as {result.vmid} on {result.node}."
        return Verdict("verified", text, {"vmid": result.vmid, "name": config.name})

    return verify


def _done(task: TaskDone, vmid: int, node: str) -> Born:
    return Born(
        upid=task.upid,
        status=task.status,
        exit_text=task.exit_text,
        duration_s=task.duration_s,
        vmid=vmid,
        node=node,
    )


# --- clone_guest, and create_guest from a template --------------------------------------------------------


def _resolve_clone(hands: Hands) -> Any:
    async def resolve(args: CloneArgs, ctx: Context) -> Target:
        return await _source(hands, args.guest)

    return resolve


async def _source(hands: Hands, ref: str) -> Target:
    target = await hands.live_target(ref)
    guest: Guest = target.facts["guest"]
    facts = {**target.facts, "config": await config_of(hands, guest), "kind": guest.kind}
    return replace(target, facts=facts)


def _clone_risk(hands: Hands) -> Any:
    def risk(args: CloneArgs, target: Target, ctx: Context) -> Risk:
        return _copy_risk(hands, target, args.name, args.storage, full=args.full)

    return risk


def _copy_risk(hands: Hands, target: Target, name: str, storage: str | None, *, full: bool) -> Risk:
    guest: Guest = target.facts["guest"]
    config: GuestConfig = target.facts["config"]
    common = hands.guest_risk(target, disrupts=False, template=True)
    if common.refuse:
        return common
    if any(other.name == name for other in hands.scene.inventory.guests.entities.values()):
        return Risk(refuse=f"There is a guest called {name} already", next="Choose another name.")
    if not full and not guest.template:
        return Risk(refuse=f"{target.name} is no template: only a full clone can be made of it")
    if not full and storage is not None:
        return Risk(refuse="A linked clone lies where its template does")
    if full and guest.kind == "ct" and guest.status != "stopped":
        return Risk(refuse=f"{target.name} runs: PVE copies a stopped container only", next="Stop it first.")
    size = sum(size_of(volume) for volume in config.disks.values() if "media=cdrom" not in volume)
    if full and (why := _no_room(hands, guest, config, storage, size)):
        return Risk(refuse=why)
    effects = [f"A new guest {name} on {guest.node}, not started, with up to {size / GIB:.0f} GiB of disks."]
    if not full:
        effects = [f"A new guest {name} on {guest.node}, not started, that needs {target.name} for ever."]
    if guest.status == "running":
        effects.append(f"{target.name} goes on; its copy is as after a loss of power.")
    return replace(common, effects=(*effects, *common.effects))


def _no_room(hands: Hands, guest: Guest, config: GuestConfig, storage: str | None, size: int) -> str:
    wanted: dict[str, int] = {}
    for volume in config.disks.values():
        if ":" in volume and "media=cdrom" not in volume:
            name = volume.partition(":")[0]
            wanted[name] = wanted.get(name, 0) + size_of(volume)
    for name, needed in ({storage: size} if storage is not None else wanted).items():
        found = storage_on(hands, name, guest.node)
        if found is None or found.status != "available":
            return f"The storage {name} is not available on {guest.node}"
        if not {"images", "rootdir"} & set(found.content):
            return f"The storage {name} takes no disks of guests"
        free = free_space(found)
        if free is not None and free < needed:
            return f"{name} on {guest.node} has {free / GIB:.0f} GiB free; the copy wants {needed / GIB:.0f}"
    return ""


def _clone(hands: Hands) -> Any:
    async def run(args: CloneArgs, target: Target, act: Act) -> Born:
        return await _copy(hands, target, act, args.name, args.storage, full=args.full)

    return run


async def _copy(hands: Hands, target: Target, act: Act, name: str, storage: str | None, *, full: bool) -> Born:
    guest: Guest = target.facts["guest"]
    vmid = await _next_vmid(hands)
    called = {"name": name} if guest.kind == "vm" else {"hostname": name}
    done = await hands.task(
        act, f"clones {target.name} ({target.vmid}) as {name} ({vmid})", f"{guest.kind}_clone", node=guest.node,
        vmid=guest.vmid, newid=vmid, full=full, storage=storage, **called,
    )  # fmt: skip
    return _done(done, vmid, guest.node)


# --- create_guest ----------------------------------------------------------------------------------------


def _resolve_create(hands: Hands) -> Any:
    async def resolve(args: CreateArgs, ctx: Context) -> Target:
        if (args.template is None) is (args.backup is None):
            raise JarvisError("invalid_params", "Give either a template or a backup to make the guest from")
        if args.template is not None:
            if args.name is None:
                raise JarvisError("invalid_params", "A guest made from a template needs a name")
            return await _source(hands, args.template)
        return await _from_backup(hands, args, ctx)

    return resolve


async def _from_backup(hands: Hands, args: CreateArgs, ctx: Context) -> Target:
    if args.name is not None:
        raise JarvisError("invalid_params", "A guest made from a backup brings its own name")
    backup, _ = await find_backup(hands, args.backup or "")
    node = hands.node(args.node).name if args.node is not None else node_with(hands, backup.storage)
    kind = "vm" if "vzdump-qemu-" in backup.volid or "/vm/" in backup.volid else "ct"
    return Target(
        f"backup:{backup.volid}", backup.volid.rpartition("/")[2], "backup", hands.scene.cluster.name, backup.vmid,
        node, observed_at=ctx.now, facts={"backup": backup, "kind": kind},
    )  # fmt: skip


def _create_risk(hands: Hands) -> Any:
    def risk(args: CreateArgs, target: Target, ctx: Context) -> Risk:
        if args.template is not None:
            if not target.facts["guest"].template:
                return Risk(refuse=f"{target.name} is no template", next="clone_guest copies other guests.")
            return _copy_risk(hands, target, args.name or "", args.storage, full=True)
        if (refused := hands.quorum_risk()).refuse:
            return refused
        backup: StoredBackup = target.facts["backup"]
        node = hands.node(target.node or "")
        if node.status != "online":
            return Risk(refuse=f"{node.name} is not online ({node.status})")
        if storage_on(hands, backup.storage, node.name) is None:
            return Risk(refuse=f"{node.name} does not have the storage {backup.storage}")
        if args.storage is not None and storage_on(hands, args.storage, node.name) is None:
            return Risk(refuse=f"{node.name} has no storage {args.storage}")
        effects = [f"A new guest on {node.name}, not started, as {backup.guest or backup.vmid} was then."]
        if backup.guest is not None:
            effects.append(f"It has the same name and addresses as {backup.guest}: never run both at once.")
        return Risk(effects=tuple(effects))

    return risk


def _create(hands: Hands) -> Any:
    async def run(args: CreateArgs, target: Target, act: Act) -> Born:
        if args.template is not None:
            return await _copy(hands, target, act, args.name or "", args.storage, full=True)
        backup: StoredBackup = target.facts["backup"]
        vmid = await _next_vmid(hands)
        kind = target.facts["kind"]
        done = await hands.task(
            act, f"makes guest {vmid} on {target.node} from {backup.volid}", f"{kind}_restore", node=target.node,
            vmid=vmid, storage=args.storage, **restore_call(kind, backup.volid),
        )  # fmt: skip
        return _done(done, vmid, target.node or "")

    return run


# --- delete_guest ----------------------------------------------------------------------------------------


def _resolve_delete(hands: Hands) -> Any:
    async def resolve(args: DeleteArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
        guest: Guest = target.facts["guest"]
        backups, failed = await backups_of(hands, guest.vmid)
        jobs = parse_backup_jobs(await hands.scene.px.call("backup_jobs"))
        facts = {
            "config": await config_of(hands, guest), "snapshots": await snapshots_of(hands, guest),
            "backups": backups, "failed": failed, "jobs": [job.id for job in jobs if guest.vmid in job.vmids],
        }  # fmt: skip
        return replace(target, facts={**target.facts, **facts})

    return resolve


def _delete_risk(hands: Hands) -> Any:
    def risk(args: DeleteArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        config: GuestConfig = target.facts["config"]
        common = hands.guest_risk(target, disrupts=True, template=True)
        if common.refuse:
            return common
        if guest.status != "stopped":
            return Risk(refuse=f"{target.name} is not stopped ({guest.status})", next="Stop it first.")
        if config.protection:
            return Risk(refuse=f"{target.name} is protected in its own configuration")
        size = sum(size_of(volume) for volume in config.disks.values())
        effects = [f"Its disks ({size / GIB:.0f} GiB) and {len(target.facts['snapshots'])} snapshots are lost."]
        backups: list[StoredBackup] = target.facts["backups"]
        if backups:
            effects.append(f"{len(backups)} backups of it stay.")
        else:
            unsure = " on the storages that answer" if target.facts["failed"] else ""
            effects.append(f"There is no backup of it{unsure}: it cannot be brought back.")
        if target.facts["jobs"]:
            effects.append(f"It leaves the backup jobs {', '.join(target.facts['jobs'])}.")
        if guest.template:
            effects.append("It is a template: linked clones of it need it.")
        return replace(common, tier=Tier.BLACK, effects=(*effects, *common.effects))

    return risk


def _delete(hands: Hands) -> Any:
    async def run(args: DeleteArgs, target: Target, act: Act) -> TaskDone:
        guest: Guest = target.facts["guest"]
        return await hands.task(
            act, f"deletes {target.name} ({target.vmid} on {target.node})", f"{guest.kind}_delete", node=guest.node,
            vmid=guest.vmid, purge=True,
        )  # fmt: skip

    return run


def _gone(hands: Hands) -> Any:
    async def verify(args: DeleteArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        try:
            await hands.status_of(target.facts["guest"])
        except JarvisError as error:
            if error.code == "not_found":
                return Verdict("verified", evidence={"status": "gone"})
            raise
        return Verdict("contradicted", f"{target.name} is still there.")

    return verify
