"""What a turn adds to a model: from ``chat.send`` to the first kept word, less what the model's server took for it.

All rooms are built as the daemon builds them, with a store on the disk, a homelab of 40 guests on the bus and a
real llama.cpp server with small weights. The time in which the server worked is measured at the same stream, in the
same turn; what is left is ours: understanding, context, memory, counting, two commits.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from benchmarks import intents
from benchmarks.row import Row, percentile
from jarvis_daemon.assistant.llm.contract import Event, Request, Text
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.room import AssistantRoom
from jarvis_daemon.bus.services import Principal
from jarvis_daemon.protocol.mind import ChatSend
from jarvis_daemon.settings import LocalModelSettings
from jarvis_daemon.store import Store
from tests.llama import Llama

TURNS: Final = 12
WARM: Final = 3
WHO: Final = Principal(session="bench", role="operator", client="bench")
ASKED: Final = "compose one short sentence about lamps, number {}"


def run() -> list[Row]:
    with Llama() as llama:
        return asyncio.run(_measure(llama))


async def _measure(llama: Llama) -> list[Row]:
    local = LocalModelSettings(enabled=True, url=llama.url, model=llama.model, native_tools=True)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "jarvis.db")
        await store.open()
        try:
            room = await intents.house(Path(folder), store, local=local, guests=40)
            found = await _turns(room)
        finally:
            await store.close()
    ours, server = [one[0] for one in found], [one[1] for one in found]
    note = f"the server's first token {percentile(server, 0.5):.0f} ms (median); {TURNS} turns"
    return [
        Row("a turn's first word over the model's server, median", percentile(ours, 0.5), "ms", 10, 5, note),
        Row("a turn's first word over the model's server, p95", percentile(ours, 0.95), "ms", note=note),
    ]  # fmt: skip


async def _turns(room: AssistantRoom) -> list[tuple[float, float]]:
    """``(ours, server)`` of each turn, in milliseconds."""
    await room.understanding.start(room.store)
    await room.ledger.start()
    await room.chat.start()
    watch = _Watch()
    watch.wrap(room.backends[0])
    found = []
    for number in range(WARM + TURNS):
        watch.began = watch.first = 0.0
        began, heard = time.perf_counter(), 0.0
        async for item in room.chat.send(ChatSend(text=ASKED.format(number)), WHO):
            if not heard and isinstance(item, dict) and item["kind"] == "chat.text":
                heard = time.perf_counter()
        server = watch.first - watch.began
        if number >= WARM:
            found.append(((heard - began - server) * 1000, server * 1000))
    await room.chat.stop()
    await room.brain.close()
    return found


class _Watch:
    """When a backend's stream was asked, and when its first text came."""

    began = first = 0.0

    def wrap(self, backend: Any) -> None:
        assert isinstance(backend, LocalModel)
        plain: Callable[[Request], AsyncIterator[Event]] = backend.stream

        async def stream(request: Request) -> AsyncGenerator[Event]:
            self.began = self.began or time.perf_counter()
            async with aclosing(plain(request)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, Text) and not self.first:
                        self.first = time.perf_counter()
                    yield event

        backend.stream = stream  # type: ignore[method-assign]
