"""From a change in the daemon to the cells on the terminal: bus, server, socket, HUD, pseudo-terminal.

This process plays the daemon with its real bus and server and holds the terminal on which the real HUD draws. A
guest is given a new name, and the time is taken until that name has come out of the terminal.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import random
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Final

from benchmarks.row import Row, percentile
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.state import Cluster, Guest, Node, Source
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.store import Store

SAMPLES: Final = 100
SIZE: Final = (67, 240)
HUD: Final = (
    "import sys; from pathlib import Path; from jarvis_cli.hud.app import run; run(Path(sys.argv[1]), boot=False)"
)
SOURCE: Final = "source:bench/resources"
CSI: Final = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def run() -> list[Row]:
    ages = asyncio.run(_measure())
    return [
        Row(
            f"change in the daemon to cells on the terminal, p95 of {len(ages)}", percentile(ages, 0.95) * 1000,
            "ms", 60, 30, f"echo through a bare terminal, p95: {percentile(_echo_ages(), 0.95) * 1000:.2f} ms",
            f"median {percentile(ages, 0.5) * 1000:.1f} ms, 240x67",
        )
    ]  # fmt: skip


class Terminal:
    """The HUD on a pseudo-terminal; ``shows`` waits for text on it."""

    def __init__(self, socket: Path) -> None:
        self._handle, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        environ = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "SSH_CONNECTION"}}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", HUD, str(socket)], stdin=slave, stdout=slave, stderr=slave, env=environ,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._seen = b""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._handle, self._read)

    def _read(self) -> None:
        self._seen = (self._seen + os.read(self._handle, 1 << 16))[-200_000:]
        self._more.set()

    async def shows(self, text: bytes, timeout_s: float = 20.0) -> float:
        """The moment (monotonic) when ``text`` had come; forgets what came before. Raises ``TimeoutError``."""
        async with asyncio.timeout(timeout_s):
            while text not in CSI.sub(b"", self._seen):
                self._more.clear()
                await self._more.wait()
        self._seen = b""
        return time.monotonic()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        self._process.kill()
        self._process.wait()
        os.close(self._handle)


async def _measure() -> list[float]:
    with tempfile.TemporaryDirectory(prefix="jv-") as folder:
        bus, clock, store = Bus(), SystemClock(), Store(Path(folder) / "jarvis.db")
        await store.open()
        await Feed(store, bus, clock, cluster="bench").start()
        topic = bus.state("cluster")
        now = clock.now()
        topic.apply({
            "clusters": {"cluster:b": Cluster(id="cluster:b", name="bench", quorate=True)},
            "sources": {SOURCE: Source(id=SOURCE, what="resources", ok_at=now, freshness="fresh")},
            "nodes": {"node:pve": Node(id="node:pve", name="pve", status="online", source=SOURCE)},
            "guests": {f"guest:{n}": _guest(n, f"guest-{n}") for n in range(100, 118)},
        })  # fmt: skip
        for name in ("cluster", "tasks", "incidents", "health", "services", "clients"):
            bus.state(name).settled.set()
        server = Server(bus, clock, Path(folder) / "s", version="bench", tickets=Tickets(clock))
        await server.start()
        terminal = Terminal(Path(folder) / "s")
        try:
            await terminal.shows(b"guest-100")
            await asyncio.sleep(2)  # the HUD settles: fonts, sizes, the first second's numbers
            ages = []
            for sample in range(SAMPLES):
                await asyncio.sleep(random.uniform(0.1, 0.3))
                name = chr(ord("a") + sample % 26) * 9  # no letter in common with the last: only changes are drawn
                began = time.monotonic()
                topic.apply({"guests": {"guest:100": _guest(100, name)}})
                ages.append(await terminal.shows(name.encode()) - began)
            return ages
        finally:
            terminal.close()
            await server.stop("stopping")
            await store.close()


def _guest(vmid: int, name: str) -> Guest:
    return Guest(
        id=f"guest:{vmid}", vmid=vmid, name=name, node="pve", source=SOURCE, status="running", kind="ct", cpu=0.1,
        memory_used_bytes=1 << 30, memory_total_bytes=2 << 30,
    )  # fmt: skip


def _echo_ages() -> list[float]:
    """How long a byte takes through a terminal of the kernel's."""
    handle, slave = pty.openpty()
    ages = []
    for _ in range(SAMPLES):
        began = time.monotonic()
        os.write(slave, b"x")
        os.read(handle, 1)
        ages.append(time.monotonic() - began)
    os.close(slave)
    os.close(handle)
    return ages
