"""A daemon with the real gate behind a real socket, and guests that obey a script; and the HUD attached to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from textual.events import Key, MouseDown, MouseUp

from jarvis_cli.hud.app import HudApp
from jarvis_cli.hud.model import TOPICS
from jarvis_cli.hud.options import Options
from jarvis_cli.hud.widgets.pane import Pane
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.state import COLLECTIONS
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences
from tests.hud.fixtures import NOW, cluster_state

NAMES = {" ": "space", ":": "colon", "-": "minus", "/": "slash"}
CHARACTERS = {"colon": ":", "question_mark": "?"}
AGENT = Principal(session="s-mcp", role="agent", client="mcp-desk", uid=0)
OTHER = Principal(session="s-cli", role="operator", client="jarvis-cli", uid=0)


class GuestArgs(Args):
    guest: str


class MoveArgs(Args):
    guest: str
    node: str


class NameArgs(Args):
    guest: str
    name: str


class NodeArgs(Args):
    node: str


class Done(Output):
    ok: bool = True


@dataclass
class Guests:
    """What was done, and how the world misbehaves. While ``hold`` is set, an act waits for it."""

    acts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=lambda: ["shutting down", "starting again"])
    verdict: Verdict = field(default_factory=lambda: Verdict("verified"))
    refuse: str = ""
    hold: asyncio.Event | None = None
    effects: tuple[str, ...] = ("3 clients are watching",)
    raises: JarvisError | None = None

    def spec(self, name: str, tier: Tier, doing: str, args: type[Args], back: str = "") -> ToolSpec:
        async def run(given: Any, target: Target, act: Act) -> Done:
            async with act.step(f"{name} {target.name}"):
                self.acts.append(f"{name} {msgspec.to_builtins(given)}")
            act.progress(upid="UPID:x", lines=self.lines)
            if self.hold is not None:
                await self.hold.wait()
            if self.raises is not None:
                raise self.raises
            return Done()

        def risk(given: Any, target: Target, ctx: Context) -> Risk:
            return Risk(effects=self.effects, refuse=self.refuse, next="`jarvis task list` shows why.")

        return ToolSpec(
            name=name, room="test", tier=tier, description=doing, args=args, output=Done, run=run,
            resolve=self.resolve, risk=risk, verify=lambda a, t, r, c: self.verdict, long=True,
            undo=(lambda a, t, r: Undo(back, {"guest": a.guest})) if back else None,
            sentences=Sentences(doing + " {target}", "{target} obeys."),
        )  # fmt: skip

    def resolve(self, args: Any, ctx: Context) -> Target:
        state = cluster_state()
        if isinstance(args, NodeArgs):
            return Target(f"node:{args.node}", args.node, "node", node=args.node)
        guest = state["guests"][f"guest:{args.guest}"]
        return Target(guest["id"], guest["name"], guest["kind"], "homelab", guest["vmid"], guest["node"])


class GateHouse:
    """Bus, store, gate and front door of a daemon, on a socket in ``home``."""

    def __init__(self, home: Path, *, pin: str | None = None, leave_out: frozenset[str] = frozenset()) -> None:
        self.clock, self.bus = SystemClock(), Bus()
        settings = Settings()
        settings.approvals.pin = pin
        places = base_places({"JARVIS_HOME": str(home)})
        places.data_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(home / "jarvis.db")
        self.feed = Feed(self.store, self.bus, self.clock)
        self.tools = ToolsRoom(settings, places, self.bus, self.store, self.feed, self.clock)
        self.guests = Guests()
        spec = self.guests.spec
        for found in (
            spec("start_container", Tier.YELLOW, "Start", GuestArgs, "shutdown_container"),
            spec("shutdown_container", Tier.RED, "Shut down", GuestArgs, "start_container"),
            spec("stop_container", Tier.RED, "Pull the plug of", GuestArgs, "start_container"),
            spec("reboot_container", Tier.RED, "Reboot", GuestArgs),
            spec("migrate_guest", Tier.RED, "Migrate", MoveArgs),
            spec("create_snapshot", Tier.YELLOW, "Snapshot", NameArgs),
            spec("delete_guest", Tier.BLACK, "Delete", GuestArgs),
            spec("wake_node", Tier.YELLOW, "Wake", NodeArgs),
            spec("drain_node", Tier.RED, "Drain", NodeArgs),
        ):
            if found.name not in leave_out:
                self.tools.registry.add(found)
        self.socket = home / "s"
        self.server = self._door()

    def _door(self) -> Server:
        return Server(
            self.bus, self.clock, self.socket, version="0.1.0", simulated=True, tickets=Tickets(self.clock)
        )

    async def reopen(self) -> None:
        """The front door again, after it was shut."""
        self.server = self._door()
        await self.server.start()

    def cluster(self) -> dict[str, dict[str, Any]]:
        shift = self.clock.now() - NOW
        out: dict[str, dict[str, Any]] = {}
        for collection, entities in cluster_state().items():
            struct = COLLECTIONS[collection][1]
            for entity in entities.values():
                moved = {k: v + shift if k.endswith("_at") and v is not None else v for k, v in entity.items()}
                out.setdefault(collection, {})[entity["id"]] = msgspec.convert(moved, struct)
        return out

    async def start(self) -> None:
        await self.store.open()
        await self.feed.start()
        self.bus.state("cluster").apply(self.cluster())
        await self.tools.start()
        await self.tools.kill.set(False, by="test", reason="")
        for name in ("cluster", "tasks", "incidents", "health", "approvals"):
            self.bus.state(name).settled.set()
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()
        await self.tools.stop()
        await self.store.close()

    async def ask(self, name: str, args: dict[str, Any]) -> m.ToolOutcome:
        """An agent asks for something and does not wait."""
        return await self.tools.gate.call(m.ToolCall(name=name, args=args), AGENT, lambda data: None)

    async def kinds(self) -> list[str]:
        return [row["kind"] for row in reversed(await self.tools.audit.list_rows(limit=1000))]


@dataclass
class Seat:
    """A person before the HUD."""

    app: HudApp

    def screen_text(self) -> str:
        return "\n".join(pane.text() for pane in self.app.screen.query(Pane) if pane.display)

    async def until(self, found: Callable[[], bool], what: str) -> None:
        """Wait until ``found``; fails with the screen as it is."""
        try:
            async with asyncio.timeout(10):
                while not found():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never: {what}\n{self.screen_text()}") from None

    async def shows(self, *words: str) -> str:
        await self.until(lambda: all(word in self.screen_text() for word in words), " and ".join(words))
        return self.screen_text()

    async def shows_not(self, *words: str) -> None:
        await self.until(lambda: not any(word in self.screen_text() for word in words), f"without {words}")

    async def press(self, *keys: str) -> None:
        """Keys one by one. Not the pilot's: it waits for a screen that may be gone before it has answered."""
        for key in keys:
            self.app.post_message(Key(NAMES.get(key, key), key if len(key) == 1 else CHARACTERS.get(key)))
            await self._settle()

    async def tap(self, words: str) -> None:
        """A tap on ``words`` of the card."""
        card = self.app.screen.query_one("#card", Pane)
        y, line = next((y, line) for y, line in enumerate(card.text().splitlines()) if words in line)
        x = card.region.x + line.index(words) + 1
        for kind in (MouseDown, MouseUp):
            self.app.post_message(kind(None, x, card.region.y + y, 0, 0, 1, False, False, False))
        await self._settle()

    async def _settle(self) -> None:
        """Until app, screen and focus have worked off what was in their queues."""
        for _ in range(3):
            for pump in (self.app, self.app.screen, self.app.focused):
                done = asyncio.Event()
                if pump is not None and pump.call_later(done.set):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(done.wait(), 0.5)

    async def type(self, line: str) -> None:
        await self.press(*line, "enter")


@asynccontextmanager
async def seated(
    house: GateHouse, size: tuple[int, int] = (120, 40), *, kiosk: bool = False
) -> AsyncIterator[Seat]:
    """The HUD on the house's socket, once it knows guests and tools."""

    def connect(on_change: Callable[[str], None]) -> Link:
        return Link(house.socket, client="jarvis-hud", role="viewer" if kiosk else "operator",
                    topics=list(TOPICS), on_change=on_change)  # fmt: skip

    app = HudApp(connect, Options(boot=False, motion=False, kiosk=kiosk))
    async with app.run_test(size=size):
        seat = Seat(app)
        await seat.shows("agent1", "armed")
        if not kiosk:
            await seat.until(lambda: bool(app.hands.tools), "the tools")
        yield seat
