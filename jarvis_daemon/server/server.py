"""The listening socket and who is attached to it."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import secrets
import socket
import struct
from pathlib import Path

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import MAX_FRAME_TO_DAEMON, Role
from jarvis_daemon.protocol.state import ClientInfo
from jarvis_daemon.server.session import Session
from jarvis_daemon.server.tickets import Tickets

_log = logging.getLogger("jarvis.server")


class Server:
    """Serves the contract on a unix socket. ``start`` needs the daemon's lock held: a stale socket is removed."""

    def __init__(
        self, bus: Bus, clock: Clock, socket_path: Path, *, version: str, tickets: Tickets,
        group: str | None = None, simulated: bool = False,
    ) -> None:  # fmt: skip
        self.bus, self.clock, self.socket_path = bus, clock, socket_path
        self.version, self.tickets, self.simulated = version, tickets, simulated
        self.boot_id = secrets.token_hex(8)
        self._group = group
        self._sessions: set[Session] = set()
        self._listening: WebSocketServer | None = None

    async def start(self) -> None:
        """Bind and listen. Raises ``config_invalid`` for an unknown group."""
        gid = _group_id(self._group)
        self.socket_path.unlink(missing_ok=True)
        old_mask = os.umask(0o177)
        try:
            self._listening = await unix_serve(
                self._accept, str(self.socket_path), compression=None, max_size=MAX_FRAME_TO_DAEMON,
                ping_interval=20, ping_timeout=20, close_timeout=1, server_header=None,
            )  # fmt: skip
        finally:
            os.umask(old_mask)
        if gid is not None:
            os.chown(self.socket_path, -1, gid)
            self.socket_path.chmod(0o660)
            os.chown(self.socket_path.parent, -1, gid)
            self.socket_path.parent.chmod(0o710)

    async def stop(self, reason: str = "stopping") -> None:
        """Say goodbye to everybody, close, remove the socket."""
        if self._listening is None:
            return
        self._listening.close(close_connections=False)
        await asyncio.gather(*(session.goodbye(reason) for session in self._sessions))
        self._listening.close()
        await self._listening.wait_closed()
        self.socket_path.unlink(missing_ok=True)

    def may_take(self, uid: int | None, role: Role) -> bool:
        """The daemon's own account and root take any role; who came by the group's right only looks."""
        return role == "viewer" or uid in (os.getuid(), 0)

    def joined(self, session: Session) -> None:
        """A session was admitted or changed its role."""
        self._sessions.add(session)
        self.publish_clients()

    def left(self, session: Session) -> None:
        self._sessions.discard(session)
        self.publish_clients()

    def publish_clients(self) -> None:
        """Refresh the topic ``clients``."""
        infos = {f"client:{s.principal.session}": _info(s) for s in self._sessions}
        self.bus.state("clients").replace({"clients": infos})

    async def _accept(self, connection: ServerConnection) -> None:
        uid, pid = _peer(connection)
        if not (uid in (os.getuid(), 0) or self._group is not None):
            await connection.close(1008, "another account")
            return
        with contextlib.suppress(ConnectionClosed):
            await Session(self, connection, uid, pid).run()


def _peer(connection: ServerConnection) -> tuple[int, int]:
    """(uid, pid) of the other end, told by the kernel."""
    raw: socket.socket = connection.transport.get_extra_info("socket")
    pid, uid, _ = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid, pid


def _group_id(name: str | None) -> int | None:
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise JarvisError(
            "config_invalid", f"There is no group {name!r} (server.group)", next=f"Run `groupadd {name}`."
        ) from None


def _info(session: Session) -> ClientInfo:
    who = session.principal
    return ClientInfo(
        id=f"client:{who.session}", client=who.client, version=session.version, role=who.role, pid=who.pid,
        uid=who.uid, connected_at=session.connected_at, sent_bytes=session.sent_bytes,
        pending=session.outbox.pending,
    )  # fmt: skip
