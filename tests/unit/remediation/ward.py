"""A ward of guests for the watchman: real store, feed, gate and engine over a small world that its tools act upon.

``poll`` is one look at the cluster: time passes, the picture is published, incidents close where the world is well,
and the engine has its round. ``restart`` is what ``kill -9`` leaves: the same store, everything else anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.state import (
    Approval,
    Cluster,
    FeedEvent,
    Guest,
    Incident,
    Node,
    Repair,
    Silence,
    Source,
    Task,
)
from jarvis_daemon.remediation import reading
from jarvis_daemon.remediation.autonomy import Levels
from jarvis_daemon.remediation.engine import Engine
from jarvis_daemon.remediation.facts import Opinion
from jarvis_daemon.remediation.ledger import Ledger
from jarvis_daemon.remediation.look import looker
from jarvis_daemon.remediation.run import Run
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.remediation.stories import Stories
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, Output, Sentences

OPERATOR = Principal(session="s-op", role="operator", client="cli", uid=0)
AGENT = Principal(session="s-ag", role="agent", client="mcp", uid=0)
RUNBOOK = Principal(session="repair:9", role="runbook", client="guest-crashed", alone="red")
SETTINGS = Settings(
    cluster=ClusterSettings(
        name="homelab", endpoints=["https://127.0.0.1:1", "https://127.0.0.1:2"], token_id="jarvis@pve!daemon"
    )
)
POLL_S = 2.0
START = """\
name: guest-crashed
about: Start a guest that stopped by itself.
condition: guest-crashed
scope: guest
when:
  - {fact: guest.status, is: stopped}
steps:
  - tool: start_guest
    args: {guest: "{guest.vmid}"}
    say: start {guest.name}
verify:
  facts:
    - {fact: guest.status, is: running}
  within_s: 120
escalate:
  say: "{guest.name} does not stay up."
"""
FOUR = """\
name: four-steps
about: Four marks, one after the other.
condition: guest-crashed
scope: guest
steps:
  - {tool: mark_guest, args: {guest: "{guest.vmid}", word: one}, say: mark one}
  - {tool: mark_guest, args: {guest: "{guest.vmid}", word: two}, say: mark two}
  - {tool: mark_guest, args: {guest: "{guest.vmid}", word: three}, say: mark three}
  - {tool: start_guest, args: {guest: "{guest.vmid}"}, say: start it}
verify:
  within_s: 120
escalate:
  say: "It stays down."
