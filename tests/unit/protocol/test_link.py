"""The asynchronous client against a daemon that dies, or talks nonsense, at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.spawn import spawn

WELCOME = '{"jsonrpc": "2.0", "id": %d, "result": {"boot_id": "b", "now": 1.0}}'


@asynccontextmanager
async def talking_to(path: Path, *last: str | None) -> AsyncIterator[list[int]]:
    """A link to a peer which in its n-th session says ``last[n]`` after the client's first frame (None: closes at
    once), and a plain welcome later on."""
    sessions: list[int] = []
    third = asyncio.Event()

    async def session(connection: ServerConnection) -> None:
        number = len(sessions)
        sessions.append(number)
        await connection.recv()
        if number < len(last) and (said := last[number]) is None:
            connection.transport.abort()
        else:
            await connection.send(said if number < len(last) and said else WELCOME % 1)
        if number >= len(last):
            third.set()
        await connection.wait_closed()

    async with unix_serve(session, str(path), compression=None):
        link = Link(path, client="test")
        running = spawn(link.run(), name="test-link")
        try:
            async with asyncio.timeout(8):
                await third.wait()
            yield sessions
        finally:
            running.cancel()


@pytest.mark.parametrize("said", [None, "{no json", "[1]"], ids=["dies", "garbage", "no-object"])
async def test_a_daemon_that_fails_during_the_greeting_is_tried_again_at_once(home: Path, said: str | None) -> None:
    async with talking_to(home / "s", said) as sessions:
        assert len(sessions) == 2
