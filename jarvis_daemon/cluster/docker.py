"""A client of the Docker API (Podman's compatible one too) over a unix socket, here or forwarded by SSH.

Reads are free; whatever changes something goes through ``write``, with the gate's permit. One connection a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import h11

from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import Settings
from jarvis_daemon.tools import Act

LOCAL: Final = "local"
VERSION: Final = "v1.41"
"""Of the API: Docker 20.10 and Podman 4 speak it, newer ones still do."""
BODY_MAX: Final = 4 * 1024 * 1024
TIMEOUT_S: Final = 15.0


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    truncated: bool = False

    def json(self) -> Any:
        """Raises ``cluster_refused`` for what is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise JarvisError("cluster_refused", "Docker answered something that is no JSON") from None


class Docker:
    """The hosts of ``docker.hosts``."""

    def __init__(self, settings: Settings, ssh: SshNodes) -> None:
        self._settings, self._ssh = settings, ssh

    @property
    def hosts(self) -> dict[str, str]:
        return self._settings.docker.hosts

    async def get(self, host: str, path: str, **query: str | int) -> Reply:
        """Raises ``not_found``, ``cluster_refused`` with Docker's own words, and as ``SshNodes.forwarded``."""
        return await self._ask(host, "GET", path, query, TIMEOUT_S)

    async def write(
        self, act: Act, what: str, host: str, path: str, *, timeout_s: float = 60.0, **query: str | int
    ) -> Reply:
        """One POST under the gate's permit; never sent twice. Raises as ``get``, and by the permit."""
        async with self._connected(host) as streams, act.step(what):
            return await self._exchange(streams, host, "POST", path, query, timeout_s)

    async def _ask(self, host: str, method: str, path: str, query: dict[str, str | int], timeout_s: float) -> Reply:
        async with self._connected(host) as streams:
            return await self._exchange(streams, host, method, path, query, timeout_s)

    @contextlib.asynccontextmanager
    async def _connected(self, host: str) -> AsyncIterator[tuple[Any, Any]]:
        path = self.hosts.get(host)
        if path is None:
            known = ", ".join(clean(one, limit=60) for one in sorted(self.hosts))
            raise JarvisError(
                "not_found", f"There is no Docker host called {clean(host, limit=60)}",
                why=f"Docker hosts are: {known}" if known else "No Docker host is configured",
                next="Name it under docker.hosts.",
            )  # fmt: skip
        if host != LOCAL:
            async with self._ssh.forwarded(host, path) as streams:
                yield streams
            return
        cluster = self._settings.cluster
        if cluster is not None and cluster.simulated:
            raise JarvisError("forbidden", "The simulated homelab does not reach into this machine's Docker")
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise JarvisError(
                "cluster_unreachable", f"Docker does not answer at {path}", why=error.strerror or str(error)
            ) from None
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _exchange(
        self,
        streams: tuple[Any, Any],
        host: str,
        method: str,
        path: str,
        query: dict[str, str | int],
        timeout_s: float,
    ) -> Reply:
        target = f"/{VERSION}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            async with asyncio.timeout(timeout_s):
                reply = await _http(*streams, method, target)
        except TimeoutError:
            raise JarvisError("timed_out", f"Docker on {host} did not answer within {timeout_s:g} s") from None
        except (OSError, h11.RemoteProtocolError, EOFError) as error:
            why = clean(str(error)) or type(error).__name__
            raise JarvisError("cluster_unreachable", f"Docker on {host} hung up", why=why) from None
        if reply.status >= 400:
            raise _refusal(host, reply)
        return reply


def container_path(container: str, verb: str) -> str:
    return f"/containers/{quote(container, safe='')}/{verb}"


def unframed(raw: bytes) -> str:
    """The text of a log: frames of ``stream, 0, 0, 0, length`` where the container has no terminal, else plain."""
    out, at = bytearray(), 0
    while at + 8 <= len(raw) and raw[at] in (0, 1, 2) and raw[at + 1 : at + 4] == b"\0\0\0":
        (length,) = struct.unpack(">L", raw[at + 4 : at + 8])
        out += raw[at + 8 : at + 8 + length]
        at += 8 + length
    return (bytes(out) if at else raw).decode("utf-8", "replace")


async def _http(reader: Any, writer: Any, method: str, target: str) -> Reply:
    """One request and its answer. Raises ``h11.RemoteProtocolError``, ``OSError``, ``EOFError``."""
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", "docker"), ("Accept", "application/json"), ("Content-Length", "0"), ("Connection", "close")]
    writer.write(http.send(h11.Request(method=method, target=target, headers=headers)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    status, body = 0, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data and status == 0:
                raise EOFError("it closed without an answer")
            http.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_MAX:
                return Reply(status, bytes(body[:BODY_MAX]), truncated=True)
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError("it closed in the middle of an answer")


def _refusal(host: str, reply: Reply) -> JarvisError:
    try:
        said = clean(str(json.loads(reply.body)["message"]), limit=300)
    except (ValueError, KeyError, TypeError):
        said = f"HTTP {reply.status}"
    if reply.status == 404:
        return JarvisError(
            "not_found", f"Docker on {host} does not know it", why=said, next="`jarvis docker list`."
        )
    return JarvisError("cluster_refused", f"Docker on {host} refused", why=said)
