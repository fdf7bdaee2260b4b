"""The rhythm: cluster-wide calls every beat, in parallel; what they tell is merged, judged and published.

Calls a minute at a beat of 10 s: 6 resources, 6 status, 3 tasks, 1 HA, 1 standby endpoint, and less than one of
all that is rare: 18, whatever the number of guests; per node at most two (``node_watch``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.cluster import chronicle, remembered
from jarvis_daemon.cluster.conditions import Judge, Picture, Stop
from jarvis_daemon.cluster.docker_watch import DockerWatch
from jarvis_daemon.cluster.history import History
from jarvis_daemon.cluster.node_watch import NodeWatch
from jarvis_daemon.cluster.past import Past
from jarvis_daemon.cluster.quorum import Opinion
from jarvis_daemon.cluster.scene import Scene, rhythm
from jarvis_daemon.cluster.shapes import (
    Resources,
    StatusReply,
    parse_resources,
    parse_status,
    parse_task_status,
    parse_tasks,
)  # fmt: skip
from jarvis_daemon.cluster.slow_watch import SlowWatch
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import UNKNOWN_AFTER_S
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Task
from jarvis_daemon.store import Store

_log = logging.getLogger("jarvis.cluster")
TASK_BEATS: Final = 2
IMPATIENT_BEATS: Final = 6
"""While a privilege is missing, permissions are read this often: somebody may be mending it."""
SAVE_POLLED_S: Final = 60.0
ASK_LOST_MAX: Final = 3
"""Tasks that vanished from the list while running, asked one by one: at most so many a poll."""


class Monitor:
    """Watches until ``stop``. ``poll_cpu_ms``: CPU of the loop's own work in the last beat."""

    def __init__(
        self, scene: Scene, bus: Bus, store: Store, feed: Feed, incidents: Incidents, judge: Judge, history: History
    ) -> None:
        self.scene, self.feed, self.incidents, self.judge, self.history = scene, feed, incidents, judge, history
        self.store = store
        self.poll_cpu_ms: float | None = None
        self._parse_cpu_s = 0.0
        self.on_judged: list[Callable[[], None]] = []
        """Called after each beat, once the incidents know what it showed."""
        self.picture: Picture | None = None
        """The last one that was judged."""
        self._cluster_topic, self._tasks_topic = bus.state("cluster"), bus.state("tasks")
        add, beat = scene.sources.add, scene.beat_s
        self._resources = add("resources", interval_s=beat)
        self._status = add("status", interval_s=beat)
        self._tasks = add("tasks", interval_s=TASK_BEATS * beat)
        self._beats = 0
        self._saved_mono = float("-inf")
        self._tell_after = scene.clock.now() - 2.0  # PVE cuts to whole seconds
        self._nodes: dict[str, NodeWatch] = {}
        self._telling = False
        self._slow: SlowWatch | None = None
        self._past: Past | None = None
        self._docker: DockerWatch | None = None
        self._running: list[asyncio.Task[None]] = []
        self._acted, self._beating = asyncio.Event(), asyncio.Lock()
        self._deaf = feed.topic.listen(lambda event: self._acted.set() if event.kind.startswith("tool.") else None)

    async def start(self) -> None:
        """Restore what is remembered and begin; the first picture is asked for at once."""
        found, polled_at = await self.store.read(lambda db: remembered.load(db, self.scene.cluster.name))
        self.scene.inventory.restore(found, polled_at)
        if polled_at is not None:  # tasks are read less often than that is saved; keys keep lines from doubling
            self._tell_after = polled_at - 4 * TASK_BEATS * self.scene.beat_s
        self._show()
        self._running = [spawn(rhythm(self.scene.clock, self.scene.beat_s, self.beat), name="monitor")]
        self._running.append(spawn(self._beat_after_acts(), name="monitor-acts"))

    async def stop(self) -> None:
        """End the watch; a second time does nothing."""
        deaf, self._deaf = self._deaf, _nobody
        deaf()
        running, self._running = self._running, []
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        watches = [*self._nodes.values(), self._slow, self._past, self._docker]
        self._nodes, self._slow, self._past, self._docker = {}, None, None, None
        await asyncio.gather(*(watch.stop() for watch in watches if watch is not None))

    async def _beat_after_acts(self) -> None:
        """Whoever acted looks next: the picture shall not be that of before."""
        while True:
            await self._acted.wait()
            self._acted.clear()
            try:
                await self.beat()
            except Exception:
                _log.exception("a watch failed")

    async def beat(self) -> None:
        """One round: ask, merge, judge, publish, tell. One at a time, so that no older answer comes later."""
        async with self._beating:
            await self._beat()

    async def _beat(self) -> None:
        scene = self.scene
        tasks_due = self._beats % TASK_BEATS == 0 or self._tasks.error is not None
        self._beats += 1
        status, resources, tasks = await asyncio.gather(
            scene.poll(self._status, self._ask_status), scene.poll(self._resources, self._ask_resources),
            scene.poll(self._tasks, self._ask_tasks) if tasks_due else _nothing(),
        )  # fmt: skip
        status, resources = await self._second_opinion(status, resources)
        cpu = time.thread_time()
        stops = self._merge(status, resources)
        spent = time.thread_time() - cpu
        if stops:  # only a list that was asked for after it can explain a stop
            tasks = await scene.poll(self._tasks, self._ask_tasks) or tasks
        ended = await self._take_tasks(tasks)
        cpu = time.thread_time()
        self._show()
        await asyncio.sleep(0)
        self.picture = scene.picture(scene.cluster_entity(), stops)
        found = self.judge.judge(self.picture)
        if resources is not None:
            self.history.add(self.picture)
        self.poll_cpu_ms = round(1000 * (self._parse_cpu_s + spent + time.thread_time() - cpu), 1)
        await self.incidents.observe("cluster", found.observations, found.covered, found.unjudged)
        for judged in self.on_judged:
            judged()
        self._look_after_nodes()
        if self._slow is None and resources is not None:
            self._slow, self._past = SlowWatch(scene), Past(scene, self.history)
            self._docker = DockerWatch(scene)
        if not self._telling:
            self._telling = True
            self._begin_telling()
        await self._remember(resources is not None)
        with suppress(JarvisError):
            await chronicle.tell_tasks(self.feed, self.picture, ended)

    # --- asking --------------------------------------------------------------------------------------

    async def _ask_status(self) -> StatusReply:
        return parse_status(await self.scene.px.call("cluster_status"))

    async def _ask_resources(self) -> Resources:
        data = await self.scene.px.call("cluster_resources")
        cpu = time.thread_time()
        parsed = parse_resources(data)
        self._parse_cpu_s = time.thread_time() - cpu
        return parsed

    async def _ask_tasks(self) -> list[Task]:
        return parse_tasks(await self.scene.px.call("cluster_tasks"), self.scene.cluster.name)

    async def _second_opinion(
        self, status: StatusReply | None, resources: Resources | None
    ) -> tuple[StatusReply | None, Resources | None]:
        """Where the asked node says that quorum is lost: it may be the one that is cut off from the others."""
        scene = self.scene
        if status is None:
            return status, resources
        if not scene.quorum.doubted(status):
            scene.quorum.take(status)
            return status, resources
        opinion: Opinion = "none"
        try:
            other = parse_status(await scene.px.ask_other("cluster_status"))
            opinion = "agrees" if other.quorate is False else "disagrees"
        except JarvisError:
            scene.quorum.take(status, opinion)
            return status, resources
        if opinion == "disagrees":  # the quorate part is the cluster: its view counts for everything
            with suppress(JarvisError):
                resources = parse_resources(await scene.px.ask_other("cluster_resources"))
                status = other
        scene.quorum.take(status, opinion)
        return status, resources

    # --- merging -------------------------------------------------------------------------------------

    def _merge(self, status: StatusReply | None, resources: Resources | None) -> list[Stop]:
        scene, now = self.scene, self.scene.clock.now()
        inventory = scene.inventory
        inventory.mark_mute(frozenset(n for n, m in scene.mute.items() if m.failures > 1))
        if status is None:
            inventory.nodes.members = {}  # an old word on membership must not overrule a new row
        else:
            inventory.merge_status(status)
            self._learn_endpoint(status)
        if resources is None:
            if scene.sources.age_s(self._resources) > UNKNOWN_AFTER_S:
                inventory.lose_sight()
            return []
        merged = inventory.merge_resources(resources, now)
        self._forget_old()
        if merged.suspicious or self._mending():
            scene.permissions_wanted.set()
        return merged.stops

    def _forget_old(self) -> None:
        """Numbers whose own source has fallen silent; the rows of the cluster do not renew them."""
        nodes = self.scene.inventory.nodes
        for polled in self.scene.sources.polled.values():
            if polled.target is None or self.scene.sources.age_s(polled) <= polled.stale_after_s:
                continue
            node = nodes.entities.get(f"node:{polled.target}")
            if polled.what == "node" and node is not None and node.loadavg is not None:
                nodes.forget_detail(polled.target)
            elif polled.what == "sensors" and node is not None and node.temperature_at is not None:
                nodes.forget_reading(polled.target)

    def _mending(self) -> bool:
        known = self.scene.sources.of("permissions")
        if known is None or not self.scene.missing_privileges:
            return False
        return self.scene.sources.age_s(known) > IMPATIENT_BEATS * self.scene.beat_s

    def _learn_endpoint(self, status: StatusReply) -> None:
        url = self.scene.px.answered_by("cluster_status")
        local = next((m.name for m in status.members if m.local), None)
        if url and local:
            self.scene.endpoint_nodes[url] = local

    async def _take_tasks(self, listed: list[Task] | None) -> list[Task]:
        """Answers the tasks that ended, and are to be told."""
        scene, now = self.scene, self.scene.clock.now()
        book, nodes = scene.tasks, scene.inventory.nodes.entities
        ended, lost = book.merge(listed, now) if listed is not None else ([], [])
        for task in book.lost_to(nodes):
            book.lose(task)
        for task in lost[:ASK_LOST_MAX]:
            settled = await self._ask_lost(task)
            if settled is not None:
                book.settle(settled)
                if settled.ended_at is not None:
                    ended.append(settled)
        for task in ended:
            recent = (task.ended_at or 0) >= now - 10 * scene.beat_s
            if recent and task.type in {"qmdestroy", "vzdestroy"} and task.status in {"ok", "warnings"}:
                scene.inventory.forget(f"guest:{task.target}")
        return [t for t in ended if (t.ended_at or 0) >= self._tell_after]

    async def _ask_lost(self, task: Task) -> Task | None:
        try:
            reply = await self.scene.px.call("task_status", node=task.node, upid=task.id)
            return parse_task_status(reply, self.scene.cluster.name)
        except JarvisError:
            return None

    # --- publishing ----------------------------------------------------------------------------------

    def _show(self) -> None:
        scene = self.scene
        cluster = scene.cluster_entity()
        self._cluster_topic.replace({
            "clusters": {cluster.id: cluster}, "nodes": scene.inventory.nodes.entities,
            "guests": scene.inventory.guests.entities, "storages": scene.inventory.storages,
            "sources": scene.sources.entities(),
        })  # fmt: skip
        self._tasks_topic.replace({"tasks": scene.tasks.tasks})
        if self._beats:
            self._cluster_topic.settled.set()
            self._tasks_topic.settled.set()

    def _show_node(self, name: str) -> None:
        scene = self.scene
        node = scene.inventory.nodes.entities.get(f"node:{name}")
        sources = {p.id: scene.sources.entity(p) for p in scene.sources.polled.values() if p.target == name}
        self._cluster_topic.apply({"nodes": {node.id: node} if node else {}, "sources": sources})

    def _look_after_nodes(self) -> None:
        """A watch for each node, none for those that have left."""
        names = {n.name for n in self.scene.inventory.nodes.entities.values()}
        for name in names - self._nodes.keys():
            self._nodes[name] = NodeWatch(self.scene, name, self._show_node)
        for name in self._nodes.keys() - names:
            spawn(self._nodes.pop(name).stop(), name=f"stop-node-{name}")
            self.scene.sources.drop_target(name)
            self.scene.mute.pop(name, None)
            self.scene.units.pop(name, None)
            self.scene.disks.pop(name, None)

    def _begin_telling(self) -> None:
        settings, clock = self.scene.settings.feed, self.scene.clock
        self._running.append(spawn(rhythm(clock, settings.heartbeat_s, self._tell_heartbeat), name="heartbeat"))
        self._running.append(
            spawn(rhythm(clock, settings.storage_check_s, self._tell_storages), name="storage-check")
        )

    async def _remember(self, polled: bool) -> None:
        if not polled:
            return
        changed, gone = self.scene.inventory.changed_memories()
        mono, now, name = self.scene.clock.monotonic(), self.scene.clock.now(), self.scene.cluster.name
        if not changed and not gone and mono - self._saved_mono < SAVE_POLLED_S:
            return
        try:
            await self.store.write(lambda db: remembered.save(db, name, changed, gone, now))
            self._saved_mono = mono
        except JarvisError:
            self.scene.inventory.forget_saved()

    async def _tell_heartbeat(self) -> None:
        if self.picture is not None:
            await chronicle.tell_heartbeat(self.feed, self.picture, self.incidents.open_incidents())

    async def _tell_storages(self) -> None:
        if self.picture is not None:
            limit = self.scene.settings.conditions.storage_warning_pct
            await chronicle.tell_storages(self.feed, self.picture, limit)


async def _nothing() -> None:
    return None


def _nobody() -> None:
    """Whoever has stopped listening."""
