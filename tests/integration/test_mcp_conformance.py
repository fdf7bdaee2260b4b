"""The public conformance suite and the Inspector's command line against our server. Slow: Node starts each time.

The suite sends no token, so it knocks at a front of this process whose requests get the token put in; that front
is the real one, linked to a whole daemon. `scripts/mcp-conformance` installs the tools, in exact versions.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from jarvis_daemon.front.app import build
from jarvis_daemon.front.guard import Doors, TokenFile
from jarvis_daemon.front.worker import listen
from jarvis_daemon.mcp_bridge.upstream import Upstream
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.spawn import spawn
from tests.integration.mcp_house import McpHouse, free_port, mcp_house

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SETTLED = [
    "server-initialize", "ping", "tools-list", "resources-list", "prompts-list", "server-sse-multiple-streams",
    "dns-rebinding-protection",
]  # fmt: skip
"""Scenarios that need no tools of the suite's own; of the settled protocol."""
COMING = [
    "server-session-lifecycle", "caching", "http-header-validation", "sep-2164-resource-not-found",
    "input-required-result-missing-input-response", "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params", "input-required-result-validate-input",
]  # fmt: skip
"""The same of the suite's next release, for protocol 2026-07-28."""


@pytest.fixture(scope="module")
def house() -> Iterator[McpHouse]:
    with mcp_house() as found:
        yield found


@pytest.fixture(scope="module")
def suite() -> Path:
    """The folder of the tools. Never skips: the script tells what is missing."""
    done = subprocess.run(
        [ROOT / "scripts" / "mcp-conformance"], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "npm_config_update_notifier": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


class WithToken:
    """Puts the token into requests that bring none."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._header = app, (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)


@asynccontextmanager
async def front(house: McpHouse) -> AsyncIterator[str]:
    """The address of a front in this process."""
    token, port = house.make_token(), free_port()
    link = Link(house.house.places.socket, client="mcp", role="agent")
    running = spawn(link.run(), name="link")
    doors = Doors.of("127.0.0.1", port, [], [])
    app = WithToken(build(Upstream(link), TokenFile(house.house.places.mcp_token), doors), token)
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    listening = listen("127.0.0.1", port)
    serving = spawn(server.serve(sockets=[listening]), name="front")
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        await serving
        listening.close()
        running.cancel()


async def node(
    suite: Path, script: str, *arguments: str, environ: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a script of the suite."""
    process = await asyncio.create_subprocess_exec(
        suite / "node" / "bin" / "node", suite / "suite" / "node_modules" / script, *arguments,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=1 << 24,
        env={**(environ or os.environ), "NO_COLOR": "1"},
    )  # fmt: skip
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("scenario", SETTLED)
async def test_scenario(house: McpHouse, suite: Path, scenario: str) -> None:
    script = "@modelcontextprotocol/conformance/dist/index.js"
    async with front(house) as url:
        code, out, err = await node(suite, script, "server", "--url", url, "--scenario", scenario)
    assert code == 0, out + err
    assert "0 failed" in out + err


@pytest.mark.parametrize("scenario", COMING)
async def test_scenario_of_the_next_protocol(house: McpHouse, suite: Path, scenario: str) -> None:
    script = "conformance-next/dist/index.js"
    async with front(house) as url:
        code, out, err = await node(suite, script, "server", "--url", url, "--scenario", scenario)
    assert code == 0, out + err
    assert "0 failed" in out + err


def target(house: McpHouse, way: str) -> list[str]:
    """The Inspector hands on only a few variables of its own environment to a server that it starts: without ours
    that one would look for a daemon in the account's home, and start it there."""
    if way == "stdio":
        ours = [f"{name}={value}" for name, value in house.environ.items() if name.startswith("JARVIS_")]
        return ["env", *ours, sys.executable, "-m", "jarvis_cli", "mcp", "--transport", "stdio"]
    bearer = f"Authorization: Bearer {house.token or house.make_token()}"
    return [house.url, "--transport", "http", "--header", bearer]


async def inspect(house: McpHouse, suite: Path, way: str, *arguments: str) -> Any:
    """What the Inspector's command line prints, as JSON."""
    if way == "http":
        await house.front_up()
    script = "@modelcontextprotocol/inspector/" + _entry(suite)
    call = ["--cli", *target(house, way), *arguments]
    code, out, err = await node(suite, script, *call, environ=house.environ)
    assert code == 0, out + err
    return json.loads(out)


def _entry(suite: Path) -> str:
    package = suite / "suite/node_modules/@modelcontextprotocol/inspector/package.json"
    entry = json.loads(package.read_text())["bin"]["mcp-inspector"]
    return str(entry)


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_the_inspector_lists_and_calls(house: McpHouse, suite: Path, way: str) -> None:
    listed = await inspect(house, suite, way, "--method", "tools/list", "--strict")
    tools = {tool["name"]: tool for tool in listed["tools"]}
    assert tools["reboot_container"]["_meta"]["jarvis/tier"] == "red"
    read = ["--method", "tools/call", "--tool-name"]
    called = await inspect(house, suite, way, *read, "get_node_status", "--tool-arg", "node=pve")
    assert not called.get("isError")
    assert "pve" in json.dumps(called["structuredContent"])
