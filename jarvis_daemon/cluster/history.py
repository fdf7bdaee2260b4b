"""Series for sparklines: PVE's RRD at the start, then rings filled by polls, then roll-ups in the store.

Ids and metrics: ``cluster:NAME`` and ``node:NAME`` have ``cpu`` ``memory`` (shares 0..1), a node ``temperature``
(°C) too; ``guest:VMID`` has ``cpu`` ``memory``; ``storage:…`` has ``used`` (share).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from jarvis_daemon.bus import Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster import rollups
from jarvis_daemon.cluster.conditions import Picture
from jarvis_daemon.cluster.rings import Ring
from jarvis_daemon.cluster.rollups import SECONDS, Bucket, Resolution, Sum
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import MetricsHistory, MetricsHistoryResult, Series
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.store import Store

NODE_RING: Final = 720
GUEST_RING: Final = 120
GUESTS_A_POLL: Final = 800
"""With more guests each poll looks at a part of them only, in turns."""
GUEST_STEP_S: Final = 30.0
ASKED_MAX: Final = 200
"""Series in one answer."""
FLUSH_S: Final = 60.0
GUEST_FLUSH_S: Final = 600.0
SWEEP_S: Final = 3600.0

Key = tuple[str, str]


class History:
    """``add`` takes each good picture; ``metrics_history`` answers the service."""

    def __init__(self, cluster: str, store: Store, clock: Clock, *, poll_s: float, retention_days: float) -> None:
        self._cluster, self._store, self._clock = cluster, store, clock
        self._retention_days = retention_days
        self._node_step_s = max(1.0, poll_s)
        self._guest_step_s = max(GUEST_STEP_S, poll_s)
        self.rings: dict[Key, Ring] = {}
        self._sums: dict[Bucket, Sum] = {}
        self._guest_sums: dict[Bucket, Sum] = {}
        self._turn = 0
        self._guests = 0
        self._storages_minute = -1

    # --- what comes in -------------------------------------------------------------------------------

    def add(self, picture: Picture) -> None:
        """One poll. Cheap: nodes always, storages once a minute, guests in turns."""
        at = picture.now
        hour = int(at // 3600) * 3600
        nodes = [n for n in picture.nodes.values() if n.status == "online" and n.freshness is None]
        for node in nodes:
            for metric, value in _of_node(node):
                self._put(node.id, metric, at, value, hour)
        for metric, value in _of_cluster(nodes):
            self._put(picture.cluster.id, metric, at, value, hour)
        self._add_storages(picture, hour)
        self._add_guests(picture, at, hour)

    def _add_storages(self, picture: Picture, hour: int) -> None:
        minute = int(picture.now // 60)
        if minute == self._storages_minute:
            return
        self._storages_minute = minute
        for storage in picture.storages.values():
            if storage.used_bytes is not None and storage.total_bytes and storage.freshness is None:
                share = storage.used_bytes / storage.total_bytes
                self._ring(storage.id, "used", 60.0, GUEST_RING).put(picture.now, share)
                _count(self._sums, Bucket(storage.id, "used", "hour", hour), share)

    def _add_guests(self, picture: Picture, at: float, hour: int) -> None:
        guests: list[Guest] = list(picture.guests.values())
        self._guests = len(guests)
        turns = max(1, math.ceil(len(guests) / GUESTS_A_POLL))
        self._turn = (self._turn + 1) % turns
        rings, step = self.rings, self._guest_step_s * (2 if turns > 1 else 1)
        for guest in guests[self._turn :: turns]:
            if guest.status != "running" or guest.freshness is not None:
                continue
            memory, total = guest.memory_used_bytes, guest.memory_total_bytes
            share = memory / total if memory is not None and total else None
            for metric, value in (("cpu", guest.cpu), ("memory", share)):
                if value is None:
                    continue
                ring = rings.get((guest.id, metric))
                if ring is None:
                    ring = self._ring(guest.id, metric, step, GUEST_RING)
                ring.put(at, value)
                _count(self._guest_sums, Bucket(guest.id, metric, "hour", hour), value)
        if len(rings) > 4 * len(guests) + 1000:
            self._forget(picture)

    def backfill(self, entity: str, metric: str, points: list[tuple[float, float]], length_s: float) -> None:
        """Into the ring: what PVE remembers, (moment, value), each for ``length_s``."""
        ring = self.rings.get((entity, metric))
        if ring is not None:
            for at, value in points:
                ring.backfill(at, length_s, value)

    async def keep_absent(self, entity: str, metric: str, points: list[tuple[float, float]]) -> None:
        """Into the store: what PVE remembers. Raises ``store_failed``."""
        values = [(Bucket(entity, metric, "minute", int(at // 60) * 60), value) for at, value in points]
        await self._store.write(lambda db: rollups.write_absent(db, self._cluster, values))

    # --- what is kept --------------------------------------------------------------------------------

    async def flush(self, *, guests: bool = True) -> None:
        """Write what has come together. Raises ``store_failed``; the numbers are kept for the next time."""
        sums, self._sums = self._sums, {}
        guest_sums: dict[Bucket, Sum] = {}
        if guests:
            guest_sums, self._guest_sums = self._guest_sums, {}
        everything = [*sums.items(), *guest_sums.items()]
        if not everything:
            return
        try:
            await self._store.write(lambda db: rollups.write(db, self._cluster, everything))
        except JarvisError:
            for kept, newer in ((sums, self._sums), (guest_sums, self._guest_sums)):
                for bucket, found in kept.items():
                    if bucket in newer:
                        newer[bucket].merge(found)
                    else:
                        newer[bucket] = found
            raise

    async def sweep(self) -> None:
        """Days out of hours, and away with what is past its time. Raises ``store_failed``."""
        now = self._clock.now()
        await self._store.write(lambda db: rollups.roll_days(db, self._cluster, now - 86400))
        await self._store.write(
            lambda db: rollups.sweep(db, self._cluster, now, self._retention_days, self._guests)
        )

    # --- what goes out -------------------------------------------------------------------------------

    async def metrics_history(self, params: MetricsHistory, principal: Principal) -> MetricsHistoryResult:
        """The service ``metrics.history``. Raises ``invalid_params``."""
        if not (0 < params.span_s <= 10 * 366 * 86400 and 0 < params.points <= 2000):
            raise JarvisError("invalid_params", "A history needs a span of up to ten years and up to 2000 points")
        if len(params.ids) * max(1, len(params.metrics)) > ASKED_MAX:
            raise JarvisError("invalid_params", f"At most {ASKED_MAX} series in one question")
        result = MetricsHistoryResult(series={})
        for entity in params.ids:
            for metric in params.metrics:
                series = await self._series(entity, metric, params.span_s, params.points)
                if series is not None:
                    result.series.setdefault(entity, {})[metric] = series
        return result

    async def _series(self, entity: str, metric: str, span_s: float, points: int) -> Series | None:
        ring = self.rings.get((entity, metric))
        from_ring = ring is not None and span_s <= ring.reaches_back_s
        resolution: Resolution = (
            "minute" if span_s <= rollups.MINUTES_KEPT_S and not entity.startswith(("guest:", "storage:"))
            else "hour" if span_s <= 60 * 86400 else "day"
        )  # fmt: skip
        finest = ring.step_s if from_ring and ring is not None else float(SECONDS[resolution])
        step = max(span_s / points, finest)
        count = max(1, round(span_s / step))
        end_at = math.floor(self._clock.now() / step) * step + step
        start_at = end_at - count * step
        if from_ring and ring is not None:
            known = [(at, 1, value) for at, value in ring.between(start_at, end_at)]
            if resolution == "minute":
                known += await self._before(entity, metric, ring, start_at, end_at)
        else:
            known = await self._kept(entity, metric, resolution, start_at, end_at)
        if not known:
            return None
        return Series(start_at=start_at, step_s=step, values=_means(known, start_at, step, count))

    async def _before(
        self, entity: str, metric: str, ring: Ring, start_at: float, end_at: float
    ) -> list[tuple[float, int, float]]:
        """What was kept of the time before a ring began (a restart): minutes, cut into the ring's steps."""
        first = ring.first_at()
        until = end_at if first is None else first
        if until <= start_at + ring.step_s:
            return []
        found: list[tuple[float, int, float]] = []
        for at, n, total in await self._kept(entity, metric, "minute", start_at - 60, until):
            steps = max(1, int(60 // ring.step_s))
            moments = [at + i * ring.step_s for i in range(steps)]
            found += [(moment, n, total) for moment in moments if start_at <= moment < until]
        return found

    async def _kept(
        self, entity: str, metric: str, resolution: Resolution, start_at: float, end_at: float
    ) -> list[tuple[float, int, float]]:
        rows = await self._store.read(
            lambda db: rollups.read(db, self._cluster, entity, metric, resolution, start_at, end_at)
        )
        known = [(float(at), n, total) for at, n, total in rows]
        for sums in (self._sums, self._guest_sums):
            known += [
                (float(b.at), s.n, s.total) for b, s in sums.items()
                if b.entity == entity and b.metric == metric and b.resolution == resolution and b.at >= start_at
            ]  # fmt: skip
        return known

    # --- within --------------------------------------------------------------------------------------

    def _put(self, entity: str, metric: str, at: float, value: float, hour: int) -> None:
        self._ring(entity, metric, self._node_step_s, NODE_RING).put(at, value)
        _count(self._sums, Bucket(entity, metric, "minute", int(at // 60) * 60), value)
        _count(self._sums, Bucket(entity, metric, "hour", hour), value)

    def _ring(self, entity: str, metric: str, step_s: float, size: int) -> Ring:
        ring = self.rings.get((entity, metric))
        if ring is None:
            ring = self.rings[entity, metric] = Ring(step_s, size)
        return ring

    def _forget(self, picture: Picture) -> None:
        known = picture.guests.keys() | picture.nodes.keys() | picture.storages.keys() | {picture.cluster.id}
        self.rings = {key: ring for key, ring in self.rings.items() if key[0] in known}


def _of_node(node: Node) -> Iterable[tuple[str, float]]:
    if node.cpu is not None:
        yield "cpu", node.cpu
    if node.memory_used_bytes is not None and node.memory_total_bytes:
        yield "memory", node.memory_used_bytes / node.memory_total_bytes
    if node.temperature_c is not None:
        yield "temperature", node.temperature_c


def _of_cluster(nodes: list[Node]) -> Iterable[tuple[str, float]]:
    cores = sum(n.cpu_count or 0 for n in nodes if n.cpu is not None)
    if cores:
        yield "cpu", sum((n.cpu or 0.0) * (n.cpu_count or 0) for n in nodes) / cores
    total = sum(n.memory_total_bytes or 0 for n in nodes if n.memory_used_bytes is not None)
    if total:
        yield "memory", sum(n.memory_used_bytes or 0 for n in nodes) / total


def _count(sums: dict[Bucket, Sum], bucket: Bucket, value: float) -> None:
    found = sums.get(bucket)
    if found is None:
        sums[bucket] = Sum(value)
    else:
        found.add(value)


def _means(known: list[tuple[float, int, float]], start_at: float, step: float, count: int) -> list[float | None]:
    totals, numbers = [0.0] * count, [0] * count
    for at, n, total in known:
        index = int((at - start_at) // step)
        if 0 <= index < count:
            totals[index] += total
            numbers[index] += n
    return [totals[i] / numbers[i] if numbers[i] else None for i in range(count)]
