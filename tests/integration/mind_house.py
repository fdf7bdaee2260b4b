"""A whole Jarvis with a model that says what a test wants, and a person who asks."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.house import House
from tests.scripted import Answer, Asked, Scripted
from tests.scripted.server import error


class OnlyChat(Scripted):
    """Answers of the script are for completions; what else a client asks of a server is not there."""

    def next_answer(self, asked: Asked) -> Answer | None:
        if asked.path == "/v1/models":
            return error(200, {"data": [{"id": "qwen2.5-7b-instruct", "object": "model"}]})
        if not asked.path.endswith("/chat/completions"):
            return error(404, {"error": {"message": "not found"}})
        return super().next_answer(asked)


class ModelThread:
    """The scripted server on a loop of its own, so that a test may wait for a command meanwhile."""

    def __init__(self) -> None:
        self.server = OnlyChat()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self.server:
            self._ready.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def call(self, fn: Any) -> None:
        """Run ``fn`` on the server's loop."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(fn)

    def bodies(self) -> list[dict[str, Any]]:
        """What was asked of the model, oldest first."""
        return [one.body for one in self.server.asked if one.path.endswith("/chat/completions")]

    def raw(self) -> bytes:
        """Every byte that reached it."""
        return b"\n".join(one.raw for one in self.server.asked)


class MindHouse(House):
    """``model`` is None where none is set up."""

    given: dict[str, str]
    model: ModelThread | None = None

    def ask(self, text: str, *options: str, timeout_s: float = 60) -> dict[str, Any]:
        """`jarvis ask`, as a script calls it."""
        done = self.jarvis("ask", *options, "--no-input", "-o", "json", text, timeout_s=timeout_s)
        assert done.stdout.strip(), done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        answer["exit"] = done.returncode
        return answer

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Rows of the audit of a kind, newest first."""
        with self.client(role="operator") as link:
            return [row for row in link.call("audit.list", {"limit": 500})["rows"] if row["kind"] == kind]


@contextmanager
def mind_house(home: Path, *, model: bool = False, **environ: str) -> Iterator[MindHouse]:
    """Daemon, simulated homelab and, with ``model``, a scripted server as the local model. The environment is that
    of the house until it is closed."""
    before = dict(os.environ)
    thread = ModelThread() if model else None
    if thread is not None:
        thread.start()
        environ |= {
            "JARVIS_ASSISTANT__LOCAL__ENABLED": "true", "JARVIS_ASSISTANT__LOCAL__URL": thread.server.url,
            "JARVIS_ASSISTANT__LOCAL__NATIVE_TOOLS": "true",
        }  # fmt: skip
    house = MindHouse(home, **environ)
    house.model, house.given = thread, dict(os.environ)
    try:
        house.start()
        yield house
    finally:
        house.close()
        if thread is not None:
            thread.stop()
        os.environ.clear()
        os.environ.update(before)
