"""PVE's own memory of numbers, read once at the start: two calls a node, one after the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from jarvis_daemon.cluster.history import FLUSH_S, GUEST_FLUSH_S, SWEEP_S, History
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import parse_rrd
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

HOUR_STEP_S: Final = 60.0


class Past:
    """Fills the history from RRD, then lets it be written and swept at its rhythm."""

    def __init__(self, scene: Scene, history: History) -> None:
        self._scene, self._history = scene, history
        self._tasks = [spawn(self._fill(), name="rrd"), spawn(self._keep(), name="history")]

    async def stop(self) -> None:
        """Write what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(JarvisError):
            await self._history.flush()

    async def _fill(self) -> None:
        names = [n.name for n in self._scene.inventory.nodes.entities.values() if n.status == "online"]
        for timeframe in ("hour", "day"):
            for name in names:
                with suppress(JarvisError):
                    await self._fill_node(name, timeframe)
                await self._scene.clock.sleep(self._scene.beat_s / 5)

    async def _fill_node(self, name: str, timeframe: str) -> None:
        points = parse_rrd(await self._scene.px.call("node_rrd", node=name, timeframe=timeframe, cf="AVERAGE"))
        series: dict[str, list[tuple[float, float]]] = {"cpu": [], "memory": []}
        for at, values in points:
            if "cpu" in values:
                series["cpu"].append((at, values["cpu"]))
            used, total = values.get("memory_used_bytes"), values.get("memory_total_bytes")
            if used is not None and total:
                series["memory"].append((at, used / total))
        for metric, found in series.items():
            if timeframe == "hour":
                self._history.backfill(f"node:{name}", metric, found, HOUR_STEP_S)
            await self._history.keep_absent(f"node:{name}", metric, found)

    async def _keep(self) -> None:
        clock, since_guests, since_sweep = self._scene.clock, 0.0, SWEEP_S
        while True:
            with suppress(JarvisError):
                if since_sweep >= SWEEP_S:
                    since_sweep = 0.0
                    await self._history.sweep()
                await self._history.flush(guests=since_guests >= GUEST_FLUSH_S)
            if since_guests >= GUEST_FLUSH_S:
                since_guests = 0.0
            await clock.sleep(FLUSH_S)
            since_guests, since_sweep = since_guests + FLUSH_S, since_sweep + FLUSH_S
