"""What may be asked of memory over the contract; the operator's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jarvis_daemon.assistant.memory import when
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import mind

if TYPE_CHECKING:
    from jarvis_daemon.assistant.memory.memory import Memory


class MemoryServices:
    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory, self._clock = memory, clock

    def offer(self, bus: Bus) -> None:
        bus.offer("memory.list", self._list, roles={"operator"})
        bus.offer("memory.search", self._search, roles={"operator"})
        bus.offer("memory.export", self._export, roles={"operator"})
        bus.offer("memory.compare", self._compared, roles={"operator"})

    async def _list(self, params: mind.MemoryList, principal: Principal) -> mind.MemoryListResult:
        found = await self._memory.list_all(
            tier=params.tier, kind=params.kind, limit=params.limit, replaced=params.all
        )
        return mind.MemoryListResult(memories=found)

    async def _search(self, params: mind.MemorySearch, principal: Principal) -> mind.MemoryListResult:
        if params.happened:
            at = None
            if params.since_at is not None or params.until_at is not None:
                at = when.Span(params.since_at or 0.0, params.until_at or self._clock.now() + 1.0)
            told = await self._memory.what_happened(params.query, at)
            return mind.MemoryListResult(memories=told[-max(1, params.limit) :])
        found = await self._memory.search(
            params.query, limit=params.limit, since_at=params.since_at, until_at=params.until_at
        )
        return mind.MemoryListResult(memories=found)

    async def _export(self, params: mind.MemoryExport, principal: Principal) -> mind.MemoryExported:
        markdown, count = await self._memory.export()
        return mind.MemoryExported(markdown=markdown, memories=count)

    async def _compared(self, params: mind.MemoryCompare, principal: Principal) -> mind.MemoryCompared:
        diff = await self._memory.compare(params.markdown)
        return mind.MemoryCompared(
            diff=list(diff.lines), added=len(diff.added), changed=len(diff.changed), forgotten=len(diff.forgotten),
            sha256=diff.sha256,
        )  # fmt: skip
