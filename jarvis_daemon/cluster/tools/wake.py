"""Wake a node that sleeps: by a living node of the cluster, else by a magic packet from this machine."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from jarvis_daemon.cluster.magic import send_magic_packet
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

LOOK_S: Final = 0.5
SEEN_S: Final = 60.0
"""A node last seen online longer ago may sleep by now: it is not refused to wake it."""


class WakeArgs(Args):
    node: NodeRef
    wait_s: Annotated[int, Meta(ge=5, le=900, description="how long to wait until it is online, in seconds")] = 300


class Woken(Output):
    by: Literal["cluster", "magic packet"]


def specs(hands: Hands) -> list[ToolSpec]:
    wake = _Wake(hands)
    return [
        ToolSpec(
            name="wake_node", room="cluster", tier=Tier.YELLOW, args=WakeArgs, output=Woken,
            description="Wake a node that is off over the network and wait until it is online.",
            resolve=lambda args, ctx: hands.node_target(args.node), risk=wake.risk, run=wake.run,
            verify=wake.verify, sentences=Sentences("Wake {target}", "{target} is online."),
            timeout_s=960.0, freshness_s=None, long=True, idempotent=True,
        )
    ]  # fmt: skip


class _Wake:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    def risk(self, args: WakeArgs, target: Target, ctx: Context) -> Risk:
        seen = target.observed_at
        if self._online(target) and seen is not None and ctx.now - seen < SEEN_S:
            return Risk(refuse=f"{target.name} is online already")
        return Risk(effects=("its guests that start with the node start with it",))

    async def run(self, args: WakeArgs, target: Target, act: Act) -> Woken:
        """The cluster is asked as often as it has endpoints, since the first may be the sleeper's own."""
        mac = self._scene.cluster.wake.macs.get(target.name)
        last: JarvisError | None = None
        for _ in self._scene.px.endpoints:
            try:
                await self._scene.px.write(
                    act, f"asks the cluster to wake {target.name}", "node_wake", node=target.name
                )
                return Woken(by="cluster")
            except JarvisError as error:
                if error.code not in {"cluster_unreachable", "cluster_refused", "cluster_denied"}:
                    raise
                last = error
                if error.code != "cluster_unreachable":
                    break
        if mac is None:
            why = last.sentence() if last is not None else "no endpoint"
            raise JarvisError(
                "cluster_refused", f"No node of the cluster can wake {target.name}", why=why,
                next=f"Name the address of its network card under cluster.wake.macs.{target.name}.",
            )  # fmt: skip
        await send_magic_packet(act, f"sends {target.name} a magic packet", self._scene.cluster, mac)
        return Woken(by="magic packet")

    async def verify(self, args: WakeArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """Wait, as long as the asker wants, until the cluster calls it online."""
        clock = self._scene.clock
        end = clock.monotonic() + args.wait_s
        while not self._online(target):
            if clock.monotonic() >= end:
                return Verdict("contradicted", f"{target.name} is not online after {args.wait_s} s.")
            await clock.sleep(LOOK_S)
        return Verdict("verified", evidence={"status": "online", "by": getattr(result, "by", None)})

    def _online(self, target: Target) -> bool:
        return self._hands.node(target.name).status == "online"
