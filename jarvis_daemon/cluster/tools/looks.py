"""GREEN reads answered from what the daemon knows already: all but the log of a task cost the cluster nothing.

Each answer tells its age: ``as_of_at`` is when the source of the facts last answered (Unix seconds), None: never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.cluster.reads import Reads
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import MetricsHistory, Series, TaskLog, TaskLogResult
from jarvis_daemon.protocol.state import Cluster, Freshness, Node, Storage, Task
from jarvis_daemon.tools import Act, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, NoArgs, Output

MostRows = Annotated[int, Meta(ge=1, le=500, description="how many at most")]


class NodeArgs(Args):
    node: NodeRef


class Aged(Output):
    """What every answer here has."""

    as_of_at: float | None = None
    freshness: Freshness = "unknown"


class ClusterStatus(Aged, kw_only=True):
    cluster: Cluster
    nodes: list[Node]
    guests_running: int = 0
    guests_total: int = 0
    guests_unknown: int = 0
    """Guests of which nobody can say now whether they run."""


class NodeStatusOutput(Aged, kw_only=True):
    node: Node
    guests: list[str]
    """``vmid name status``, one a guest."""


class StorageArgs(Args):
    node: NodeRef | None = None
    """Only what this node can reach."""


class StorageStatus(Aged, kw_only=True):
    storages: list[Storage]


class ResourceArgs(Args):
    type: Literal["node", "vm", "ct", "storage"] | None = None


class Resource(msgspec.Struct):
    """One row of the cluster's list: share of CPU 0..1, memory and disk in bytes, None where not known."""

    id: str
    name: str
    node: str | None
    status: str
    cpu: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_total_bytes: int | None = None


class Resources(Aged, kw_only=True):
    resources: list[Resource]


class TemperatureArgs(Args):
    node: NodeRef | None = None


class Temperature(msgspec.Struct):
    """°C; ``cpu_c`` is None where no sensor tells it."""

    node: str
    cpu_c: float | None
    sensors: dict[str, float]
    measured_at: float | None


class Temperatures(Aged, kw_only=True):
    temperatures: list[Temperature]


class TasksArgs(Args):
    limit: MostRows = 50
    node: NodeRef | None = None
    status: Literal["running", "ok", "warnings", "failed", "unknown"] | None = None


class Tasks(Aged, kw_only=True):
    tasks: list[Task]


class TaskLogArgs(Args):
    upid: Annotated[str, Meta(min_length=10, max_length=300, pattern="^UPID:", description="the task's UPID")]
    start: Annotated[int, Meta(ge=0, le=10_000_000, description="first line, from 0 on")] = 0
    limit: Annotated[int, Meta(ge=1, le=5000)] = 500


class TaskLogOutput(Output):
    upid: str
    status: str
    exit_text: str | None
    lines: list[str]
    next: int
    """Where to go on reading."""


class HaService(msgspec.Struct):
    guest: str
    name: str
    node: str
    state: str


class HaStatus(Aged, kw_only=True):
    quorate: bool | None = None
    nodes: dict[str, str | None]
    services: list[HaService]


class HistoryArgs(Args):
    ids: Annotated[list[Annotated[str, Meta(max_length=120)]], Meta(min_length=1, max_length=20)]
    """Entity ids: ``node:pve``, ``guest:104``, ``storage:pve/local``, ``cluster:homelab``."""
    metrics: Annotated[list[Literal["cpu", "memory", "temperature", "used"]], Meta(min_length=1, max_length=4)] = (
        msgspec.field(default_factory=lambda: ["cpu", "memory"])
    )
    span_s: Annotated[float, Meta(gt=0, le=316_224_000, description="how far back, in seconds")] = 3600.0
    points: Annotated[int, Meta(ge=1, le=500)] = 60


class HistoryOutput(Output):
    """``series[id][metric]``: shares 0..1 and °C; a series of which nothing is known is absent."""

    series: dict[str, dict[str, Series]]


Run = Callable[[Any, Target, Act], Awaitable[Any]]


def specs(hands: Hands) -> list[ToolSpec]:
    looks = _Looks(hands)
    table: tuple[tuple[str, str, type[Args], type[Output], Run], ...] = (
        ("get_cluster_status", "The cluster: quorum, nodes, how many guests run.", NoArgs, ClusterStatus,
         looks.cluster),
        ("get_node_status", "One node: load, memory, disk, temperature, its guests.", NodeArgs, NodeStatusOutput,
         looks.node),
        ("get_storage", "The storages: how full, of what kind, on which nodes.", StorageArgs, StorageStatus,
         looks.storage),
        ("get_cluster_resources", "Nodes, guests and storages as one list of numbers.", ResourceArgs, Resources,
         looks.resources),
        ("get_node_temperature", "Temperatures of one node or of all, in °C.", TemperatureArgs, Temperatures,
         looks.temperatures),
        ("get_recent_tasks", "The newest tasks of the cluster, running ones too.", TasksArgs, Tasks, looks.tasks),
        ("get_task_log", "Lines of the log of one task, asked of its node.", TaskLogArgs, TaskLogOutput,
         looks.task_log),
        ("get_ha_status", "Quorum, and what high availability manages in which state.", NoArgs, HaStatus, looks.ha),
        ("get_metrics_history", "How a number went over time: CPU, memory, temperature, use of a storage.",
         HistoryArgs, HistoryOutput, looks.history),
    )  # fmt: skip
    return [
        ToolSpec(
            name=name, room="cluster", tier=Tier.GREEN, description=text, args=args, output=output, run=run,
            idempotent=True, tainted=name in TAINTED, concurrency=16,
        )
        for name, text, args, output, run in table
    ]  # fmt: skip


