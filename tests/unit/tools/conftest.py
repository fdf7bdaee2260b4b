"""A gate with a real store and bus, and a small world of lamps to act on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
SECOND = Principal(session="s-op2", role="operator", client="hud", uid=0)
AGENT = Principal(session="s-ag", role="agent", client="mcp", uid=0)
VIEWER = Principal(session="s-vi", role="viewer", client="kiosk", uid=0)


class LampArgs(Args):
    lamp: Annotated[str, Meta(min_length=1, max_length=40, description="Name of the lamp")]
    level: Annotated[int, Meta(ge=0, le=10)] = 10


class Lit(Output):
    level: int = 0


@dataclass
class Lamps:
    """The world: what was done to it, and how it misbehaves."""

    levels: dict[str, int] = field(default_factory=lambda: {"hall": 0, "attic": 0})
    vmid: int = 1
    acts: list[str] = field(default_factory=list)
    lies: bool = False
    raises: Exception | None = None
    observed_at: float | None = None
    refuse: str = ""
    tier: Tier = Tier.GREEN
    gate: Any = None
    before_step: Any = None

    def resolve(self, args: LampArgs, ctx: Context) -> Target:
        if args.lamp not in self.levels:
            raise JarvisError("not_found", f"There is no lamp {args.lamp}")
        seen = ctx.now if self.observed_at is None else self.observed_at
        return Target(f"lamp:{args.lamp}", args.lamp, "lamp", vmid=self.vmid, observed_at=seen)

    def risk(self, args: LampArgs, target: Target, ctx: Context) -> Risk:
        return Risk(self.tier, "the house is old" if self.tier > Tier.GREEN else "", ("moths",), self.refuse)

    async def run(self, args: LampArgs, target: Target, act: Act) -> Lit:
        if self.before_step is not None:
            await self.before_step(act)
        async with act.step(f"lights {args.lamp}"):
            self.acts.append(args.lamp)
            if self.raises is not None:
                raise self.raises
            if not self.lies:
                self.levels[args.lamp] = args.level
        return Lit(level=args.level)

    async def peek(self, args: LampArgs, target: Target, act: Act) -> Lit:
        return Lit(level=self.levels.get(args.lamp, 0))

    async def sneak(self, args: LampArgs, target: Target, act: Act) -> Lit:
        """A read that tries to act."""
        async with act.step("sneaks"):
            self.acts.append(args.lamp)
        return Lit()

    def verify(self, args: LampArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        seen = self.levels[args.lamp]
        return Verdict("verified" if seen == args.level else "contradicted", evidence={"level": seen})

    def spec(self, name: str, tier: Tier, **changes: Any) -> ToolSpec:
        parts: dict[str, Any] = {
            "resolve": self.resolve, "risk": self.risk, "verify": self.verify, "freshness_s": 60.0,
            "undo": lambda a, t, r: Undo(name, {"lamp": a.lamp, "level": 0}),
            "sentences": Sentences("Light {target} to {level}", "{target} is lit."), "run": self.run,
        } | changes  # fmt: skip
        return ToolSpec(
            name=name, room="lamps", tier=tier, description="Lights a lamp.", args=LampArgs, output=Lit,
            **parts,
        )  # fmt: skip


@dataclass
class Yard:
    room: ToolsRoom
    lamps: Lamps
    bus: Bus
    store: Store
    feed: Feed
    clock: ManualClock

    async def call(self, name: str, who: Principal = OPERATOR, **kwargs: Any) -> m.ToolOutcome:
        args = kwargs.pop("args", {"lamp": "hall"})
        return await self.room.gate.call(m.ToolCall(name=name, args=args, **kwargs), who, lambda data: None)

    async def kinds(self) -> list[str]:
        return [row["kind"] for row in reversed(await self.room.audit.list_rows(limit=1000))]


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    settings = Settings()
    settings.tools.protected = ["attic"]
    clock, store, bus = ManualClock(), Store(tmp_path / "jarvis.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    places = base_places({"JARVIS_HOME": str(tmp_path)})
    places.data_dir.mkdir()
    room = ToolsRoom(settings, places, bus, store, feed, clock)
    lamps = Lamps()
    room.registry.add(
        lamps.spec("look", Tier.GREEN, resolve=None, risk=None, verify=None, undo=None, run=lamps.peek),
        lamps.spec("sneak", Tier.GREEN, resolve=None, risk=None, verify=None, undo=None, run=lamps.sneak),
        lamps.spec("light", Tier.YELLOW), lamps.spec("flood", Tier.RED), lamps.spec("smash", Tier.BLACK),
        lamps.spec("undeclared", Tier.YELLOW, resolve=None),
    )  # fmt: skip
    await room.start()
    yield Yard(room, lamps, bus, store, feed, clock)
    await room.stop()
    await store.close()
