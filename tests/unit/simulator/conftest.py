"""A world without shells, a homelab that serves, and a plain HTTPS client for it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load
from jarvis_daemon.simulator.pve_api import Delays
from jarvis_daemon.simulator.world import World

NOW = 1_800_000_000.0
"""2027-01-15 08:00 UTC."""


@pytest.fixture
def world() -> World:
    made = World(load(), NOW)
    made.access.add("jarvis@pve!daemon", "secret")
    return made


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Homelab]:
    async with Homelab(load(), tmp_path / "sim", now=NOW, delays=Delays(0.05, 0.5), ssh=False) as made:
        yield made


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]

    @property
    def errors(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.body)["errors"]
        return found

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


class Client:
    """One keep-alive connection to one node's endpoint."""

    def __init__(self, lab: Homelab, node: str = "Home", authorization: str | None = None) -> None:
        self.lab = lab
        self.node = node
        self.authorization = lab.authorization if authorization is None else authorization
        self.certificate: bytes | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            port = int(self.lab.endpoints[self.node].rsplit(":", 1)[1])
            self._streams = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=2**24)
            self.certificate = self._streams[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
        return self._streams

    async def get(self, path: str, /, **query: Any) -> Reply:
        return await self.call("GET", path + ("?" + urlencode(query) if query else ""))

    async def post(self, path: str, /, **form: Any) -> Reply:
        return await self.call("POST", path, urlencode(form).encode())

    async def call(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/x-www-form-urlencoded"
    ) -> Reply:
        await self.send(method, "/api2/json" + path, body, kind)
        return await self.receive()

    async def send(
        self, method: str, target: str, body: bytes = b"", kind: str = "application/x-www-form-urlencoded"
    ) -> None:
        _, writer = await self.streams()
        head = f"{method} {target} HTTP/1.1\r\nHost: pve\r\n"
        if self.authorization:
            head += f"Authorization: {self.authorization}\r\n"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()

    async def receive(self) -> Reply:
        reader, _ = await self.streams()
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        return Reply(int(status), reason, headers, body)


@pytest.fixture
async def client(lab: Homelab) -> AsyncIterator[Client]:
    async with Client(lab) as made:
        yield made


ClientOf = Callable[..., Client]


@pytest.fixture
async def client_of(lab: Homelab) -> AsyncIterator[ClientOf]:
    made: list[Client] = []

    def make(node: str = "Home", authorization: str | None = None) -> Client:
        made.append(Client(lab, node, authorization))
        return made[-1]

    yield make
    for each in made:
        each.close()
