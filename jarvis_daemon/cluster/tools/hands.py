"""What every tool of the cluster shares: finding the target as it is now, waiting for tasks, reading back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from jarvis_daemon.cluster.docker import Docker
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import GuestStatusReply, parse_guest_status, parse_task_log, parse_task_status
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import UNKNOWN_AFTER_S
from jarvis_daemon.protocol.state import Guest, Node, Task
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier
from jarvis_daemon.tools.spec import Output, Risk

T = TypeVar("T")
TASK_LOOK_S: Final = 0.5
TASK_LOST_LOOKS: Final = 20
LOG_PAGE: Final = 500
DOCKER_S: Final = 5.0
"""How long a Docker host may take to say how many containers run on it."""
HANDS_OFF: Final = "no-jarvis"
"""The tag of a guest that nobody but a person at a terminal may touch."""

GuestRef = Annotated[str, Meta(min_length=1, max_length=80, description="vmid or name of the guest")]
NodeRef = Annotated[
    str, Meta(min_length=1, max_length=63, pattern="^[A-Za-z0-9.-]+$", description="name of the node")
]


class TaskDone(Output):
    """What a PVE task came to."""

    upid: str = ""
    status: str = "unknown"
    """running, ok, warnings, failed or unknown"""
    exit_text: str | None = None
    duration_s: float | None = None


@dataclass
class Hands:
    """Bound into each tool's functions."""

    scene: Scene
    look_s: float = TASK_LOOK_S
    """Between two looks at a task or a guest."""
    settle_s: float = 30.0
    """How long a guest may take after its task's end until it is read back as wanted."""
    ha_settle_s: float = 180.0
    """The same where HA's manager does the work after the task has only asked it to."""

    # --- who it is about ---------------------------------------------------------------------------------

    def guest(self, ref: str, kind: str | None = None) -> Guest:
        """By vmid or name, of the wanted kind (``vm``/``ct``). Raises ``not_found``, ``ambiguous``, ``refused``."""
        guests = self.scene.inventory.guests.entities.values()
        wanted = ref.strip().removeprefix("guest:")
        found = [g for g in guests if str(g.vmid) == wanted] or [g for g in guests if g.name == wanted]
        found = found or [g for g in guests if g.name.casefold() == wanted.casefold()]
        if not found:
            import difflib

            near = difflib.get_close_matches(wanted, [g.name for g in guests], n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else ""
            raise JarvisError(
                "not_found", f"There is no guest {clean(ref, limit=60)!r}", why=hint, next="`jarvis guest list`."
            )
        if len(found) > 1:
            vmids = sorted(g.vmid for g in found)
            raise JarvisError(
                "ambiguous", f"{len(found)} guests are called {wanted}", why=f"vmids {', '.join(map(str, vmids))}",
                data={"vmids": vmids},
            )  # fmt: skip
        if kind is not None and found[0].kind != kind:
            word = {"vm": "a VM", "ct": "a container"}
            raise JarvisError("refused", f"{found[0].name} is {word[found[0].kind]}, not {word[kind]}")
        return found[0]

    def node(self, ref: str) -> Node:
        """By name. Raises ``not_found``."""
        nodes = self.scene.inventory.nodes.entities
        found = nodes.get(f"node:{ref}") or next((n for n in nodes.values() if n.name.lower() == ref.lower()), None)
        if found is None:
            names = ", ".join(sorted(n.name for n in nodes.values()))
            raise JarvisError("not_found", f"There is no node {clean(ref, limit=60)!r}", why=f"there are {names}")
        return found

    def guest_target(self, ref: str, kind: str | None = None) -> Target:
        guest = self.guest(ref, kind)
        return Target(
            guest.id, guest.name or str(guest.vmid), guest.kind, guest.cluster, guest.vmid, guest.node,
            observed_at=self.observed_at(), labels=tuple(f"tag:{tag}" for tag in guest.tags),
            facts={"guest": guest},
        )  # fmt: skip

    async def live_target(self, ref: str, kind: str | None = None, *, disrupts: bool = False) -> Target:
        """The guest as its node tells it at this moment: status, lock, tasks. Facts ``guest`` and ``busy``, and
        with ``disrupts`` ``containers``: how many run on it, None where that is not known.

        Raises ``cluster_unreachable`` when its node does not answer, and as ``guest``.
        """
        target = self.guest_target(ref, kind)
        guest: Guest = target.facts["guest"]
        self.require_node(guest)
        status = await self.status_of(guest)
        seen = msgspec.structs.replace(
            guest, status=status.status, lock=status.lock, template=guest.template or status.template
        )
        facts: dict[str, Any] = {"guest": seen, "busy": await self._busy(seen)}
        if disrupts and seen.status == "running":
            facts["containers"] = await self._containers_on(seen)
        return replace(target, observed_at=self.scene.clock.now(), facts=facts)

    def require_node(self, guest: Guest) -> None:
        """Raises ``cluster_unreachable`` where the guest's node is not online."""
        node = self.scene.inventory.nodes.entities.get(f"node:{guest.node}")
        if node is None or node.status != "online":
            raise JarvisError(
                "cluster_unreachable", f"{guest.name or guest.vmid} lies on {guest.node}, which does not answer",
                next="`jarvis node list` shows which nodes answer.",
            )  # fmt: skip

    async def status_of(self, guest: Guest) -> GuestStatusReply:
        """``…/status/current`` of the node that has it. Raises as ``Proxmox.call``."""
        reply = await self.scene.px.call(f"{guest.kind}_status", node=guest.node, vmid=guest.vmid)
        return parse_guest_status(reply, guest.kind)

    def _docker_host(self, guest: Guest) -> str | None:
        return next(
            (host for host in (guest.name, str(guest.vmid)) if host in self.scene.settings.docker.hosts), None
        )

    async def _containers_on(self, guest: Guest) -> int | None:
        """Docker containers that run on it; None where it is no Docker host of ours or does not answer soon."""
        host = self._docker_host(guest)
        if host is None:
            return None
        try:
            async with asyncio.timeout(DOCKER_S):
                rows = (await Docker(self.scene.settings, self.scene.ssh).get(host, "/containers/json")).json()
        except (JarvisError, TimeoutError):
            return None
        return len(rows) if isinstance(rows, list) else None

    async def _busy(self, guest: Guest) -> Task | None:
        """A task that runs on it now: the book may lag a poll behind, so each is asked."""
        for task in self.running_tasks(guest):
            try:
                reply = await self.scene.px.call("task_status", node=task.node, upid=task.id)
                now = parse_task_status(reply, self.scene.cluster.name)
            except JarvisError:
                return task
            if now is None or now.status == "running":
                return task
        return None

    def node_target(self, ref: str) -> Target:
        node = self.node(ref)
        return Target(
            node.id, node.name, "node", node.cluster, node=node.name, observed_at=self.observed_at(),
            facts={"node": node},
        )  # fmt: skip

    def observed_at(self) -> float | None:
        """When the inventory was last told anything."""
        source = self.scene.sources.of("resources")
        return source.ok_at if source is not None else None

    def now_of(self, target: Target) -> Guest:
        """The guest as the inventory has it now. Raises ``not_found`` when it is gone."""
        return self.guest(str(target.vmid))

    # --- the danger --------------------------------------------------------------------------------------

    def guest_risk(self, target: Target, *, disrupts: bool, template: bool = False) -> Risk:
        """What holds for every act on a guest: seen, not a template, not locked, not being worked on; quorum.

        ``template``: the act is one that makes sense on a template too.
        """
        guest: Guest = target.facts["guest"]
        if guest.status == "unknown":
            return Risk(refuse=f"What {target.name} does is not known now", next="`jarvis status` shows why.")
        if guest.template and not template:
            return Risk(refuse=f"{target.name} is a template")
        if guest.lock:
            return Risk(refuse=f"{target.name} is locked ({guest.lock})", next="Wait for what holds the lock.")
        task: Task | None = target.facts["busy"] if "busy" in target.facts else self.running_task(guest)
        if task is not None:
            return Risk(refuse=f"{task.type} runs on {target.name}", next="`jarvis task list` shows it.")
        if (refused := self.quorum_risk()).refuse:
            return refused
        if disrupts and self.carries_us(target):
            return Risk(Tier.BLACK, f"{target.name} carries Jarvis itself")
        if HANDS_OFF in guest.tags:
            return Risk(Tier.BLACK, f"{target.name} is tagged {HANDS_OFF}")
        effects = (
            [f"{target.name} is managed by HA ({guest.ha_state}): its state is set there"] if guest.ha_state else []
        )
        if disrupts and (count := target.facts.get("containers")):
            effects.append(f"{count} container{'s run' if count > 1 else ' runs'} on it.")
        elif disrupts and count is None and self._docker_host(guest) is not None and guest.status == "running":
            effects.append("Docker containers run on it; how many is not known.")
        return Risk(effects=tuple(effects))

    def quorum_risk(self) -> Risk:
        """Refuses while nothing can be written."""
        if self.scene.cluster_entity().quorate is False:
            return Risk(refuse="The cluster has no quorum", next="Writes fail until a majority of nodes is back.")
        return Risk()

    def carries_us(self, target: Target) -> bool:
        """Whether the daemon runs on it, or on a guest of it."""
        runs_on = (self.scene.cluster.runs_on or "").casefold()
        return runs_on != "" and runs_on in {target.name.casefold(), str(target.vmid or ""), target.id.casefold()}

    def running_task(self, guest: Guest) -> Task | None:
        return next(iter(self.running_tasks(guest)), None)

    def running_tasks(self, guest: Guest) -> list[Task]:
        """As of the last poll."""
        tasks = self.scene.tasks.tasks.values()
        return [t for t in tasks if t.status == "running" and t.target == str(guest.vmid)]

    # --- acting ------------------------------------------------------------------------------------------

    async def task(self, act: Act, what: str, call: str, /, **arguments: Any) -> TaskDone:
        """Send a writing call that answers a UPID, and wait for its task; its log goes out as progress.

        Raises ``cluster_refused`` when the task failed, ``timed_out`` when nobody can say how it ended.
        """
        upid = await self.scene.px.write(act, what, call, **arguments)
        return await self.wait(act, str(arguments["node"]), str(upid))

    async def wait(self, act: Act, node: str, upid: str) -> TaskDone:
        """Wait for a task's end, whatever that takes: the gate's deadline bounds it."""
        line, lost, began = 0, 0, self.scene.clock.monotonic()
        while True:
            try:
                task = parse_task_status(
                    await self.scene.px.call("task_status", node=node, upid=upid), self.scene.cluster.name
                )
                reply = await self.scene.px.call("task_log", node=node, upid=upid, start=line, limit=LOG_PAGE)
                lines = [entry.text for entry in parse_task_log(reply)]
                lost = 0
            except JarvisError as error:
                lost += 1
                if lost >= TASK_LOST_LOOKS:
                    raise JarvisError(
                        "timed_out", f"Nobody can say how {upid.split(':')[5]} ended", why=error.sentence()
                    ) from error
                await self.scene.clock.sleep(self.look_s)
                continue
            if lines:
                act.progress(upid=upid, lines=lines)
                line += len(lines)
            if task is not None and task.status != "running" and len(lines) < LOG_PAGE:
                return _ended(task, upid, self.scene.clock.monotonic() - began)
            if len(lines) < LOG_PAGE:
                await self.scene.clock.sleep(self.look_s)

    async def until(self, look: Callable[[], Awaitable[T | None]], within_s: float) -> T | None:
        """Look until there is something, at least once; None when there was nothing in ``within_s``."""
        end = self.scene.clock.monotonic() + within_s
        while (found := await look()) is None and self.scene.clock.monotonic() < end:
            await self.scene.clock.sleep(self.look_s)
        return found

    async def settled(
        self, target: Target, wanted: set[str], *, within_s: float | None = None, since_at: float | None = None
    ) -> GuestStatusReply | None:
        """Read the guest itself until its status is one of ``wanted``; None when it never was.

        ``since_at``: and its uptime began at or after this Unix time. HA's guests get HA's patience.
        """
        guest: Guest = target.facts["guest"]
        if within_s is None:
            within_s = self.ha_settle_s if guest.ha_state else self.settle_s

        async def look() -> GuestStatusReply | None:
            status = await self.status_of(guest)
            if status.status not in wanted:
                return None
            if since_at is not None and not _began_since(status, self.scene.clock.now(), since_at):
                return None
            return status

        return await self.until(look, within_s)


def _began_since(status: GuestStatusReply, now: float, since_at: float) -> bool:
    """PVE tells uptime in whole seconds, and 1 for less: so much is allowed."""
    return status.uptime_s is not None and now - status.uptime_s >= since_at - 1.0


def is_dark(ctx: Context, target: Target) -> bool:
    """Nothing of it was heard for so long that nothing may be believed."""
    return target.observed_at is None or ctx.now - target.observed_at > UNKNOWN_AFTER_S


def _ended(task: Task, upid: str, waited_s: float) -> TaskDone:
    """A task's status tells no end time: what was waited for it is its duration."""
    duration_s = task.ended_at - task.started_at if task.ended_at else round(waited_s, 1)
    done = TaskDone(upid=upid, status=task.status, exit_text=task.exit_text, duration_s=duration_s)
    if task.status == "failed":
        raise JarvisError(
            "cluster_refused", f"The task {upid.split(':')[5]} failed", why=task.exit_text or "it says no reason",
            next=f"`jarvis task show {upid}` shows its log.", data={"upid": upid},
        )  # fmt: skip
    return done


async def gather(*work: Any) -> list[Any]:
    """``asyncio.gather`` whose errors are values."""
    return list(await asyncio.gather(*work, return_exceptions=True))
