"""One command on a node by SSH: its exact arguments are judged, shown, and run without any shell of ours."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

from msgspec import Meta

from jarvis_daemon.cluster.argv_rules import Judged, judge, parse
from jarvis_daemon.cluster.tools.hands import HANDS_OFF, Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import node_risk, online
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.judge import is_protected
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences


class SshArgs(Args):
    node: NodeRef
    command: Annotated[
        str,
        Meta(min_length=1, max_length=2000, description="program and arguments; quoted as in a shell, without one"),
    ]
    timeout_s: Annotated[int, Meta(ge=1, le=3600, description="how long it may take, in seconds")] = 60


class SshDone(Output):
    """``stdout`` and ``stderr`` are clean and cut at 256 KiB each."""

    argv: list[str]
    exit_code: int | None
    stdout: str
    stderr: str
    truncated: bool


def specs(hands: Hands) -> list[ToolSpec]:
    shell = _Shell(hands)
    return [
        ToolSpec(
            name="execute_ssh", room="cluster", tier=Tier.YELLOW, args=SshArgs, output=SshDone,
            description="Run one command on a node. Listed commands that only look are YELLOW, all others RED, "
            "and what destroys BLACK.",
            resolve=shell.resolve, risk=shell.risk, run=shell.run, verify=shell.verify,
            sentences=Sentences("Run on {target}: {command}"), timeout_s=3700.0, freshness_s=60.0, concurrency=2,
            open_world=True, tainted=True,
        )
    ]  # fmt: skip


class _Shell:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def resolve(self, args: SshArgs, ctx: Context) -> Target:
        """Raises ``invalid_params`` for what no argument vector can be, ``cluster_unreachable``."""
        judged = judge(parse(args.command))
        node = online(self._hands, args.node)
        return Target(
            node.id, node.name, "node", node.cluster, node=node.name, observed_at=self._hands.observed_at(),
            facts={"node": node, "judged": judged},
        )  # fmt: skip

    def risk(self, args: SshArgs, target: Target, ctx: Context) -> Risk:
        judged: Judged = target.facts["judged"]
        exact = " ".join(f"[{clean(part, limit=300)}]" for part in judged.argv)
        effects = (f"exactly these arguments: {exact}",)
        if judged.tier is Tier.YELLOW:
            return Risk(effects=effects)
        if judged.tier is Tier.BLACK:
            return Risk(Tier.BLACK, judged.why, effects)
        if guarded := self._guarded(judged.argv):
            return Risk(Tier.BLACK, guarded, effects)
        of_node = node_risk(self._hands, target.name)
        return Risk(max(Tier.RED, of_node.tier), of_node.why, (*effects, "what it changes cannot be undone by me"))

    def _guarded(self, argv: tuple[str, ...]) -> str:
        """Why something named in the arguments is out of bounds: its own tool would ask for more than a command."""
        words = {word.casefold() for arg in argv for word in (arg, *re.split(r"[^A-Za-z0-9_.-]+", arg)) if word}
        words |= {word.removesuffix(".service") for word in words}
        entries = {entry.strip() for entry in self._hands.scene.settings.tools.protected}
        named = {entry.casefold() for entry in entries} | {
            re.split("[:/]", entry)[-1].casefold() for entry in entries if not entry.startswith("tag:")
        }
        if found := sorted((words & named) - {""}):
            return f"{found[0]} is protected"
        for guest in self._hands.scene.inventory.guests.entities.values():
            if words.isdisjoint({str(guest.vmid), guest.name.casefold()} - {""}):
                continue
            target = self._hands.guest_target(str(guest.vmid))
            if self._hands.carries_us(target):
                return f"{target.name} carries Jarvis itself"
            if HANDS_OFF in guest.tags:
                return f"{target.name} is tagged {HANDS_OFF}"
            if is_protected(target, entries):
                return f"{target.name} is protected"
        return ""

    async def run(self, args: SshArgs, target: Target, act: Act) -> SshDone:
        node: Node = target.facts["node"]
        judged: Judged = target.facts["judged"]
        what = f"runs on {node.name}: {shlex.join(judged.argv)}"
        ran = await self._hands.scene.ssh.act(
            act, what, node.name, judged.argv, node.ip, timeout_s=float(args.timeout_s)
        )
        return SshDone(
            argv=list(judged.argv), exit_code=ran.exit_code, stdout=ran.stdout, stderr=ran.stderr,
            truncated=ran.truncated,
        )  # fmt: skip

    def verify(self, args: SshArgs, target: Target, result: SshDone | None, ctx: Context) -> Verdict:
        """What only looks has nothing to read back; of all else the exit code is known and no more."""
        judged: Judged = target.facts["judged"]
        if result is None:
            return Verdict("unverified", "Its end was not seen.")
        evidence = {"exit_code": result.exit_code}
        if judged.tier is Tier.YELLOW:
            return Verdict("verified", f"It ended with exit code {result.exit_code}.", evidence)
        if result.exit_code != 0:
            said = clean(result.stderr or result.stdout, limit=200)
            return Verdict("contradicted", f"It ended with exit code {result.exit_code}: {said}", evidence)
        return Verdict("unverified", "It ended with exit code 0; what it changed was not read back.", evidence)
