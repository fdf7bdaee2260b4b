"""A real front door on a real socket in a thread, with a fixed homelab behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.paths import make_places
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.messages import GuestDescribe, GuestDescription, Message, TaskLog, TaskLogResult
from jarvis_daemon.protocol.version import VERSION
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom
from tests.golden import homelab
from tests.unit.cli.watchtower import Watchtower
from tests.unit.cli.workshop import Workshop

LOG = ["starting backup of 113", "\x1b[2Jstatus: 71 %", "done"]


class Served:
    """``do`` runs a coroutine in the server's loop; ``with`` starts and ends it all."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.clock = ManualClock(homelab.NOW)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        self.do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _start(self) -> None:
        make_places(self.places)
        settings = Settings(
            cluster=ClusterSettings(name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b")
        )
        self.store = Store(self.places.database)
        await self.store.open()
        self.bus = Bus()
        self.feed = Feed(self.store, self.bus, self.clock, cluster="homelab")
        await self.feed.start()
        self.incidents = Incidents(self.store, self.bus, self.feed, self.clock, settings)
        await self.incidents.start()
        self.bus.offer("guest.describe", describe)
        self.bus.offer("task.log", log)
        self.tools = ToolsRoom(settings, self.places, self.bus, self.store, self.feed, self.clock)
        self.workshop = Workshop()
        self.workshop.register(self.tools)
        self.watchtower = Watchtower()
        self.watchtower.offer(self.bus)
        self.watchtower.register(self.tools)
        await self.tools.start()
        await self._fill()
        await self._serve()

    async def _fill(self) -> None:
        self.clock.jump(-700)
        await self.feed.post("guest.stopped", "pihole stopped by itself", severity="warning", target="guest:105")
        self.clock.jump(100)
        for _ in range(2):
            await self.incidents.observe("cluster", homelab.FAULTS, {"node-unreachable", "memory-high"})
        await self.clock.advance(0)
        self.clock.jump(600)
        await self.feed.post("heartbeat", "all four endpoints asked \x1b[31mred\x1b[0m", severity="info")
        topic = self.bus.state("cluster")
        topic.apply({
            "clusters": {homelab.CLUSTER.id: homelab.CLUSTER},
            "nodes": {n.id: n for n in homelab.NODES},
            "guests": {g.id: g for g in homelab.GUESTS},
            "storages": {s.id: s for s in homelab.STORAGES},
            "sources": {s.id: s for s in homelab.SOURCES},
        })  # fmt: skip
        self.bus.state("tasks").apply({"tasks": {t.id: t for t in homelab.TASKS}})
        self.bus.state("health").apply({"health": {homelab.HEALTH.id: homelab.HEALTH}})
        topic.settled.set()

    async def _serve(self, version: str = VERSION) -> None:
        self.server = Server(
            self.bus, self.clock, self.places.socket, version=version, tickets=Tickets(self.clock), simulated=True
        )
        await self.server.start()

    async def _stop(self) -> None:
        await self.server.stop()
        await self.tools.stop()
        await self.incidents.stop()
        await self.store.close()

    def restart(self) -> None:
        """What a client sees of a daemon that goes and comes back."""

        async def again() -> None:
            await self.server.stop()
            await self._serve()

        self.do(again())


async def describe(params: GuestDescribe, principal: Principal) -> GuestDescription:
    if params.id == "guest:101":
        raise JarvisError("cluster_unreachable", "pve does not answer", why="connection refused")
    return GuestDescription(
        id=params.id, config={"onboot": 1, "cores": 4, "name": "x\x1b[31m"},
        snapshots=[{"name": "before-upgrade", "snaptime": homelab.NOW - homelab.DAY, "vmstate": 1}],
        addresses=["192.168.1.65"],
    )  # fmt: skip


async def log(params: TaskLog, principal: Principal) -> AsyncIterator[dict[str, Any] | Message] | TaskLogResult:
    failed = "vzdump:101" in params.upid
    result = TaskLogResult(upid=params.upid, lines=LOG, next=3, status="failed" if failed else "ok",
                           exit_text="job errors" if failed else "OK")  # fmt: skip
    return _follow(result) if params.follow else result


async def _follow(result: TaskLogResult) -> AsyncIterator[dict[str, Any] | Message]:
    for line in result.lines:
        yield {"lines": [line]}
    yield TaskLogResult(upid=result.upid, lines=[], next=3, status=result.status, exit_text=result.exit_text)


def in_home(home: Path) -> Places:
    from jarvis_daemon.protocol.locate import places

    return places({"JARVIS_HOME": str(home)})
