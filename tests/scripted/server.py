"""A small HTTP server of asyncio: each request gets the next answer of the script, and is kept.
A connection serves one request."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
           529: "Site is overloaded"}  # fmt: skip


@dataclass
class Hold:
    """A piece of an answer at which the server waits until ``go`` is set, or the client leaves. ``reached``: it
    waits there; what stood before has been sent."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Answer:
    """``pieces`` are written one by one, chunked, as they stand. ``cut``: the connection then ends without the
    last chunk, as when a server dies."""

    pieces: Sequence[bytes | Hold] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    content_type: str = "text/event-stream; charset=utf-8"


@dataclass(frozen=True)
class Asked:
    """A request: names of headers in lower case; ``body`` is its JSON, None where it has none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    raw: bytes


def error(status: int, body: Any, **headers: str) -> Answer:
    """An answer that is no stream: ``body`` as JSON; underscores of header names become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer((json.dumps(body).encode(),), status, named, content_type="application/json")


class Scripted:
    """``answers`` are given in order; a request beyond them gets ``always``, without one status 500."""

    def __init__(self, *answers: Answer, always: Answer | None = None) -> None:
        self.answers = deque(answers)
        self.always = always
        self.asked: list[Asked] = []
        self.came = asyncio.Event()
        """Set with each request; for a test to clear."""
        self.left = asyncio.Event()
        """Set when a client closed its connection before its answer was over."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        await self._server.wait_closed()

    def next_answer(self, asked: Asked) -> Answer | None:
        return self.answers.popleft() if self.answers else self.always

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            if (asked := await _request(reader)) is None:
                return
            self.asked.append(asked)
            self.came.set()
            answer = self.next_answer(asked)
            if answer is None:
                answer = error(500, {"error": {"message": "the script is over"}})
            await self._answer(answer, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = {
            "content-type": answer.content_type, "transfer-encoding": "chunked", "connection": "close",
            **answer.headers,
        }  # fmt: skip
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        leaving: asyncio.Future[Any] = asyncio.ensure_future(reader.read(1))  # nothing comes any more but its end
        try:
            for piece in answer.pieces:
                if isinstance(piece, Hold):
                    await _either(piece, leaving)
                else:
                    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    await writer.drain()
                if leaving.done():
                    self.left.set()
                    return
            if not answer.cut:
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except ConnectionError:
            self.left.set()
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)


async def _either(hold: Hold, leaving: asyncio.Future[Any]) -> None:
    hold.reached.set()
    going: asyncio.Future[Any] = asyncio.ensure_future(hold.go.wait())
    try:
        await asyncio.wait([going, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        going.cancel()


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    """The next request; None at the connection's end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines) if name}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        raw = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            raw += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, json.loads(raw) if raw else None, raw)
