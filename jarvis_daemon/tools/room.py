"""The room of the gate: builds it, offers its methods, tells of intents that a dead daemon left open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools.audit import Audit, Entry, forever
from jarvis_daemon.tools.gate import Gate, as_stream, key_of
from jarvis_daemon.tools.killswitch import KillSwitch
from jarvis_daemon.tools.registry import Registry, info

SWEEP_S = 1.0


class ToolsRoom:
    """``registry`` is filled by the other rooms before ``start``."""

    def __init__(
        self, settings: Settings, places: Places, bus: Bus, store: Store, feed: Feed, clock: Clock
    ) -> None:
        self.registry = Registry()
        self.audit = Audit(store, clock)
        self.kill = KillSwitch(store, bus, clock, places.kill_file)
        self.gate = Gate(
            self.registry, bus, store, feed, clock, self.kill, self.audit, settings.tools, settings.approvals
        )
        self._feed, self._clock = feed, clock
        self._running: list[asyncio.Task[Any]] = []
        bus.offer("tool.list", self._list)
        bus.offer("tool.call", self._call)
        bus.offer("tool.wait", self.gate.wait, roles={"operator", "agent", "front"})
        bus.offer("approval.answer", self.gate.answer, roles={"operator"})
        bus.offer("killswitch.set", self._kill)
        bus.offer("audit.list", self._audit_list, roles={"operator"})
        bus.offer("audit.verify", self._audit_verify, roles={"operator"})

    async def start(self) -> None:
        """Read the kill switch, tell of open intents. Raises ``store_failed``."""
        await self.kill.start()
        await self._tell_open_intents()
        self._running = [
            spawn(self.kill.watch(), name="killswitch"),
            spawn(forever(self.audit), name="audit-reads"),
            spawn(self._sweep(), name="approvals-sweep"),
        ]

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _tell_open_intents(self) -> None:
        """A daemon died between intent and outcome: say so, never repeat the act."""
        for row in await self.audit.open_intents():
            await self.audit.write(Entry(
                "open_intent", row["call_id"], "daemon", row["tool"], target=row["target"],
                data={"text": "the daemon ended before the outcome was known"},
            ))  # fmt: skip
            about = row["target"].partition(":")[2] or "everything"
            await self._feed.post(
                "tool.open_intent",
                f"I was ended in the middle of {row['tool']} on {about}; what became of it is not known, "
                "and it will not be repeated by itself.",
                severity="warning", target=row["target"] or None, key=f"open-intent:{row['call_id']}",
                data={"call": row["call_id"], "tool": row["tool"]},
            )  # fmt: skip

    async def _sweep(self) -> None:
        while True:
            self.gate.approvals.sweep()
            await self._clock.sleep(SWEEP_S)

    def _list(self, params: m.ToolList, principal: Principal) -> m.ToolListResult:
        wanted = set(params.names)
        found = [info(spec) for spec in self.registry.all() if not wanted or spec.name in wanted]
        if wanted - {tool.name for tool in found}:
            self.registry.get(sorted(wanted - {tool.name for tool in found})[0])
        return m.ToolListResult(tools=sorted(found, key=lambda tool: tool.name))

    def _call(self, params: m.ToolCall, principal: Principal) -> AsyncIterator[dict[str, Any] | m.ToolOutcome]:
        return as_stream(self.gate, params, principal)

    async def _kill(self, params: m.KillSwitchSet, principal: Principal) -> dict[str, Any]:
        """Anyone engages; only the operator disengages, with the pin where one is set."""
        if not params.engaged:
            if principal.role != "operator":
                raise JarvisError("forbidden", "Only an operator disengages the kill switch")
            self.gate.approvals.check_pin(params.pin)
        by = key_of(principal)
        state = await self.kill.set(params.engaged, by=by, reason=params.reason[:400])
        await self.audit.write(Entry(
            "kill", "", by, "killswitch", data={"engaged": params.engaged, "reason": params.reason[:400]}
        ))  # fmt: skip
        word = "engaged: nothing acts until it is released" if params.engaged else "released"
        reason = f" ({params.reason[:400]})" if params.reason else ""
        await self._feed.post(
            "kill", f"The kill switch is {word}{reason}.", severity="warning" if params.engaged else "ok",
            data={"engaged": params.engaged, "by": by},
        )  # fmt: skip
        return {"engaged": state.engaged, "since_at": state.since_at, "by": state.by, "reason": state.reason}

    async def _audit_list(self, params: m.AuditList, principal: Principal) -> dict[str, Any]:
        await self.audit.flush()
        rows = await self.audit.list_rows(
            limit=params.limit, before=params.before, call_id=params.call_id, tool=params.tool
        )
        return {"rows": rows, "head": await self.audit.head()}

    async def _audit_verify(self, params: m.AuditVerify, principal: Principal) -> m.AuditVerifyResult:
        return await self.audit.verify(params.head)
