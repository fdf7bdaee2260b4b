"""Move a guest to another node: a running VM online, a running container by stopping and starting it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.shapes import GuestConfig, parse_guest_config
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, NodeRef, TaskDone
from jarvis_daemon.cluster.tools.places import free_memory, free_space, is_shared, size_of, storage_on
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

GIB: Final = 2**30
COPY_BYTES_PER_S: Final = 100e6
"""A guess of a homelab's network, for the sentence about how long it takes."""


class MigrateArgs(Args):
    guest: GuestRef
    node: NodeRef
    timeout_s: Annotated[int, Meta(ge=10, le=3600, description="how long a container may take to shut down")] = 180


class Migrated(TaskDone):
    source: str = ""
    node: str = ""


def specs(hands: Hands) -> list[ToolSpec]:
    return [ToolSpec(
        name="migrate_guest", room="cluster", tier=Tier.RED, args=MigrateArgs, output=Migrated,
        description="Move a guest to another node; a VM goes on running, a container is restarted there.",
        resolve=_resolve(hands), risk=_risk(hands), run=run_of(hands), verify=_verify(hands),
        undo=lambda args, target, result: Undo("migrate_guest", {"guest": str(target.vmid), "node": target.node}),
        sentences=Sentences("Move {target} to {node}", "{target} is on {node} now."),
        timeout_s=6 * 3600.0, freshness_s=60.0, long=True, concurrency=2,
    )]  # fmt: skip


def _resolve(hands: Hands) -> Any:
    async def resolve(args: MigrateArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest, disrupts=True)
        guest: Guest = target.facts["guest"]
        goal = hands.node(args.node)
        reply = await hands.scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid)
        return replace(target, facts={**target.facts, "goal": goal, "config": parse_guest_config(reply)})

    return resolve


def _risk(hands: Hands) -> Callable[[Any, Target, Context], Risk]:
    def risk(args: MigrateArgs, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        goal: Node = target.facts["goal"]
        common = hands.guest_risk(target, disrupts=True, template=True)
        if common.refuse:
            return common
        if why := unfit(hands, guest, goal, target.facts["config"]):
            return Risk(refuse=why, next="`jarvis node list` and `jarvis storage list` show what there is.")
        return replace(common, effects=(_downtime(guest, target.facts["config"], hands), *common.effects))

    return risk


def unfit(hands: Hands, guest: Guest, goal: Node, config: GuestConfig) -> str:
    """Why the node cannot take the guest, empty when it can."""
    if goal.name == guest.node:
        return f"{guest.name} is on {goal.name} already"
    if goal.status != "online":
        return f"{goal.name} is not online ({goal.status})"
    if guest.status == "running":
        free = free_memory(goal)
        if free is None:
            return f"How much memory {goal.name} has free is not known"
        if free < (wanted := _memory(guest)):
            return f"{goal.name} has {free / GIB:.1f} GiB of memory free; {guest.name} wants {wanted / GIB:.1f}"
    for key, volume in config.disks.items():
        name = volume.partition(":")[0]
        if volume.startswith(("/", "none")) or ":" not in volume:
            if key.startswith("mp") and volume.startswith("/"):
                return f"{key} of {guest.name} is a path of {guest.node} and cannot move"
            continue
        storage = storage_on(hands, name, goal.name)
        if storage is None:
            return f"{goal.name} has no storage {name}, where {key} of {guest.name} lies"
        if storage.status != "available":
            return f"The storage {name} on {goal.name} is not available"
        if not storage.shared and (free := free_space(storage)) is not None and free < size_of(volume):
            return f"{name} on {goal.name} has {free / GIB:.0f} GiB free; {key} wants {size_of(volume) / GIB:.0f}"
    return ""


def _downtime(guest: Guest, config: GuestConfig, hands: Hands) -> str:
    if guest.status != "running":
        return f"It is {guest.status} and stays so."
    if guest.kind == "vm":
        return "It goes on running; at the end it stands still for about a second."
    local = sum(size_of(v) for v in config.disks.values() if not is_shared(hands, v, guest.node))
    minutes = max(1, round((30 + local / COPY_BYTES_PER_S) / 60))
    return f"It stops for about {minutes} min at most, while its disks are copied, and starts on the other node."


def _memory(guest: Guest) -> int:
    """What it may come to need: all it was given."""
    return guest.memory_total_bytes or 0


def run_of(hands: Hands) -> Any:
    async def run(args: MigrateArgs, target: Target, act: Act) -> Migrated:
        guest: Guest = target.facts["guest"]
        goal: Node = target.facts["goal"]
        more: dict[str, Any] = {}
        if guest.status != "stopped":
            more = {"online": True} if guest.kind == "vm" else {"restart": True, "timeout": args.timeout_s}
        if guest.kind == "vm" and any(not is_shared(hands, v, guest.node) for v in _disks(target)):
            more["with_local_disks"] = True
        what = f"moves {target.name} ({target.vmid}) from {guest.node} to {goal.name}"
        call = f"{guest.kind}_migrate"
        done = await hands.task(act, what, call, node=guest.node, vmid=guest.vmid, target=goal.name, **more)
        return Migrated(
            upid=done.upid, status=done.status, exit_text=done.exit_text, duration_s=done.duration_s,
            source=guest.node, node=goal.name,
        )  # fmt: skip

    return run


def _disks(target: Target) -> list[str]:
    config: GuestConfig = target.facts["config"]
    return [v for v in config.disks.values() if ":" in v and "media=cdrom" not in v]


def _verify(hands: Hands) -> Any:
    async def verify(args: MigrateArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """The node it should be on has it, and it runs there if it ran before."""
        guest: Guest = target.facts["guest"]
        goal: Node = target.facts["goal"]

        async def look() -> str | None:
            rows = await hands.scene.px.call("cluster_resources", type="vm")
            row = next((row for row in rows if row.get("vmid") == guest.vmid), None)
            return goal.name if row is not None and row.get("node") == goal.name else None

        within_s = hands.ha_settle_s if guest.ha_state else hands.settle_s
        if await hands.until(look, within_s) is None:
            return Verdict("contradicted", f"{target.name} is not on {goal.name}.")
        there = Target(
            target.id, target.name, target.kind, target.cluster, target.vmid, goal.name,
            facts={"guest": _moved(guest, goal.name)},
        )  # fmt: skip
        wanted = {"running"} if guest.status == "running" else {"stopped", "paused", "suspended"}
        found = await hands.settled(there, wanted)
        if found is None:
            return Verdict("contradicted", f"{target.name} is on {goal.name}, but it is not {' or '.join(wanted)}.")
        return Verdict("verified", evidence={"node": goal.name, "status": found.status})

    return verify


def _moved(guest: Guest, node: str) -> Guest:
    return msgspec.structs.replace(guest, node=node)
