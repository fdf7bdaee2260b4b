"""A simulated homelab in the test's own loop, a real room that watches it, and the real gate."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pydantic

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.settings import ClusterSettings, ConditionSettings, DockerSettings, Settings, SshSettings
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
AGENT = Principal(session="s-ag", role="agent", client="mcp", uid=0)
SERVICES = {"Home": ["llama-server", "smbd"], "pve": ["smbd", "filebrowser"], "agent1": ["email-agent"]}


class NodeHouse:
    """``async with NodeHouse() as house``: its world is ``house.lab.world``, its calls go by ``house.call``."""

    def __init__(self, *, speed: float = 20.0, change: Callable[[Settings], None] | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="jh"))
        self.lab = Homelab(
            load(), self.home / "sim", delays=Delays(0.05, 0.5), live=True, speed=speed, stat_interval_s=0.2
        )
        self.progress: list[dict[str, Any]] = []
        self._change = change

    async def __aenter__(self) -> Self:
        await self.lab.start()
        await self.lab.ssh_ready()
        self.settings = self._settings()
        if self._change is not None:
            self._change(self.settings)
        places = base_places({"JARVIS_HOME": str(self.home)})
        places.data_dir.mkdir(exist_ok=True)
        self.places = places
        clock, self.bus, self.store = SystemClock(), Bus(), Store(places.database)
        await self.store.open()
        self.feed = Feed(self.store, self.bus, clock, cluster="homelab")
        await self.feed.start()
        self.incidents = Incidents(self.store, self.bus, self.feed, clock, self.settings)
        await self.incidents.start()
        self.room = ClusterRoom(self.settings, places, self.bus, self.store, self.feed, self.incidents, clock)
        self.tools = ToolsRoom(self.settings, places, self.bus, self.store, self.feed, clock)
        self.room.register_tools(self.tools.registry)
        register_incident_tools(self.tools.registry, self.incidents)
        await self.tools.start()
        await self.room.start()
        async with asyncio.timeout(20):
            await self.bus.state("cluster").settled.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.room.stop()
        await self.incidents.stop()
        await self.tools.stop()
        await self.store.close()
        await self.lab.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _settings(self) -> Settings:
        told = self.lab.sim_json()
        ssh = told["ssh"]
        cluster = ClusterSettings(
            name=told["cluster"], endpoints=told["endpoints"], token_id=told["token_id"],
            token_secret=pydantic.SecretStr(told["token_secret"]), tls="fingerprint",
            fingerprints=told["fingerprints"], runs_on=told["runs_on"], simulated=True, poll_interval_s=0.2,
            node_interval_s=0.6, sensors_interval_s=0.5, call_timeout_s=2.0,
            ssh=SshSettings(
                user=ssh["user"], key_file=ssh["key_file"], hosts=ssh["hosts"], known_hosts_file=ssh["known_hosts"],
                timeout_s=3.0,
            ),
        )  # fmt: skip
        return Settings(
            cluster=cluster, docker=DockerSettings(hosts=told["docker"]),
            conditions=ConditionSettings(grace_s=0.5, services=SERVICES),
        )  # fmt: skip

    # --- calls -------------------------------------------------------------------------------------------

    async def call(self, name: str, who: Principal = OPERATOR, **args: Any) -> m.ToolOutcome:
        """As asked, without confirmation."""
        return await self.gate(m.ToolCall(name=name, args=args), who)

    async def plan(self, name: str, **args: Any) -> m.ToolOutcome:
        return await self.gate(m.ToolCall(name=name, args=args, dry_run=True))

    async def confirmed(self, name: str, **args: Any) -> m.ToolOutcome:
        """Plan, then confirm it and type the target's name, as a person at a terminal does."""
        plan = await self.plan(name, **args)
        if plan.outcome != "planned":
            return plan
        return await self.gate(m.ToolCall(name=name, args=args, confirm=plan.digest, typed=plan.target_name))

    async def gate(self, call: m.ToolCall, who: Principal = OPERATOR) -> m.ToolOutcome:
        return await self.tools.gate.call(call, who, self.progress.append)

    # --- what is -----------------------------------------------------------------------------------------

    @property
    def nodes(self) -> dict[str, Node]:
        return self.bus.state("cluster").all("nodes", Node)

    @property
    def guests(self) -> dict[str, Guest]:
        return self.bus.state("cluster").all("guests", Guest)

    async def tag(self, vmid: int, *tags: str) -> tuple[str, ...]:
        """Tag a guest anew, and wait until the daemon has seen it; answers the tags it had."""
        guest = self.lab.world.guests[vmid]
        before, guest.spec = guest.spec.tags, dataclasses.replace(guest.spec, tags=tags)
        await self.until(lambda: tuple(self.guests[f"guest:{vmid}"].tags) == tags)
        return before

    async def until(self, what: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Wait until ``what()`` is true, woken by each change of state."""
        changed = asyncio.Event()
        ends = [self.bus.state(t).listen(lambda _: changed.set()) for t in ("cluster", "tasks", "incidents")]
        try:
            async with asyncio.timeout(seconds):
                while not (found := what()):
                    changed.clear()
                    await changed.wait()
                return found
        finally:
            for end in ends:
                end()
