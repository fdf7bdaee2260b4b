"""A gate, the cluster's room and a simulated homelab in one process: tools are called as over the socket, and their
calls go over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pydantic

from jarvis_daemon.bus import Principal
from jarvis_daemon.cluster.tools import register
from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.simulator.guests import Guest as SimGuest
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays
from jarvis_daemon.tools.room import ToolsRoom
from tests.integration.watch_house import Watched

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
AGENT = Principal(session="s-ag", role="agent", client="mcp", uid=0)
SPEED = 60.0


class GuestHouse:
    """Everything a case wants: call a tool, look at the simulated world behind it."""

    def __init__(self, lab: Homelab, watched: Watched, tools: ToolsRoom, hands: Hands) -> None:
        self.lab, self.watched, self.tools, self.hands = lab, watched, tools, hands
        self.lines: list[str] = []

    @property
    def world(self) -> Any:
        return self.lab.world

    def guest(self, name: str) -> SimGuest:
        found = self.lab.world.guest_named(name)
        assert found is not None, name
        return found

    async def ask(self, name: str, who: Principal = OPERATOR, /, **args: Any) -> m.ToolOutcome:
        """One call, nothing confirmed."""
        return await self._call(m.ToolCall(name=name, args=args), who)

    async def plan(self, name: str, /, **args: Any) -> m.ToolOutcome:
        return await self._call(m.ToolCall(name=name, args=args, dry_run=True), OPERATOR)

    async def do(self, name: str, /, **args: Any) -> m.ToolOutcome:
        """As a person does: look at the plan, confirm it, type the name where that is asked."""
        plan = await self.plan(name, **args)
        if plan.outcome != "planned":
            return plan
        typed = plan.target_name if plan.needs == "typed_name" else None
        call = m.ToolCall(name=name, args=args, confirm=plan.digest, typed=typed)
        return await self._call(call, OPERATOR)

    async def confirm(self, digest: str | None, name: str, /, **args: Any) -> m.ToolOutcome:
        """With the digest of a plan that was shown some time ago."""
        return await self._call(m.ToolCall(name=name, args=args, confirm=digest), OPERATOR)

    async def _call(self, call: m.ToolCall, who: Principal) -> m.ToolOutcome:
        self.lines = []

        def progress(data: dict[str, Any]) -> None:
            self.lines += data.get("lines", [])

        return await self.tools.gate.call(call, who, progress)

    async def until(self, what: Callable[[], Any]) -> Any:
        return await self.watched.until(what)

    async def known(self, name: str, **wanted: Any) -> None:
        """Wait until the inventory tells this of a guest."""
        guests = self.hands.scene.inventory.guests.entities

        def told() -> bool:
            found = next((g for g in guests.values() if g.name == name), None)
            return found is not None and all(getattr(found, key) == value for key, value in wanted.items())

        await self.until(told)

    async def audit_kinds(self, call_id: str) -> list[str]:
        rows = await self.tools.audit.list_rows(limit=100, call_id=call_id)
        return [row["kind"] for row in reversed(rows)]


@asynccontextmanager
async def guest_house(folder: Path) -> AsyncIterator[GuestHouse]:
    delays = Delays(0.02, 0.3)
    async with Homelab(
        load(), folder / "sim", live=True, ssh=False, speed=SPEED, stat_interval_s=0.2, delays=delays
    ) as lab:
        told = lab.sim_json()
        cluster = ClusterSettings(
            name=told["cluster"], endpoints=told["endpoints"], token_id=told["token_id"],
            token_secret=pydantic.SecretStr(told["token_secret"]), tls="fingerprint",
            fingerprints=told["fingerprints"], runs_on="code-server", simulated=True, poll_interval_s=0.2,
            node_interval_s=5.0, sensors_interval_s=60.0, call_timeout_s=3.0,
        )  # fmt: skip
        settings = Settings(cluster=cluster)
        settings.tools.protected = ["opnsense"]
        home = folder / "home"
        home.mkdir()
        watched = Watched(settings, home)
        await watched.start()
        tools = ToolsRoom(settings, watched.places, watched.bus, watched.store, watched.feed, watched.clock)
        hands = Hands(watched.room.scene, look_s=0.05, settle_s=0.6, ha_settle_s=8.0)
        register(tools.registry, hands)
        await tools.start()
        try:
            await watched.first_picture()
            await watched.until(lambda: watched.cluster.quorate is not None)
            yield GuestHouse(lab, watched, tools, hands)
        finally:
            await tools.stop()
            await watched.stop()
