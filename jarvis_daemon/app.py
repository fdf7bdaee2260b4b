"""The composition root: builds the rooms from settings, starts and stops them. No logic."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from dataclasses import dataclass
from typing import Final, Literal

from jarvis_daemon.assistant.room import AssistantRoom, Names
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.bus.services import Principal
from jarvis_daemon.clock import Clock, SystemClock
from jarvis_daemon.cluster.conditions.windows import in_window
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.demo import Simulator
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.mcp_servers.room import McpServers
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.paths import make_places
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.messages import DaemonStop
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.version import VERSION
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.supervisor import Supervisor, WorkerSpec
from jarvis_daemon.supervisor.sdnotify import notify, watchdog
from jarvis_daemon.supervisor.selfwatch import SelfWatch
from jarvis_daemon.tools.room import ToolsRoom

_log = logging.getLogger("jarvis.app")
SWEEP_INTERVAL_S: Final = 3600.0
Ending = Literal["stop", "restart"]


class Lock:
    """The one daemon of an installation: an flock that ends with the process, however it ends."""

    def __init__(self, places: Places) -> None:
        self._handle = os.open(places.lock_file, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise JarvisError(
                "already_running", "Another daemon runs here", why=f"it holds {places.lock_file}"
            ) from None

    def release(self) -> None:
        os.close(self._handle)


@dataclass
class Daemon:
    """One daemon. ``run`` returns when it shall end: ``stop``, or ``restart`` to begin anew."""

    places: Places
    settings: Settings
    clock: Clock

    def __post_init__(self) -> None:
        self._ending: asyncio.Future[Ending] | None = None

    def end(self, how: Ending = "stop") -> None:
        """Ask ``run`` to finish; may be called from a signal handler of the loop."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(how)

    async def run(self) -> Ending:
        """Serve until ``end``. Raises ``JarvisError`` when it cannot start."""
        self._ending = asyncio.get_running_loop().create_future()
        make_places(self.places)
        lock = Lock(self.places)
        store = Store(self.places.database)
        simulator: Simulator | None = None
        try:
            await store.open()
            if self.places.demo:
                simulator = Simulator(self.places, self.clock, self.settings.demo)
                await simulator.attach(self.settings)
                spawn(self._restart_without(simulator), name="simulator-lease")
            return await self._serve(store)
        finally:
            if simulator is not None:
                await simulator.detach()
            await store.close()
            lock.release()

    async def _serve(self, store: Store) -> Ending:
        settings, clock, places = self.settings, self.clock, self.places
        if settings.cluster is None:
            raise JarvisError("config_invalid", "No cluster is configured", next="Run `jarvis setup`.")
        bus = Bus()
        feed = Feed(store, bus, clock, cluster=settings.cluster.name)
        incidents = Incidents(store, bus, feed, clock, settings)
        tickets = Tickets(clock)
        server = Server(
            bus, clock, places.socket, version=VERSION, tickets=tickets, group=settings.server.group,
            simulated=settings.cluster.simulated,
        )  # fmt: skip
        supervisor = Supervisor(bus, clock, places.socket, issue=tickets.issue)
        watch = SelfWatch(bus, clock, store, version=VERSION)
        cluster = ClusterRoom(settings, places, bus, store, feed, incidents, clock)
        watch.probes.append(cluster.figures)
        tools = ToolsRoom(settings, places, bus, store, feed, clock)
        cluster.register_tools(tools.registry)
        register_incident_tools(tools.registry, incidents)
        foreign = McpServers(
            settings.mcp, places, bus, store, feed, tools.registry, clock, simulated=settings.cluster.simulated
        )
        watchman = Remediation(
            settings, places, bus, store, feed, clock, tools, ask_second=cluster.second_look,
            ask_orders=cluster.boot_orders,
            in_window=lambda now: in_window(settings.conditions.backup_windows, now),
        )  # fmt: skip
        cluster.monitor.on_judged.append(watchman.wake)
        telling = NotifyRoom(settings, places, bus, store, feed, clock, audit_head=tools.audit.head)
        telling.register_tools(tools.registry)
        assistant = AssistantRoom(
            settings, places, bus, store, feed, clock, tools,
            Names(cluster.containers, lambda: {n: k.runbook.condition for n, k in watchman.shelf.kept.items()}),
        )  # fmt: skip
        telling.tell = assistant.explainer.tell
        bus.offer("daemon.stop", self._on_stop, roles={"operator"})

        await feed.start()
        await incidents.start()
        await tools.start()
        await watchman.start()
        await assistant.start(supervisor)
        for name in ("incidents", "services", "health", "clients", "approvals", "presence", "voice"):
            bus.state(name).settled.set()
        await server.start()
        await telling.start(supervisor)
        await cluster.start()
        await foreign.start(supervisor)
        if settings.front.enabled:
            given = settings.front.model_dump() | {"token_file": str(places.mcp_token)}
            supervisor.start(WorkerSpec("front", role="front", settings=given))
        background = [
            spawn(watch.run(), name="selfwatch"),
            spawn(watchdog(clock), name="watchdog"),
            spawn(_sweep(feed, settings.feed.retention_days * 86400, clock), name="sweep"),
            spawn(_refresh_clients(server, clock), name="clients"),
        ]
        notify("READY=1")
        _log.info("started", extra={"data": {"version": VERSION, "pid": os.getpid(), "demo": places.demo}})
        try:
            assert self._ending is not None
            return await self._ending
        finally:
            notify("STOPPING=1")
            for task in background:
                task.cancel()
            await assistant.stop()
            await watchman.stop()
            await cluster.stop()
            await telling.stop()
            await supervisor.stop_all()
            await server.stop("stopping")
            await incidents.stop()
            await tools.stop()
            _log.info("stopped")

    async def _on_stop(self, params: DaemonStop, principal: Principal) -> None:
        if params.marker:
            self.places.stopped_marker.touch(mode=0o600)
        _log.info("asked to stop", extra={"data": {"by": str(principal)}})
        asyncio.get_running_loop().call_later(0.05, self.end)  # after the answer has gone out

    async def _restart_without(self, simulator: Simulator) -> None:
        await simulator.gone()
        _log.warning("the simulated homelab ended; starting anew")
        self.end("restart")


async def _sweep(feed: Feed, retention_s: float, clock: Clock) -> None:
    while True:
        with contextlib.suppress(JarvisError):  # a full disk: in an hour again
            await feed.sweep(retention_s)
        await clock.sleep(SWEEP_INTERVAL_S)


async def _refresh_clients(server: Server, clock: Clock) -> None:
    while True:
        await clock.sleep(10)
        server.publish_clients()


def build(places: Places, settings: Settings) -> Daemon:
    """A daemon on the machine's clocks."""
    return Daemon(places, settings, SystemClock())
