"""Docker containers: list, logs, start, restart, stop, by Docker's API on the machines of ``docker.hosts``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.docker import Docker, container_path, unframed
from jarvis_daemon.cluster.tools.hands import HANDS_OFF, Hands, NodeRef
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

SECOND_LOOK_S: Final = 1.0
STOP_S: Final = 30
"""How long a container may take to end by itself before it is killed."""
LOG_MAX: Final = 256 * 1024
Verb = Literal["start", "restart", "stop"]
ContainerRef = Annotated[
    str,
    Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the container"),
]


class ListArgs(Args):
    node: NodeRef | None = None
    """Only this node or guest."""


class ContainerRow(msgspec.Struct):
    node: str
    name: str
    image: str
    state: str
    status: str


class ContainerList(Output):
    containers: list[ContainerRow]
    unreachable: dict[str, str]
    """Hosts that do not answer now, each with one sentence: what runs there is not known."""


class ContainerArgs(Args):
    node: NodeRef
    """The node or guest that Docker runs on."""
    container: ContainerRef


class LogsArgs(Args):
    node: NodeRef
    container: ContainerRef
    lines: Annotated[int, Meta(ge=1, le=5000, description="the newest lines")] = 100


class Logs(Output):
    lines: list[str]
    truncated: bool


class Acted(Output):
    node: str
    container: str


def specs(hands: Hands) -> list[ToolSpec]:
    tools = _Containers(hands)
    reads: dict[str, Any] = {
        "room": "cluster",
        "tier": Tier.GREEN,
        "idempotent": True,
        "tainted": True,
        "concurrency": 8,
    }
    return [
        ToolSpec(
            name="list_docker_containers",
            description="Docker containers on all Docker hosts, stopped ones too.",
            args=ListArgs,
            output=ContainerList,
            run=tools.list_all,
            **reads,
        ),
        ToolSpec(
            name="get_docker_logs",
            description="The newest lines of a container's log.",
            args=LogsArgs,
            output=Logs,
            run=tools.logs,
            **reads,
        ),
        _spec(tools, "start", Tier.YELLOW, "Start a stopped Docker container and see that it stays up."),
        _spec(tools, "restart", Tier.YELLOW, "Restart a Docker container and see that it stays up."),
        _spec(tools, "stop", Tier.RED, "Stop a running Docker container."),
    ]


def _spec(tools: _Containers, verb: Verb, tier: Tier, text: str) -> ToolSpec:
    done = {"start": "runs", "restart": "has been restarted", "stop": "is stopped"}[verb]
    back: dict[str, str] = {"start": "stop", "stop": "start"}

    def undo(args: Any, target: Target, result: Any) -> Undo | None:
        same = {"node": args.node, "container": args.container}
        return Undo(f"{back[verb]}_docker_container", same) if verb in back else None

    return ToolSpec(
        name=f"{verb}_docker_container",
        room="cluster",
        tier=tier,
        description=text,
        args=ContainerArgs,
        output=Acted,
        resolve=tools.resolve,
        risk=tools.risk(verb),
        run=tools.act(verb),
        verify=tools.verify(verb),
        undo=undo,
        sentences=Sentences(f"{verb.capitalize()} {{target}}", f"{{target}} {done}."),
        timeout_s=120.0,
        freshness_s=60.0,
    )


class _Containers:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene
        self._docker = Docker(hands.scene.settings, hands.scene.ssh)

    # --- reads -------------------------------------------------------------------------------------------

    async def list_all(self, args: ListArgs, target: Target, act: Act) -> ContainerList:
        wanted = [args.node] if args.node is not None else sorted(self._docker.hosts)
        answers = await asyncio.gather(*(self._rows(host) for host in wanted), return_exceptions=True)
        found = ContainerList(containers=[], unreachable={})
        for host, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, JarvisError) and args.node is None:
                found.unreachable[host] = answer.sentence()
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.containers.extend(answer)
        return found

    async def _rows(self, host: str) -> list[ContainerRow]:
        rows = (await self._docker.get(host, "/containers/json", all=1)).json()
        if not isinstance(rows, list):
            raise JarvisError("cluster_refused", f"Docker on {host} answered no list")
        return [
            ContainerRow(
                host,
                clean(str((row.get("Names") or ["?"])[0]).lstrip("/"), limit=128),
                clean(str(row.get("Image", ""))),
                clean(str(row.get("State", "unknown"))),
                clean(str(row.get("Status", ""))),
            )
            for row in rows
            if isinstance(row, dict)
        ]

    async def logs(self, args: LogsArgs, target: Target, act: Act) -> Logs:
        reply = await self._docker.get(
            args.node, container_path(args.container, "logs"), stdout=1, stderr=1, tail=args.lines, timestamps=0
        )
        text = clean_block(unframed(reply.body), limit=4 * LOG_MAX)
        lines = [clean(line, limit=4000) for line in text.splitlines()[-args.lines :]]
        kept, size = [], 0
        for line in reversed(lines):
            size += len(line) + 1
            if size > LOG_MAX:
                break
            kept.append(line)
        return Logs(lines=kept[::-1], truncated=reply.truncated or len(kept) < len(lines))

    # --- acts --------------------------------------------------------------------------------------------

    async def resolve(self, args: ContainerArgs, ctx: Context) -> Target:
        """The container as Docker tells it now; its identity is its id, so one made anew is another."""
        told = await self._look(args.node, args.container)
        name = clean(str(told.get("Name", args.container)).lstrip("/"), limit=128)
        host = self._host(args.node)
        return Target(
            f"container:{args.node}/{name}",
            f"{name} on {args.node}",
            f"container {str(told.get('Id', ''))[:12]}",
            self._scene.cluster.name,
            vmid=None,
            node=args.node,
            observed_at=self._scene.clock.now(),
            labels=(name, args.node, *_names_of(host)),
            facts={"before": told, "host": host},
        )

    def _host(self, ref: str) -> Target | None:
        """The guest that Docker runs on, by name or vmid; None where it is no guest. Raises ``ambiguous``."""
        if ref in self._scene.inventory.nodes.entities or f"node:{ref}" in self._scene.inventory.nodes.entities:
            return None
        try:
            return self._hands.guest_target(ref)
        except JarvisError as error:
            if error.code != "not_found":
                raise
            return None

    def risk(self, verb: Verb) -> Callable[[Any, Target, Context], Risk]:
        def risk(args: ContainerArgs, target: Target, ctx: Context) -> Risk:
            running = _running(target.facts["before"])
            if verb == "start" and running:
                return Risk(refuse=f"{target.name} runs already")
            if verb == "stop" and not running:
                return Risk(refuse=f"{target.name} is stopped already")
            effects = () if verb == "start" else ("it does not serve meanwhile",)
            host: Target | None = target.facts["host"]
            if host is not None and f"tag:{HANDS_OFF}" in host.labels:
                return Risk(Tier.BLACK, f"{host.name} is tagged {HANDS_OFF}", effects)
            return Risk(effects=effects)

        return risk

    def act(self, verb: Verb) -> Callable[[Any, Target, Act], Awaitable[Acted]]:
        async def run(args: ContainerArgs, target: Target, act: Act) -> Acted:
            query = {} if verb == "start" else {"t": STOP_S}
            await self._docker.write(
                act,
                f"{verb}s {target.name}",
                args.node,
                container_path(str(target.facts["before"].get("Id") or args.container), verb),
                timeout_s=STOP_S + 30,
                **query,
            )
            return Acted(node=args.node, container=args.container)

        return run

    def verify(self, verb: Verb) -> Callable[[Any, Target, Any, Context], Awaitable[Verdict]]:
        async def verify(args: ContainerArgs, target: Target, result: Any, ctx: Context) -> Verdict:
            """Two looks a second apart; started anew where it was running."""
            looks = [await self._look(args.node, args.container)]
            if verb != "stop":
                await self._scene.clock.sleep(SECOND_LOOK_S)
                looks.append(await self._look(args.node, args.container))
            evidence = {"states": [_state(look) for look in looks], "started_at": _started_at(looks[-1])}
            if any(_running(look) == (verb == "stop") for look in looks):
                return Verdict("contradicted", f"It is {_state(looks[-1])}.", evidence)
            before, after = _started_at(target.facts["before"]), _started_at(looks[-1])
            if verb == "restart" and (after is None or (before is not None and after <= before)):
                return Verdict("contradicted", "It runs since before the restart.", evidence)
            return Verdict("verified", evidence=evidence)

        return verify

    async def _look(self, host: str, container: str) -> dict[str, Any]:
        told = (await self._docker.get(host, container_path(container, "json"))).json()
        if not isinstance(told, dict) or not isinstance(told.get("State"), dict):
            raise JarvisError("cluster_refused", f"Docker on {host} does not tell what {container} does")
        return told


def _names_of(host: Target | None) -> tuple[str, ...]:
    """By what a guest may be protected."""
    return () if host is None else (host.id, host.name, str(host.vmid), *host.labels)


def _running(told: dict[str, Any]) -> bool:
    return told["State"].get("Running") is True and told["State"].get("Restarting") is not True


def _state(told: dict[str, Any]) -> str:
    return clean(str(told["State"].get("Status", "unknown")), limit=40)


def _started_at(told: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(told["State"].get("StartedAt"))).timestamp()
    except (ValueError, OverflowError):
        return None
