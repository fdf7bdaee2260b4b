"""From a question to its first token: through a backend, and through the brain with its ledger, beside a bare HTTP
client that sends the same request to the same server.

The server is llama.cpp in the product's own process, with real weights at a unix socket; its prompt cache is warm
for all alike. Rounds take turns, so that what else the machine does falls on all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from benchmarks.row import Row, percentile
from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.contract import Message, Request, Text, Wish
from jarvis_daemon.assistant.llm.ledger import Ledger
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.llm.weights import find_weights
from jarvis_daemon.assistant.llm.wire import body
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.settings import LocalModelSettings
from jarvis_daemon.settings.assistant import AssistantSettings
from jarvis_daemon.store import Store

ROUNDS: Final = 40
WARM: Final = 3
BUDGET_MS: Final = 10.0
ASKED: Final = Request([Message("system", "You are a butler."), Message("user", "Say hello.")], max_tokens=2)
Timed = Callable[[], Awaitable[float]]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as uds:
        return asyncio.run(_measure(Path(folder), uds))


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Path]:
    weights = find_weights(None, base_places({"JARVIS_HOME": str(folder)}))
    if weights is None:
        raise RuntimeError("no weights are here: `jarvis model fetch smollm2-135m`")
    given = {"model": str(weights), "socket": str(folder / "llm.sock"), "n_ctx": 2048, "threads": 1}
    process = subprocess.Popen(
        [sys.executable, "-m", "jarvis_daemon.assistant.worker.llama"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        if (told := process.stdout.readline().strip()) != "up":
            raise RuntimeError(told or "the model server did not start")
        yield folder / "llm.sock"
    finally:
        process.kill()
        process.communicate()


async def _measure(folder: Path, uds: Path) -> list[Row]:
    clock, settings = SystemClock(), LocalModelSettings(enabled=True, model="bench", window_tokens=2048)
    model = LocalModel(settings, base_places({"JARVIS_HOME": str(folder)}), clock, uds=uds)
    store = Store(folder / "jarvis.db")
    await store.open()
    ledger = Ledger(AssistantSettings().cost, store, clock)
    brain = ModelBrain(AssistantSettings(), [model], clock, ledger)
    transport = httpx.AsyncHTTPTransport(uds=str(uds))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=60) as client:
            bare, backend, whole = await _in_turns(
                lambda: _bare(client), lambda: _first(model.stream(ASKED)), lambda: _through(brain)
            )  # fmt: skip
    finally:
        await brain.close()
        await store.close()
    return [_row("the backend", backend, bare), _row("the brain with its ledger", whole, bare)]


async def _in_turns(*kinds: Timed) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in kinds]
    for number in range(WARM + ROUNDS):
        for times, timed in zip(found, kinds, strict=True):
            took = await timed()
            if number >= WARM:
                times.append(took)
    return found


async def _bare(client: httpx.AsyncClient) -> float:
    """The least that can be done: send, read lines, stop the clock at the first piece of text."""
    began, took = time.perf_counter(), 0.0
    async with client.stream("POST", "http://localhost/v1/chat/completions", json=body(ASKED, "bench")) as answer:
        async for line in answer.aiter_lines():
            if not took and line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                if choices and choices[0]["delta"].get("content"):
                    took = time.perf_counter() - began
    return took


async def _through(brain: ModelBrain) -> float:
    """With what a turn asks first: who would answer."""
    began = time.perf_counter()
    wish = Wish("Say hello.", turn=1)
    backend, why = await brain.fit(wish)
    if backend is None:
        raise RuntimeError(why)
    return await _first(brain.stream(ASKED, wish), began)


async def _first(events: AsyncIterator[object], began: float | None = None) -> float:
    began, took = time.perf_counter() if began is None else began, 0.0
    async for event in events:
        if not took and isinstance(event, Text):
            took = time.perf_counter() - began
    return took


def _row(what: str, ours: list[float], bare: list[float]) -> Row:
    """The overhead is the difference of the medians: single rounds differ by the server's own time."""
    over = (percentile(ours, 0.5) - percentile(bare, 0.5)) * 1000
    return Row(
        f"first token through {what}, more than a bare client", over, "ms", BUDGET_MS, None,
        f"bare client {_told(bare)}", f"ours {_told(ours)}, {len(ours)} rounds",
    )  # fmt: skip


def _told(times: list[float]) -> str:
    return f"median {percentile(times, 0.5) * 1000:.1f}, p95 {percentile(times, 0.95) * 1000:.1f} ms"
