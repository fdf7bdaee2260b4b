"""What every tool of the cluster shares: finding the target as it is now, waiting for tasks, reading back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta

from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import parse_task_log, parse_task_status
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import UNKNOWN_AFTER_S
from jarvis_daemon.protocol.state import Guest, Node, Task
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier
from jarvis_daemon.tools.spec import Output, Risk

TASK_LOOK_S: Final = 0.5
TASK_LOST_LOOKS: Final = 20
LOG_PAGE: Final = 500

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

    def guest_risk(self, target: Target, *, disrupts: bool) -> Risk:
        """What holds for every act on a guest: seen, not a template, not locked, not being worked on; quorum."""
        guest: Guest = target.facts["guest"]
        if guest.status == "unknown":
            return Risk(refuse=f"What {target.name} does is not known now", next="`jarvis status` shows why.")
        if guest.template:
            return Risk(refuse=f"{target.name} is a template")
        if guest.lock:
            return Risk(refuse=f"{target.name} is locked ({guest.lock})", next="Wait for what holds the lock.")
        if (task := self.running_task(guest)) is not None:
            return Risk(refuse=f"{task.type} runs on {target.name}", next="`jarvis task list` shows it.")
        if self.scene.cluster_entity().quorate is False:
            return Risk(refuse="The cluster has no quorum", next="Writes fail until a majority of nodes is back.")
        if disrupts and self.carries_us(target):
            return Risk(Tier.BLACK, f"{target.name} carries Jarvis itself")
        effects = (f"{target.name} is managed by HA ({guest.ha_state}): its state is set there",)
        return Risk(effects=effects if guest.ha_state else ())

    def carries_us(self, target: Target) -> bool:
        """Whether the daemon runs on it, or on a guest of it."""
        runs_on = self.scene.cluster.runs_on
        return runs_on is not None and runs_on in {target.name, str(target.vmid or ""), target.id}

    def running_task(self, guest: Guest) -> Task | None:
        tasks = self.scene.tasks.tasks.values()
        return next((t for t in tasks if t.status == "running" and t.target == str(guest.vmid)), None)

    # --- acting ------------------------------------------------------------------------------------------

    async def task(self, act: Act, what: str, call: str, /, **arguments: Any) -> TaskDone:
        """Send a writing call that answers a UPID, and wait for its task; its log goes out as progress.

        Raises ``cluster_refused`` when the task failed, ``timed_out`` when nobody can say how it ended.
        """
        upid = await self.scene.px.write(act, what, call, **arguments)
        return await self.wait(act, str(arguments["node"]), str(upid))

    async def wait(self, act: Act, node: str, upid: str) -> TaskDone:
        """Wait for a task's end, whatever that takes: the gate's deadline bounds it."""
        line, lost = 0, 0
        while True:
            try:
                task = parse_task_status(
                    await self.scene.px.call("task_status", node=node, upid=upid), self.scene.cluster.name
                )
                reply = await self.scene.px.call("task_log", node=node, upid=upid, start=line, limit=LOG_PAGE)
                lines = parse_task_log(reply)
                lost = 0
            except JarvisError as error:
                lost += 1
                if lost >= TASK_LOST_LOOKS:
                    raise JarvisError(
                        "timed_out", f"Nobody can say how {upid.split(':')[5]} ended", why=error.sentence()
                    ) from error
                await self.scene.clock.sleep(TASK_LOOK_S)
                continue
            if lines:
                act.progress(upid=upid, lines=lines)
                line += len(lines)
            if task is not None and task.status != "running":
                return _ended(task, upid)
            await self.scene.clock.sleep(TASK_LOOK_S)

    async def settled(self, target: Target, wanted: set[str], *, within_s: float = 30.0) -> Guest | None:
        """Read the guest itself until its status is one of ``wanted``; None when it never was."""
        guest: Guest = target.facts["guest"]
        call = "vm_status" if guest.kind == "vm" else "ct_status"
        end = self.scene.clock.monotonic() + within_s
        while True:
            status = await self.scene.px.call(call, node=guest.node, vmid=guest.vmid)
            seen = str(status.get("status"))
            if status.get("qmpstatus") in {"paused", "suspended"}:
                seen = str(status["qmpstatus"])
            if seen in wanted:
                return guest
            if self.scene.clock.monotonic() >= end:
                return None
            await self.scene.clock.sleep(TASK_LOOK_S)


def is_dark(ctx: Context, target: Target) -> bool:
    """Nothing of it was heard for so long that nothing may be believed."""
    return target.observed_at is None or ctx.now - target.observed_at > UNKNOWN_AFTER_S


def _ended(task: Task, upid: str) -> TaskDone:
    duration = task.ended_at - task.started_at if task.ended_at else None
    done = TaskDone(upid=upid, status=task.status, exit_text=task.exit_text, duration_s=duration)
    if task.status == "failed":
        raise JarvisError(
            "cluster_refused", f"The task {upid.split(':')[5]} failed", why=task.exit_text or "it says no reason",
            next=f"`jarvis task show {upid}` shows its log.", data={"upid": upid},
        )  # fmt: skip
    return done


async def gather(*work: Any) -> list[Any]:
    """``asyncio.gather`` whose errors are values."""
    return list(await asyncio.gather(*work, return_exceptions=True))
