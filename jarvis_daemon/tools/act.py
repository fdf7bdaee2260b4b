"""The permit to act, given by the gate to one run of one tool, and good only as long as that run.

Whatever writes (Proxmox, SSH, Docker) takes it and enters ``step`` right before the bytes leave; without a live
one it refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from jarvis_daemon.protocol.errors import JarvisError

Check = Callable[[], Awaitable[bool]]
Note = Callable[[str], Awaitable[None]]
Progress = Callable[[dict[str, Any]], None]


class Act:
    """``steps`` are the side effects that were begun, in words."""

    def __init__(self, *, call_id: str, killed: Check, note: Note, progress: Progress) -> None:
        self.call_id = call_id
        self.steps: list[str] = []
        self.pulled = False
        """The kill switch stopped this run."""
        self._killed, self._note, self._progress = killed, note, progress
        self._live = True
        self.cancelled = False
        """Nobody wants a further step; whoever waits in between may give up waiting."""
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def step(self, what: str) -> AsyncIterator[None]:
        """One side effect. Raises ``killed`` when the switch is engaged, ``refused`` after the run has ended.

        The step is noted in the audit first; the switch is asked last, so nothing lies between it and the act.
        """
        async with self._lock:
            if not self._live:
                raise JarvisError("refused", "The permit to act has ended", why="its call is over")
            if self.cancelled:
                raise JarvisError("cancelled", f"It was cancelled before: {what}")
            await self._note(what)
            if await self._killed() or not self._live:
                self.pulled = True
                raise JarvisError("killed", "The kill switch is engaged", why=f"it stopped before: {what}")
            self.steps.append(what)
            yield

    def progress(self, **data: Any) -> None:
        """Tell whoever waits, for instance ``lines`` of a task's log."""
        self._progress(data)

    def cancel(self) -> None:
        self.cancelled = True

    def end(self) -> None:
        """No further step, whoever kept a reference."""
        self._live = False
