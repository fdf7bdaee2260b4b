"""One SSH server a node, on a loopback port, for one client key. asyncssh is loaded after the first answer.

Until it is there, and while a node is frozen, the kernel takes connections and nobody greets them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jarvis_daemon.simulator.certificates import make_ssh_key
from jarvis_daemon.simulator.http_server import listening_socket, reserve_port
from jarvis_daemon.simulator.ssh_commands import run
from jarvis_daemon.simulator.ssh_upkeep import Answer
from jarvis_daemon.simulator.world import World

if TYPE_CHECKING:
    import asyncssh


class SshNode:
    """The SSH port of one node."""

    def __init__(self, world: World, name: str, client_public: str) -> None:
        self._world = world
        self._name = name
        self._client_public = client_public
        self._private, self.public = make_ssh_key()
        self._keeper = reserve_port()
        self._silent: socket.socket | None = None
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[Any] = set()
        self._awake = asyncio.Event()
        self.port: int = self._keeper.getsockname()[1]

    async def sync(self, *, ready: bool) -> None:
        """Make the port as the world says: closed, silent (frozen, or not ``ready`` yet), or serving."""
        state = self._state()
        if state == "silent":
            self._awake.clear()
        else:
            self._awake.set()
        if state == "closed":
            self._close_port()
        elif state == "silent" or not ready:
            if self._silent is None:
                self._stop_accepting()
                self._silent = listening_socket(self._keeper)
        elif self._acceptor is None:
            await self._serve()

    def _state(self) -> str:
        """``closed`` ``silent`` or ``open``."""
        node = self._world.nodes[self._name]
        if not node.reachable or node.ssh_refused:
            return "closed"
        return "silent" if node.frozen else "open"

    def _run(self, command: str) -> Answer | None:
        """What a shell answers; None where there is no shell."""
        return run(self._world, self._name, command)

    def _forward(self, path: str) -> Any:
        """What serves a forwarded unix socket; False: nothing listens there."""
        return False

    async def close(self) -> None:
        """The end of this server."""
        self._close_port()
        self._keeper.close()

    def _close_port(self) -> None:
        """Nobody listens, and open connections are cut."""
        self._stop_accepting()
        for connection in list(self._connections):
            connection.abort()

    def _stop_accepting(self) -> None:
        if self._silent is not None:
            self._silent.close()
            self._silent = None
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()

    async def _serve(self) -> None:
        import asyncssh

        sock, self._silent = self._silent or listening_socket(self._keeper), None
        self._acceptor = await asyncssh.listen(
            sock=sock,
            server_factory=lambda: _server(self._connections, self._forward),
            server_host_keys=[asyncssh.import_private_key(self._private)],
            authorized_client_keys=asyncssh.import_authorized_keys(self._client_public + "\n"),
            process_factory=self._process,
            password_auth=False, kbdint_auth=False, gss_host=None, agent_forwarding=False,
        )  # fmt: skip

    async def _process(self, process: asyncssh.SSHServerProcess[str]) -> None:
        command = process.command
        if command is not None:
            await self._awake.wait()
        answer = self._run(command) if command is not None else None
        if answer is None:
            process.stderr.write("This node offers no interactive shell.\n")
            process.exit(1)
            return
        if answer.hangs:
            await asyncio.Event().wait()
        process.stdout.write(answer.stdout)
        process.stderr.write(answer.stderr)
        process.exit(answer.exit_code)


def _server(connections: set[Any], forward: Callable[[str], Any]) -> asyncssh.SSHServer:
    import asyncssh

    class Server(asyncssh.SSHServer):
        """Keeps the connection, so that a node that dies cuts it."""

        _connection: asyncssh.SSHServerConnection | None = None

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn
            connections.add(conn)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.discard(self._connection)

        def unix_connection_requested(self, dest_path: str) -> Any:
            return forward(dest_path)

        def begin_auth(self, username: str) -> bool:
            return True

    return Server()
