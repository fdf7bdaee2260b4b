"""Services of nodes: list them, look at one, read its journal, restart one that the settings list."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.shapes import parse_services
from jarvis_daemon.cluster.ssh_run import UNIT
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import is_vital, online, require_success
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

SECOND_LOOK_S: Final = 1.0
"""Between the two looks after a restart: a service that falls at once is caught by the second."""
UnitRef = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=f"^{UNIT}$", description="systemd unit, as `smbd`")
]


class ListArgs(Args):
    node: NodeRef | None = None
    """With a node, Proxmox' own services there too."""


class ServiceRow(msgspec.Struct):
    node: str
    service: str
    state: str
    """systemd's word, or ``unknown``."""
    listed: bool
    """Listed in the settings: watched, and may be restarted."""


class ServiceList(Output):
    services: list[ServiceRow]


class ServiceArgs(Args):
    node: NodeRef
    service: UnitRef


class ServiceStatus(Output):
    node: str
    service: str
    description: str
    load_state: str
    active_state: str
    sub_state: str
    result: str
    restarts: int | None
    main_pid: int | None
    active_since_us: int | None
    """When it became active, in microseconds of the node's own monotonic clock; None when it is not."""


class JournalArgs(Args):
    node: NodeRef
    service: UnitRef
    lines: Annotated[int, Meta(ge=1, le=2000, description="the newest lines")] = 100
    since_s: Annotated[int, Meta(ge=1, le=31_536_000, description="how far back, in seconds")] = 86400


class Journal(Output):
    node: str
    service: str
    lines: list[str]
    truncated: bool


class RestartDone(Output):
    node: str
    service: str


def specs(hands: Hands) -> list[ToolSpec]:
    services = _Services(hands)
    return [
        ToolSpec(
            name="list_services", room="cluster", tier=Tier.GREEN, args=ListArgs, output=ServiceList,
            description="The services that are watched on the nodes, and what they do now.", run=services.list,
            idempotent=True, tainted=True, concurrency=8,
        ),
        ToolSpec(
            name="get_service_status", room="cluster", tier=Tier.GREEN, args=ServiceArgs, output=ServiceStatus,
            description="One systemd service of a node, asked of the node itself.", run=services.status,
            idempotent=True, tainted=True, concurrency=8,
        ),
        ToolSpec(
            name="get_journal", room="cluster", tier=Tier.GREEN, args=JournalArgs, output=Journal,
            description="The newest lines that a service of a node wrote into the journal.", run=services.journal,
            idempotent=True, tainted=True, concurrency=8,
        ),
        ToolSpec(
            name="restart_service", room="cluster", tier=Tier.YELLOW, args=ServiceArgs, output=RestartDone,
            description="Restart a service that the settings list for its node, and see that it stays up.",
            resolve=services.resolve, risk=services.risk, run=services.restart, verify=services.verify,
            sentences=Sentences("Restart {target}", "{target} has been restarted."), timeout_s=120.0,
            freshness_s=60.0, concurrency=2,
        ),
    ]  # fmt: skip