"""


class GuestArgs(Args):
    guest: Annotated[str, Meta(max_length=20)]
    word: Annotated[str, Meta(max_length=20)] = ""


class Seen(Output):
    status: str = ""


def kept(text: str = START, *, trusted: bool = True, **changes: Any) -> Kept:
    """A runbook as the shelf keeps it; ``changes`` replaces its fields."""
    book = msgspec.structs.replace(reading.read(text.encode(), "book.yaml"), **changes)
    return Kept(runbook=book, sha256="0" * 64, path="book.yaml", shipped=False, trusted=trusted)


class Watched(Engine):
    """Counts repairs that wait for the next round, so that a test knows when all is quiet."""

    parked = 0

    async def next_round(self) -> None:
        self.parked += 1
        try:
            await super().next_round()
        finally:
            self.parked -= 1


@dataclass
class Ward:
    path: Path
    books: list[Kept] = field(default_factory=lambda: [kept()])
    level: int = 3
    settings: Settings = field(default_factory=lambda: SETTINGS.model_copy(deep=True))
    clock: ManualClock = field(default_factory=ManualClock)
    guests: dict[str, Guest] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    second: Opinion = "agrees"
    acts: list[str] = field(default_factory=list)
    """What reached the world, in order."""
    lies: bool = False
    """What is started says so, and does not stay up."""
    verdict: str = ""
    """What reading back shall say instead of the truth."""
    raises: JarvisError | None = None
    before_act: Callable[[str], Awaitable[None]] | None = None
    """Called within a tool, before its side effect, with its word."""
    stuck: int = 0
    """Tools that wait in ``hang``."""
    frozen: bool = False
    """No source answers."""
    window: bool = False

    def __post_init__(self) -> None:
        for name in ("Home", "pve", "agent1", "agent"):
            self.nodes[f"node:{name}"] = Node(id=f"node:{name}", cluster="homelab", name=name, status="online")
        for vmid, name in ((103, "plex"), (105, "pihole"), (106, "gitea")):
            self.add(vmid, name)
        self.cluster = Cluster(
            id="cluster:homelab", cluster="homelab", name="homelab", quorate=True, quorum_needed=3,
            votes_expected=4, endpoints_total=2,
        )  # fmt: skip

    def add(self, vmid: int, name: str, **more: Any) -> None:
        given: dict[str, Any] = {
            "vmid": vmid,
            "name": name,
            "kind": "ct",
            "node": "agent",
            "status": "running",
        } | more
        self.guests[f"guest:{vmid}"] = Guest(id=f"guest:{vmid}", cluster="homelab", **given)

    # --- a life of the daemon --------------------------------------------------------------------------------

    async def open(self) -> None:
        clock = self.clock
        self.store, self.bus = Store(self.path / "jarvis.db"), Bus()
        await self.store.open()
        self.feed = Feed(self.store, self.bus, clock, cluster="homelab")
        await self.feed.start()
        places = base_places({"JARVIS_HOME": str(self.path)})
        places.data_dir.mkdir(exist_ok=True)
        self.tools = ToolsRoom(self.settings, places, self.bus, self.store, self.feed, clock)
        self.tools.registry.add(
            self._spec("start_guest", Tier.YELLOW, "Start {target}"), self._spec("mark_guest", Tier.YELLOW, "Mark"),
            self._spec("reboot_guest", Tier.RED, "Reboot {target}"),
            ToolSpec(
                name="peek_guest", room="ward", tier=Tier.GREEN, description="Look.", args=GuestArgs, output=Seen,
                run=self._peek,
            ),
        )  # fmt: skip
        await self.tools.start()
        # looks for its file 20 times a second, and an hour has many: it is read before each act all the same
        (watch,) = [task for task in self.tools._running if task.get_name() == "killswitch"]
        watch.cancel()
        self.levels = Levels(self.store, self.bus, clock, start=self.level, cluster="homelab")
        await self.levels.start()
        self.stories = Stories(self.store, self.bus, self.feed, clock, "homelab")
        look = looker(self.bus, clock, self.settings, self.tools.kill.look, lambda now: self.window)
        self.engine = Watched(
            look=look, runbooks=lambda c: [k for k in self.books if k.runbook.condition == c], levels=self.levels,
            ledger=Ledger(clock), stories=self.stories, feed=self.feed, gate=self.tools.gate, clock=clock,
            ask_second=self._second, ask_orders=self._orders,
        )  # fmt: skip
        earlier = await self.stories.start()
        find = {k.runbook.name: k for k in self.books}
        await self.engine.save(self.engine.restore(earlier, find.get))
        cluster = self.bus.state("cluster")
        cluster.listen(lambda delta: self.engine.bystander.note(delta, clock.now()))
        self.publish()

    async def close(self) -> None:
        """End everything at once: nothing is written that was not written."""
        await self.engine.stop()
        calls = [t for t in asyncio.all_tasks() if t.get_name().startswith("tool-")]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self.tools.stop()
        with contextlib.suppress(JarvisError):
            await self.store.close()

    async def restart(self) -> None:
        await self.close()
        self.stuck, self.before_act = 0, None
        await self.open()

    # --- the world -------------------------------------------------------------------------------------------

    def crash(self, name: str = "pihole", number: str = "1", **changes: Any) -> Incident:
        """It stops, and its incident opens."""
        guest = self.guest(name)
        self.guests[guest.id] = msgspec.structs.replace(guest, status="stopped")
        now = self.clock.now()
        incident = Incident(
            id=number, cluster="homelab", condition="guest-crashed", target=guest.id, severity="error",
            title=f"{name} has stopped by itself", observed_at=now, opened_at=now,
            evidence={"node": guest.node, "last_running_at": now - 10},
        )  # fmt: skip
        self.incidents[number] = msgspec.structs.replace(incident, **changes)
        return self.incidents[number]

    def guest(self, name: str) -> Guest:
        return next(g for g in self.guests.values() if g.name == name)

    def change(self, name: str, **changes: Any) -> None:
        guest = self.guest(name)
        self.guests[guest.id] = msgspec.structs.replace(guest, **changes)

    def task(self, number: str, name: str, kind: str, user: str, **more: Any) -> None:
        given: dict[str, Any] = {"started_at": self.clock.now(), "status": "ok", "node": "agent"} | more
        target = str(self.guest(name).vmid)
        self.tasks[number] = Task(id=number, cluster="homelab", type=kind, target=target, user=user, **given)

    def publish(self) -> None:
        """What one poll shows; incidents of guests that run are closed by it."""
        now = self.clock.now()
        for incident in list(self.incidents.values()):
            guest = self.guests.get(incident.target)
            if incident.condition == "guest-crashed" and guest is not None and guest.status == "running":
                del self.incidents[incident.id]
        source = Source(id="source:homelab/resources", cluster="homelab", what="resources", ok_at=now)
        sources = {} if self.frozen else {"sources": {source.id: source}}
        self.bus.state("cluster").apply({
            "clusters": {self.cluster.id: self.cluster}, "nodes": self.nodes, "guests": self.guests, **sources,
        })  # fmt: skip
        self.bus.state("tasks").replace({"tasks": self.tasks})
        self.bus.state("incidents").replace({"incidents": self.incidents, "silences": self.silences})

    async def poll(self, times: int = 1, *, seconds: float = POLL_S) -> None:
        for _ in range(times):
            await self.clock.advance(seconds)
            self.publish()
            await self.engine.round()
            await self.quiet()

    async def poll_until(self, done: Callable[[], bool]) -> None:
        """Look again and again, as a daemon does, until what is waited for is there."""
        end = time.monotonic() + 20
        while not done():
            assert time.monotonic() < end, "it never came"
            await self.poll()
            await asyncio.sleep(0.002)

    async def quiet(self) -> None:
        """Until every repair has ended, or waits for a reading, a person, or within a tool that hangs."""
        end = time.monotonic() + 10
        for _ in range(5):  # who was woken by the round goes on
            await asyncio.sleep(0)
        while len(self.engine._tasks) > getattr(self.engine, "parked", 0) + self._asking() + self.stuck:
            assert time.monotonic() < end, "a repair neither ends nor waits"
            await asyncio.sleep(0.001)

    def _asking(self) -> int:
        """Repairs that wait for a person, and have said so."""
        asked = {r.approval_id for r in self.shown() if r.status == "asking"}
        return sum(a.id in asked for a in self.pending())

    async def hang(self, word: str) -> None:
        """As ``before_act``: the tool never comes back."""
        self.stuck += 1
        await asyncio.Event().wait()

    async def _second(self, target: str) -> tuple[Opinion, str]:
        return self.second, "pve says so"

    async def _orders(self, guests: list[str]) -> dict[str, float]:
        return {g: float(self.guests[g].vmid) for g in guests}

    # --- what is seen ----------------------------------------------------------------------------------------

    def story(self) -> Repair:
        """The newest."""
        return max(self.shown(), key=lambda r: int(r.id))

    def shown(self) -> Iterable[Repair]:
        """As clients see them: a struct that was changed after it was published would hide there."""
        return msgspec.convert(list(self.bus.state("incidents").plain["repairs"].values()), list[Repair])

    def runs(self) -> list[Run]:
        return self.engine.under_way()

    def pending(self) -> list[Approval]:
        found = self.bus.state("approvals").all("approvals", Approval).values()
        return [a for a in found if a.status == "pending"]

    async def answer(self, *, approve: bool) -> None:
        (one,) = self.pending()
        await self.tools.gate.answer(m.ApprovalAnswer(id=one.id, approve=approve), OPERATOR)
        await self.quiet()

    async def told(self, kind: str = "repair.") -> list[FeedEvent]:
        return [e for e in await self.feed.topic.history(limit=1000) if e.kind.startswith(kind)]

    async def kinds(self) -> list[str]:
        return [e.kind.removeprefix("repair.") for e in await self.told()]

    async def audit(self, kind: str) -> list[str]:
        """The tools in the audit's rows of one kind, oldest first."""
        rows = await self.tools.audit.list_rows(limit=1000)
        return [row["tool"] for row in reversed(rows) if row["kind"] == kind]

    async def kill(self, engaged: bool = True) -> None:
        await self.tools.kill.set(engaged, by="a person", reason="work on the rack")

    # --- its tools -------------------------------------------------------------------------------------------

    def _spec(self, name: str, tier: Tier, doing: str) -> ToolSpec:
        return ToolSpec(
            name=name, room="ward", tier=tier, description="Acts.", args=GuestArgs, output=Seen,
            resolve=self._resolve, run=self._start if name == "start_guest" else self._mark, verify=self._verify,
            sentences=Sentences(doing, "{target} is done."),
        )  # fmt: skip

    def _resolve(self, args: GuestArgs, ctx: Context) -> Target:
        guest = self.guests[f"guest:{args.guest}"]
        return Target(guest.id, guest.name, "ct", vmid=guest.vmid, node=guest.node, observed_at=ctx.now)

    async def _start(self, args: GuestArgs, target: Target, act: Act) -> Seen:
        await self._do(f"start {target.name}", act)
        if not self.lies:
            self.change(target.name, status="running")
        return Seen(status="running")

    async def _mark(self, args: GuestArgs, target: Target, act: Act) -> Seen:
        await self._do(f"mark {args.word or target.name}", act)
        return Seen()

    async def _do(self, word: str, act: Act) -> None:
        if self.raises is not None:
            raise self.raises
        async with act.step(word):
            if self.before_act is not None:
                await self.before_act(word)
            self.acts.append(word)

    async def _peek(self, args: GuestArgs, target: Target, act: Act) -> Seen:
        return Seen(status=self.guests[f"guest:{args.guest}"].status)

    def _verify(self, args: GuestArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        return Verdict(self.verdict or "verified")  # type: ignore[arg-type]
