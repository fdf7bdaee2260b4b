"""``python -m jarvis_daemon.mcp_bridge``: MCP over standard input and output, as `jarvis mcp` starts it.

Standard output carries MCP only: while serving, file descriptor 1 leads to standard error for everybody else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from jarvis_daemon.mcp_bridge.extra import require
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.launch import ensure_daemon
from jarvis_daemon.protocol.locate import places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.version import VERSION


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="jarvis mcp", description=__doc__)
    parser.add_argument("--socket", type=Path, help="socket of the daemon; without it the one of this installation")
    parser.add_argument("--no-start", action="store_true", help="do not start the daemon")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        require()
        asyncio.run(_serve(arguments.socket, start=not arguments.no_start))
    except JarvisError as error:
        print(f"{error.sentence()}\n{error.next}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(socket: Path | None, *, start: bool) -> None:
    """Until standard input ends. The daemon may go and come back meanwhile."""
    from mcp.server.stdio import stdio_server

    from jarvis_daemon.mcp_bridge.server import build
    from jarvis_daemon.mcp_bridge.upstream import Upstream

    here = places()

    async def start_daemon() -> None:
        try:
            await asyncio.to_thread(ensure_daemon, here)
            upstream.blocked = None
        except JarvisError as error:
            upstream.blocked = error
            raise

    link = Link(
        socket or here.socket, client="mcp", version=VERSION, role="agent",
        start_daemon=start_daemon if start and socket is None else None,
    )  # fmt: skip
    upstream = Upstream(link)
    running = spawn(link.run(), name="link")
    server = build(upstream)
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        running.cancel()


if __name__ == "__main__":
    sys.exit(main())
