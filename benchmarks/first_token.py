"""From a question to its first token: through a backend, through the brain with its ledger, and through the whole
daemon, beside a bare HTTP client that asks the same server.

For the first two the server is llama.cpp in the product's own process, with real weights at a unix socket; its
prompt cache is warm for all alike. For a whole turn (`chat.send` to the first piece of its answer, every event of
it committed) it is one that answers at once, so that nothing but our own time is in the difference. Rounds take
turns, and the calmest tenth of them counts: what else the machine does is not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx

from benchmarks.lab import Lab
from benchmarks.row import Row, percentile
from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.contract import Message, Request, Text, Wish
from jarvis_daemon.assistant.llm.ledger import Ledger
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.llm.weights import find_weights
from jarvis_daemon.assistant.llm.wire import body
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.settings import LocalModelSettings
from jarvis_daemon.settings.assistant import AssistantSettings
from jarvis_daemon.store import Store

ROUNDS: Final = 40
WARM: Final = 3
BUDGET_MS: Final = 10.0
CALM: Final = 0.1
ASKED: Final = Request([Message("system", "You are a butler."), Message("user", "Say hello.")], max_tokens=2)
Timed = Callable[[], Awaitable[float]]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as uds:
        rows = asyncio.run(_measure(Path(folder), uds))
    with _prompt() as port:
        lab = Lab(nodes=4, guests=18)
        lab.environ |= {
            "JARVIS_ASSISTANT__LOCAL__ENABLED": "true", "JARVIS_ASSISTANT__LOCAL__MODEL": "bench",
            "JARVIS_ASSISTANT__LOCAL__URL": f"http://127.0.0.1:{port}",
            "JARVIS_ASSISTANT__LOCAL__NATIVE_TOOLS": "true",
        }  # fmt: skip
        with lab:
            return [*rows, asyncio.run(_whole_turn(lab, port))]


async def _whole_turn(lab: Lab, port: int) -> Row:
    link = Link(lab.places.socket, client="bench", role="operator")
    running = spawn(link.run(), name="link")
    try:
        await link.wait_for(lambda it: it.status == "up", 10)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            bare, ours = await _in_turns(lambda: _bare(client), lambda: _turn(link))
    finally:
        running.cancel()
    return _row("the whole daemon", ours, bare)


async def _turn(link: Link) -> float:
    """A conversation of its own each time. No sentence file understands the question."""
    began, took = time.perf_counter(), 0.0
    async for told in link.stream("chat.send", {"text": "tell me a story about ferrets"}):
        if not took and told.get("kind") == "chat.text":
            took = time.perf_counter() - began
    if not took or told.get("backend") != "local bench":
        raise RuntimeError(f"the model was not asked: {told}")
    return took


@contextlib.contextmanager
def _prompt() -> Iterator[int]:
    """The port of a server that answers at once."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Prompt)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Prompt(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta, end in (({"content": "Ferrets "}, None), ({"content": "sleep.\n"}, None), ({}, "stop")):
            chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        told = {"data": [{"id": "bench"}], "default_generation_settings": {"n_ctx": 16384}}
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        return


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
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
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
    async with client.stream("POST", "/v1/chat/completions", json=body(ASKED, "bench")) as answer:
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
    over = (percentile(ours, CALM) - percentile(bare, CALM)) * 1000
    return Row(
        f"first token through {what}, more than a bare client", over, "ms", BUDGET_MS, None,
        f"bare client {_told(bare)}", f"ours {_told(ours)}, {len(ours)} rounds",
    )  # fmt: skip


def _told(times: list[float]) -> str:
    shares = {"p10": CALM, "median": 0.5, "p95": 0.95}
    return ", ".join(f"{name} {percentile(times, share) * 1000:.1f}" for name, share in shares.items()) + " ms"
