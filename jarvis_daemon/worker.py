"""``python -m jarvis_daemon.worker NAME --socket PATH``: the frame around every worker process.

It dies with the daemon (PDEATHSIG), reads its one-time ticket from standard input, joins the socket, asks for
its settings and secrets, beats every 5 s and runs the worker's module. Heavy libraries are imported by that
module only.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import importlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

HEARTBEAT_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1

WORKERS: Final[dict[str, str]] = {
    "apprise": "jarvis_daemon.notify.worker",
    "echo": "jarvis_daemon.supervisor.echo",
    "embedded": "jarvis_daemon.assistant.worker.embedded",
    "front": "jarvis_daemon.front.worker",
    "llm": "jarvis_daemon.assistant.worker.cloud",
    "mcp_servers": "jarvis_daemon.mcp_bridge.foreign",
}
"""name -> module with ``async def work(link, config)``"""
ROLES: Final[dict[str, str]] = {"front": "front"}
"""name -> role of its session, where that is not ``worker``"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="jarvis_daemon.worker", description=__doc__)
    parser.add_argument("name", choices=sorted(WORKERS))
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--parent", type=int, help="the daemon's process id")
    arguments = parser.parse_args(argv)
    die_with_parent(arguments.parent)
    ticket = sys.stdin.readline().strip()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        return asyncio.run(_run(arguments.name, arguments.socket, ticket))
    except KeyboardInterrupt:
        return 130


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill us when the daemon dies, however it dies. ``parent``: the daemon's process id, which
    is 1 where the daemon is all that a container runs."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        sys.exit("the daemon is gone already")


async def _run(name: str, socket_path: Path, ticket: str) -> int:
    link = Link(socket_path, client=f"worker-{name}", role=ROLES.get(name, "worker"), ticket=ticket)
    running = spawn(link.run(), name="link")
    if not await link.wait_for(lambda it: it.status != "connecting", 10) or link.status != "up":
        print(link.error.sentence() if link.error else "the daemon does not answer", file=sys.stderr)
        return 1
    beating = spawn(_beat(link), name="heartbeat")
    try:
        config: dict[str, Any] = await link.call("worker.config")
        work = spawn(importlib.import_module(WORKERS[name]).work(link, config), name=name)
        # a ticket is good once: when the link breaks this process ends and the supervisor starts another
        await asyncio.wait({work, running, beating}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
            return 0
    except JarvisError as error:
        print(error.sentence(), file=sys.stderr)
    finally:
        beating.cancel()
        running.cancel()
    return 1


async def _beat(link: Link) -> None:
    while True:
        await link.call("worker.heartbeat", timeout_s=HEARTBEAT_S)
        await link.clock.sleep(HEARTBEAT_S)


if __name__ == "__main__":
    sys.exit(main())
