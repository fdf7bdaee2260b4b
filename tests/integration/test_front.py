"""The only TCP port, knocked at over the wire: who is let in, and what a crash of it disturbs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from tests.integration.mcp_house import McpHouse, mcp_house

HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}  # fmt: skip
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def house() -> Iterator[McpHouse]:
    with mcp_house() as found:
        yield found


@pytest.fixture
async def knock(house: McpHouse) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without the token."""
    await house.front_up()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{house.port}", headers=ACCEPT, timeout=20) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_without_a_token_made_nobody_is_let_in(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    house.house.places.mcp_token.unlink(missing_ok=True)
    for headers in ({}, bearer("None"), {"Authorization": "Bearer"}):
        answer = await knock.post("/mcp", json=HELLO, headers=headers)
        assert answer.status_code == 401
        assert "jarvis mcp token" in answer.json()["error"]


async def test_only_the_token_in_the_header_opens(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    token = house.make_token("--new")
    assert (house.house.places.mcp_token.stat().st_mode & 0o777) == 0o600
    good = await knock.post("/mcp", json=HELLO, headers=bearer(token))
    assert good.status_code == 200
    assert "jarvis" in good.text
    wrong = [
        {}, bearer(token[:-1]), bearer(token + "x"), bearer(token.swapcase()), {"Authorization": token},
        {"Authorization": f"Basic {token}"}, {"Cookie": f"token={token}"}, {"X-Api-Key": token},
    ]  # fmt: skip
    for headers in wrong:
        answer = await knock.post("/mcp", json=HELLO, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert token not in answer.text
    for path in (f"/mcp?token={token}", f"/mcp?access_token={token}", f"/{token}", "/", "/docs", "/mcp/"):
        assert (await knock.post(path, json=HELLO)).status_code == 401
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        assert (await knock.request(method, "/mcp")).status_code == 401


async def test_names_of_others_are_refused(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    """A page in a browser that resolves its own name to us (DNS rebinding) gets nothing, with the token neither."""
    headers = bearer(house.make_token())
    for host in (
        "evil.example",
        f"evil.example:{house.port}",
        "127.0.0.1",
        "127.0.0.1:1",
        f"127.0.0.1.evil:{house.port}",
    ):
        assert (await knock.post("/mcp", json=HELLO, headers=headers | {"Host": host})).status_code == 421
        assert (await knock.get("/healthz", headers={"Host": host})).status_code == 421
    for origin in (
        "http://evil.example",
        "https://127.0.0.1",
        "null",
        f"http://127.0.0.1:{house.port}.evil.example",
    ):
        assert (await knock.post("/mcp", json=HELLO, headers=headers | {"Origin": origin})).status_code == 403
    own = {"Origin": f"http://localhost:{house.port}", "Host": f"localhost:{house.port}"}
    assert (await knock.post("/mcp", json=HELLO, headers=headers | own)).status_code == 200


async def test_a_body_has_its_limit(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    answer = await knock.post("/mcp", content=b"x" * ((1 << 20) + 1), headers={
        **bearer(house.make_token()), "Content-Type": "application/json",
    })  # fmt: skip
    assert answer.status_code == 413


async def test_health_needs_no_token_and_tells_nothing_else(knock: httpx2.AsyncClient) -> None:
    answer = await knock.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True}


async def test_a_new_token_voids_the_old_one_at_once(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    old = house.make_token("--new")
    assert (await knock.post("/mcp", json=HELLO, headers=bearer(old))).status_code == 200
    new = house.make_token("--new")
    assert new != old
    assert (await knock.post("/mcp", json=HELLO, headers=bearer(old))).status_code == 401
    assert (await knock.post("/mcp", json=HELLO, headers=bearer(new))).status_code == 200
    house.house.places.mcp_token.chmod(0o644)
    refused = await knock.post("/mcp", json=HELLO, headers=bearer(new))
    assert refused.status_code == 401
    assert "read by others" in refused.json()["error"]
    house.make_token("--new")


async def test_the_token_stands_nowhere_but_in_its_file(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    token = house.make_token("--new")
    assert (await knock.post("/mcp", json=HELLO, headers=bearer(token))).status_code == 200
    for client in ("claude-code", "cursor", "vscode", "generic"):
        shown = house.jarvis("mcp", "config", client, "--http")
        assert shown.returncode == 0, shown.stderr
        assert token not in shown.stdout + shown.stderr
        assert house.url in shown.stdout
    assert token not in house.house.places.log_file.read_text()
    pid = house.service()["pid"]
    for name in ("cmdline", "environ"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            assert token.encode() not in file.read()


async def test_a_crash_disturbs_nobody_and_is_mended(house: McpHouse, knock: httpx2.AsyncClient) -> None:
    before, daemon = house.service(), house.house.pid()
    os.kill(before["pid"], signal.SIGKILL)
    assert house.house.level() in {"healthy", "degraded"}  # the daemon answers as before
    async with asyncio.timeout(60):
        while (now := house.service())["pid"] in {before["pid"], None} or now["status"] != "running":
            await asyncio.sleep(0.1)
    assert now["restarts"] == before["restarts"] + 1
    assert house.house.pid() == daemon
    async with house.http() as client:
        assert (await client.list_tools()).tools
