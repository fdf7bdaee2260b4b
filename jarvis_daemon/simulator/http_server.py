"""HTTP/1.1 over TLS on one loopback port: keep-alive, and answers whose reason phrase is free text.

A ``Listener`` can be closed and opened again on the same port, as a machine that loses its power and boots.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import h11

from jarvis_daemon.simulator.spawn import spawn

BODY_MAX: Final = 512 * 1024
IDLE_S: Final = 60.0


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """``status`` may be one of PVE's 59x; ``reason`` is shown to people."""

    status: int
    reason: str = "OK"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response | None]]
"""None: hang up without an answer."""


def reserve_port() -> socket.socket:
    """A bound socket that never listens: it keeps a loopback port ours while nobody serves there."""
    keeper = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper


def listening_socket(keeper: socket.socket) -> socket.socket:
    """A listening socket on the port that ``keeper`` reserves."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(keeper.getsockname())
    sock.listen(100)
    sock.setblocking(False)
    return sock


class Listener:
    """One HTTPS endpoint."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._keeper = reserve_port()
        self._server: asyncio.Server | None = None
        self._opened = 0
        self._connections: set[asyncio.Task[None]] = set()
        self.port: int = self._keeper.getsockname()[1]

    @property
    def open(self) -> bool:
        return self._server is not None

    async def start(self, context: ssl.SSLContext) -> None:
        """Accept connections with the certificate of ``context``."""
        if self._server is None:
            self._opened += 1
            self._server = await asyncio.start_server(
                partial(self._accept, self._opened), sock=listening_socket(self._keeper), ssl=context,
                ssl_handshake_timeout=30,
            )  # fmt: skip

    async def stop(self) -> None:
        """Close the port and cut every connection; the port stays ours."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def close(self) -> None:
        """The end of this endpoint."""
        await self.stop()
        self._keeper.close()

    def _accept(self, opened: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or opened != self._opened:  # its handshake ended after the port was closed
            writer.transport.abort()
            return
        task = spawn(self._serve(reader, writer), name=f"https:{self.port}")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Connection(reader, writer, self._handler).run()
        except (ConnectionError, TimeoutError, h11.RemoteProtocolError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()


class Connection:
    """One client's connection, request after request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while True:
            request = await self._read()
            if request is None:
                return
            response = await self._answer(request)
            if response is None:
                return
            await self._write(request, response)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _answer(self, request: Request) -> Response | None:
        """The handler's answer; given up when the client hangs up first."""
        work = spawn(self._ask(request), name="https-request")
        gone = spawn(self._watch(), name="https-watch")
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _ask(self, request: Request) -> Response | None:
        return await self._handler(request)

    async def _watch(self) -> None:
        """Ends when the client closes; keeps what it sends meanwhile for the next request."""
        while True:
            data = await self._reader.read(65536)
            self._http.receive_data(data)
            if not data:
                return

    async def _read(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(IDLE_S):
                    self._http.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_MAX:
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode().lower(): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
            else:
                return None

    async def _write(self, request: Request, response: Response) -> None:
        headers = {"Connection": "Keep-Alive", "Content-Length": str(len(response.body)), **response.headers}
        reason = response.reason.replace("\n", " ").replace("\r", " ").strip()
        head = h11.Response(
            status_code=response.status, reason=reason.encode("utf-8", "replace")[:400],
            headers=list(headers.items()),
        )  # fmt: skip
        data = self._http.send(head) or b""
        if request.method != "HEAD":
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
