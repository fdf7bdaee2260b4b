"""Tools behind the real gate for the command line's tests: on the fixed homelab, each ending in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences
from tests.golden import homelab

LOG = ["stopping", "\x1b[2Jstarting", "TASK OK"]


class GuestArgs(Args):
    guest: Annotated[str, Meta(min_length=1, max_length=80, description="vmid or name of the guest")]


class WaitArgs(GuestArgs):
    timeout_s: Annotated[int, Meta(ge=5, le=3600, description="how long the guest may take, in seconds")] = 120


class MoveArgs(GuestArgs):
    node: Annotated[str, Meta(min_length=1, max_length=63, description="where to")]


class ServiceArgs(Args):
    node: Annotated[str, Meta(min_length=1, max_length=63)]
    service: Annotated[str, Meta(pattern="^[a-z@._-]+$")]


class NodeArgs(Args):
    node: Annotated[str, Meta(min_length=1, max_length=63)]


class LookArgs(Args):
    node: Annotated[str, Meta(max_length=63, description="name of the node")] | None = None
    kind: Literal["short", "long"] = "short"
    limits: list[int] = msgspec.field(default_factory=list)
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    deep: bool = False


class Done(Output):
    upid: str = ""


class Looked(Output):
    node: str | None = None
    seen_at: float | None = None
    memory_bytes: int = 0
    text: str = ""
    rows: list[dict[str, Any]] = msgspec.field(default_factory=list)


Verify = Callable[[Any, Target, Any, Context], Verdict]


@dataclass
class Workshop:
    """``acts``: what was done. ``raises``: what the next run meets."""

    acts: list[str] = field(default_factory=list)
    raises: JarvisError | None = None

    def register(self, room: ToolsRoom) -> None:
        verified = _verdict("verified")
        for kind in ("vm", "container"):
            room.registry.add(
                self._guest(f"start_{kind}", Tier.YELLOW, "Start", "runs.", GuestArgs, verified,
                            f"shutdown_{kind}"),
                self._guest(f"shutdown_{kind}", Tier.RED, "Shut down", "is shut down.", WaitArgs,
                            _verdict("contradicted", "It runs still."), f"start_{kind}"),
                self._guest(f"stop_{kind}", Tier.RED, "Pull the plug of", "is stopped.", GuestArgs,
                            _verdict("unverified", "Its node is silent."), f"start_{kind}"),
                self._guest(f"reboot_{kind}", Tier.RED, "Reboot", "has been rebooted.", WaitArgs, verified),
            )  # fmt: skip
        room.registry.add(
            self._guest("migrate_guest", Tier.RED, "Move to {node}:", "is moved.", MoveArgs, verified),
            self._guest("delete_guest", Tier.BLACK, "Delete", "is deleted.", GuestArgs, verified),
            self._spec("restart_service", Tier.YELLOW, "Restart", "is restarted.", ServiceArgs, verified, _service),
            self._spec("reboot_node", Tier.BLACK, "Reboot", "has been rebooted.", NodeArgs, verified, _node),
            ToolSpec(
                name="look_around", room="workshop", tier=Tier.GREEN, description="Looks around.\nAnd says so.",
                args=LookArgs, output=Looked, run=self.look, tainted=True,
            ),
        )  # fmt: skip

    def _guest(self, name: str, tier: Tier, doing: str, done: str, args: type[Args], verify: Verify,
               back: str = "") -> ToolSpec:  # fmt: skip
        undo = Undo(back, {"guest": ""}) if back else None
        return self._spec(name, tier, doing, done, args, verify, _guest, undo)

    def _spec(self, name: str, tier: Tier, doing: str, done: str, args: type[Args], verify: Verify,
              resolve: Callable[[Any, Context], Target], undo: Undo | None = None) -> ToolSpec:  # fmt: skip
        return ToolSpec(
            name=name, room="workshop", tier=tier, description=f"{name.replace('_', ' ').capitalize()}.",
            args=args, output=Done, resolve=resolve, run=self.run(name), verify=verify, timeout_s=20.0, long=True,
            risk=lambda a, target, ctx: Risk(effects=("two users watch a film",) if target.vmid == 103 else ()),
            undo=lambda a, target, result: Undo(undo.name, {"guest": str(target.vmid)}) if undo else None,
            sentences=Sentences(f"{doing} {{target}}", f"{{target}} {done}"),
        )  # fmt: skip

    def run(self, name: str) -> Callable[[Any, Target, Act], Any]:
        async def run(args: Any, target: Target, act: Act) -> Done:
            async with act.step(f"{name} {target.name}"):
                self.acts.append(f"{name} {target.id}")
                if self.raises is not None:
                    raise self.raises
            act.progress(upid="UPID:x", lines=LOG)
            return Done(upid="UPID:x")

        return run

    async def look(self, args: LookArgs, target: Target, act: Act) -> Looked:
        rows = [{"name": "a\x1b[31m", "size_bytes": 2048, "at": homelab.NOW}, {"name": "b", "ok": True}]
        return Looked(node=args.node, seen_at=homelab.NOW, memory_bytes=3 << 30, text="one\ntwo", rows=rows)


def _guest(args: Any, ctx: Context) -> Target:
    found = next((g for g in homelab.GUESTS if str(g.vmid) == args.guest), None)
    if found is None:
        raise JarvisError("not_found", f"There is no guest {args.guest!r}")
    return Target(found.id, found.name, found.kind, "homelab", found.vmid, found.node, observed_at=ctx.now)


def _service(args: Any, ctx: Context) -> Target:
    return Target(f"service:{args.node}/{args.service}", args.service, "service", node=args.node)


def _node(args: Any, ctx: Context) -> Target:
    return Target(f"node:{args.node}", args.node, "node", node=args.node)


def _verdict(outcome: Literal["verified", "contradicted", "unverified"], text: str = "") -> Verify:
    return lambda args, target, result, ctx: Verdict(outcome, text)
