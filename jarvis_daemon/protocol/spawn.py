"""Background tasks that are neither garbage-collected nor silent. Standard library only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_log = logging.getLogger("jarvis.spawn")
_tasks: set[asyncio.Task[Any]] = set()


def spawn(coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Start ``coroutine`` as a task, keep a reference until it ends, log a failure that nobody awaits."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


async def finished(coroutine: Coroutine[Any, Any, T], *, name: str) -> T:
    """The result of ``coroutine``, which runs to its end even when nobody waits for it any more: between a commit
    and what is told of it there must be no leaving."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_done)  # nobody waits any more: its failure goes to the log
        raise


def _done(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("background task %s failed", task.get_name(), exc_info=error)
