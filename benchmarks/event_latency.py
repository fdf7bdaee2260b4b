"""From a change on the bus to a client in another process: the daemon's share of "event to cells".

This process plays the daemon with its real bus and server; a child attaches with the real client and tells how
old each change was when it came (both read the same monotonic clock). Numbers change all the while, so that the
change has to overtake them.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.row import Row, percentile
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.server import Server, Tickets

SAMPLES: Final = 300
GUESTS: Final = 500
PROBE: Final = "guest:100"


def run() -> list[Row]:
    ages = asyncio.run(_serve())
    return [
        Row(
            f"change in the daemon to client, p95 of {len(ages)}", percentile(ages, 0.95) * 1000, "ms", 60, 30,
            f"one byte between two processes, p95: {percentile(_pipe_ages(), 0.95) * 1000:.2f} ms",
            f"median {percentile(ages, 0.5) * 1000:.1f} ms; the budget is that of the whole way to the terminal",
        )
    ]  # fmt: skip


async def _serve() -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        bus, clock = Bus(), SystemClock()
        topic = bus.state("cluster")
        topic.apply({"guests": {f"guest:{n}": Guest(id=f"guest:{n}", vmid=n) for n in range(100, 100 + GUESTS)}})
        topic.settled.set()
        server = Server(bus, clock, path, version="bench", tickets=Tickets(clock))
        await server.start()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.event_latency", str(path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        try:
            assert await child.stdout.readline() == b"attached\n"
            ages = []
            for _ in range(SAMPLES):
                await asyncio.sleep(random.uniform(0.005, 0.06))
                for n in random.sample(range(101, 100 + GUESTS), 50):
                    topic.apply({"guests": {f"guest:{n}": Guest(id=f"guest:{n}", vmid=n, cpu=random.random())}})
                topic.apply({"guests": {PROBE: Guest(id=PROBE, vmid=100, name=repr(time.monotonic()))}})
                async with asyncio.timeout(10):
                    ages.append(float(await child.stdout.readline()))
        finally:
            child.kill()
            await child.wait()
            await server.stop("stopping")
        return ages


async def _attend(path: Path) -> None:
    """The child: print the age of each change of the probe."""
    last = ""

    def changed(topic: str) -> None:
        nonlocal last
        guest = link.mirror.state.get("cluster", {}).get("guests", {}).get(PROBE)
        if guest is None:
            return
        if not last and not guest["name"]:
            print("attached", flush=True)
            last = "attached"
        elif guest["name"] and guest["name"] != last:
            last = guest["name"]
            print(time.monotonic() - float(last), flush=True)

    link = Link(path, client="bench", topics=["cluster"], max_hz=1.0, on_change=changed)
    await link.run()


def _pipe_ages() -> list[float]:
    """How old a moment is when it has gone through a socket to another process and back, halved."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        while byte := theirs.recv(1):
            theirs.sendall(byte)
        os._exit(0)
    theirs.close()
    ages = []
    for _ in range(SAMPLES):
        began = time.monotonic()
        ours.sendall(b"x")
        ours.recv(1)
        ages.append((time.monotonic() - began) / 2)
    ours.close()
    os.waitpid(pid, 0)
    return ages


if __name__ == "__main__":
    asyncio.run(_attend(Path(sys.argv[1])))
