"""The process: binds the port, serves until the daemon ends it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.mcp_bridge.extra import require
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError

GRACE_S: Final = 2
"""How long open streams may take to end when we are asked to."""
CONNECTIONS_MAX: Final = 256
BACKLOG: Final = 64


async def work(link: Link, config: dict[str, Any]) -> None:
    """Raises ``unavailable`` when MCP is not installed or the address cannot be had."""
    require()
    import uvicorn

    from jarvis_daemon.front.app import build
    from jarvis_daemon.front.guard import Doors, TokenFile
    from jarvis_daemon.mcp_bridge.upstream import Upstream

    given = config["settings"]
    doors = Doors.of(given["host"], given["port"], given["allowed_hosts"], given["allowed_origins"])
    app = build(Upstream(link), TokenFile(Path(given["token_file"])), doors)
    listening = listen(given["host"], given["port"])
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="on",
            timeout_graceful_shutdown=GRACE_S, limit_concurrency=CONNECTIONS_MAX, proxy_headers=False,
        )
    )  # fmt: skip
    await server.serve(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises ``unavailable`` with the setting to change."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named: asyncio turns Nagle's algorithm off only then, and an answer would take 40 ms with it
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        return listening
    except OSError as error:
        listening.close()
        raise JarvisError(
            "unavailable", f"{host} port {port} cannot be listened at", why=error.strerror or str(error),
            next="Set front.host and front.port to an address of this machine that is free.",
        ) from None  # fmt: skip