TAINTED = frozenset({
    "get_cluster_status", "get_node_status", "get_storage", "get_cluster_resources", "get_recent_tasks",
    "get_task_log", "get_ha_status",
})  # fmt: skip
"""Names of guests, storages and errors of servers are text from outside."""


class _Looks:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._scene = hands.scene

    async def cluster(self, args: NoArgs, target: Target, act: Act) -> ClusterStatus:
        guests = [g for g in self._scene.inventory.guests.entities.values() if not g.template]
        return ClusterStatus(
            cluster=self._scene.cluster_entity(), nodes=self._nodes(),
            guests_running=sum(g.status == "running" for g in guests), guests_total=len(guests),
            guests_unknown=sum(g.status == "unknown" for g in guests), **self._age("resources"),
        )  # fmt: skip

    async def node(self, args: NodeArgs, target: Target, act: Act) -> NodeStatusOutput:
        node = self._hands.node(args.node)
        guests = [g for g in self._scene.inventory.guests.entities.values() if g.node == node.name]
        lines = [f"{g.vmid} {g.name} {g.status}" for g in sorted(guests, key=lambda g: g.vmid)]
        return NodeStatusOutput(node=node, guests=lines, **self._age("resources"))

    async def storage(self, args: StorageArgs, target: Target, act: Act) -> StorageStatus:
        found = sorted(self._scene.inventory.storages.values(), key=lambda s: s.id)
        if args.node is not None:
            name = self._hands.node(args.node).name
            found = [s for s in found if name in {s.node, *s.nodes}]
        return StorageStatus(storages=found, **self._age("resources"))

    async def resources(self, args: ResourceArgs, target: Target, act: Act) -> Resources:
        wanted, inventory = args.type, self._scene.inventory
        rows = [
            Resource(n.id, n.name, n.name, n.status, n.cpu, n.memory_used_bytes, n.memory_total_bytes,
                     n.rootfs_used_bytes, n.rootfs_total_bytes)
            for n in self._nodes() if wanted in {None, "node"}
        ]  # fmt: skip
        rows += [
            Resource(g.id, g.name, g.node, g.status, g.cpu, g.memory_used_bytes, g.memory_total_bytes,
                     g.disk_used_bytes, g.disk_total_bytes)
            for g in sorted(inventory.guests.entities.values(), key=lambda g: g.vmid) if wanted in {None, g.kind}
        ]  # fmt: skip
        rows += [
            Resource(s.id, s.name, s.node, s.status, disk_used_bytes=s.used_bytes, disk_total_bytes=s.total_bytes)
            for s in sorted(inventory.storages.values(), key=lambda s: s.id)
            if wanted in {None, "storage"}
        ]
        return Resources(resources=rows, **self._age("resources"))

    async def temperatures(self, args: TemperatureArgs, target: Target, act: Act) -> Temperatures:
        nodes = [self._hands.node(args.node)] if args.node is not None else self._nodes()
        rows = [Temperature(n.name, n.temperature_c, n.temperatures, n.temperature_at) for n in nodes]
        oldest = min((r.measured_at for r in rows if r.measured_at is not None), default=None)
        return Temperatures(temperatures=rows, as_of_at=oldest, freshness="unknown" if oldest is None else "fresh")

    async def tasks(self, args: TasksArgs, target: Target, act: Act) -> Tasks:
        node = self._hands.node(args.node).name if args.node is not None else None
        found = [
            t for t in self._scene.tasks.tasks.values()
            if node in {None, t.node} and args.status in {None, t.status}
        ]  # fmt: skip
        found.sort(key=lambda t: t.started_at, reverse=True)
        return Tasks(tasks=found[: args.limit], **self._age("tasks"))

    async def task_log(self, args: TaskLogArgs, target: Target, act: Act) -> TaskLogOutput:
        asked = TaskLog(upid=args.upid, start=args.start, limit=args.limit)
        found = await Reads(self._scene).task_log(asked, DAEMON)
        if not isinstance(found, TaskLogResult):
            raise JarvisError("internal", "A task's log came as a stream")
        return TaskLogOutput(
            upid=found.upid, status=found.status, exit_text=found.exit_text, lines=found.lines, next=found.next
        )

    async def ha(self, args: NoArgs, target: Target, act: Act) -> HaStatus:
        services = [
            HaService(g.id, g.name, g.node, g.ha_state)
            for g in self._scene.inventory.guests.entities.values() if g.ha_state
        ]  # fmt: skip
        return HaStatus(
            quorate=self._scene.quorum.quorate, nodes={n.name: n.ha_state for n in self._nodes()},
            services=services, **self._age("ha"),
        )  # fmt: skip

    async def history(self, args: HistoryArgs, target: Target, act: Act) -> HistoryOutput:
        if self._scene.past is None:
            raise JarvisError("unavailable", "No history is kept here")
        metrics: list[str] = list(args.metrics)
        asked = MetricsHistory(ids=args.ids, metrics=metrics, span_s=args.span_s, points=args.points)
        return HistoryOutput(series=(await self._scene.past.metrics_history(asked, DAEMON)).series)

    def _nodes(self) -> list[Node]:
        return sorted(self._scene.inventory.nodes.entities.values(), key=lambda n: n.name)

    def _age(self, source: str) -> dict[str, Any]:
        polled = self._scene.sources.of(source)
        if polled is None:
            return {}
        return {"as_of_at": polled.ok_at, "freshness": self._scene.sources.entity(polled).freshness}
