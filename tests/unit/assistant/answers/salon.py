"""A daemon as far as answers need it: real bus, store, feed and incidents, a homelab that a test can spoil."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.answers import Answers
from jarvis_daemon.assistant.explain import Explainer
from jarvis_daemon.assistant.understanding.understood import Slot, Understood
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.messages import (
    MetricsHistory,
    MetricsHistoryResult,
    RepairList,
    RepairListResult,
    Series,
    ToolCall,
    ToolOutcome,
)
from jarvis_daemon.protocol.state import (
    Autonomy,
    Guest,
    KillSwitchState,
    Node,
    Repair,
    Source,
    Storage,
)
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry
from tests.golden import homelab

PERSON = Principal(session="s", role="operator", client="cli")
NOW, HOUR, DAY, GIB = homelab.NOW, 3600.0, 86400.0, 1 << 30
SETTINGS = Settings(cluster=ClusterSettings(name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b"))
SLOTS: dict[str, Slot] = {
    "guest": Slot("guest:105", "pihole"), "node": Slot("node:Home", "Home"),
    "storage": Slot("storage:externalhdd", "externalhdd"), "incident": Slot("1", "1"),
    "text": Slot("the NAS", "the NAS"),
}  # fmt: skip
"""What a sentence could have named."""
NAMED = {
    "node": {
        "status_node", "is_node_up", "node_temperature", "node_load", "node_since", "node_certificate",
        "node_version", "guests_on_node", "why_node",
    },
    "guest": {
        "status_guest", "is_guest_running", "guest_since", "where_guest", "guest_load", "last_backup", "why_guest",
        "happened_to",
    },
    "storage": {"storage_usage", "why_storage"},
    "incident": {"show_incident", "explain_incident"},
    "text": {"remembers"},
}  # fmt: skip
"""Slot -> the questions whose sentences have it."""


def slots_of(question: str) -> dict[str, Slot]:
    return {name: SLOTS[name] for name, questions in NAMED.items() if question in questions}


@dataclass
class Salon:
    """``ask`` answers a question; the other methods change what there is."""

    bus: Bus
    clock: ManualClock
    store: Store
    feed: Feed
    incidents: Incidents
    registry: Registry
    answers: Answers
    explainer: Explainer
    repairs: list[Repair]
    backups: list[dict[str, Any]]
    series: dict[tuple[str, str], list[tuple[float, float]]]

    async def ask(self, question: str, **named: Any) -> Answer:
        """``named``: slot -> value."""
        slots = {
            name: value if isinstance(value, Slot) else Slot(value, str(value)) for name, value in named.items()
        }
        return await self.answers.answer(Understood("question", question, slots=slots), PERSON)

    def fill(self) -> None:
        """A homelab of which all is well: the golden one without its faults."""
        sources = {s.id: s for s in homelab.SOURCES}
        sources |= {s.id: s for s in (homelab.source("tasks", 4), homelab.source("ha", 10))}
        well: dict[str, Any] = {
            "status": "online", "freshness": None, "cpu": 0.31, "memory_used_bytes": 10 * GIB,
            "temperature_at": NOW - 12, "started_at": NOW - 41 * DAY, "last_seen_at": NOW - 4,
            "certificate_expires_at": NOW + 90 * DAY,
        }  # fmt: skip
        nodes = [replace(n, **well, temperature_c=50.0 + i) for i, n in enumerate(homelab.NODES)]
        run: dict[str, Any] = {
            "status": "running", "freshness": None, "cpu": 0.04, "memory_used_bytes": GIB // 4, "lock": None,
            "started_at": NOW - 3 * DAY, "last_seen_at": NOW - 4,
        }  # fmt: skip
        guests = [g if g.vmid in {104, 9000} else replace(g, **run) for g in homelab.GUESTS]
        storages = [
            replace(s, status="available", used_bytes=int((0.2 + 0.1 * i) * 100 * GIB), total_bytes=100 * GIB)
            for i, s in enumerate(homelab.STORAGES)
        ]
        cluster = replace(homelab.CLUSTER, nodes_online=4, endpoints_failed={}, missing_privileges=[])
        self.apply(clusters=[cluster], nodes=nodes, guests=guests, storages=storages, sources=sources.values())
        self.bus.state("tasks").apply({"tasks": {t.id: t for t in homelab.TASKS if t.status != "failed"}})
        self.bus.state("health").apply({"health": {homelab.HEALTH.id: homelab.HEALTH}})
        self.bus.state("approvals").apply({
            "killswitch": {"killswitch:main": KillSwitchState(id="killswitch:main", engaged=False)},
            "autonomy": {"autonomy:main": Autonomy(id="autonomy:main", level=3, effective=3)},
        })  # fmt: skip

    def apply(self, **collections: Iterable[Any]) -> None:
        topic = self.bus.state("cluster")
        topic.apply({name: {entity.id: entity for entity in entities} for name, entities in collections.items()})

    def node(self, name: str, **changes: Any) -> None:
        found = self.bus.state("cluster").get("nodes", f"node:{name}", Node)
        assert found is not None
        self.apply(nodes=[replace(found, **changes)])

    def guest(self, vmid: int, **changes: Any) -> None:
        found = self.bus.state("cluster").get("guests", f"guest:{vmid}", Guest)
        assert found is not None
        self.apply(guests=[replace(found, **changes)])

    def storage(self, ident: str, **changes: Any) -> None:
        found = self.bus.state("cluster").get("storages", f"storage:{ident}", Storage)
        assert found is not None
        self.apply(storages=[replace(found, **changes)])

    def kill_node(self, name: str) -> None:
        """As the inventory tells a dead node and what lay on it."""
        self.node(
            name, status="offline", freshness="stale", cpu=None, memory_used_bytes=None, last_seen_at=NOW - 130
        )
        for guest in self.bus.state("cluster").all("guests", Guest).values():
            if guest.node == name:
                self.guest(guest.vmid, status="unknown", freshness="unknown", cpu=None, last_seen_at=NOW - 130)
        for storage in self.bus.state("cluster").all("storages", Storage).values():
            if storage.node == name:
                self.storage(storage.id.removeprefix("storage:"), status="unknown")

    def go_stale(self, seconds: float = 900.0) -> None:
        """Nothing has answered for so long; what was known stays as it was."""
        stale = [
            replace(s, freshness="stale", ok_at=NOW - seconds, error="https://192.168.1.50:8006 does not answer")
            for s in self.bus.state("cluster").all("sources", Source).values()
        ]
        self.apply(sources=stale)

    async def fault(self, *observations: Any) -> None:
        """Incidents that are open and announced."""
        for _ in range(2):
            await self.incidents.observe("cluster", list(observations), {o.condition for o in observations})
        await self.clock.advance(0)


@asynccontextmanager
async def salon(folder: Path, *, filled: bool = True) -> AsyncIterator[Salon]:
    clock, store, bus = ManualClock(NOW), Store(folder / "jarvis.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock, cluster="homelab")
    await feed.start()
    incidents = Incidents(store, bus, feed, clock, SETTINGS)
    await incidents.start()
    registry = Registry()
    explainer = Explainer(bus, clock, registry)
    explainer.offer()
    explainer.register(registry)
    answers = Answers(bus, clock, registry=registry, explainer=explainer)
    made = Salon(bus, clock, store, feed, incidents, registry, answers, explainer, [], [], {})

    async def call(params: ToolCall, principal: Principal) -> AsyncIterator[Any]:
        """The one tool that questions ask: backups, as they lie on the storages."""
        assert params.name == "get_backups"
        wanted = params.args.get("guest")
        rows = [b for b in made.backups if wanted in {None, str(b["vmid"])}]
        yield {"doing": "asks the storages"}
        yield ToolOutcome(
            tool=params.name, outcome="done", result={"backups": rows, "total": len(rows), "not_asked": {}}
        )

    async def history(params: MetricsHistory, principal: Principal) -> MetricsHistoryResult:
        found: dict[str, dict[str, Series]] = {}
        for entity in params.ids:
            for metric in params.metrics:
                points = [p for p in made.series.get((entity, metric), []) if p[0] >= clock.now() - params.span_s]
                if points:
                    step = points[1][0] - points[0][0] if len(points) > 1 else 60.0
                    series = Series(start_at=points[0][0], step_s=step, values=[v for _, v in points])
                    found.setdefault(entity, {})[metric] = series
        return MetricsHistoryResult(series=found)

    bus.offer("tool.call", call)
    bus.offer("metrics.history", history)
    bus.offer("repair.list", lambda params, who: repairs_of(made, params))
    if filled:
        made.fill()
    try:
        yield made
    finally:
        await incidents.stop()
        await store.close()


def repairs_of(made: Salon, params: RepairList) -> RepairListResult:
    since = params.since_at or 0.0
    found = [r for r in made.repairs if r.seen_at >= since and params.incident in {None, r.incident}]
    return RepairListResult(repairs=found)
