"""A second session of the HUD, for what the first one may not do: answer an approval that it asked for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

WAIT_S: Final = 10.0


@asynccontextmanager
async def second(connect: Callable[[Callable[[str], None]], Link]) -> AsyncIterator[Link]:
    """A link that listens to nothing, ended with the block. Raises ``daemon_unreachable``."""
    link = connect(lambda topic: None)
    link.topics = []
    running = spawn(link.run(), name="hud-second-link")
    try:
        if not await link.wait_for(lambda found: found.status == "up", WAIT_S):
            raise link.error or JarvisError("daemon_unreachable", "The daemon does not answer")
        yield link
    finally:
        running.cancel()
