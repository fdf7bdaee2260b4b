"""Which nodes have updates waiting: asked of the nodes through the gate, and kept for a few hours.

Reads only; the nodes' own package lists, which are not refreshed for the question.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.bus import Bus
from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import ToolCall, ToolOutcome
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.protocol.text import clean

TOOL: Final = "get_updates_available"
KEPT_S: Final = 6 * 3600.0
NOBODY: Final = "nobody here can ask"
ASK_S: Final = 10.0
"""A report does not wait longer for all nodes together."""


@dataclass(frozen=True)
class NodeUpdates:
    """``why``: one sentence where it is not known; then the numbers say nothing."""

    node: str
    count: int = 0
    security: int = 0
    reboot: bool = False
    """A new kernel is among them."""
    why: str = ""


class Updates:
    """``known`` answers for all nodes that there are."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._kept: dict[str, tuple[float, NodeUpdates]] = {}

    async def known(self) -> list[NodeUpdates]:
        """By node, sorted; what cannot be learnt within ``ASK_S`` is not known."""
        nodes = sorted(self._bus.state("cluster").all("nodes", Node).values(), key=lambda node: node.name.lower())
        waits = [node for node in nodes if node.status == "online" and not self._is_kept(node.name)]
        tasks = {node.name: spawn(self._ask(node.name), name=f"updates-{node.name}") for node in waits}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=ASK_S)
        found = []
        for node in nodes:
            if node.status != "online":
                found.append(NodeUpdates(node.name, why=f"it is {node.status}"))
            elif (task := tasks.get(node.name)) is None:
                found.append(self._kept[node.name][1])
            elif task.done():
                found.append(task.result())
            else:
                task.cancel()
                found.append(NodeUpdates(node.name, why="it did not answer in time"))
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return found

    def _is_kept(self, node: str) -> bool:
        kept = self._kept.get(node)
        return kept is not None and self._clock.monotonic() - kept[0] < KEPT_S

    async def _ask(self, node: str) -> NodeUpdates:
        try:
            outcome = await self._call(node)
        except JarvisError as error:
            return NodeUpdates(node, why=NOBODY if error.code == "method_not_found" else clean(error.sentence()))
        if outcome.code == "not_found":
            return NodeUpdates(node, why=NOBODY)
        if outcome.outcome != "done":
            return NodeUpdates(node, why=clean(outcome.why or outcome.text).rstrip("."))
        result = outcome.result
        told = NodeUpdates(
            node,
            len(result.get("updates") or ()),
            int(result.get("security") or 0),
            bool(result.get("reboot_after")),
        )
        self._kept[node] = self._clock.monotonic(), told
        return told

    async def _call(self, node: str) -> ToolOutcome:
        answer = await self._bus.ask("tool.call", ToolCall(name=TOOL, args={"node": node}), DAEMON)
        async for piece in answer:  # progress, then the outcome
            if isinstance(piece, ToolOutcome):
                return piece
        raise JarvisError("internal", f"{TOOL} answered nothing")
