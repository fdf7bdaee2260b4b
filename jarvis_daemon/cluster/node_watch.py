"""One node: its own status, clock, certificates, replication; temperatures and services by SSH.

Each node has tasks of its own, so a slow or dead one never delays another. At most two calls a minute and node.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from jarvis_daemon.cluster.conditions import Muteness
from jarvis_daemon.cluster.scene import Scene, rhythm
from jarvis_daemon.cluster.shapes import (
    Certificate,
    DiskRow,
    NodeStatusReply,
    ReplicationJob,
    parse_certificates,
    parse_disks,
    parse_node_status,
    parse_replication,
    parse_time,
)  # fmt: skip
from jarvis_daemon.cluster.sources import Polled
from jarvis_daemon.cluster.ssh_reading import Reading
from jarvis_daemon.protocol.spawn import spawn

RETRY_BEATS: Final = 3
"""A node that does not answer is asked again sooner."""
CLOCK_BEATS: Final = 30
REPLICATION_BEATS: Final = 12
CERTIFICATE_BEATS: Final = 2160
DISKS_RETRY_S: Final = 300.0
"""The disks are asked for again after a failure, where their own rhythm is slower."""
DISKS_TIMEOUT_S: Final = 30.0
"""A node asks each disk in turn."""
UNCERTAIN_S: Final = 1.0
"""A clock that was read with less certainty is not judged."""


class NodeWatch:
    """The watch over one node; ``publish(name)`` shows what changed."""

    def __init__(self, scene: Scene, name: str, publish: Callable[[str], None]) -> None:
        self._scene, self._name, self._publish = scene, name, publish
        add, cluster = scene.sources.add, scene.cluster
        self._status = add("node", name, interval_s=cluster.node_interval_s)
        self._clock_source = add("clock", name, interval_s=CLOCK_BEATS * scene.beat_s)
        self._disks = add("disks", name, interval_s=cluster.disks_interval_s)
        self._certificates = add("certificates", name, interval_s=CERTIFICATE_BEATS * scene.beat_s)
        self._sensors: Polled | None = None
        if scene.ssh.enabled:
            self._sensors = add("sensors", name, interval_s=cluster.sensors_interval_s)
        begin, spread = scene.clock.monotonic(), cluster.node_interval_s
        self._clock_due = begin + 1 * spread
        self._certificates_due = begin + 2 * spread
        self._disks_due = begin + min(3 * spread, cluster.disks_interval_s)
        self._replication_due = begin
        self._tasks = [spawn(self._run(), name=f"node-{name}")]
        if self._sensors is not None:
            self._tasks.append(spawn(self._run_sensors(self._sensors), name=f"sensors-{name}"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _online(self) -> bool:
        node = self._scene.inventory.nodes.entities.get(f"node:{self._name}")
        return node is not None and node.status == "online"

    async def _run(self) -> None:
        scene, first = self._scene, True
        interval = scene.cluster.node_interval_s
        while True:
            if not self._online():
                scene.mute.pop(self._name, None)
                await scene.clock.sleep(min(scene.beat_s, interval))
                continue
            began = scene.clock.monotonic()
            await self._poll_status()
            if self._status.error is None:
                await self._poll_rare()
            wait = interval if self._status.error is None else min(interval, RETRY_BEATS * scene.beat_s)
            if first:  # from now on the nodes take turns
                wait *= 0.5 + (zlib.crc32(self._name.encode()) % 100) / 200
                first = False
            await scene.clock.sleep(max(0.0, began + wait - scene.clock.monotonic()))

    async def _poll_status(self) -> None:
        scene, name = self._scene, self._name
        reply = await scene.poll(self._status, self._ask_status)
        if reply is not None:
            scene.mute.pop(name, None)
            scene.inventory.merge_node(name, reply, scene.clock.now())
        elif self._status.code == "cluster_unreachable" and self._online():
            scene.mute[name] = Muteness(
                self._status.failures, self._status.failing_since_at or scene.clock.now(), self._status.error or ""
            )
        else:
            scene.mute.pop(name, None)
        self._publish(name)

    async def _ask_status(self) -> NodeStatusReply:
        return parse_node_status(await self._scene.px.call("node_status", node=self._name))

    async def _poll_rare(self) -> None:
        """What changes seldom, each at its own rhythm and never two of them in one round."""
        scene, mono = self._scene, self._scene.clock.monotonic()
        if self._name in (scene.replications or {}) and mono >= self._replication_due:
            self._replication_due = mono + REPLICATION_BEATS * scene.beat_s
            source = scene.sources.add("replication", self._name, interval_s=REPLICATION_BEATS * scene.beat_s)
            jobs = await scene.poll(source, self._ask_replication)
            if jobs is not None and scene.replications is not None:
                scene.replications[self._name] = jobs
        elif mono >= self._certificates_due:
            self._certificates_due = mono + CERTIFICATE_BEATS * scene.beat_s
            certificates = await scene.poll(self._certificates, self._ask_certificates)
            if certificates is not None:
                scene.inventory.merge_certificates(self._name, certificates)
                self._publish(self._name)
        elif mono >= self._disks_due:
            interval = scene.cluster.disks_interval_s
            disks = await scene.poll(self._disks, self._ask_disks)
            if disks is not None:
                scene.disks[self._name] = disks
            self._disks_due = mono + (interval if disks is not None else min(interval, DISKS_RETRY_S))
        elif mono >= self._clock_due:
            self._clock_due = mono + CLOCK_BEATS * scene.beat_s
            if scene.sources.age_s(self._clock_source) > CLOCK_BEATS * scene.beat_s / 2:  # SSH does not tell it
                await scene.poll(self._clock_source, self._ask_time)
                self._publish(self._name)

    async def _ask_replication(self) -> list[ReplicationJob]:
        return parse_replication(await self._scene.px.call("node_replication", node=self._name))

    async def _ask_certificates(self) -> list[Certificate]:
        return parse_certificates(await self._scene.px.call("node_certificates", node=self._name))

    async def _ask_disks(self) -> list[DiskRow]:
        reply = await self._scene.px.call("node_disks", node=self._name, timeout_s=DISKS_TIMEOUT_S)
        return parse_disks(reply)

    async def _ask_time(self) -> None:
        clock = self._scene.clock
        began, asked_at = clock.monotonic(), clock.now()
        there = parse_time(await self._scene.px.call("node_time", node=self._name))
        half = (clock.monotonic() - began) / 2
        certain = there is not None and half <= UNCERTAIN_S
        # PVE cuts to whole seconds: on average half a second is lost
        skew = there + 0.5 - (asked_at + half) if there is not None and certain else None
        self._scene.inventory.merge_skew(self._name, skew)

    async def _run_sensors(self, source: Polled) -> None:
        async def step() -> None:
            if not self._online():
                return
            reading = await self._scene.poll(source, self._read)
            if reading is not None:
                self._take(reading)
            self._publish(self._name)

        while not self._online():
            await self._scene.clock.sleep(min(self._scene.beat_s, source.interval_s))
        await rhythm(self._scene.clock, source.interval_s, step)

    async def _read(self) -> Reading:
        scene, node = self._scene, self._scene.inventory.nodes.entities.get(f"node:{self._name}")
        services = scene.settings.conditions.services.get(self._name, ())
        return await scene.ssh.read(self._name, node.ip if node else None, services)

    def _take(self, reading: Reading) -> None:
        scene = self._scene
        scene.inventory.merge_reading(self._name, reading, scene.clock.now())
        scene.units[self._name] = reading.services
        uncertain = reading.clock_uncertainty_s is None or reading.clock_uncertainty_s > UNCERTAIN_S
        if reading.clock_skew_s is not None and not uncertain:
            scene.inventory.merge_skew(self._name, reading.clock_skew_s)
            scene.sources.succeeded(self._clock_source, scene.clock.monotonic())
