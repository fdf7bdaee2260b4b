"""The smallest worker: sends a stream back to itself, by which `jarvis doctor` proves that workers work."""

from __future__ import annotations

import asyncio
from typing import Any

from jarvis_daemon.protocol.client import Link


async def work(link: Link, config: dict[str, Any]) -> None:
    """Stay until the daemon ends us; the heartbeat proves that we live."""
    await asyncio.Event().wait()
