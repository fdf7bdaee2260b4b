"""In which order PVE starts guests: ``startup: order=N`` of their configurations, read when somebody asks.

The list of the cluster does not tell it, so each guest's configuration is a call of its own: few at a time, few a
question, and kept for a while.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Final

from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import GuestConfig, parse_guest_config
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest

KEEP_S: Final = 600.0
RETRY_S: Final = 60.0
"""After a configuration could not be read."""
READ_MAX: Final = 20
AT_ONCE: Final = 4
NOT_ON_BOOT: Final = 0.5
"""Behind those of the same order that start with their node."""


class BootOrders:
    """What was read, by guest id."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._known: dict[str, float] = {}
        self._due: dict[str, float] = {}
        """Guest id -> monotonic moment from which it is read again."""
        self._reading = asyncio.Lock()

    async def of(self, guest_ids: Iterable[str]) -> dict[str, float]:
        """Guest id -> its place: PVE's order, half a step later where it does not start with its node, infinity
        where it has no order. A guest whose configuration was never read is left out; what was read stays true
        while its node does not answer.
        """
        wanted = list(dict.fromkeys(guest_ids))
        async with self._reading:
            now, guests = self._scene.clock.monotonic(), self._scene.inventory.guests.entities
            due = [guests[key] for key in wanted if key in guests and self._due.get(key, -math.inf) <= now]
            at_once = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._read(guest, at_once) for guest in due[:READ_MAX]))
        return {key: self._known[key] for key in wanted if key in self._known}

    async def _read(self, guest: Guest, at_once: asyncio.Semaphore) -> None:
        clock = self._scene.clock
        node = self._scene.inventory.nodes.entities.get(f"node:{guest.node}")
        if node is None or node.status != "online":
            return
        async with at_once:
            try:
                reply = await self._scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid)
                self._known[guest.id] = place_of(parse_guest_config(reply))
                self._due[guest.id] = clock.monotonic() + KEEP_S
            except JarvisError:
                self._due[guest.id] = clock.monotonic() + RETRY_S


def place_of(config: GuestConfig) -> float:
    """Sorts as PVE starts: ``order=2`` is 2.0, and 2.5 for a guest that does not start with its node."""
    if config.startup_order is None:
        return math.inf
    return config.startup_order + (0.0 if config.onboot else NOT_ON_BOOT)
