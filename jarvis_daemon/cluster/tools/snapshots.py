"""Snapshots of guests: make one, go back to one, delete one.

Names are PVE's: a letter, then letters, digits, ``-`` and ``_``, 2 to 40 characters; ``current`` is PVE's own word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta

from jarvis_daemon.cluster.shapes import Snapshot
from jarvis_daemon.cluster.tools.guest_reads import snapshots_of
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, TaskDone
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

SnapshotName = Annotated[
    str,
    Meta(min_length=2, max_length=40, pattern="^[A-Za-z][A-Za-z0-9_-]+$", description="name of the snapshot"),
]
Risky = Callable[[Any, Target, Context], Risk]


class SnapshotArgs(Args):
    guest: GuestRef
    name: SnapshotName
    description: Annotated[str, Meta(max_length=400)] = ""
    with_memory: bool = False
    """Of a running VM, its memory too: that takes longer and the VM stands still for a moment."""


class RollbackArgs(Args):
    guest: GuestRef
    name: SnapshotName
    start: bool = False
    """Start it afterwards."""


class DeleteArgs(Args):
    guest: GuestRef
    name: SnapshotName


class SnapshotDone(TaskDone):
    name: str = ""


def specs(hands: Hands) -> list[ToolSpec]:
    create = ToolSpec(
        name="create_snapshot", room="cluster", tier=Tier.YELLOW, args=SnapshotArgs, output=SnapshotDone,
        description="Take a snapshot of a guest under a new name.",
        resolve=_resolve(hands), risk=_create_risk(hands), run=_create(hands), verify=_exists(hands, True),
        undo=lambda args, target, result: Undo("delete_snapshot", {"guest": str(target.vmid), "name": args.name}),
        sentences=Sentences("Take snapshot {name} of {target}", "Snapshot {name} of {target} is taken."),
        timeout_s=1800.0, freshness_s=60.0, long=True,
    )  # fmt: skip
    rollback = ToolSpec(
        name="rollback_snapshot", room="cluster", tier=Tier.RED, args=RollbackArgs, output=SnapshotDone,
        description="Put a guest back to a snapshot: it stops, and what changed since is lost.",
        resolve=_resolve(hands, disrupts=True), risk=_rollback_risk(hands), run=_rollback(hands),
        verify=_rolled_back(hands),
        sentences=Sentences("Put {target} back to snapshot {name}", "{target} is back at snapshot {name}."),
        timeout_s=3600.0, freshness_s=60.0, long=True,
    )  # fmt: skip
    delete = ToolSpec(
        name="delete_snapshot", room="cluster", tier=Tier.BLACK, args=DeleteArgs, output=SnapshotDone,
        description="Delete a snapshot of a guest for good; the guest itself stays as it is.",
        resolve=_resolve(hands), risk=_delete_risk(hands), run=_delete(hands), verify=_exists(hands, False),
        sentences=Sentences("Delete snapshot {name} of {target}", "Snapshot {name} of {target} is deleted."),
        timeout_s=3600.0, freshness_s=60.0, long=True,
    )  # fmt: skip
    return [create, rollback, delete]


def _resolve(hands: Hands, *, disrupts: bool = False) -> Callable[[Any, Context], Awaitable[Target]]:
    """The guest as it is now, and its snapshots."""

    async def resolve(args: Any, ctx: Context) -> Target:
        target = await hands.live_target(args.guest, disrupts=disrupts)
        if args.name == "current":
            raise JarvisError("invalid_params", "'current' is PVE's word for the guest as it is, not a snapshot")
        snapshots = await snapshots_of(hands, target.facts["guest"])
        return replace(target, facts={**target.facts, "snapshots": {s.name: s for s in snapshots}})

    return resolve


def _missing(args: Any, target: Target) -> str:
    known: dict[str, Snapshot] = target.facts["snapshots"]
    if args.name in known:
        return ""
    there = ", ".join(clean(name, limit=60) for name in known) or "none"
    return f"{target.name} has no snapshot {args.name}; it has {there}"


def _create_risk(hands: Hands) -> Risky:
    def risk(args: SnapshotArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        common = hands.guest_risk(target, disrupts=False)
        if common.refuse:
            return common
        if args.name in target.facts["snapshots"]:
            return Risk(refuse=f"{target.name} has a snapshot {args.name} already", next="Choose another name.")
        if args.with_memory and (guest.kind == "ct" or guest.status != "running"):
            return Risk(refuse=f"Only a running VM's memory can be kept; {target.name} is none")
        effects = ["It stands still while its memory is written."] if args.with_memory else []
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _rollback_risk(hands: Hands) -> Risky:
    def risk(args: RollbackArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        common = hands.guest_risk(target, disrupts=True)
        if common.refuse:
            return common
        if why := _missing(args, target):
            return Risk(refuse=why, next="`jarvis tool call get_snapshots` lists them.")
        snapshot: Snapshot = target.facts["snapshots"][args.name]
        effects = [f"What changed on its disks since snapshot {args.name} is lost."]
        if guest.status != "stopped":
            stays = args.start or snapshot.with_memory
            effects.append("It is stopped" + (" and started again." if stays else ", and stays so."))
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _delete_risk(hands: Hands) -> Risky:
    def risk(args: DeleteArgs, target: Target, ctx: Context) -> Risk:
        common = hands.guest_risk(target, disrupts=False)
        if common.refuse:
            return common
        if why := _missing(args, target):
            return Risk(refuse=why)
        return replace(common, effects=("The snapshot cannot be brought back.", *common.effects))

    return risk


def _create(hands: Hands) -> Callable[[Any, Target, Act], Awaitable[SnapshotDone]]:
    async def run(args: SnapshotArgs, target: Target, act: Act) -> SnapshotDone:
        guest: Guest = target.facts["guest"]
        more: dict[str, Any] = {"vmstate": True} if args.with_memory else {}
        if args.description:
            more["description"] = args.description
        what = f"takes snapshot {args.name} of {target.name} ({target.vmid})"
        return _done(args.name, await hands.task(
            act, what, f"{guest.kind}_snapshot", node=guest.node, vmid=guest.vmid, snapname=args.name, **more
        ))  # fmt: skip

    return run


def _rollback(hands: Hands) -> Callable[[Any, Target, Act], Awaitable[SnapshotDone]]:
    async def run(args: RollbackArgs, target: Target, act: Act) -> SnapshotDone:
        guest: Guest = target.facts["guest"]
        what = f"puts {target.name} ({target.vmid}) back to snapshot {args.name}"
        more = {"start": True} if args.start else {}
        return _done(args.name, await hands.task(
            act, what, f"{guest.kind}_rollback", node=guest.node, vmid=guest.vmid, snapname=args.name, **more
        ))  # fmt: skip

    return run


def _delete(hands: Hands) -> Callable[[Any, Target, Act], Awaitable[SnapshotDone]]:
    async def run(args: DeleteArgs, target: Target, act: Act) -> SnapshotDone:
        guest: Guest = target.facts["guest"]
        what = f"deletes snapshot {args.name} of {target.name} ({target.vmid})"
        call = f"{guest.kind}_delete_snapshot"
        return _done(args.name, await hands.task(
            act, what, call, node=guest.node, vmid=guest.vmid, snapname=args.name
        ))  # fmt: skip

    return run


def _done(name: str, task: TaskDone) -> SnapshotDone:
    return SnapshotDone(
        upid=task.upid, status=task.status, exit_text=task.exit_text, duration_s=task.duration_s, name=name
    )


def _exists(hands: Hands, wanted: bool) -> Callable[[Any, Target, Any, Context], Awaitable[Verdict]]:
    async def verify(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        found = {snapshot.name: snapshot for snapshot in await snapshots_of(hands, target.facts["guest"])}
        if (args.name in found) is not wanted:
            word = "is not among" if wanted else "is still among"
            return Verdict("contradicted", f"{args.name} {word} the snapshots of {target.name}.")
        return Verdict("verified", evidence={"snapshots": [clean(name, limit=60) for name in found]})

    return verify


def _rolled_back(hands: Hands) -> Callable[[Any, Target, Any, Context], Awaitable[Verdict]]:
    async def verify(args: RollbackArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """PVE notes at ``current`` which snapshot the guest comes from."""
        guest: Guest = target.facts["guest"]
        rows = await hands.scene.px.call(f"{guest.kind}_snapshots", node=guest.node, vmid=guest.vmid)
        parents = [row.get("parent") for row in rows if isinstance(row, dict) and row.get("name") == "current"]
        if parents != [args.name]:
            return Verdict("contradicted", f"{target.name} does not come from snapshot {args.name}.")
        if args.start and await hands.settled(target, {"running"}) is None:
            return Verdict("contradicted", f"{target.name} does not run.")
        return Verdict("verified", evidence={"parent": args.name})

    return verify
