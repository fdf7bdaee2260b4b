"""A whole Jarvis with its front open, and the MCP clients that knock at it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.integration.house import House

DEADLINE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class McpHouse:
    """``environ`` is what every process of it is given; the test's own environment stays as it is."""

    def __init__(self, home: Path, **settings: str) -> None:
        before = dict(os.environ)
        self.port = free_port()
        given = {"JARVIS_FRONT__ENABLED": "true", "JARVIS_FRONT__PORT": str(self.port), "JARVIS_DEMO__SPEED": "20"}
        self.house = House(home, **(given | settings))
        self.environ = dict(os.environ)
        self.house.start()
        self.token = ""
        os.environ.clear()
        os.environ.update(before)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def jarvis(self, *arguments: str) -> Any:
        return self.house.jarvis(*arguments, **self.environ)

    def make_token(self, *arguments: str) -> str:
        done = self.jarvis("mcp", "token", *arguments)
        assert done.returncode == 0, done.stderr
        self.token = Path(done.stdout.strip()).read_text().strip()
        return self.token

    @asynccontextmanager
    async def stdio(self, **kwargs: Any) -> AsyncIterator[Client]:
        argv = ["-m", "jarvis_cli", "mcp"]
        async with Client(
            StdioServerParameters(command=sys.executable, args=argv, env=self.environ), **kwargs
        ) as c:
            yield c

    @asynccontextmanager
    async def http(self, **kwargs: Any) -> AsyncIterator[Client]:
        await self.front_up()
        headers = {"Authorization": f"Bearer {self.token or self.make_token()}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as knocking,
            Client(streamable_http_client(self.url, http_client=knocking), **kwargs) as client,
        ):
            yield client

    async def front_up(self) -> None:
        """Wait until front serves."""
        async with httpx2.AsyncClient() as probe, asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    if (await probe.get(f"http://127.0.0.1:{self.port}/healthz")).status_code == 200:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def operator(self, method: str, params: dict[str, Any]) -> Any:
        """One call of the operator's."""

        def call() -> Any:
            with self.house.client(role="operator", timeout_s=DEADLINE_S) as link:
                return link.call(method, params)

        return await asyncio.to_thread(call)

    def tasks(self, kind: str, vmid: str) -> list[dict[str, Any]]:
        """Tasks of PVE that the daemon saw."""
        found = self.house.state("tasks").get("tasks", {}).values()
        return [task for task in found if task["type"] == kind and task["target"] == vmid]

    def service(self) -> dict[str, Any]:
        return self.house.state("services")["services"]["service:front"]

    def close(self) -> None:
        self.house.close()


@contextmanager
def mcp_house(**settings: str) -> Iterator[McpHouse]:
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    house = McpHouse(folder, **settings)
    try:
        yield house
    finally:
        house.close()
        shutil.rmtree(folder, ignore_errors=True)
