"""Power of guests: start, shut down, stop, reboot; a VM and a container each have their own tool.

``shutdown`` asks the guest, ``stop`` pulls its plug. For a guest of HA the same calls only ask HA's manager, whose
work is then waited for. A reboot is proved by an uptime that began after it was asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, TaskDone
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Risk, Sentences

Kind = Literal["vm", "ct"]
Verb = Literal["start", "shutdown", "stop", "reboot"]
KINDS: tuple[Kind, ...] = ("vm", "ct")
VERBS: tuple[Verb, ...] = ("start", "shutdown", "stop", "reboot")
_EFFECTS: dict[Verb, tuple[str, ...]] = {
    "start": (),
    "shutdown": ("It stays down until it is started again.",),
    "stop": ("What it has not saved is lost.", "It stays down until it is started again."),
    "reboot": ("It is down for about a minute.",),
}
_WORD = {"vm": "VM", "ct": "container"}


class PowerArgs(Args):
    """Of start and stop."""

    guest: GuestRef


class ShutdownArgs(Args):
    """Of shutdown and reboot."""

    guest: GuestRef
    timeout_s: Annotated[int, Meta(ge=5, le=3600, description="how long the guest may take, in seconds")] = 120


def specs(hands: Hands) -> list[ToolSpec]:
    return [_spec(hands, kind, verb) for kind in KINDS for verb in VERBS]


def _spec(hands: Hands, kind: Kind, verb: Verb) -> ToolSpec:
    long_name = "vm" if kind == "vm" else "container"
    text = {
        "start": f"Start a stopped {_WORD[kind]} and wait until it runs.",
        "shutdown": f"Ask a running {_WORD[kind]} to shut down and wait until it is stopped.",
        "stop": f"Stop a running {_WORD[kind]} at once, as if its plug were pulled; unsaved data is lost.",
        "reboot": f"Ask a running {_WORD[kind]} to shut down and start it again.",
    }[verb]
    done = {"start": "runs", "shutdown": "is shut down", "stop": "is stopped", "reboot": "has been rebooted"}[verb]
    head = {"start": "Start", "shutdown": "Shut down", "stop": "Pull the plug of", "reboot": "Reboot"}[verb]
    return ToolSpec(
        name=f"{verb}_{long_name}", room="cluster", tier=Tier.YELLOW if verb == "start" else Tier.RED,
        description=text, args=ShutdownArgs if verb in {"shutdown", "reboot"} else PowerArgs, output=TaskDone,
        resolve=lambda args, ctx: hands.live_target(args.guest, kind, disrupts=verb != "start"),
        risk=_risk(hands, verb), run=run_of(hands, kind, verb), verify=_verify(hands, verb),
        undo=_undo(long_name, verb),
        sentences=Sentences(f"{head} {{target}}", f"{{target}} {done}."),
        timeout_s=3900.0 if verb != "start" else 600.0,
        freshness_s=60.0, long=True,
    )  # fmt: skip


def _risk(hands: Hands, verb: Verb) -> Callable[[Any, Target, Context], Risk]:
    def risk(args: Any, target: Target, ctx: Context) -> Risk:
        guest: Guest = target.facts["guest"]
        common = hands.guest_risk(target, disrupts=verb != "start")
        if common.refuse:
            return common
        if verb == "start" and guest.status == "running":
            return Risk(refuse=f"{target.name} runs already")
        if verb != "start" and guest.status == "stopped":
            return Risk(refuse=f"{target.name} is stopped already")
        return replace(common, effects=(*_EFFECTS[verb], *common.effects))

    return risk


def run_of(hands: Hands, kind: Kind, verb: Verb) -> Callable[[Any, Target, Act], Awaitable[TaskDone]]:
    async def run(args: Any, target: Target, act: Act) -> TaskDone:
        more = {"timeout": args.timeout_s} if isinstance(args, ShutdownArgs) else {}
        what = f"{verb} {target.name} ({target.vmid} on {target.node})"
        return await hands.task(act, what, f"{kind}_{verb}", node=target.node, vmid=target.vmid, **more)

    return run


def _verify(hands: Hands, verb: Verb) -> Callable[[Any, Target, Any, Context], Awaitable[Verdict]]:
    wanted = {"stopped"} if verb in {"shutdown", "stop"} else {"running"}

    async def verify(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        found = await hands.settled(target, wanted, since_at=ctx.now if verb == "reboot" else None)
        if found is None:
            word = "freshly started" if verb == "reboot" else next(iter(wanted))
            return Verdict("contradicted", f"{target.name} is not {word}.")
        return Verdict("verified", evidence={"status": found.status, "uptime_s": found.uptime_s, "pid": found.pid})

    return verify


def _undo(long_name: str, verb: Verb) -> Callable[[Any, Target, Any], Undo | None]:
    back = {"start": f"shutdown_{long_name}", "shutdown": f"start_{long_name}", "stop": f"start_{long_name}"}

    def undo(args: Any, target: Target, result: Any) -> Undo | None:
        name = back.get(verb)
        return Undo(name, {"guest": str(target.vmid)}) if name else None

    return undo
