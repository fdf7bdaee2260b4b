"""Drain a node: its guests move elsewhere or shut down, one by one, so that it can be worked upon.

It can be begun again at any time: only guests that still run on the node are touched. Each guest is one step of its
own under the permit, so the kill switch and a cancellation stop it between two of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.shapes import parse_guest_config, parse_resources
from jarvis_daemon.cluster.tools import migrate, power
from jarvis_daemon.cluster.tools.hands import HANDS_OFF, Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import node_risk, running_guests
from jarvis_daemon.cluster.tools.places import free_memory
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

SETTLE_S: Final = 60.0
LOOK_S: Final = 0.5
How = Literal["auto", "migrate", "shutdown"]


class DrainArgs(Args):
    node: NodeRef
    how: How = "auto"
    """auto: a guest that another node can take moves, the others shut down."""
    timeout_s: Annotated[int, Meta(ge=10, le=3600, description="how long a guest may take to shut down")] = 180


class DrainedGuest(msgspec.Struct):
    vmid: int
    name: str
    went: str
    """Name of the node it moved to, or ``off``."""


class Drained(Output):
    node: str
    guests: list[DrainedGuest]


def specs(hands: Hands) -> list[ToolSpec]:
    drain = Drain(hands)
    return [
        ToolSpec(
            name="drain_node", room="cluster", tier=Tier.RED, args=DrainArgs, output=Drained,
            description="Move the guests of a node to other nodes or shut them down, one by one; begun again, it "
            "goes on where it stopped.",
            resolve=drain.resolve, risk=drain.risk, run=drain.run, verify=drain.verify,
            sentences=Sentences("Drain {target}", "No guest runs on {target} any more."), timeout_s=12 * 3600.0,
            freshness_s=60.0, long=True, concurrency=1,
        )
    ]  # fmt: skip


def labels_of(guests: list[Guest]) -> tuple[str, ...]:
    """By what a node is protected through the guests on it."""
    return tuple(label for g in guests for label in (str(g.vmid), g.name, g.id, *(f"tag:{t}" for t in g.tags)))


def drain_risk(hands: Hands, node: str, guests: list[Guest]) -> Risk:
    """Of emptying a node: BLACK too where one of its guests is for nobody but a person at a terminal."""
    own = node_risk(hands, node)
    if own.tier is Tier.BLACK:
        return own
    kept = next((g for g in guests if HANDS_OFF in g.tags), None)
    return own if kept is None else Risk(Tier.BLACK, f"{kept.name} on it is tagged {HANDS_OFF}")


class Drain:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    def resolve(self, args: Any, ctx: Context) -> Target:
        """A protected guest there protects the node too."""
        target = self._hands.node_target(args.node)
        guests = running_guests(self._scene, target.name)
        return replace(target, labels=labels_of(guests))

    def risk(self, args: Any, target: Target, ctx: Context) -> Risk:
        node: Node = target.facts["node"]
        if node.status != "online":
            return Risk(refuse=f"{node.name} is {node.status}")
        if self._scene.quorum.quorate is False:
            return Risk(refuse="The cluster has no quorum", next="Writes fail until a majority of nodes is back.")
        guests = running_guests(self._scene, node.name)
        if not guests:
            return Risk(refuse=f"No guest runs on {node.name}: it is drained already")
        if locked := [g for g in guests if g.lock]:
            return Risk(
                refuse=f"{locked[0].name} is locked ({locked[0].lock})", next="Wait for what holds the lock."
            )
        own = drain_risk(self._hands, node.name, guests)
        words = {
            "auto": "moves, or shuts down where no node can take it",
            "migrate": "moves",
            "shutdown": "shuts down",
        }
        effects = tuple(f"{g.vmid} {g.name} {words[args.how]}" for g in guests)
        return Risk(max(Tier.RED, own.tier), own.why, effects)

    async def run(self, args: DrainArgs, target: Target, act: Act) -> Drained:
        return Drained(node=target.name, guests=await self.empty(target.name, args.how, args.timeout_s, act))

    async def empty(self, node: str, how: How, timeout_s: int, act: Act) -> list[DrainedGuest]:
        """One guest after the other. Raises at the first that does not go; those before it are gone."""
        gone: list[DrainedGuest] = []
        guests = running_guests(self._scene, node)
        hands_off = {g.vmid for g in guests if HANDS_OFF in g.tags}
        for number, guest in enumerate(guests, start=1):
            act.progress(guest=guest.id, number=number, of=len(guests))
            target = await self._hands.live_target(str(guest.vmid))
            now: Guest = target.facts["guest"]
            if now.node != node or now.status == "stopped":
                continue
            if (risk := self._hands.guest_risk(target, disrupts=True)).refuse:
                raise JarvisError("refused", risk.refuse, next=risk.next)
            if HANDS_OFF in self._hands.now_of(target).tags and guest.vmid not in hands_off:
                raise JarvisError("refused", f"{guest.name} was tagged {HANDS_OFF} meanwhile", next="Plan it anew.")
            goal = await self._goal(target, node) if how != "shutdown" else None
            if goal is not None:
                moved = migrate.MigrateArgs(
                    guest=str(guest.vmid), node=goal.facts["goal"].name, timeout_s=timeout_s
                )
                await migrate.run_of(self._hands)(moved, goal, act)
                gone.append(DrainedGuest(guest.vmid, guest.name, moved.node))
            elif how == "migrate":
                raise JarvisError(
                    "refused", f"No other node can take {guest.name}", next="Drain with how=auto to shut it down."
                )
            else:
                down = power.ShutdownArgs(guest=str(guest.vmid), timeout_s=timeout_s)
                await power.run_of(self._hands, guest.kind, "shutdown")(down, target, act)
                gone.append(DrainedGuest(guest.vmid, guest.name, "off"))
        return gone

    async def _goal(self, target: Target, source: str) -> Target | None:
        """The target of a migration to the node with most memory free that can take the guest, or None."""
        guest: Guest = target.facts["guest"]
        reply = await self._scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid)
        config = parse_guest_config(reply)
        nodes = [n for n in self._scene.inventory.nodes.entities.values() if n.name != source]
        for node in sorted(nodes, key=lambda n: (-(free_memory(n) or 0), n.name)):
            if node.status == "online" and not migrate.unfit(self._hands, guest, node, config):
                return replace(target, facts={**target.facts, "goal": node, "config": config})
        return None

    async def verify(self, args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        """The cluster's own list says that nothing runs there."""
        clock = self._scene.clock
        end = clock.monotonic() + SETTLE_S
        while True:
            reply = parse_resources(await self._scene.px.call("cluster_resources", type="vm"))
            left = [g.name or str(g.vmid) for g in reply.guests if g.node == target.name and g.status == "running"]
            if not left:
                return Verdict("verified", evidence={"running": []})
            if clock.monotonic() >= end or result is None:
                return Verdict("contradicted", f"There still run {', '.join(left)}.", {"running": left})
            await clock.sleep(LOOK_S)
