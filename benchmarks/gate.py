"""What the gate costs a call: CPU of the whole process, writer thread included, beside the bare function.

A read is judged and queued for the audit. A YELLOW write adds four rows in three transactions, two of them synced
(intent, outcome); what a sync takes is told apart, since it is the disk's time and not ours.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.row import Row
from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Database, Store
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import NoArgs, Output

READS: Final = 3000
WRITES: Final = 400
OPERATOR: Final = Principal(session="bench", role="operator", client="bench", uid=0)


class Nothing(Output):
    """The result of a tool that does nothing."""


def run() -> list[Row]:
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        room, store = await _room(Path(folder))
        try:
            read = room.registry.get("bench_read")
            bare = await _cpu_ms(lambda: read.run(NoArgs(), Target("", ""), _no_act()), READS)
            reads = await _cpu_ms(lambda: _call(room, "bench_read"), READS)
            began = time.perf_counter()
            writes = await _cpu_ms(lambda: _call(room, "bench_write"), WRITES)
            wall = (time.perf_counter() - began) * 1000 / WRITES
            sync, sync_cpu = await _sync_ms(store)
        finally:
            await room.stop()
            await store.close()
    baseline = f"the function alone: {bare:.4f} ms"
    return [
        Row("gate, a read", reads - bare, "ms CPU", 1, None, baseline),
        Row(
            "gate, a write without approval", writes - bare - 2 * sync_cpu, "ms CPU", 1, None, baseline,
            f"wall {wall:.1f} ms, two syncs beside it: {sync:.2f} ms each, {sync_cpu:.2f} ms of that CPU",
        ),
    ]  # fmt: skip


async def _room(folder: Path) -> tuple[ToolsRoom, Store]:
    store, bus, clock = Store(folder / "jarvis.db"), Bus(), SystemClock()
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    places = base_places({"JARVIS_HOME": str(folder)})
    places.data_dir.mkdir()
    room = ToolsRoom(Settings(), places, bus, store, feed, clock)
    shared: dict[str, Any] = {"room": "bench", "description": "Does nothing.", "args": NoArgs, "output": Nothing}
    room.registry.add(
        ToolSpec(name="bench_read", tier=Tier.GREEN, run=_nothing, **shared),
        ToolSpec(name="bench_write", tier=Tier.YELLOW, run=_step, resolve=_resolve, verify=_verify, **shared),
    )
    await room.start()
    return room, store


async def _nothing(args: Any, target: Target, act: Act) -> Nothing:
    return Nothing()


async def _step(args: Any, target: Target, act: Act) -> Nothing:
    async with act.step("does nothing"):
        return Nothing()


def _resolve(args: Any, ctx: Context) -> Target:
    return Target("bench:1", "bench")


def _verify(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
    return Verdict("verified")


async def _call(room: ToolsRoom, name: str) -> None:
    outcome = await room.gate.call(m.ToolCall(name=name), OPERATOR, lambda data: None)
    assert outcome.outcome in {"done", "verified"}, outcome


async def _cpu_ms(work: Any, times: int) -> float:
    await work()
    began = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - began) * 1000 / times


async def _sync_ms(store: Store) -> tuple[float, float]:
    """What a synced commit takes more than one that is not: wall and CPU, in ms."""
    spent: dict[bool, tuple[float, float]] = {}
    for durable in (False, True):
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(200):
            await store.write(partial(_put, number), durable=durable)
        spent[durable] = ((time.perf_counter() - wall) * 5, (time.process_time() - cpu) * 5)
    return max(0.0, spent[True][0] - spent[False][0]), max(0.0, spent[True][1] - spent[False][1])


def _put(number: int, db: Database) -> None:
    db.execute("insert or replace into kv values ('bench', ?)", [str(number)])


def _no_act() -> Act:
    async def never() -> bool:
        return True

    async def note(what: str) -> None:
        return

    return Act(call_id="", killed=never, note=note, progress=lambda data: None)
