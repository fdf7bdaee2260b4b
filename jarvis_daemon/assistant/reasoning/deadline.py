"""A deadline on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.spawn import spawn


@asynccontextmanager
async def within(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """``TimeoutError`` after so long on the injected clock."""
    task = asyncio.current_task()
    assert task is not None
    late = False

    async def watch() -> None:
        nonlocal late
        await clock.sleep(seconds)
        late = True
        task.cancel()

    watcher = spawn(watch(), name="turn-limit")
    try:
        yield
    except asyncio.CancelledError:
        if late and task.uncancel() == 0:
            raise TimeoutError from None
        raise
    finally:
        watcher.cancel()
