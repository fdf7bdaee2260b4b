"""A read through MCP: in process and over HTTP, beside the same read by the contract and beside a bare MCP server.

The daemon, its front and the simulated cluster are the product's own processes; the bare server is the SDK's
with one empty tool, in process and in a child over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer

from benchmarks.lab import Lab
from benchmarks.row import Row, percentile
from jarvis_daemon.mcp_bridge.server import build
from jarvis_daemon.mcp_bridge.upstream import Upstream
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.spawn import spawn

CALLS: Final = 200
WARM: Final = 20
TOOL: Final = "get_node_status"
TOKEN: Final = "bench-0123456789-0123456789"


def run() -> list[Row]:
    lab, port = Lab(nodes=4, guests=18), _free_port()
    lab.environ |= {"JARVIS_FRONT__ENABLED": "true", "JARVIS_FRONT__PORT": str(port)}
    lab.places.mcp_token.touch(mode=0o600)
    lab.places.mcp_token.write_text(TOKEN)
    with lab:
        return asyncio.run(_measure(lab, port))


async def _measure(lab: Lab, port: int) -> list[Row]:
    link = Link(lab.places.socket, client="bench", role="agent")
    running = spawn(link.run(), name="link")
    upstream = Upstream(link)
    args = {"node": sorted(node["name"] for node in lab.cluster()["nodes"].values())[0]}
    try:
        contract = await _times(lambda: upstream.call("tool.call", {"name": TOOL, "args": args}))
        async with Client(build(upstream)) as client:
            inside = await _times(lambda: _called(client, args))
        async with Client(_bare()) as client:
            bare_inside = await _times(lambda: client.call_tool("nothing", {}))
        async with _over_http(port, TOKEN) as client:
            outside = await _times(lambda: _called(client, args))
        async with _bare_over_http() as client:
            bare_outside = await _times(lambda: client.call_tool("nothing", {}))
    finally:
        running.cancel()
    return [
        _row("in process", inside, f"bare MCP server {_told(bare_inside)}; by the contract {_told(contract)}"),
        _row("over HTTP through front", outside, f"bare MCP server over HTTP {_told(bare_outside)}"),
    ]


async def _called(client: Client, args: dict[str, Any]) -> None:
    result = await client.call_tool(TOOL, args)
    if result.is_error:
        raise RuntimeError(f"{TOOL} failed: {result.content}")


async def _times(call: Callable[[], Awaitable[Any]]) -> list[float]:
    """Seconds of each call, one after the other, once warm."""
    found = []
    for number in range(WARM + CALLS):
        began = time.perf_counter()
        await call()
        if number >= WARM:
            found.append(time.perf_counter() - began)
    return found


def _row(where: str, times: list[float], baseline: str) -> Row:
    note = f"median {percentile(times, 0.5) * 1000:.2f} ms"
    return Row(
        f"MCP call {where}, p95 of {len(times)}", percentile(times, 0.95) * 1000, "ms", None, None, baseline, note
    )


def _told(times: list[float]) -> str:
    return f"median {percentile(times, 0.5) * 1000:.2f}, p95 {percentile(times, 0.95) * 1000:.2f} ms"


def _bare() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("bare", log_level="ERROR")

    @server.tool()
    async def nothing() -> dict[str, str]:
        """Does nothing."""
        return {"node": "pve"}

    return server


@contextlib.asynccontextmanager
async def _over_http(port: int, token: str) -> AsyncIterator[Client]:
    await _listening(port)
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)) as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def _bare_over_http() -> AsyncIterator[Client]:
    port = _free_port()
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.mcp_latency", str(port))
    try:
        async with _over_http(port, "none") as client:
            yield client
    finally:
        child.kill()
        await child.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(_bare().run_streamable_http_async(port=int(sys.argv[1])))
