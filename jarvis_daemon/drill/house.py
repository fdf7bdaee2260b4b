"""The rooms of a daemon for the length of a drill: watch, incidents, gate, watchman; nobody is notified.

Put together as ``app`` does, on a loop whose time is simulated, and with a witness beside them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.cluster.conditions.windows import in_window
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.cluster.ssh_reading import Reading
from jarvis_daemon.demo import furnish
from jarvis_daemon.drill.bans import Said
from jarvis_daemon.drill.lab import Lab, quiet_home
from jarvis_daemon.drill.loop import CoarseClock, LoopClock, Rest, VirtualLoop
from jarvis_daemon.drill.store import WitnessedStore
from jarvis_daemon.drill.witness import Bounds, Witness
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.messages import KillSwitchSet
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.settings import DemoSettings, Settings
from jarvis_daemon.tools.room import ToolsRoom

LEVEL: Final = 3
OPERATOR: Final = Principal(session="drill", role="operator", client="drill", uid=0)
RHYTHMS: Final = DemoSettings(
    poll_interval_s=10.0, node_interval_s=60.0, sensors_interval_s=30.0, disks_interval_s=300.0,
    docker_interval_s=30.0, stat_interval_s=10.0,
)  # fmt: skip
"""Those of a real cluster; disks more often."""


class DrillHouse:
    """``start`` on the loop that the lab's time follows; ``stop`` before the lab is closed."""

    def __init__(self, loop: VirtualLoop, lab: Lab, start: float) -> None:
        self.loop, self.lab = loop, lab
        self.clock = LoopClock(loop, start)
        self.settings = Settings()
        furnish(self.settings, lab.told, RHYTHMS)
        self.settings.autonomy.level = LEVEL
        assert self.settings.cluster is not None
        self.said = Said(protected=frozenset({*self.settings.tools.protected, str(lab.told["runs_on"])}))
        self.stopped: set[str] = set()
        """Vmids of guests that a person stopped."""
        home = quiet_home(lab.folder)
        self.places = Places(home, home, home, home)
        self.bus = Bus()
        self.witness = Witness(Bounds(), {}, self._look, loop.time, self._age, wall=self.clock.now)
        self.store = WitnessedStore(self.places.database, self.witness.committed)
        cluster = self.settings.cluster
        self.feed = Feed(self.store, self.bus, self.clock, cluster=cluster.name)
        self.incidents = Incidents(self.store, self.bus, self.feed, self.clock, self.settings)
        self.cluster = ClusterRoom(
            self.settings, self.places, self.bus, self.store, self.feed, self.incidents, self.clock
        )
        coarse = CoarseClock(loop, start, 1.0)  # the kill switch is looked at twenty times a second
        self.tools = ToolsRoom(self.settings, self.places, self.bus, self.store, self.feed, coarse)
        self.cluster.register_tools(self.tools.registry)
        register_incident_tools(self.tools.registry, self.incidents)
        windows = self.settings.conditions.backup_windows
        self.watchman = Remediation(
            self.settings, self.places, self.bus, self.store, self.feed, self.clock, self.tools,
            ask_second=self.cluster.second_look, ask_orders=self.cluster.boot_orders,
            in_window=lambda now: in_window(windows, now),
        )  # fmt: skip
        self.cluster.monitor.on_judged.append(self.watchman.wake)
        self._count_calls()
        loop.waiting.on_pass = self._pass
        loop.waiting.asleep = self._asleep
        loop.before_call = self._catch_up

    async def start(self) -> None:
        """Raises ``store_failed``."""
        await self.store.open()
        await self.feed.start()
        await self.incidents.start()
        await self.tools.start()
        await self.watchman.start()
        kept = self.watchman.shelf.kept.values()
        self.witness.scopes = {one.runbook.name: one.runbook.scope for one in kept}
        downs = {one.runbook.name: tuple(60 * m for m in one.runbook.cool_down_min) for one in kept}
        self.witness.bounds = Bounds(cool_downs_s=downs)
        await self.cluster.start()

    async def stop(self) -> None:
        await self.watchman.stop()
        await self.cluster.stop()
        await self.incidents.stop()
        await self.tools.stop()
        await self.store.close()

    # --- people ----------------------------------------------------------------------------------------------

    async def kill(self, engaged: bool) -> None:
        """Pull the switch, or let go of it."""
        if not engaged:
            self.said.killed = False
        await self.bus.ask("killswitch.set", KillSwitchSet(engaged=engaged, reason="a drill"), OPERATOR)
        self.said.killed = engaged

    def person(self, act: str, target: str) -> None:
        """Raises ``unavailable`` where PVE refuses it."""
        self._catch_up()
        self.lab.say("person", act=act, target=target)
        if act == "stop":
            vmid = next((v for v, g in self.lab.truth["guests"].items() if g["name"] == target), None)
            self.stopped |= {vmid} if vmid is not None else set()

    # --- what is so ------------------------------------------------------------------------------------------

    @property
    def open(self) -> list[Incident]:
        return self.incidents.open_incidents()

    async def stories(self) -> list[Repair]:
        """Oldest first."""
        return (await self.watchman.stories.list(since_at=None, incident=None, limit=1000))[::-1]

    def _look(self) -> tuple[Mapping[str, Any], Said]:
        truth = self.lab.truth
        guests = truth["guests"]
        self.stopped = {v for v in self.stopped if guests[v]["state"] != "running" or guests[v]["tasks"]}
        self.said.stopped = {f"guest:{v}" for v in self.stopped if guests[v]["state"] != "running"}
        return truth, self.said

    def _age(self, target: str) -> float:
        """Seconds since something told of the target, on the loop's own clock."""
        kind, _, rest = target.partition(":")
        what = {"service": "sensors", "container": "docker"}.get(kind, "resources")
        host = rest.partition("/")[0] if what != "resources" else None
        sources = self.cluster.scene.sources
        polled = sources.of(what, host)
        return float("inf") if polled is None else sources.age_s(polled)

    # --- time ------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        self.lab.passed += seconds
        if self.loop.waiting.calling:
            self._catch_up()

    def _catch_up(self) -> None:
        if self.lab.catch_up():
            self.witness.note()

    def _asleep(self, silent: bool) -> Rest:
        """Every call under way waits in the simulator for time; or nothing is heard of one: it hangs."""
        self._catch_up()
        busy, sleeping = self.lab.answering()
        if busy > 0 or not (silent or sleeping >= self.loop.waiting.calling):
            return "works"
        return "woken" if self.loop.turns.pass_on() else "asleep"

    def _count_calls(self) -> None:
        """No time passes while the cluster is asked, by its API or by SSH."""
        px, ssh, loop = self.cluster.scene.px, self.cluster.scene.ssh, self.loop
        read, connected, attempt = ssh.read, ssh.connected, px._attempt

        async def counted_attempt(*args: Any) -> Any:
            async with loop.call_under_way():
                return await attempt(*args)

        px._attempt = counted_attempt  # type: ignore[method-assign,assignment]

        async def counted_read(*args: Any, **more: Any) -> Reading:
            async with loop.call_under_way():
                return await read(*args, **more)

        ssh.read = counted_read  # type: ignore[method-assign]
        ssh.connected = _counted(loop, connected)  # type: ignore[method-assign,assignment]


def _counted(
    loop: VirtualLoop, connected: Callable[..., AbstractAsyncContextManager[Any]]
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def counted(*args: Any, **more: Any) -> AsyncIterator[Any]:
        async with loop.call_under_way(), connected(*args, **more) as connection:
            yield connection

    return counted
