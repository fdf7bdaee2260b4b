"""One life of the room in a process of its own, for tests that end it by ``kill -9``.

Arguments: folder, port of the mail server, CA. Each line of its input is told in the feed; ``ok N`` answers it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import ClusterSettings, NotifySettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.supervisor import Supervisor


async def no_head() -> str:
    return ""


async def main(folder: Path, port: int, ca_file: str) -> None:
    cluster = ClusterSettings(endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", simulated=True)
    email = {
        "host": "127.0.0.1", "port": port, "from_address": "jarvis@home.lan", "to": ["me@home.lan"],
        "ca_file": ca_file, "report": False,
    }  # fmt: skip
    settings = Settings(cluster=cluster, notify=NotifySettings(email=email))  # type: ignore[arg-type]
    bus, clock, store = Bus(), SystemClock(), Store(folder / "jarvis.db")
    places = Places(folder, folder, folder, folder)
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    room = NotifyRoom(settings, places, bus, store, feed, clock, audit_head=no_head, random=lambda: 1.0)
    await room.start(Supervisor(bus, clock, folder / "d.sock", issue=lambda name, role: ""))
    print("up", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        event = await feed.post("test.happened", line.strip(), severity="error", target=f"guest:{line.strip()}")
        assert event is not None
        print("ok", event.seq, flush=True)
    await room.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
