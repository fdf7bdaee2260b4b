"""Suspend a VM in memory, and let it go on. Not for containers: PVE's checkpoint of those is experimental."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from jarvis_daemon.cluster.tools.guest_reads import OneGuest
from jarvis_daemon.cluster.tools.hands import Hands, TaskDone
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Risk, Sentences

PAUSED = frozenset({"paused", "suspended"})


def specs(hands: Hands) -> list[ToolSpec]:
    return [
        ToolSpec(
            name="suspend_guest", room="cluster", tier=Tier.RED, args=OneGuest, output=TaskDone,
            description="Suspend a running VM: it stands still and keeps its memory until it is resumed.",
            resolve=lambda args, ctx: hands.live_target(args.guest, disrupts=True),
            risk=_risk(hands, "suspend"),
            run=_run(hands, "suspend"), verify=_verify(hands, {"paused", "suspended"}, "suspended"),
            undo=lambda args, target, result: Undo("resume_guest", {"guest": str(target.vmid)}),
            sentences=Sentences("Suspend {target}", "{target} is suspended."), timeout_s=300.0, freshness_s=60.0,
            long=True,
        ),
        ToolSpec(
            name="resume_guest", room="cluster", tier=Tier.YELLOW, args=OneGuest, output=TaskDone,
            description="Let a suspended VM go on.",
            resolve=lambda args, ctx: hands.live_target(args.guest), risk=_risk(hands, "resume"),
            run=_run(hands, "resume"), verify=_verify(hands, {"running"}, "running"),
            undo=lambda args, target, result: Undo("suspend_guest", {"guest": str(target.vmid)}),
            sentences=Sentences("Resume {target}", "{target} goes on."), timeout_s=300.0, freshness_s=60.0,
            long=True,
        ),
    ]  # fmt: skip


def _risk(hands: Hands, verb: str) -> Callable[[Any, Target, Context], Risk]:
    def risk(args: OneGuest, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        common = hands.guest_risk(target, disrupts=verb == "suspend")
        if common.refuse:
            return common
        if guest.kind == "ct":
            return Risk(refuse=f"{target.name} is a container: only VMs can be suspended")
        if verb == "suspend" and guest.status in PAUSED:
            return Risk(refuse=f"{target.name} is suspended already")
        if verb == "suspend" and guest.status != "running":
            return Risk(refuse=f"{target.name} does not run ({guest.status})")
        if verb == "resume" and guest.status not in PAUSED:
            return Risk(refuse=f"{target.name} is not suspended ({guest.status})")
        effects = ("It answers nobody until it is resumed; its memory stays taken.",) if verb == "suspend" else ()
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _run(hands: Hands, verb: str) -> Callable[[Any, Target, Act], Awaitable[TaskDone]]:
    async def run(args: OneGuest, target: Target, act: Act) -> TaskDone:
        what = f"{verb}s {target.name} ({target.vmid} on {target.node})"
        return await hands.task(act, what, f"vm_{verb}", node=target.node, vmid=target.vmid)

    return run


def _verify(hands: Hands, wanted: set[str], word: str) -> Callable[[Any, Target, Any, Context], Awaitable[Verdict]]:
    async def verify(args: OneGuest, target: Target, result: Any, ctx: Context) -> Verdict:
        found = await hands.settled(target, wanted)
        if found is None:
            return Verdict("contradicted", f"{target.name} is not {word}.")
        return Verdict("verified", evidence={"status": found.status})

    return verify
