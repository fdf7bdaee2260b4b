"""Clients that try to cost more than they may: endless calls, streams that nobody reads, deaf ones at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import unix_connect

from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.server.session import CALLS_AT_ONCE
from jarvis_daemon.server.streams import QUEUE_MAX
from tests.unit.server.conftest import House
from tests.unit.server.test_sessions import raw, say


async def until_alone(house: House) -> None:
    async with asyncio.timeout(5):
        while house.server._sessions:
            await asyncio.sleep(0.01)


async def test_calls_without_an_id_and_with_one_id_count_too(house: House) -> None:
    asked = 0

    async def log(params: m.TaskLog, who: Principal) -> m.TaskLogResult:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return m.TaskLogResult()

    house.bus.offer("task.log", log)
    for number in ({}, {"id": 7}):
        asked = 0
        async with await raw(house) as socket:
            await say(socket, "hello", role="operator")
            for _ in range(CALLS_AT_ONCE + 10):
                await socket.send(json.dumps({"jsonrpc": "2.0", "method": "task.log", "params": {}} | number))
            answers = [json.loads(await socket.recv()) for _ in range(10)]
            assert {answer["error"]["data"]["code"] for answer in answers} == {"busy"}
            assert asked == CALLS_AT_ONCE
        await until_alone(house)


async def test_a_stream_that_ends_while_its_queue_is_full_lets_the_session_read_on(house: House) -> None:
    ended = asyncio.Event()

    async def deaf(who: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        await ended.wait()
        raise RuntimeError("broken")
        yield b""

    house.bus.offer_stream("mic", deaf, roles={"operator"})
    async with await raw(house) as socket:
        await say(socket, "hello", role="operator")
        stream = (await say(socket, "stream.open", kind="mic"))["result"]["stream"]
        for _ in range(QUEUE_MAX + 5):
            await socket.send(stream.to_bytes(4, "big") + b"x")
        ended.set()
        async with asyncio.timeout(5):
            assert (await say(socket, "state.get", 3))["result"]["topics"] == {}


async def test_a_client_that_goes_while_its_stream_is_full_is_seen_to_go(house: House) -> None:
    async def deaf(who: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    house.bus.offer_stream("mic", deaf, roles={"operator"})
    async with await raw(house) as socket:
        await say(socket, "hello", role="operator")
        stream = (await say(socket, "stream.open", kind="mic"))["result"]["stream"]
        for _ in range(QUEUE_MAX + 5):
            await socket.send(stream.to_bytes(4, "big") + b"x")
        socket.transport.abort()
    await until_alone(house)


async def test_deaf_clients_do_not_hold_up_the_end(house: House) -> None:
    deaf: list[Any] = []
    for _ in range(6):
        socket = await unix_connect(
            str(house.socket),
            uri="ws://jarvis/",
            compression=None,
            max_queue=1,
            ping_interval=None,
            close_timeout=0,
        )
        await say(socket, "hello", role="operator")
        socket.transport.pause_reading()
        deaf.append(socket)
    for session in list(house.server._sessions):  # as one to whom more was told than it reads
        session.connection.transport.set_write_buffer_limits(high=0)
        session.connection.transport.write(b"\x82\x7e\xff\xff" + bytes(65535) * 8)
    began = asyncio.get_running_loop().time()
    await house.server.stop()
    assert asyncio.get_running_loop().time() - began < 4
    for socket in deaf:
        socket.transport.abort()
        await socket.wait_closed()
