"""The worker that speaks to other MCP servers, so that the daemon never imports MCP and outlives what they do.

Over one binary stream, a JSON document a frame: it says ``{ready}`` once it listens, tells ``{server, tools}`` or
``{server, error}``, is asked ``{id, server, tool, args}`` and answers ``{id, result: {text, data, cut}}``, ``{id,
error}``, or ``{id, lost}`` where it is not known whether the server acted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from jarvis_daemon.mcp_bridge.extra import require
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.text import clean

STREAM: Final = "mcp.servers"
LOOK_AGAIN_S: Final = 60.0
RETRY_FIRST_S: Final = 2.0
RETRY_MAX_S: Final = 300.0
TOOLS_MAX: Final = 128
DEFINITIONS_MAX: Final = 768 * 1024
ANSWER_MAX: Final = 64 * 1024


async def work(link: Link, config: dict[str, Any]) -> None:
    """Until the daemon ends us. Raises ``unavailable`` when MCP is not installed."""
    require()
    number = int((await link.call("stream.open", {"kind": STREAM}))["stream"])
    worker = _Worker(link, number, config["secrets"])
    link.on_binary = worker.asked
    await link.send_binary(number, json.dumps({"ready": True}).encode())
    servers = config["settings"]["servers"]
    await asyncio.gather(*(worker.hold(name, server) for name, server in servers.items()))


class _Worker:
    def __init__(self, link: Link, stream: int, secrets: dict[str, str]) -> None:
        self._link, self._number, self._secrets = link, stream, secrets
        self._clients: dict[str, Any] = {}
        self._timeouts: dict[str, float] = {}
        self._doubts: dict[str, asyncio.Event] = {}
        """Set when a call failed: the server is looked at again at once, and connected anew if need be."""

    async def hold(self, name: str, server: dict[str, Any]) -> None:
        """Stay connected to one server, for ever; whatever it does wrong is told once an attempt."""
        delay = RETRY_FIRST_S
        self._timeouts[name] = float(server["timeout_s"])
        while True:
            try:
                async with self._connected(name, server) as client:
                    self._clients[name] = client
                    delay = RETRY_FIRST_S
                    while True:
                        await self._tell({"server": name, "tools": await _definitions(client)})
                        await self._rest(name)
            except Exception as error:
                await self._tell({"server": name, "error": _short(error)})
            finally:
                self._clients.pop(name, None)
            await self._link.clock.sleep(delay)
            delay = min(RETRY_MAX_S, delay * 2)

    async def _rest(self, name: str) -> None:
        """A while, or until a call failed."""
        doubt = self._doubts[name] = asyncio.Event()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await doubt.wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def _connected(self, name: str, server: dict[str, Any]) -> AsyncIterator[Any]:
        import httpx2
        from mcp import Client, StdioServerParameters
        from mcp.client.streamable_http import streamable_http_client

        if server["command"] is not None:
            mine = {
                key.partition("/")[2]: value for key, value in self._secrets.items() if key.startswith(f"{name}/")
            }
            environ = {**server["env"], **{key: value for key, value in mine.items() if key}}
            how = StdioServerParameters(command=server["command"], args=server["args"], env=environ or None)
            async with Client(how, read_timeout_seconds=self._timeouts[name]) as client:
                yield client
            return
        token = self._secrets.get(f"{name}/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=self._timeouts[name], follow_redirects=False) as http,
            Client(
                streamable_http_client(server["url"], http_client=http), read_timeout_seconds=self._timeouts[name]
            ) as client,
        ):
            yield client

    def asked(self, stream: int, payload: bytes) -> None:
        if stream == self._number:
            spawn(self._call(json.loads(payload)), name="mcp-call")

    async def _call(self, request: dict[str, Any]) -> None:
        from mcp import MCPError, types

        client = self._clients.get(request["server"])
        if client is None:
            await self._tell({"id": request["id"], "error": "it is not connected"})
            return
        try:
            answer = await client.call_tool(request["tool"], request["args"])
        except MCPError as error:
            lost = error.code in {types.REQUEST_TIMEOUT, types.CONNECTION_CLOSED}
            await self._failed(request, "lost" if lost else "error", error)
            return
        except Exception as error:
            await self._failed(request, "lost", error)
            return
        text = "\n".join(getattr(part, "text", f"[{part.type}]") for part in answer.content)
        if answer.is_error:
            await self._tell({"id": request["id"], "error": clean(text) or "it says no reason"})
            return
        await self._tell({"id": request["id"], "result": capped(text, answer.structured_content)})

    async def _failed(self, request: dict[str, Any], what: str, error: Exception) -> None:
        """``lost``: whether the server acted is not known; ``error``: it said no."""
        await self._tell({"id": request["id"], what: _short(error)})
        if (doubt := self._doubts.get(request["server"])) is not None:
            doubt.set()

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._link.send_binary(self._number, json.dumps(message).encode())


def capped(text: str, data: Any) -> dict[str, Any]:
    """An answer that is not too long; what was left out is said."""
    fits = isinstance(data, dict) and len(json.dumps(data)) <= ANSWER_MAX
    cut = len(text) > ANSWER_MAX or (data is not None and not fits)
    return {"text": text[:ANSWER_MAX], "data": data if fits else None, "cut": cut}


async def _definitions(client: Any) -> list[dict[str, Any]]:
    """What the server tells of its tools, as much as the daemon takes in one frame."""
    found: list[dict[str, Any]] = []
    size, cursor = 0, None
    while True:
        page = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            told = tool.model_dump(mode="json", include=_TOLD)
            size += len(json.dumps(told))
            if size > DEFINITIONS_MAX or len(found) >= TOOLS_MAX:
                return found
            found.append(told)
        cursor = page.next_cursor
        if cursor is None:
            return found


_TOLD: Final = {"name", "title", "description", "input_schema", "output_schema", "annotations"}


def _short(error: BaseException) -> str:
    """A sentence; of a group its first cause."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return clean(str(error) or type(error).__name__, limit=300)
