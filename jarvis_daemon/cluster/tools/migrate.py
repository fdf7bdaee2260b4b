"""Move a guest to another node: a running VM online, a running container by stopping and starting it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.shapes import GuestConfig, parse_guest_config
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, NodeRef, TaskDone
from jarvis_daemon.protocol.state import Guest, Node, Storage
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
        resolve=_resolve(hands), risk=_risk(hands), run=_run(hands), verify=_verify(hands),
        undo=lambda args, target, result: Undo("migrate_guest", {"guest": str(target.vmid), "node": target.node}),
        sentences=Sentences("Move {target} to {node}", "{target} is on {node} now."),
        timeout_s=6 * 3600.0, freshness_s=60.0, long=True, concurrency=2,
    )]  # fmt: skip


def _resolve(hands: Hands) -> Any:
    async def resolve(args: MigrateArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
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
        if why := _unfit(hands, guest, goal, target.facts["config"]):
            return Risk(refuse=why, next="`jarvis node list` and `jarvis storage list` show what there is.")
        effects = [_downtime(guest, target.facts["config"], hands)]
        if guest.status == "running" and (free := _free_memory(goal)) is not None:
            effects.append(f"{goal.name} keeps {(free - _memory(guest)) / GIB:.1f} GiB of memory free.")
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _unfit(hands: Hands, guest: Guest, goal: Node, config: GuestConfig) -> str:
    """Why the node cannot take the guest, empty when it can."""
    if goal.name == guest.node:
        return f"{guest.name} is on {goal.name} already"
    if goal.status != "online":
        return f"{goal.name} is not online ({goal.status})"
    if guest.status == "running":
        free = _free_memory(goal)
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
        storage = _storage(hands, name, goal.name)
        if storage is None:
            return f"{goal.name} has no storage {name}, where {key} of {guest.name} lies"
        if storage.status != "available":
            return f"The storage {name} on {goal.name} is not available"
        if not storage.shared and (free := _free_space(storage)) is not None and free < _size(volume):
            return f"{name} on {goal.name} has {free / GIB:.0f} GiB free; {key} wants {_size(volume) / GIB:.0f}"
    return ""


def _downtime(guest: Guest, config: GuestConfig, hands: Hands) -> str:
    if guest.status != "running":
        return f"It is {guest.status} and stays so."
    if guest.kind == "vm":
        return "It goes on running; at the end it stands still for about a second."
    local = sum(_size(v) for v in config.disks.values() if not _is_shared(hands, v, guest.node))
    minutes = max(1, round((30 + local / COPY_BYTES_PER_S) / 60))
    return f"It stops for about {minutes} min at most, while its disks are copied, and starts on the other node."


def _memory(guest: Guest) -> int:
    """What it may come to need: all it was given."""
    return guest.memory_total_bytes or 0


def _free_memory(node: Node) -> int | None:
    if node.memory_available_bytes is not None:
        return node.memory_available_bytes
    if node.memory_total_bytes is None or node.memory_used_bytes is None:
        return None
    return node.memory_total_bytes - node.memory_used_bytes


def _storage(hands: Hands, name: str, node: str) -> Storage | None:
    found = hands.scene.inventory.storages
    here = found.get(f"storage:{node}/{name}") or found.get(f"storage:{name}")
    return here if here is not None and (here.node == node or node in here.nodes) else None


def _is_shared(hands: Hands, volume: str, node: str) -> bool:
    storage = _storage(hands, volume.partition(":")[0], node)
    return storage is not None and storage.shared


def _free_space(storage: Storage) -> int | None:
    if storage.total_bytes is None or storage.used_bytes is None:
        return None
    return storage.total_bytes - storage.used_bytes


def _size(volume: str) -> int:
    """Bytes of ``…,size=32G``; 0 where it is not told."""
    text = next((part[5:] for part in volume.split(",") if part.startswith("size=")), "")
    units = {"K": 2**10, "M": 2**20, "G": GIB, "T": 2**40}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    return int(float(number) * unit) if number.replace(".", "", 1).isdigit() else 0


def _run(hands: Hands) -> Any:
    async def run(args: MigrateArgs, target: Target, act: Act) -> Migrated:
        guest: Guest = target.facts["guest"]
        goal: Node = target.facts["goal"]
        more: dict[str, Any] = {}
        if guest.status != "stopped":
            more = {"online": True} if guest.kind == "vm" else {"restart": True, "timeout": args.timeout_s}
        if guest.kind == "vm" and any(not _is_shared(hands, v, guest.node) for v in _disks(target)):
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
