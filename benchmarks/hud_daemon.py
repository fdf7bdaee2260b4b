"""A daemon for the HUD's benchmark: says hello, sends one snapshot, then one delta a second.

It is a process beside the HUD, so that what is measured is the HUD alone; the contract is the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from jarvis_daemon.protocol.spawn import spawn

GIB = 1 << 30
SOURCE = "source:bench/resources"

State = dict[str, dict[str, dict[str, Any]]]


def build(nodes: int, guests: int, now: float) -> State:
    """``nodes`` nodes with ``guests`` guests among them, four out of five running."""
    names = [f"node{index:02d}" for index in range(nodes)]
    return {
        "clusters": {"cluster:bench": {
            "id": "cluster:bench", "name": "bench", "simulated": True, "quorate": True, "nodes_online": nodes,
            "nodes_total": nodes, "pve_version": "9.1.3"}},
        "sources": {SOURCE: {"id": SOURCE, "what": "resources", "ok_at": now, "stale_after_s": 60.0}},
        "nodes": {f"node:{name}": {
            "id": f"node:{name}", "name": name, "source": SOURCE, "status": "online", "cpu": 0.3, "cpu_count": 16,
            "memory_used_bytes": 20 * GIB, "memory_total_bytes": 32 * GIB, "rootfs_used_bytes": 30 * GIB,
            "rootfs_total_bytes": 94 * GIB, "temperature_c": 55.0, "started_at": now - 4e6, "ip": "192.168.1.50",
            "stats_visible": True} for name in names},
        "guests": {f"guest:{100 + i}": {
            "id": f"guest:{100 + i}", "vmid": 100 + i, "name": f"guest-{i:04d}", "kind": "ct" if i % 2 else "vm",
            "node": names[i % nodes], "source": SOURCE, "status": "stopped" if i % 5 == 4 else "running",
            "cpu": 0.1, "cpu_count": 2, "memory_used_bytes": GIB, "memory_total_bytes": 2 * GIB,
            "disk_used_bytes": 4 * GIB if i % 2 else None, "disk_total_bytes": 16 * GIB, "started_at": now - 9e5,
            "tags": [], "template": False} for i in range(guests)},
        "storages": {f"storage:{name}/local": {
            "id": f"storage:{name}/local", "name": "local", "node": name, "source": SOURCE, "type": "dir",
            "status": "available", "used_bytes": 40 * GIB, "total_bytes": 94 * GIB} for name in names},
    }  # fmt: skip


def delta(state: State, tick: int, now: float) -> dict[str, dict[str, Any]]:
    """What one second changes: every node, and a quarter of the guests."""
    changed: dict[str, dict[str, Any]] = {f"sources/{SOURCE}": {"ok_at": now}}
    for index, key in enumerate(state["nodes"]):
        wave = math.sin(tick / 7 + index)
        changed[f"nodes/{key}"] = {"cpu": round(0.3 + 0.2 * wave, 4), "memory_used_bytes": int((20 + wave) * GIB),
                                   "temperature_c": round(55 + 3 * wave, 1)}  # fmt: skip
    for index, key in enumerate(state["guests"]):
        if index % 4 == tick % 4:
            memory = int(GIB * (1 + 0.3 * math.sin(tick / 3 + index)))
            share = round(0.1 + 0.09 * math.sin(tick + index), 4)
            changed[f"guests/{key}"] = {"cpu": share, "memory_used_bytes": memory}
    return changed


async def serve(socket: Path, nodes: int, guests: int) -> None:
    async def session(connection: ServerConnection) -> None:
        state = build(nodes, guests, time.time())
        ticker: asyncio.Task[None] | None = None
        async for frame in connection:
            request = json.loads(frame)
            await connection.send(json.dumps(
                {"jsonrpc": "2.0", "id": request["id"], "result": answer(request["method"])}))  # fmt: skip
            if request["method"] == "subscribe" and ticker is None:
                await notify(connection, "snapshot", {"topic": "cluster", "seq": 0, "state": state})
                for topic, collection in (("tasks", "tasks"), ("incidents", "incidents")):
                    await notify(connection, "snapshot", {"topic": topic, "seq": 0, "state": {collection: {}}})
                armed = {"killswitch:main": {"id": "killswitch:main", "engaged": False}}
                await notify(connection, "snapshot", {
                    "topic": "approvals", "seq": 0, "state": {"approvals": {}, "killswitch": armed}})  # fmt: skip
                ticker = spawn(tick(connection, state), name="bench-tick")
        if ticker is not None:
            ticker.cancel()

    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # a HUD that is killed says no goodbye
    async with unix_serve(session, str(socket), compression=None):
        print("ready", flush=True)
        await asyncio.Event().wait()


def answer(method: str) -> dict[str, Any]:
    if method == "hello":
        return {"protocol": 1, "daemon_version": "bench", "boot_id": "b", "simulated": True, "now": time.time()}
    return {"series": {}} if method == "metrics.history" else {"ok": True}


async def tick(connection: ServerConnection, state: State) -> None:
    with contextlib.suppress(ConnectionClosed):  # the HUD was measured and ended
        for seq in range(1, 1 << 30):
            await asyncio.sleep(1.0)
            body = {"topic": "cluster", "seq": seq, "set": delta(state, seq, time.time()), "del": []}
            await notify(connection, "delta", body)


async def notify(connection: ServerConnection, method: str, params: dict[str, Any]) -> None:
    await connection.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
