"""Power of whole nodes: reboot and shut down. Always BLACK; the plan tells what quorum and Jarvis lose by it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import carries_us, node_risk, running_guests, takes_quorum
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

LOOK_S: Final = 0.5
SAME_BOOT_S: Final = 10.0
"""Two starts of a node that differ by less are one: its uptime is told in whole seconds."""
Verb = Literal["reboot", "shutdown"]


class PowerArgs(Args):
    node: NodeRef
    wait_s: Annotated[int, Meta(ge=5, le=1800, description="how long to wait for it, in seconds")] = 600


class PowerDone(Output):
    node: str
    command: str


def specs(hands: Hands) -> list[ToolSpec]:
    return [
        _spec(hands, "reboot", "Restart a whole node with all that runs on it, and wait until it is back."),
        _spec(hands, "shutdown", "Shut a whole node down with all that runs on it, and wait until it is off."),
    ]


def _spec(hands: Hands, verb: Verb, text: str) -> ToolSpec:
    power = _Power(hands, verb)
    done = "has been rebooted" if verb == "reboot" else "is shut down"

    def undo(args: Any, target: Target, result: Any) -> Undo | None:
        return Undo("wake_node", {"node": target.name}) if verb == "shutdown" else None

    return ToolSpec(
        name=f"{verb}_node", room="cluster", tier=Tier.BLACK, description=text, args=PowerArgs, output=PowerDone,
        resolve=lambda args, ctx: hands.node_target(args.node), risk=power.risk, run=power.run, verify=power.verify,
        undo=undo, timeout_s=1860.0, freshness_s=60.0, long=True, concurrency=1,
        sentences=Sentences("Reboot {target}" if verb == "reboot" else "Shut down {target}", f"{{target}} {done}."),
    )  # fmt: skip


class _Power:
    def __init__(self, hands: Hands, verb: Verb) -> None:
        self._hands, self._scene, self._verb = hands, hands.scene, verb

    def risk(self, args: PowerArgs, target: Target, ctx: Context) -> Risk:
        node: Node = target.facts["node"]
        if node.status != "online":
            return Risk(refuse=f"{node.name} is {node.status}")
        if self._verb == "shutdown" and carries_us(self._scene, node.name):
            return Risk(refuse=f"{node.name} carries Jarvis itself: nobody would be left to tell how it went")
        own = node_risk(self._hands, node.name)
        reasons = [reason for reason in (own.why, takes_quorum(self._scene, node.name)) if reason]
        guests = running_guests(self._scene, node.name)
        effects = tuple(f"{guest.vmid} {guest.name} runs there and goes down" for guest in guests)
        return Risk(Tier.BLACK, "; ".join(reasons), effects or ("no guest runs there",))

    async def run(self, args: PowerArgs, target: Target, act: Act) -> PowerDone:
        what = f"tells {target.name} to {'reboot' if self._verb == 'reboot' else 'shut down'}"
        await self._scene.px.write(act, what, "node_power", node=target.name, command=self._verb)
        return PowerDone(node=target.name, command=self._verb)

    async def verify(self, args: PowerArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """Off is read from the cluster; a reboot from a later start than before."""
        before: Node = target.facts["node"]
        clock = self._scene.clock
        end = clock.monotonic() + args.wait_s
        while clock.monotonic() < end:
            now = self._hands.node(before.name)
            if self._verb == "shutdown" and now.status == "offline":
                return Verdict("verified", evidence={"status": "offline"})
            if self._verb == "reboot" and now.status == "online" and _later(before.started_at, now.started_at):
                return Verdict("verified", evidence={"started_at": now.started_at})
            await clock.sleep(LOOK_S)
        status = self._hands.node(before.name).status
        return Verdict("contradicted", f"It is {status} after {args.wait_s} s.", {"status": status})


def _later(before: float | None, now: float | None) -> bool:
    return now is not None and (before is None or now > before + SAME_BOOT_S)
