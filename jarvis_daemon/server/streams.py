"""Binary streams of a session: audio and pictures as frames of u32 stream id and payload."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import Stream
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.server.frames import encode_note

QUEUE_MAX: Final = 64
STREAMS_MAX: Final = 16


class Send(Protocol):
    def __call__(self, frame: bytes, *, binary: bool = False) -> Awaitable[None]: ...


class _Stream:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.incoming: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_MAX)
        self.task: asyncio.Task[None] | None = None

    async def read(self) -> AsyncIterator[bytes]:
        while (payload := await self.incoming.get()) is not None:
            yield payload


class Streams:
    """Opened by ``stream.open``; a full queue stops the reading of the socket, so the sender feels it."""

    def __init__(self, bus: Bus, send: Send, principal: Callable[[], Principal]) -> None:
        self._bus = bus
        self._send = send
        self._principal = principal
        self._ids = itertools.count(1)
        self._streams: dict[int, _Stream] = {}

    def open(self, kind: str) -> int:
        """Start a stream. Raises ``not_found``, ``forbidden``, ``busy``."""
        if len(self._streams) >= STREAMS_MAX:
            raise JarvisError("busy", f"{STREAMS_MAX} streams of yours are open already")
        stream = _Stream(kind)
        outgoing = self._bus.open_stream(kind, self._principal(), stream.read())
        stream_id = next(self._ids)
        self._streams[stream_id] = stream
        stream.task = spawn(self._pump(stream_id, kind, outgoing), name=f"stream-{kind[:40]}")
        return stream_id

    async def incoming(self, frame: bytes) -> None:
        """A binary frame from the client; one of an unknown stream is dropped."""
        stream = self._streams.get(int.from_bytes(frame[:4], "big")) if len(frame) >= 4 else None
        if stream is not None:
            await stream.incoming.put(frame[4:])

    def end(self, stream_id: int) -> None:
        """The client sends no more; the handler may still finish."""
        if (stream := self._streams.get(stream_id)) is None:
            raise JarvisError("not_found", f"There is no stream {stream_id}")
        if stream.incoming.full():
            stream.incoming.get_nowait()
        stream.incoming.put_nowait(None)

    def close(self) -> None:
        for stream in self._streams.values():
            if stream.task is not None:
                stream.task.cancel()

    async def _pump(self, stream_id: int, kind: str, outgoing: AsyncIterator[bytes]) -> None:
        try:
            async with _closing(outgoing):  # also where the link breaks while we send: what waits has to hear of it
                async for payload in outgoing:
                    await self._send(stream_id.to_bytes(4, "big") + payload, binary=True)
            await self._send(encode_note("stream", Stream(stream=stream_id, kind=kind, closed=True)))
        finally:
            stream = self._streams.pop(stream_id, None)
            while stream is not None and not stream.incoming.empty():
                stream.incoming.get_nowait()  # the session may be waiting for room, and nobody else reads now


def _closing(outgoing: AsyncIterator[bytes]) -> contextlib.AbstractAsyncContextManager[Any]:
    return contextlib.aclosing(outgoing) if isinstance(outgoing, AsyncGenerator) else contextlib.nullcontext()
