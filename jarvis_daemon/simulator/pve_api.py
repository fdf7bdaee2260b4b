"""One node's API endpoint: authentication, permissions, proxying to other nodes, parameters, then the call.

The order of checks is pveproxy's: token (401, late), path (501), permission (403), proxy (595/596), parameters
(400), then what the call itself refuses (500). PVE 9 puts the text into the reason phrase and into ``message``.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from jarvis_daemon.simulator import api_table
from jarvis_daemon.simulator.access import Token
from jarvis_daemon.simulator.api_table import Call
from jarvis_daemon.simulator.certificates import Certificate
from jarvis_daemon.simulator.errors import Refused
from jarvis_daemon.simulator.http_server import Request, Response
from jarvis_daemon.simulator.world import World

BASE: Final = "/api2/json"
CONNECT_SHARE: Final = 0.1
"""A dead node is given up after this share of the proxy timeout (no route to host), a silent one after all."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Delays:
    """Seconds that PVE takes its time; tests make them short."""

    auth_s: float = 3.0
    """After which a wrong token is told."""
    proxy_s: float = 30.0
    """After which a silent node is given up by the node that asked it."""


@dataclass(frozen=True)
class Context:
    """What a call gets: the world, the node that executes it, who asks, and the checked parameters."""

    world: World
    node: str
    token: Token
    values: dict[str, Any]
    certificate: Certificate | None
    endpoint: str
    """The node whose endpoint was asked; differs from ``node`` for proxied calls."""

    def allowed(self, path: str, privilege: str) -> bool:
        return self.world.access.has(self.token, path, privilege)

    @property
    def user(self) -> str:
        return self.token.id


Function = Callable[[Context], Any]
CALLS: Final[dict[tuple[str, str], Function]] = {}
"""Filled by ``reads`` and ``writes``."""


def answers(method: str, path: str) -> Callable[[Function], Function]:
    """Register the function that answers ``method path`` of the table."""

    def register(function: Function) -> Function:
        CALLS[method, path] = function
        return function

    return register


@dataclass(frozen=True)
class Encoded:
    """A body that is already JSON (the value of ``data``)."""

    data: bytes


class NodeApi:
    """The handler of one node's endpoint."""

    def __init__(
        self, world: World, node: str, certificates: Callable[[str], Certificate | None],
        *, delays: Delays, sleep: Sleep = asyncio.sleep, wrote: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._world = world
        self._node = node
        self._certificates = certificates
        self._delays = delays
        self._sleep = sleep
        self._wrote = wrote
        self.requests = 0
        """Requests that came in, whatever became of them."""
        self.answering = 0
        """Those that have no answer yet."""

    async def handle(self, request: Request) -> Response | None:
        """Answer a request, or None to hang up (a frozen node)."""
        self.requests += 1
        self.answering += 1
        try:
            return await self._handle(request)
        finally:
            self.answering -= 1

    async def _handle(self, request: Request) -> Response | None:
        if self._world.nodes[self._node].frozen:
            await self._hang()
            return None
        if (delay := self._world.wire.delay_of(self._node)) > 0:
            await self._sleep(delay)
        response = await self._answer(request)
        if response.status == 200 and self._world.wire.cuts(self._node):
            return Response(200, "OK", response.body[: len(response.body) // 2], response.headers)
        return response

    async def _hang(self) -> None:
        while self._world.nodes[self._node].frozen:
            await self._sleep(0.25)

    async def _answer(self, request: Request) -> Response:
        path, _, query = request.target.partition("?")
        if not path.startswith(BASE + "/"):
            return self._plain(501, f"no such file '{path}'")
        try:
            token = self._world.access.authenticate(request.headers.get("authorization"))
        except Refused as refused:
            await self._sleep(self._delays.auth_s)
            return self._plain(refused.status, refused.message)
        if request.body and request.method not in {"POST", "PUT"}:
            return self._plain(501, f"Unexpected content for method '{request.method}'")
        try:
            call, from_path = api_table.find(request.method, unquote(path.removeprefix(BASE)))
            self._check(call, from_path, token)
            node = from_path.get("node", self._node) if call.proxied else self._node
            if node in {"", "localhost"}:
                node = self._node
            if node != self._node and (failed := await self._proxy(node)) is not None:
                return failed
            given = _parameters(request, query)
            values = api_table.validate(call, from_path, given)
            context = Context(self._world, node, token, values, self._certificates(node), self._node)
            answer = self._json(200, CALLS[call.method, call.path](context))
            if call.method != "GET":
                self._wrote()
            return answer
        except Refused as refused:
            return self._refusal(refused)

    def _check(self, call: Call, from_path: dict[str, str], token: Token) -> None:
        if isinstance(call.check, tuple):
            path, privileges, any_of = call.check
            self._world.access.require(token, path.format(**from_path), privileges, any_of=any_of)

    async def _proxy(self, node: str) -> Response | None:
        """What becomes of a request that this node passes on: None when ``node`` answers it."""
        target = self._world.nodes.get(node)
        if target is None:
            raise Refused(
                500,
                f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                "Name or service not known",
            )
        if not target.reachable:
            await self._sleep(self._delays.proxy_s * CONNECT_SHARE)
            return self._plain(595, "No route to host")
        if target.peers_refused:
            return self._plain(595, "Connection refused")
        if target.frozen:
            await self._sleep(self._delays.proxy_s)
            return self._plain(596, "Connection timed out")
        return None

    def _refusal(self, refused: Refused) -> Response:
        body: dict[str, Any] = {"data": None, "message": refused.message.rstrip("\n") + "\n"}
        if refused.errors:
            body["errors"] = refused.errors
        return Response(refused.status, refused.message, _encode(body), self._headers())

    def _json(self, status: int, value: Any) -> Response:
        if isinstance(value, Encoded):
            return Response(status, "OK", b'{"data":' + value.data + b"}", self._headers())
        if isinstance(value, Paged):
            return Response(status, "OK", _encode({"data": value.rows, "total": value.total}), self._headers())
        return Response(status, "OK", _encode({"data": value}), self._headers())

    def _plain(self, status: int, reason: str) -> Response:
        """An error of the HTTP server itself: no body."""
        headers = self._headers()
        del headers["Content-Type"]
        return Response(status, reason, b"", headers)

    def _headers(self) -> dict[str, str]:
        stamp = email.utils.formatdate(math.floor(self._world.nodes[self._node].time()), usegmt=True)
        return {
            "Cache-Control": "max-age=0", "Date": stamp, "Expires": stamp, "Pragma": "no-cache",
            "Server": "pve-api-daemon/3.0", "Content-Type": "application/json;charset=UTF-8",
        }  # fmt: skip


@dataclass(frozen=True)
class Paged:
    """Rows out of ``total``."""

    rows: list[dict[str, Any]]
    total: int


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def encoded(value: Any) -> Encoded:
    """``value`` as JSON, to be kept and sent again."""
    return Encoded(_encode(value))


def _parameters(request: Request, query: str) -> dict[str, Any]:
    """Query and body together; a JSON body keeps its types. Raises Refused 400 for a body that is no object."""
    given: dict[str, Any] = {}
    if request.body:
        if request.headers.get("content-type", "").split(";")[0].strip() == "application/json":
            try:
                parsed = json.loads(request.body)
            except ValueError as error:
                raise Refused(501, f"malformed JSON string: {error}") from error
            given = parsed if isinstance(parsed, dict) else {}
        else:
            given = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return given | dict(parse_qsl(query, keep_blank_values=True))
