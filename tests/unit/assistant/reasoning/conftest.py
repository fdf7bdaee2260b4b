"""A gate with a real store, a small cluster on the bus, tools of each kind, and a loop with a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from jarvis_daemon.assistant.conversation.turn import Outcome, PastTurn, Trace, Turn
from jarvis_daemon.assistant.reasoning.loop import Loop
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.mind import ChatBackend, ChatCall
from jarvis_daemon.protocol.state import Cluster, Guest, Node, Source, Storage
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, NoArgs, Output, Sentences
from tests.unit.assistant.reasoning.script import ScriptedBrain

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
NodeRef = Annotated[str, Meta(min_length=1, max_length=63)]
GuestRef = Annotated[str, Meta(min_length=1, max_length=80)]


class OfService(Args):
    node: NodeRef
    service: Annotated[str, Meta(min_length=1, max_length=200)]


class OfGuest(Args):
    guest: GuestRef
    timeout_s: Annotated[int, Meta(ge=5, le=3600)] = 120


class NewSnapshot(Args):
    guest: GuestRef
    name: Annotated[str, Meta(min_length=2, max_length=40)]
    description: Annotated[str, Meta(max_length=400)] = ""


class Command(Args):
    node: NodeRef
    command: Annotated[str, Meta(min_length=1, max_length=2000)]


class Lines(Output):
    lines: list[str]


class Did(Output):
    ok: bool = True


@dataclass
class Told:
    """What a person was told, in order."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    async def text(self, piece: str) -> None:
        self.events.append(("text", piece))

    async def replace(self, text: str) -> None:
        self.events.append(("replace", text))

    async def call(self, call: ChatCall) -> None:
        self.events.append(("call", (call.id, call.name, call.status, call.text, dict(call.args))))

    async def note(self, text: str) -> None:
        self.events.append(("note", text))

    def stands(self) -> str:
        """The reply as a client shows it."""
        found = ""
        for kind, value in self.events:
            found = value if kind == "replace" else found + value if kind == "text" else found
        return found

    def ever(self) -> list[str]:
        """Every state of the reply that was on a screen."""
        shown, found = "", []
        for kind, value in self.events:
            shown = value if kind == "replace" else shown + value if kind == "text" else shown
            found.append(shown)
        return found


@dataclass
class House:
    room: ToolsRoom
    bus: Bus
    clock: ManualClock
    settings: Settings
    acted: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=lambda: ["smbd: ready"])
    told: Told = field(default_factory=Told)
    turn: Turn | None = None

    async def ask(
        self, brain: ScriptedBrain, text: str, *, who: Principal = OPERATOR, past: tuple[PastTurn, ...] = (),
        summary: str = "", memory: Any = None, backend: ChatBackend = "auto",
    ) -> Outcome:  # fmt: skip
        loop = Loop(
            brain, self.room.gate, self.room.registry, self.bus, self.clock, self.settings.assistant,
            lambda: "You are a butler.", memory,
        )  # fmt: skip
        self.told = Told()
        self.turn = Turn(
            id=7, session="c1", asked=text, principal=who, emit=self.told, trace=Trace(self.clock),
            now=self.clock.now(), past=past, summary=summary, backend=backend,
        )  # fmt: skip
        try:
            return await loop.run(self.turn)
        finally:
            loop.close()

    async def kinds(self) -> list[str]:
        return [row["kind"] for row in reversed(await self.room.audit.list_rows(limit=1000))]

    def populate(self, *guests: Guest) -> None:
        self.bus.state("cluster").apply({"guests": {guest.id: guest for guest in guests}})


def guest(vmid: int, name: str, node: str = "pve", **more: Any) -> Guest:
    return Guest(id=f"guest:{vmid}", vmid=vmid, name=name, node=node, status=more.pop("status", "running"), **more)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings = Settings()
    clock, store, bus = ManualClock(), Store(tmp_path / "jarvis.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    places = base_places({"JARVIS_HOME": str(tmp_path)})
    places.data_dir.mkdir()
    room = ToolsRoom(settings, places, bus, store, feed, clock)
    made = House(room, bus, clock, settings)
    room.registry.add(*_tools(made))
    bus.state("cluster").apply({
        "clusters": {
            "cluster:home": Cluster(id="cluster:home", name="home", quorate=True, nodes_online=2, nodes_total=2)
        },
        "sources": {
            "source:r": Source(id="source:r", what="resources", ok_at=clock.now() - 4, freshness="fresh"),
        },
        "nodes": {
            "node:pve": Node(id="node:pve", name="pve", status="online", cpu=0.25),
            "node:agent1": Node(id="node:agent1", name="agent1", status="online"),
        },
        "guests": {
            g.id: g for g in (guest(104, "plex"), guest(105, "gitea"), guest(106, "plex-old", status="stopped"))
        },
        "storages": {"storage:pve/local": Storage(id="storage:pve/local", name="local", node="pve")},
    })  # fmt: skip
    await room.start()
    yield made
    await room.stop()
    await store.close()


def _tools(house: House) -> list[ToolSpec]:
    def service(args: OfService, ctx: Context) -> Target:
        if args.node not in {"pve", "agent1"}:
            raise JarvisError("not_found", f"There is no node {args.node}")
        return Target(
            f"service:{args.node}/{args.service}", f"{args.service} on {args.node}", "service", node=args.node
        )

    def of_guest(args: Any, ctx: Context) -> Target:
        for one in house.bus.state("cluster").view("guests", Guest).values():
            if args.guest in {one.name, str(one.vmid)}:
                return Target(one.id, one.name, "guest", vmid=one.vmid, node=one.node)
        raise JarvisError("not_found", f"There is no guest {args.guest}")

    def node(args: Command, ctx: Context) -> Target:
        return Target(f"node:{args.node}", args.node, "node")

    async def act(args: Any, target: Target, act: Act) -> Did:
        async with act.step(f"acts on {target.id}"):
            house.acted.append(target.id)
        return Did()

    async def journal(args: Any, target: Target, act: Act) -> Lines:
        return Lines(lines=list(house.journal))

    def seen(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        return Verdict("verified", f"{target.name}: done and read back.")

    def write(name: str, tier: Tier, args: Any, resolve: Any, **more: Any) -> ToolSpec:
        return ToolSpec(
            name=name, room="cluster", tier=tier, description=f"{name.replace('_', ' ')} now.", args=args,
            output=Did, run=act, resolve=resolve, verify=seen, sentences=Sentences(f"{name} {{target}}"), **more,
        )  # fmt: skip

    def read(name: str, args: Any, *, tainted: bool = True) -> ToolSpec:
        return ToolSpec(
            name=name, room="cluster", tier=Tier.GREEN, description=f"Reads {name}.", args=args,
            output=Lines, run=journal, tainted=tainted,
        )  # fmt: skip

    return [
        read("get_journal", OfService), read("get_cluster_status", NoArgs, tainted=False),
        read("get_vms", NoArgs), write("restart_service", Tier.YELLOW, OfService, service),
        write("start_vm", Tier.YELLOW, OfGuest, of_guest),
        write("create_snapshot", Tier.YELLOW, NewSnapshot, of_guest),
        write("reboot_vm", Tier.RED, OfGuest, of_guest),
        write("execute_ssh", Tier.YELLOW, Command, node), write("delete_guest", Tier.BLACK, OfGuest, of_guest),
        write("set_autonomy", Tier.YELLOW, OfGuest, of_guest, operator_only=True),
    ]  # fmt: skip
