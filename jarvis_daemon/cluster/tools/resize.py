"""Give a guest more of something: a larger disk (never a smaller one), other cores or another memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from msgspec import Meta

from jarvis_daemon.cluster.shapes import GuestConfig, parse_guest_config
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, TaskDone
from jarvis_daemon.cluster.tools.places import free_space, size_of, storage_on
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

GIB: Final = 2**30
DiskKey = Annotated[
    str, Meta(pattern="^((scsi|virtio|sata|ide|mp)[0-9]{1,3}|rootfs)$", description="key of the disk, like scsi0")
]


class ResizeArgs(Args):
    """Exactly one of: ``disk`` with ``grow_gib``; ``cores`` and/or ``memory_mib``."""

    guest: GuestRef
    disk: DiskKey | None = None
    grow_gib: Annotated[int, Meta(ge=1, le=65536)] | None = None
    """How much larger the disk becomes; there is no way back."""
    cores: Annotated[int, Meta(ge=1, le=512)] | None = None
    memory_mib: Annotated[int, Meta(ge=16, le=16 * 1024 * 1024)] | None = None


class Resized(TaskDone):
    """What the configuration says afterwards."""

    disk_bytes: int | None = None
    cores: int | None = None
    memory_mib: int | None = None


def specs(hands: Hands) -> list[ToolSpec]:
    return [ToolSpec(
        name="resize_guest", room="cluster", tier=Tier.RED, args=ResizeArgs, output=Resized,
        description="Grow a disk of a guest, or change its cores and memory (a running VM takes them on when it is "
        "next started).",
        resolve=_resolve(hands), risk=_risk(hands), run=_run(hands), verify=_verify(hands), undo=_undo,
        sentences=Sentences("Resize {target}", "{target} is resized."), timeout_s=1800.0, freshness_s=60.0,
        long=True,
    )]  # fmt: skip


async def config_of(hands: Hands, guest: Guest) -> GuestConfig:
    """As its node tells it now, pending changes included. Raises as ``Proxmox.call``."""
    return parse_guest_config(await hands.scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid))


def _resolve(hands: Hands) -> Any:
    async def resolve(args: ResizeArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
        return replace(target, facts={**target.facts, "config": await config_of(hands, target.facts["guest"])})

    return resolve


def _risk(hands: Hands) -> Any:
    def risk(args: ResizeArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        common = hands.guest_risk(target, disrupts=True)
        if common.refuse:
            return common
        if why := _unfit(hands, args, guest, target.facts["config"]):
            return Risk(refuse=why)
        return replace(common, effects=(*_effects(args, guest, target.facts["config"]), *common.effects))

    return risk


def _unfit(hands: Hands, args: ResizeArgs, guest: Guest, config: GuestConfig) -> str:
    """Why it cannot be so, empty when it can."""
    shape = args.cores is not None or args.memory_mib is not None
    if (args.disk is None) is not (args.grow_gib is None):
        return "A disk is grown with both: which one, and by how much"
    if shape is (args.disk is not None):
        return "Give either a disk to grow, or cores and memory"
    if args.disk is not None:
        return _disk_unfit(hands, args, guest, config)
    if args.cores in {None, config.cores} and args.memory_mib in {None, config.memory_mb}:
        return f"{guest.name} has that already"
    node = hands.node(guest.node)
    if args.cores is not None and node.cpu_count is not None and args.cores > node.cpu_count:
        return f"{node.name} has {node.cpu_count} cores"
    wanted = (args.memory_mib or 0) * 2**20
    if node.memory_total_bytes is not None and wanted > node.memory_total_bytes:
        return f"{node.name} has {node.memory_total_bytes / GIB:.0f} GiB of memory"
    return ""


def _disk_unfit(hands: Hands, args: ResizeArgs, guest: Guest, config: GuestConfig) -> str:
    volume = config.disks.get(args.disk or "")
    if volume is None or "media=cdrom" in volume:
        there = ", ".join(key for key, value in config.disks.items() if "media=cdrom" not in value) or "none"
        return f"{guest.name} has no disk {args.disk}; it has {there}"
    storage = storage_on(hands, volume.partition(":")[0], guest.node)
    if storage is None or storage.status != "available":
        return f"The storage of {args.disk} is not available"
    free = free_space(storage)
    if free is not None and free < (args.grow_gib or 0) * GIB:
        return f"{storage.name} on {guest.node} has {free / GIB:.0f} GiB free"
    return ""


def _effects(args: ResizeArgs, guest: Guest, config: GuestConfig) -> list[str]:
    if args.disk is not None:
        before = size_of(config.disks[args.disk]) / GIB
        after = before + (args.grow_gib or 0)
        return [
            f"{args.disk}: {before:.0f} → {after:.0f} GiB. A disk never shrinks again.",
            "The file system in a VM has to be grown there.",
        ][: 2 if guest.kind == "vm" else 1]
    effects = []
    if args.cores is not None:
        effects.append(f"Cores: {config.cores} → {args.cores}.")
    if args.memory_mib is not None:
        effects.append(f"Memory: {config.memory_mb} → {args.memory_mib} MiB.")
    if guest.status != "stopped" and guest.kind == "vm":
        effects.append("It takes them on when it is next shut down and started.")
    elif guest.status != "stopped":
        effects.append("It takes them on at once; with less memory than it uses, what runs in it may be killed.")
    return effects


def _run(hands: Hands) -> Any:
    async def run(args: ResizeArgs, target: Target, act: Act) -> Resized:
        guest: Guest = target.facts["guest"]
        if args.disk is not None:
            what = f"grows {args.disk} of {target.name} ({target.vmid}) by {args.grow_gib} GiB"
            done = await hands.task(
                act, what, f"{guest.kind}_resize", node=guest.node, vmid=guest.vmid, disk=args.disk,
                size=f"+{args.grow_gib}G",
            )  # fmt: skip
        else:
            what = f"gives {target.name} ({target.vmid}) {_words(args)}"
            await hands.scene.px.write(
                act, what, f"{guest.kind}_set", node=guest.node, vmid=guest.vmid, cores=args.cores,
                memory=args.memory_mib,
            )  # fmt: skip
            done = TaskDone(status="ok")
        now = await config_of(hands, guest)
        return Resized(
            upid=done.upid, status=done.status, exit_text=done.exit_text, duration_s=done.duration_s,
            disk_bytes=size_of(now.disks.get(args.disk, "")) if args.disk else None, cores=now.cores,
            memory_mib=now.memory_mb,
        )  # fmt: skip

    return run


def _words(args: ResizeArgs) -> str:
    cores = f"{args.cores} cores" if args.cores is not None else ""
    memory = f"{args.memory_mib} MiB of memory" if args.memory_mib is not None else ""
    return " and ".join(part for part in (cores, memory) if part)


def _verify(hands: Hands) -> Any:
    async def verify(args: ResizeArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        before: GuestConfig = target.facts["config"]
        now = await config_of(hands, target.facts["guest"])
        if args.disk is not None:
            wanted = size_of(before.disks[args.disk]) + (args.grow_gib or 0) * GIB
            found = size_of(now.disks.get(args.disk, ""))
            if found < wanted:
                return Verdict("contradicted", f"{args.disk} of {target.name} has {found / GIB:.0f} GiB.")
            return Verdict("verified", evidence={"disk_bytes": found})
        if args.cores not in {None, now.cores} or args.memory_mib not in {None, now.memory_mb}:
            told = f"{now.cores} cores and {now.memory_mb} MiB"
            return Verdict("contradicted", f"The configuration of {target.name} says {told}.")
        return Verdict("verified", evidence={"cores": now.cores, "memory_mib": now.memory_mb})

    return verify


def _undo(args: ResizeArgs, target: Target, result: Any) -> Undo | None:
    if args.disk is not None:
        return None
    before: GuestConfig = target.facts["config"]
    back: dict[str, Any] = {"guest": str(target.vmid)}
    if args.cores is not None and before.cores is not None:
        back["cores"] = before.cores
    if args.memory_mib is not None and before.memory_mb is not None:
        back["memory_mib"] = before.memory_mb
    return Undo("resize_guest", back) if len(back) > 1 else None