class _Services:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    # --- reads -------------------------------------------------------------------------------------------

    async def list(self, args: ListArgs, target: Target, act: Act) -> ServiceList:
        node = self._hands.node(args.node) if args.node is not None else None
        rows = [
            ServiceRow(name, unit, self._scene.units.get(name, {}).get(unit, "unknown"), True)
            for name, units in sorted(self._scene.settings.conditions.services.items())
            for unit in units if node is None or name == node.name
        ]  # fmt: skip
        if node is not None:
            reply = parse_services(await self._scene.px.call("node_services", node=node.name))
            listed = {row.service for row in rows}
            rows += [
                ServiceRow(node.name, row.name, "active" if row.active else row.state, False)
                for row in reply if row.name not in listed
            ]  # fmt: skip
        return ServiceList(services=rows)

    async def status(self, args: ServiceArgs, target: Target, act: Act) -> ServiceStatus:
        return await self._show(online(self._hands, args.node), _unit(args.service))

    async def journal(self, args: JournalArgs, target: Target, act: Act) -> Journal:
        node = online(self._hands, args.node)
        ran = await self._scene.ssh.ask(
            "journal", node.name, node.ip, timeout_s=20.0, unit=_unit(args.service), lines=str(args.lines),
            since=str(args.since_s),
        )  # fmt: skip
        require_success(ran, f"Reading the journal of {args.service} on {node.name}")
        lines = [line for line in ran.stdout.splitlines() if line and not line.startswith("-- ")]
        return Journal(
            node=node.name, service=_unit(args.service), lines=[clean(line, limit=4000) for line in lines],
            truncated=ran.truncated,
        )  # fmt: skip

    # --- restart -----------------------------------------------------------------------------------------

    async def resolve(self, args: ServiceArgs, ctx: Context) -> Target:
        """The unit as the node tells it now. Raises ``not_found`` for one that is not installed."""
        node, unit = online(self._hands, args.node), _unit(args.service)
        status = await self._show(node, unit)
        if status.load_state == "not-found":
            raise JarvisError(
                "not_found", f"There is no service {unit} on {node.name}", next="`jarvis service list` shows them."
            )
        return Target(
            f"service:{node.name}/{unit}", f"{unit} on {node.name}", "service", node.cluster, node=node.name,
            observed_at=self._scene.clock.now(), labels=(node.name, node.id, unit),
            facts={"node": node, "unit": unit, "before": status},
        )  # fmt: skip

    def risk(self, args: ServiceArgs, target: Target, ctx: Context) -> Risk:
        unit: str = target.facts["unit"]
        if is_vital(unit):
            return Risk(Tier.BLACK, f"without {unit} the node may leave the cluster or be out of reach")
        if unit.startswith("jarvis"):
            return Risk(Tier.BLACK, f"{unit} is Jarvis itself")
        listed = self._scene.settings.conditions.services.get(target.node or "", [])
        if unit not in {_unit(name) for name in listed}:
            return Risk(
                refuse=f"{target.name} is not among the services that may be restarted",
                next=f"List it under conditions.services for {target.node}.",
            )
        return Risk(effects=(f"{unit} does not serve while it restarts",))

    async def restart(self, args: ServiceArgs, target: Target, act: Act) -> RestartDone:
        node: Node = target.facts["node"]
        unit: str = target.facts["unit"]
        argv = ("systemctl", "restart", "--", unit)
        ran = await self._scene.ssh.act(act, f"restarts {target.name}", node.name, argv, node.ip, timeout_s=100.0)
        require_success(ran, f"Restarting {target.name}")
        return RestartDone(node=node.name, service=unit)

    async def verify(self, args: ServiceArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        """Active at two looks a second apart, and since later than before."""
        node: Node = target.facts["node"]
        before: ServiceStatus = target.facts["before"]
        first = await self._show(node, before.service)
        await self._scene.clock.sleep(SECOND_LOOK_S)
        second = await self._show(node, before.service)
        evidence = {
            "states": [first.active_state, second.active_state],
            "active_since_us": [before.active_since_us, second.active_since_us],
        }
        if (first.active_state, second.active_state) != ("active", "active"):
            return Verdict("contradicted", f"It is {second.active_state} ({second.result}).", evidence)
        if second.active_since_us is None:
            return Verdict("unverified", "The node does not tell since when it is active.", evidence)
        if before.active_since_us is not None and second.active_since_us <= before.active_since_us:
            return Verdict("contradicted", "It runs since before the restart.", evidence)
        return Verdict("verified", evidence=evidence)

    async def _show(self, node: Node, unit: str) -> ServiceStatus:
        ran = await self._scene.ssh.ask("service_show", node.name, node.ip, unit=unit)
        require_success(ran, f"Asking {node.name} for {unit}")
        told = dict(line.partition("=")[::2] for line in ran.stdout.splitlines() if "=" in line)
        if "ActiveState" not in told:
            raise JarvisError("cluster_refused", f"{node.name} does not tell what {unit} does")
        return ServiceStatus(
            node=node.name, service=unit, description=clean(told.get("Description", "")),
            load_state=clean(told.get("LoadState", "unknown")), active_state=clean(told["ActiveState"]),
            sub_state=clean(told.get("SubState", "unknown")), result=clean(told.get("Result", "")),
            restarts=_number(told.get("NRestarts")), main_pid=_number(told.get("MainPID")) or None,
            active_since_us=_number(told.get("ActiveEnterTimestampMonotonic")) or None,
        )  # fmt: skip


def _unit(name: str) -> str:
    return name.removesuffix(".service")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
