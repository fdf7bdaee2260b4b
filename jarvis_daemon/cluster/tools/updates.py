"""Apply the updates of one node, which is drained first, or of one running container."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from jarvis_daemon.cluster.tools.drain import Drain, DrainedGuest, drain_risk, labels_of
from jarvis_daemon.cluster.tools.hands import GuestRef, Hands, NodeRef
from jarvis_daemon.cluster.tools.health import Updates, parse_updates
from jarvis_daemon.cluster.tools.nodes_common import online, require_success, running_guests
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

UPGRADE_S: Final = 3600.0
ASK_S: Final = 40.0
SHOWN: Final = 20
GUEST_TIMEOUT_S: Final = 300
_ENV: Final = ("env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
_REFRESH: Final = (*_ENV, "apt-get", "--quiet", "update")
_UPGRADE: Final = (
    *_ENV, "apt-get", "--yes", "--quiet", "--option=Dpkg::Options::=--force-confold",
    "--option=Dpkg::Options::=--force-confdef", "dist-upgrade",
)  # fmt: skip
"""Configuration files that a person changed stay as they are."""


class UpdateArgs(Args):
    node: NodeRef | None = None
    guest: GuestRef | None = None
    """A container; exactly one of the two is given."""


class Updated(Output):
    packages: list[str]
    drained: list[DrainedGuest]
    reboot_needed: bool


def specs(hands: Hands) -> list[ToolSpec]:
    updates = _Updates(hands)
    return [
        ToolSpec(
            name="apply_updates", room="cluster", tier=Tier.RED, args=UpdateArgs, output=Updated,
            description="Install the updates of one node, drained first, or of one running container. "
            "It is not rebooted.",
            resolve=updates.resolve, risk=updates.risk, run=updates.run, verify=updates.verify,
            sentences=Sentences("Install the updates of {target}", "{target} has no updates left."),
            timeout_s=14 * 3600.0, freshness_s=120.0, long=True, concurrency=1,
        )
    ]  # fmt: skip


class _Updates:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene, self._drain = hands, hands.scene, Drain(hands)

    async def resolve(self, args: UpdateArgs, ctx: Context) -> Target:
        """With the updates that there are now. Raises ``invalid_params`` ``refused`` ``cluster_unreachable``."""
        if (args.node is None) == (args.guest is None):
            raise JarvisError("invalid_params", "Name either a node or a guest")
        if args.node is not None:
            target = self._hands.node_target(args.node)
            online(self._hands, target.name)
            target = replace(target, labels=labels_of(running_guests(self._scene, target.name)))
        else:
            target = await self._hands.live_target(args.guest or "", "ct")
            if target.facts["guest"].status != "running":
                raise JarvisError("refused", f"{target.name} does not run", next="Start it first.")
        return replace(target, facts={**target.facts, "updates": await self._available(target)})

    def risk(self, args: UpdateArgs, target: Target, ctx: Context) -> Risk:
        updates: Updates = target.facts["updates"]
        if not updates.updates:
            return Risk(refuse=f"{target.name} has no updates")
        names = [f"{row.package} {row.available}" for row in updates.updates]
        more = [f"and {len(names) - SHOWN} more packages"] if len(names) > SHOWN else []
        if target.kind != "node":
            common = self._hands.guest_risk(target, disrupts=True)
            effects = ("services in it may restart", *names[:SHOWN], *more)
            return common if common.refuse else replace(common, effects=(*effects, *common.effects))
        guests = running_guests(self._scene, target.name)
        if locked := [g for g in guests if g.lock]:
            return Risk(refuse=f"{locked[0].name} is locked ({locked[0].lock}), so the node cannot be drained")
        own = drain_risk(self._hands, target.name, guests)
        first = [f"{g.vmid} {g.name} moves away first, or shuts down" for g in guests]
        reboot = ["it wants a reboot afterwards: a new kernel comes"] if updates.reboot_after else []
        return Risk(max(Tier.RED, own.tier), own.why, (*first, *names[:SHOWN], *more, *reboot))

    async def run(self, args: UpdateArgs, target: Target, act: Act) -> Updated:
        updates: Updates = target.facts["updates"]
        drained: list[DrainedGuest] = []
        if target.kind == "node" and running_guests(self._scene, target.name):
            drained = await self._drain.empty(target.name, "auto", GUEST_TIMEOUT_S, act)
        for word, argv in (("refreshes the package lists", _REFRESH), ("installs the updates", _UPGRADE)):
            node, exact = self._on(target, argv)
            act.progress(doing=f"{word} of {target.name}")
            ran = await self._scene.ssh.act(
                act, f"{word} of {target.name}", node.name, exact, node.ip, timeout_s=UPGRADE_S
            )
            require_success(ran, f"apt-get on {target.name}")
        return Updated(
            packages=[row.package for row in updates.updates], drained=drained, reboot_needed=updates.reboot_after
        )

    async def verify(self, args: UpdateArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        left = [row.package for row in (await self._available(target)).updates]
        if left:
            return Verdict("contradicted", f"There are updates left: {', '.join(left[:SHOWN])}.", {"left": left})
        return Verdict("verified", evidence={"left": []})

    async def _available(self, target: Target) -> Updates:
        node, _ = self._on(target, ())
        if target.kind == "node":
            ran = await self._scene.ssh.ask("updates", node.name, node.ip, timeout_s=ASK_S)
        else:
            ran = await self._scene.ssh.ask(
                "guest_updates", node.name, node.ip, timeout_s=ASK_S, vmid=str(target.vmid)
            )
        return parse_updates(require_success(ran, f"Asking {target.name} for updates"))

    def _on(self, target: Target, argv: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
        """The node to ask, and what to run there."""
        if target.kind == "node":
            return self._hands.node(target.name), argv
        guest: Guest = target.facts["guest"]
        return self._hands.node(guest.node), ("pct", "exec", str(guest.vmid), "--", *argv)
