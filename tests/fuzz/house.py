"""The whole chain in one thread and in simulated time: a world, and the daemon's rooms that watch and repair it.

Real: the simulator's API and its refusals, the client above the transport, shapes, inventory, monitor with all its
watches, conditions, incidents, gate, audit, stories, engine, the tools. Not here: sockets, TLS, threads, the disk.
The daemon may be ended at any turn of the loop and begun anew upon the same store.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pydantic

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.cluster.boot_order import BootOrders
from jarvis_daemon.cluster.conditions import Judge
from jarvis_daemon.cluster.history import History
from jarvis_daemon.cluster.inventory import Inventory
from jarvis_daemon.cluster.monitor import Monitor
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.second_look import second_look
from jarvis_daemon.cluster.sources import Sources
from jarvis_daemon.cluster.tools import register
from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.drill.bans import Said
from jarvis_daemon.drill.loop import LoopClock, VirtualLoop
from jarvis_daemon.drill.witness import Witness
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents import incidents as incidents_room
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation import room as watchman_room
from jarvis_daemon.remediation.facts import Facts, Limits
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.remediation.runbook import Kept, tools_of
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.simulator.inventory import Inventory as SimInventory
from jarvis_daemon.simulator.truth import truth
from jarvis_daemon.simulator.world import World
from jarvis_daemon.tools import Registry
from jarvis_daemon.tools.room import ToolsRoom
from tests.fuzz.memory import MemoryStore, fresh
from tests.fuzz.pace import Pace, shipped, shortened
from tests.fuzz.small import DOCKER, INVENTORY, PROTECTED, SERVICES
from tests.fuzz.wire import SECRET, InProcess, InProcessSsh, Line

START = 1_800_000_000.0
OUR_TOKEN = "jarvis@pve!daemon"


class House:
    """One sequence: a world and the lives of a daemon that looks after it. Driven from outside the loop."""

    def __init__(
        self, pace: Pace, *, seed: int = 1, level: int = 3, more: list[Kept] | None = None,
        inventory: SimInventory = INVENTORY,
    ) -> None:  # fmt: skip
        logging.disable(logging.CRITICAL)
        self._ticks = watchman_room.TICK_S, incidents_room.TICK_S
        watchman_room.TICK_S = incidents_room.TICK_S = pace.tick_s
        self.pace, self.level = pace, level
        self.loop = VirtualLoop()
        self.world = World(inventory, START, seed=seed, stat_interval_s=min(29.0, pace.beat_s))
        self.world.access.add(OUR_TOKEN, SECRET)
        self.clock = LoopClock(self.loop, START)
        self.said = Said(protected=frozenset({PROTECTED, INVENTORY.runs_on}))
        self.stopped: set[int] = set()
        self.silences: list[tuple[float, float, str]] = []
        """(start, end by our wall clock, target)"""
        self.heard: dict[str, float] = {}
        self.writes: list[tuple[float, str, str]] = []
        self.more = more or []
        self.lives = 0
        self.lying: set[str] = set()
        """Nodes that call every stopped guest running."""
        self.slandered: set[tuple[str, int]] = set()
        """(node, vmid): the node calls this guest stopped."""
        self.jumped = False
        self.misled = False
        """Some endpoint has told something wrong, or nothing, at some time."""
        self.moved: set[int] = set()
        """Vmids of guests that a person has moved."""
        self._folder = tempfile.TemporaryDirectory(prefix="jv-fuzz-")
        self.db = fresh()
        self._version = (-1, -1)
        self.witness = Witness(pace.bounds, {}, self._look, self.loop.time, self.age, wall=self.clock.now)
        self.loop.waiting.on_pass = self._pass
        self.begin()

    # --- lives -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a life upon what the store holds."""
        self.lives += 1
        self.store = MemoryStore(self.db, self.witness.committed)
        self.line = Line(self.world, self.lying, self.slandered, self._wrote, self._heard)
        self.witness.forgiving = self.jumped
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        settings, places, clock, bus = (
            _settings(self.pace.beat_s, tuple(self.world.nodes)),
            _places(self._folder.name),
            self.clock,
            Bus(),
        )
        cluster = settings.cluster
        assert cluster is not None
        self.bus = bus
        self.feed = feed = Feed(self.store, bus, clock, cluster=cluster.name)
        self.incidents = Incidents(self.store, bus, feed, clock, settings)
        px, ssh = InProcess(cluster, self.line, clock), InProcessSsh(self.line)
        self.scene = Scene(settings, cluster, clock, px, ssh, Inventory(cluster.name), Sources(cluster.name, clock))
        judge = Judge(settings.conditions)
        history = History(cluster.name, self.store, clock, poll_s=cluster.poll_interval_s, retention_days=30)
        self.scene.past = history
        self.monitor = Monitor(self.scene, bus, self.store, feed, self.incidents, judge, history)
        self.tools = ToolsRoom(settings, places, bus, self.store, feed, clock)
        register(self.tools.registry, Hands(self.scene, look_s=2.0))
        orders = BootOrders(self.scene)
        self.watchman = Remediation(
            settings, places, bus, self.store, feed, clock, self.tools,
            ask_second=lambda target: second_look(self.scene, target), ask_orders=orders.of,
            in_window=lambda now: False,
        )  # fmt: skip
        self._shelve(self.tools.registry)
        look, limits = self.watchman.look, self.pace.limits
        self.engine = self.watchman.engine
        self.engine._look = lambda: _limited(look(), limits)
        self.monitor.on_judged.append(self.watchman.wake)
        await feed.start()
        await self.incidents.start()
        await self.tools.kill.start()
        await self.tools._tell_open_intents()
        await self.watchman.start()
        await self.watchman.levels.set("all", "", self.level, "test")
        judge.seed(self.incidents.open_incidents("cluster"))
        await self.monitor.start()
        spawn(self._sweep(), name="sweep")

    async def _sweep(self) -> None:
        """What the room of the gate does every second."""
        while True:
            await self.clock.sleep(self.pace.tick_s)
            self.tools.gate.approvals.sweep()
            await self.tools.audit.flush()

    def _shelve(self, registry: Registry) -> None:
        """The shipped runbooks, read once a process, shortened as the pace says."""
        books = [*_books(self.pace, registry), *self.more]
        shelf = self.watchman.shelf
        shelf.kept = {kept.runbook.name: kept for kept in books}
        shelf.load = _nothing  # type: ignore[method-assign]
        shelf.refresh = _false  # type: ignore[method-assign]
        self.witness.scopes = {kept.runbook.name: kept.runbook.scope for kept in books}
        self.witness.takers = frozenset(
            k.runbook.name
            for k in books
            for s in k.runbook.steps
            if {"reboot_node", "shutdown_node"} & {*tools_of(s)}
        )
        downs = {k.runbook.name: tuple(60 * m for m in k.runbook.cool_down_min) for k in books}
        self.witness.bounds = replace(self.pace.bounds, cool_downs_s=downs)

    def end(self) -> None:
        """As ``kill -9`` does: nothing of this life reaches store or world any more."""
        self.store.cut = self.line.cut = True
        for _ in range(20):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            self.loop.run_turns(3)

    def close(self) -> None:
        self.end()
        self.loop.end()
        self.db.close()
        self._folder.cleanup()
        watchman_room.TICK_S, incidents_room.TICK_S = self._ticks
        logging.disable(logging.NOTSET)

    # --- time and truth --------------------------------------------------------------------------------------

    def live(self, seconds: float) -> None:
        self.loop.run_for(seconds)

    def do(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def jump(self, seconds: float) -> None:
        self.clock.jump(seconds)
        self.jumped = True

    def silence(self, target: str, seconds: float) -> None:
        """Remember what is silenced, until it ends."""
        now = self.clock.now()
        self.silences.append((now, now + seconds, target))

    @property
    def blind(self) -> bool:
        """Some endpoint does not tell what is so, or not at all."""
        wire = self.world.wire
        return bool(wire.truncated or wire.slow_s or self.lying)

    def _pass(self, seconds: float) -> None:
        self.world.advance(seconds)
        self.misled = self.misled or self.blind
        version = self.world.config_version, self.world.tasks.version
        if version != self._version:
            self._version = version
            self.witness.note()

    def _look(self) -> tuple[Mapping[str, Any], Said]:
        guests = self.world.guests
        self.stopped = {
            vmid for vmid in self.stopped if not guests[vmid].running or self.world.tasks.running(vmid=vmid)
        }
        now = self.clock.now()
        self.silences = [one for one in self.silences if one[1] > now]  # what has ended stays so, clocks or not
        self.said.silenced = {target for start, end, target in self.silences if start <= now < end}
        self.said.stopped = {f"guest:{vmid}" for vmid in self.stopped if not guests[vmid].running}
        return truth(self.world), self.said

    def _heard(self, what: str) -> None:
        self.heard[what] = self.loop.time()

    def _wrote(self, method: str, path: str) -> None:
        self.writes.append((self.loop.time(), method, path))
        if self.said.killed:
            self.witness.violations.append(
                f"{self.loop.time():.0f} s: {method} {path} with the kill switch engaged"
            )

    def age(self, target: str) -> float:
        kind, _, rest = target.partition(":")
        host = rest.partition("/")[0]
        source = {"service": f"sensors/{host}", "container": f"docker/{host}"}.get(kind, "resources")
        return self.loop.time() - self.heard.get(source, float("-inf"))

    # --- what came of it -------------------------------------------------------------------------------------

    @property
    def stories(self) -> list[Repair]:
        rows = self.db.execute("select body from repairs order by id").fetchall()
        return [msgspec.json.decode(body, type=Repair) for (body,) in rows]

    @property
    def open(self) -> list[Incident]:
        return self.incidents.open_incidents()

    @property
    def told(self) -> list[str]:
        return [text for (text,) in self.db.execute("select text from feed order by seq").fetchall()]


def _limited(facts: Facts, limits: Limits) -> Facts:
    return replace(facts, limits=limits)


async def _nothing() -> None:
    return None


async def _false() -> bool:
    return False


@cache
def _settings(beat_s: float, nodes: tuple[str, ...]) -> Settings:
    cluster = ClusterSettings(
        name="small", endpoints=[f"https://{name}:8006" for name in nodes], token_id=OUR_TOKEN,
        token_secret=pydantic.SecretStr(SECRET), tls="insecure", runs_on=INVENTORY.runs_on,
        poll_interval_s=beat_s, node_interval_s=6 * beat_s, sensors_interval_s=max(30.0, beat_s),
        call_timeout_s=10.0,
    )  # fmt: skip
    settings = Settings(cluster=cluster)
    settings.conditions.services = SERVICES
    settings.tools.protected = [PROTECTED]
    settings.docker.interval_s = max(30.0, beat_s)
    settings.docker.hosts = {DOCKER: "/var/run/docker.sock"}
    return settings


def _places(folder: str) -> Places:
    return Places(Path(folder), Path(folder), Path(folder), Path(folder))


_SHELF: dict[float, list[Kept]] = {}


def _books(pace: Pace, registry: Registry) -> list[Kept]:
    if pace.shorten not in _SHELF:
        _SHELF[pace.shorten] = [shortened(kept, pace.shorten) for kept in shipped(registry)]
    return _SHELF[pace.shorten]
