"""The simulated cluster without sockets: the real client's calls reach the simulator's own API in this thread.

Everything above the transport is the product's (failover, breakers, error texts, the permit of a write), everything
below it the simulator's (tokens, parameters, refusals). SSH and Docker likewise.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.breaker import Breaker
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.ssh_reading import Reading, parse_reading
from jarvis_daemon.cluster.ssh_run import Ran, command_line, reading
from jarvis_daemon.cluster.transport import Malformed, Refused, TimedOut, Unreached
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.simulator import guest_calls, guest_life, node_calls, ssh_commands  # noqa: F401
from jarvis_daemon.simulator.access import DAEMON_TOKEN
from jarvis_daemon.simulator.http_server import Request
from jarvis_daemon.simulator.pve_api import Delays, NodeApi
from jarvis_daemon.simulator.world import World
from jarvis_daemon.tools import Act

T = TypeVar("T")
SECRET = "s" * 32
Wrote = Callable[[str, str], None]
"""(method, path) of a write, before the world obeys."""


class Line:
    """What leads from one life of the daemon to the world; ``cut`` when that life has ended."""

    def __init__(
        self, world: World, lying: set[str], slandered: set[tuple[str, int]], wrote: Wrote,
        answered: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.world, self.lying, self.slandered = world, lying, slandered
        self.wrote, self.answered = wrote, answered
        self.cut = False


class InProcessEndpoint:
    """As ``transport.Endpoint``, for one node."""

    def __init__(self, line: Line, node: str) -> None:
        self.url = f"https://{node}:8006"
        self.certificate: str | None = None
        self.received_bytes = 0
        self._line, self._node = line, node
        self._api = NodeApi(line.world, node, lambda name: None, delays=Delays(0, 0), sleep=_at_once)

    def executor(self, node_scoped: bool) -> None:
        return None

    def send(self, flight: object, method: str, path: str, parameters: dict[str, str]) -> Any:
        line, node = self._line, self._line.world.nodes[self._node]
        if line.cut:
            raise Unreached("this life has ended")
        if not node.reachable:
            raise Unreached("connection refused")
        if node.frozen or line.world.wire.delay_of(self._node) > 5:
            raise TimedOut("it does not answer", connected=True)
        if path.endswith("/rrddata"):
            return []  # the past, which nothing here asks for, and which takes longest
        query = urlencode(parameters)
        get = method == "GET"
        if not get:
            line.wrote(method, path)
        target = f"/api2/json{path}" + (f"?{query}" if get and query else "")
        headers = {"authorization": f"PVEAPIToken={DAEMON_TOKEN}={SECRET}"}
        if not get:
            headers["content-type"] = "application/x-www-form-urlencoded"
        response = drive(self._api.handle(Request(method, target, headers, b"" if get else query.encode())))
        assert response is not None
        if response.status >= 300:
            raise Refused(response.status, response.reason, response.body)
        try:
            data = msgspec.json.decode(response.body)["data"]
        except msgspec.DecodeError:
            raise Malformed("it answered half a document") from None
        if path.endswith("/cluster/resources"):
            line.answered("resources")
            self._falsify(data)
        return data

    def _falsify(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if self._node in self._line.lying and row.get("status") == "stopped" and "vmid" in row:
                row["status"] = "running"
            if (self._node, row.get("vmid")) in self._line.slandered:
                row["status"] = "stopped"


class InProcess(Proxmox):
    """The client, without TLS and threads."""

    def __init__(self, settings: ClusterSettings, line: Line, clock: Clock) -> None:
        self._clock, self._timeout_s, self._token_id = clock, settings.call_timeout_s, DAEMON_TOKEN
        self._trusted = ""
        self._endpoints = [InProcessEndpoint(line, name) for name in line.world.nodes]  # type: ignore[misc]
        self._breakers = {e.url: Breaker(clock, settings.poll_interval_s) for e in self._endpoints}
        self._flights, self._sent, self._answered_by, self._closed = set(), deque(), {}, False
        self.version, self.last_endpoint, self.calls = None, None, Counter()


class InProcessSsh(SshNodes):
    """Shells on the nodes, and the Docker socket of a guest that hosts one."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @property
    def enabled(self) -> bool:
        return True

    async def read(self, node: str, address: str | None = None, services: Sequence[str] = ()) -> Reading:
        await asyncio.sleep(0)
        self._require(node)
        self._line.answered(f"sensors/{node}")
        # services only: what takes longest, temperatures, nothing here asks for
        there = self._line.world.nodes[node]
        return parse_reading(ssh_commands._reading(there, "#jarvis date", list(services)).stdout)

    async def ask(
        self, name: str, node: str, address: str | None = None, *, timeout_s: float | None = None, **values: str
    ) -> Ran:
        return await self._ran(node, command_line(reading(name, values)))

    async def act(
        self, act: Act, what: str, node: str, argv: Sequence[str], address: str | None = None, *,
        timeout_s: float = 60.0,
    ) -> Ran:  # fmt: skip
        async with act.step(what):
            self._line.wrote("SSH", f"{node} {' '.join(argv)}")
            return await self._ran(node, command_line(argv))

    @asynccontextmanager
    async def forwarded(self, node: str, path: str, address: str | None = None) -> AsyncIterator[tuple[Any, Any]]:
        world = self._line.world
        host = world.docker[node]
        if self._line.cut or not host.guest.running or not world.nodes[host.guest.node].reachable:
            raise JarvisError("cluster_unreachable", f"{node} cannot be reached by SSH", data={"node": node})
        reader = asyncio.StreamReader()

        class Writer:
            """Answers as soon as a request is whole."""

            def __init__(self, line: Line) -> None:
                self._line, self._said = line, b""

            def write(self, data: bytes) -> None:
                self._said += data
                if b"\r\n\r\n" not in self._said:
                    return
                method, target, _ = self._said.split(b"\r\n", 1)[0].decode().split(" ")
                if method != "GET":
                    self._line.wrote(method, f"docker {node} {target}")
                elif "containers/json" in target:
                    self._line.answered(f"docker/{node}")
                status, kind, body = host.answer(method, target)
                head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                reader.feed_data(head.encode() + body)
                self._said = b""

            async def drain(self) -> None:
                await asyncio.sleep(0)

        yield reader, Writer(self._line)

    async def close(self) -> None:
        return None

    def _open(self, node: str) -> bool:
        there = self._line.world.nodes[node]
        return not self._line.cut and there.reachable and not there.frozen and not there.ssh_refused

    async def _ran(self, node: str, line: str) -> Ran:
        await asyncio.sleep(0)
        self._require(node)
        answer = ssh_commands.run(self._line.world, node, line)
        await asyncio.sleep(0)
        return Ran(exit_code=answer.exit_code, stdout=answer.stdout, stderr=answer.stderr)

    def _require(self, node: str) -> None:
        if not self._open(node):
            raise JarvisError("cluster_unreachable", f"{node} cannot be reached by SSH", data={"node": node})


def drive(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the simulator waited")


async def _at_once(seconds: float) -> None:
    return None
