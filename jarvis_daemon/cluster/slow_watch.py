"""What changes seldom and concerns the whole cluster: version, HA, permissions, standby endpoints, backups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jarvis_daemon.cluster.calls import needed_privileges
from jarvis_daemon.cluster.conditions import Backups
from jarvis_daemon.cluster.scene import Scene, rhythm
from jarvis_daemon.cluster.shapes import (
    BackupJob,
    HaReply,
    Permissions,
    ReplicationJob,
    parse_backup_jobs,
    parse_backup_volumes,
    parse_ha,
    parse_permissions,
    parse_replication,
    parse_status,
)  # fmt: skip
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

VERSION_BEATS: Final = 360
HA_BEATS: Final = 6
STANDBY_BEATS: Final = 6
PERMISSION_BEATS: Final = 30
REPLICATION_BEATS: Final = 30
BACKUP_BEATS: Final = 180
PERMISSION_PAUSE_BEATS: Final = 3
"""Between two readings of the permissions, however often they are wanted."""


class SlowWatch:
    """Starts when the first picture is there."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._standby_beats = self._standby_turn = 0
        self._dark: set[str] = set()
        """Endpoints that fail while their node is down."""
        self._volumes: dict[str, dict[int, float]] = {}
        """Storage id -> vmid -> moment of its newest good backup there."""
        beat = scene.beat_s
        self._ha = scene.sources.add("ha", interval_s=HA_BEATS * beat)
        self._permissions = scene.sources.add("permissions", interval_s=PERMISSION_BEATS * beat)
        self._replication = scene.sources.add("replication", interval_s=REPLICATION_BEATS * beat)
        self._backups = scene.sources.add("backups", interval_s=BACKUP_BEATS * beat)
        steps: list[tuple[str, int, Callable[[], Awaitable[None]], asyncio.Event | None]] = [
            ("version", VERSION_BEATS, self._ask_version, None),
            ("permissions", PERMISSION_BEATS, self.poll_permissions, scene.permissions_wanted),
            ("ha", HA_BEATS, self._poll_ha, None),
            ("standby", 1, self._poll_standby, None),
            ("replication", REPLICATION_BEATS, self._poll_replication, None),
            ("backups", BACKUP_BEATS, self._poll_backups, scene.backups_wanted),
        ]
        self._tasks = [
            spawn(rhythm(scene.clock, beats * beat, step, wake), name=f"watch-{name}")
            for name, beats, step, wake in steps
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask_version(self) -> None:
        while True:
            try:
                await self._scene.px.call("version")
                return
            except JarvisError:
                await self._scene.clock.sleep(2 * self._scene.beat_s)

    async def poll_permissions(self) -> None:
        """What the token may see, and what it lacks for watching."""
        scene = self._scene
        if scene.sources.age_s(self._permissions) < PERMISSION_PAUSE_BEATS * scene.beat_s:
            await scene.clock.sleep(PERMISSION_PAUSE_BEATS * scene.beat_s)
        scene.permissions_wanted.clear()
        held = await scene.poll(self._permissions, self._ask_permissions)
        if held is None:
            return
        scene.inventory.merge_permissions(held, scene.clock.now())
        if scene.px.version is not None:
            needed = needed_privileges(scene.px.version, optional=False)
            self._note_missing(held.missing(needed))

    def _note_missing(self, missing: list[str]) -> None:
        """Without VM.Audit backups are hidden too: what was read of them says nothing, until it is read again."""
        scene = self._scene
        if missing and not scene.missing_privileges:
            scene.backups = None
        elif scene.missing_privileges and not missing:
            scene.backups_wanted.set()
        scene.missing_privileges = missing

    async def _ask_permissions(self) -> Permissions:
        if self._scene.px.version is None:
            await self._scene.px.call("version")
        return parse_permissions(await self._scene.px.call("permissions"))

    async def _poll_ha(self) -> None:
        reply = await self._scene.poll(self._ha, self._ask_ha)
        if reply is not None:
            self._scene.inventory.merge_ha(reply)

    async def _ask_ha(self) -> HaReply:
        return parse_ha(await self._scene.px.call("ha_status"))

    async def _poll_standby(self) -> None:
        """One endpoint that is not in use: does it answer, and which node is it? One that failed as soon as its
        pause is over, so that nothing is told of it that is long mended; the others seldom, by turns."""
        scene = self._scene
        self._retry_where_the_node_is_back()
        others = [url for url in scene.px.endpoints if url != scene.px.answered_by("cluster_status")]
        failed = scene.px.endpoints_failed
        due, turn = [url for url in others if url in failed and scene.px.admits(url)], self._standby_beats
        if not due and self._standby_beats % STANDBY_BEATS == 0:
            due, turn = [url for url in others if url not in failed], self._standby_turn
            self._standby_turn += 1
        self._standby_beats += 1
        if not due:
            return
        url = due[turn % len(due)]
        try:
            reply = parse_status(await scene.px.ask_at(url, "cluster_status"))
        except JarvisError:
            return  # the client remembers it as failed, and the cluster entity tells so
        for member in reply.members:
            if member.local:
                scene.endpoint_nodes[url] = member.name

    def _retry_where_the_node_is_back(self) -> None:
        scene, failed = self._scene, self._scene.px.endpoints_failed
        nodes = scene.inventory.nodes.entities
        for url in failed:
            node = nodes.get(f"node:{scene.endpoint_nodes.get(url, '')}")
            if node is None or node.status == "online":
                if url in self._dark:
                    scene.px.retry_now(url)
                self._dark.discard(url)
            else:
                self._dark.add(url)
        self._dark &= failed.keys()

    async def _poll_replication(self) -> None:
        scene = self._scene
        jobs = await scene.poll(self._replication, self._ask_replication)
        if jobs is None:
            return
        sources = {job.source or self._node_of(job.vmid) for job in jobs if not job.disabled}
        wanted = {name for name in sources if name}
        known = scene.replications or {}
        scene.replications = {name: known.get(name, []) for name in wanted}

    async def _ask_replication(self) -> list[ReplicationJob]:
        return parse_replication(await self._scene.px.call("replication_jobs"))

    def _node_of(self, vmid: int) -> str | None:
        guest = self._scene.inventory.guests.entities.get(f"guest:{vmid}")
        return guest.node if guest else None

    async def _poll_backups(self) -> None:
        jobs = await self._scene.poll(self._backups, self._ask_backups)
        if jobs is not None and not self._scene.missing_privileges:
            last: dict[int, float] = {}
            for found in self._volumes.values():
                for vmid, at in found.items():
                    last[vmid] = max(at, last.get(vmid, 0.0))
            self._scene.backups = Backups(jobs, last)

    async def _ask_backups(self) -> list[BackupJob]:
        """The jobs, and the content of the storages that they write to, one storage after the other.

        Raises when one of those storages cannot be read: then nobody can say which backup is missing.
        """
        scene = self._scene
        if scene.missing_privileges:
            raise JarvisError("cluster_denied", "Backups may be hidden", why=", ".join(scene.missing_privileges))
        jobs = parse_backup_jobs(await scene.px.call("backup_jobs"))
        wanted = {job.storage for job in jobs if job.enabled and job.storage}
        read: dict[str, dict[int, float]] = {}
        for storage in [s for s in scene.inventory.storages.values() if s.name in wanted]:
            node = self._way_to(storage.nodes)
            if node is None:
                raise JarvisError("cluster_unreachable", f"The backups on {storage.name} cannot be read",
                                  why="no node that has it is online")  # fmt: skip
            reply = await scene.px.call("storage_content", node=node, storage=storage.name, content="backup")
            newest = read.setdefault(storage.id, {})
            for volume in parse_backup_volumes(reply):
                if volume.verified is not False:
                    newest[volume.vmid] = max(volume.at, newest.get(volume.vmid, 0.0))
            await scene.clock.sleep(scene.beat_s / 4)
        self._volumes = read
        return jobs

    def _way_to(self, names: list[str]) -> str | None:
        nodes = self._scene.inventory.nodes.entities
        return next((n for n in names if (node := nodes.get(f"node:{n}")) and node.status == "online"), None)
