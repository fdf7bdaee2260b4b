"""The asynchronous client against a daemon that dies, or talks nonsense, at the worst moment."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol import client
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
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


async def lost_link(link: Link, what: str) -> JarvisError:
    """Run the link until it tells an error that begins with ``what``."""
    running = spawn(link.run(), name="test-link")
    try:
        async with asyncio.timeout(15):
            while link.error is None or not link.error.what.startswith(what):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    return link.error


async def test_nobody_there_is_told_in_words(home: Path) -> None:
    error = await lost_link(Link(home / "s", client="test"), "The daemon does not run")
    assert error.sentence() == "The daemon does not run"
    assert error.next == "Run `jarvis daemon start`."


async def test_why_the_daemon_could_not_be_started_stays_on_the_screen(home: Path) -> None:
    started: list[str] = []

    async def start() -> None:
        started.append("once")
        raise JarvisError("config_invalid", "Unknown setting `x`")

    class Counted(ManualClock):
        pauses = 0

        async def sleep(self, seconds: float) -> None:
            self.pauses += 1
            await asyncio.sleep(0)

    clock = Counted()
    link = Link(home / "s", client="test", start_daemon=start, clock=clock)
    running = spawn(link.run(), name="test-link")
    async with asyncio.timeout(5):
        while clock.pauses < 4:
            await asyncio.sleep(0)
    running.cancel()
    assert started == ["once"]
    assert link.error is not None
    assert link.error.code == "config_invalid"


async def test_one_that_hangs_is_told_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OPEN_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "s"))
        listener.listen()
        error = await lost_link(Link(home / "s", client="test"), "The daemon accepts")
    assert "restart --force" in error.next
