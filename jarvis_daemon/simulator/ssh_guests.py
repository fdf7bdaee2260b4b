"""The SSH port of a guest that hosts Docker: no commands, but its Docker socket may be forwarded."""

from __future__ import annotations

from typing import Any

from jarvis_daemon.simulator.docker import SOCKET, DockerHost
from jarvis_daemon.simulator.http_server import Connection, Request, Response
from jarvis_daemon.simulator.ssh_nodes import SshNode
from jarvis_daemon.simulator.world import World


class SshGuest(SshNode):
    """Serves while the guest runs on a node that is there."""

    def __init__(self, world: World, host: DockerHost, client_public: str) -> None:
        super().__init__(world, host.guest.spec.name, client_public)
        self._host = host

    def _state(self) -> str:
        node = self._world.nodes[self._host.guest.node]
        if not self._host.guest.running or not node.reachable:
            return "closed"
        return "silent" if node.frozen else "open"

    def _run(self, command: str) -> Any:
        return None

    def _forward(self, path: str) -> Any:
        """What serves a forwarded unix socket, or False for a path where none listens."""
        return self._serve_docker if path == SOCKET else False

    async def _serve_docker(self, reader: Any, writer: Any) -> None:
        try:
            await Connection(reader, writer, self._answer).run()
        finally:
            writer.close()

    async def _answer(self, request: Request) -> Response | None:
        await self._awake.wait()
        status, kind, body = self._host.answer(request.method, request.target)
        return Response(status, "", body, {"Content-Type": kind, "Api-Version": "1.51"})
