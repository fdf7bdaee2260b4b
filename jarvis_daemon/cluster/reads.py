"""What is read on demand: the log of a task, and everything about one guest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.shapes import (
    Snapshot,
    parse_agent_addresses,
    parse_lxc_addresses,
    parse_snapshots,
    parse_task_log,
    parse_task_status,
    parse_upid,
)  # fmt: skip
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import GuestDescribe, GuestDescription, TaskLog, TaskLogResult
from jarvis_daemon.protocol.state import Guest, Task
from jarvis_daemon.protocol.text import clean, clean_block

PAGE_MAX: Final = 5000
FOLLOW_S: Final = 1.0
"""Between two looks at a running task's log."""
FOLLOW_GIVE_UP: Final = 5
"""Looks in a row that fail before a follower is told that nobody can say how it ended."""
SECRET: Final = re.compile(r"pass(word|wd)?$|secret|token|private", re.IGNORECASE)
REDACTED: Final = "(hidden)"


class Reads:
    """The services ``task.log`` and ``guest.describe``."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def offer(self, bus: Bus) -> None:
        bus.offer("task.log", self.task_log)
        bus.offer("guest.describe", self.guest_describe)

    # --- task.log ------------------------------------------------------------------------------------

    async def task_log(
        self, params: TaskLog, principal: Principal
    ) -> TaskLogResult | AsyncIterator[dict[str, Any] | TaskLogResult]:
        """Lines from ``start``. With ``follow`` an iterator of ``{"lines": […]}`` and, last, the result.

        Raises ``invalid_params`` ``not_found`` ``cluster_unreachable`` ``cluster_denied``.
        """
        if parse_upid(params.upid) is None:
            raise JarvisError("invalid_params", f"{clean(params.upid)!r} is no UPID", next="`jarvis task list`.")
        if params.start < 0 or not 0 < params.limit <= PAGE_MAX:
            raise JarvisError("invalid_params", f"Ask for 1 to {PAGE_MAX} lines from line 0 on")
        if params.follow:
            await self._task(params.upid)  # an unknown task is an error now, not in the stream
            return self._follow(params.upid, params.start)
        lines = await self._lines(params.upid, params.start, params.limit)
        task = await self._task(params.upid)
        return _result(task, lines, params.start + len(lines))

    async def _follow(self, upid: str, start: int) -> AsyncIterator[dict[str, Any] | TaskLogResult]:
        """Ends with the task. Where the node falls silent it ends too, and says that it is not known how."""
        at, failures, task = start, 0, Task(id=upid)
        while True:
            try:
                task = await self._task(upid)  # before the lines: what ended has all of them
                lines = await self._lines(upid, at, PAGE_MAX)
                failures = 0
            except JarvisError as error:
                lines, failures = [], failures + 1
                if failures >= FOLLOW_GIVE_UP or error.code in {"not_found", "cluster_denied"}:
                    lost = msgspec.structs.replace(
                        task, status="unknown", exit_text=f"nobody can say how it ended: {error.sentence()}"
                    )
                    yield _result(lost, [], at)
                    return
            if lines:
                at += len(lines)
                yield {"lines": lines}
            if failures == 0 and task.status != "running" and len(lines) < PAGE_MAX:
                yield _result(task, [], at)
                return
            if len(lines) < PAGE_MAX:
                await self._scene.clock.sleep(FOLLOW_S)

    async def _lines(self, upid: str, start: int, limit: int) -> list[str]:
        reply = await self._scene.px.call("task_log", node=_node_of(upid), upid=upid, start=start, limit=limit)
        return [line.text for line in parse_task_log(reply)]

    async def _task(self, upid: str) -> Task:
        reply = await self._scene.px.call("task_status", node=_node_of(upid), upid=upid)
        task = parse_task_status(reply, self._scene.cluster.name)
        if task is None:
            raise JarvisError("not_found", f"The task {clean(upid)} is not there")
        return task

    # --- guest.describe ------------------------------------------------------------------------------

    async def guest_describe(self, params: GuestDescribe, principal: Principal) -> GuestDescription:
        """Configuration (secrets hidden), snapshots, addresses. Raises ``not_found`` ``cluster_unreachable``
        ``cluster_denied``."""
        guest = self._scene.inventory.guests.entities.get(params.id)
        if guest is None:
            raise JarvisError("not_found", f"There is no guest {clean(params.id)!r}", next="`jarvis guest list`.")
        node = self._scene.inventory.nodes.entities.get(f"node:{guest.node}")
        if node is None or node.status != "online":
            raise JarvisError(
                "cluster_unreachable", f"{guest.name or guest.id} lies on {guest.node}, which does not answer",
                next="`jarvis node list` shows which nodes answer.",
            )  # fmt: skip
        call, kind = self._scene.px.call, guest.kind
        config = await call(f"{kind}_config", node=guest.node, vmid=guest.vmid)
        snapshots = parse_snapshots(await call(f"{kind}_snapshots", node=guest.node, vmid=guest.vmid))
        addresses, why = await self._addresses(guest, config)
        return GuestDescription(
            id=guest.id, config=readable_config(config), snapshots=[_snapshot(s) for s in snapshots],
            addresses=addresses, addresses_why=why,
        )  # fmt: skip

    async def _addresses(self, guest: Guest, config: dict[str, Any]) -> tuple[list[str] | None, str | None]:
        """The addresses, or why they are not known."""
        if guest.status != "running":
            return None, f"it does not run ({guest.status})"
        if guest.kind == "vm" and not _agent_enabled(config):
            return None, "the guest agent is not enabled in its configuration"
        try:
            reply = await self._scene.px.call(f"{guest.kind}_addresses", node=guest.node, vmid=guest.vmid)
            parsed = parse_agent_addresses(reply) if guest.kind == "vm" else parse_lxc_addresses(reply)
        except JarvisError as error:
            if error.code == "cluster_refused" and guest.kind == "vm":
                return None, "the guest agent does not answer"
            return None, error.sentence()
        return [address.ip for address in parsed], None


def readable_config(config: dict[str, Any]) -> dict[str, Any]:
    """PVE's keys as they are, text clean, secrets hidden (``cipassword``, and what is named like one)."""
    shown: dict[str, Any] = {}
    for key, value in config.items():
        name = clean(str(key), limit=80)
        if SECRET.search(name):
            shown[name] = REDACTED
        elif isinstance(value, str):
            shown[name] = clean_block(value, limit=8000) if name == "description" else clean(value, limit=2000)
        elif isinstance(value, int | float) or value is None:
            shown[name] = value
        else:
            shown[name] = clean(str(value), limit=2000)
    return shown


def _agent_enabled(config: dict[str, Any]) -> bool:
    first = str(config.get("agent", "")).split(",")
    return "1" in first or "enabled=1" in first


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(snapshot)
    return plain


def _node_of(upid: str) -> str:
    parsed = parse_upid(upid)
    assert parsed is not None
    return parsed.node


def _result(task: Task, lines: list[str], following: int) -> TaskLogResult:
    return TaskLogResult(upid=task.id, lines=lines, next=following, status=task.status, exit_text=task.exit_text)
