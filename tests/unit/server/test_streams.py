"""Binary streams: their handler hears of the end at once, however the link broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.server.streams import Streams


async def test_a_handler_ends_when_the_link_breaks_while_a_frame_goes_out() -> None:
    bus, ended, broken = Bus(), asyncio.Event(), asyncio.Event()

    async def handler(principal: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"frame"
        finally:
            ended.set()

    async def send(frame: bytes, *, binary: bool = False) -> None:
        broken.set()
        await asyncio.Event().wait()

    bus.offer_stream("toy", handler)
    streams = Streams(bus, send, lambda: Principal(session="s", role="worker", worker="toy"))
    streams.open("toy")
    await broken.wait()
    assert not ended.is_set()
    held = streams._streams[1]  # whoever holds on to it does not keep the handler from its end
    streams.close()
    await asyncio.wait_for(ended.wait(), 5)
    assert held.task is not None
    assert held.task.cancelled()
