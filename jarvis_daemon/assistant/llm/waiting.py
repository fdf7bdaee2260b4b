"""Waiting with an end, on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from jarvis_daemon.clock import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, asked: Awaitable[T]) -> T:
    """What ``asked`` gives. Raises ``TimeoutError`` after ``seconds``; it is cancelled then, and when we are."""
    task = asyncio.ensure_future(asked)
    late = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, late}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        late.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
