"""The process of the embedded model: it keeps llama.cpp's server in a child, since that holds the interpreter while
it loads, and a worker whose heart stops is killed.

``{id, hold: true}`` asks for the model, which is loaded the first time. The answer is ``{id, up: true}``, or ``{id,
failed, end}``. Whoever holds it speaks to its socket. When the child ends so do we, and whoever holds it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

STREAM = "assistant.embedded"


async def work(link: Link, config: dict[str, Any]) -> None:
    """Until the daemon ends us, or the model's process ends. Raises ``unavailable`` then."""
    number = int((await link.call("stream.open", {"kind": STREAM}))["stream"])
    server = Server(config["settings"])

    async def answer(request: dict[str, Any]) -> None:
        why = await server.up()
        told: dict[str, Any] = {"failed": why, "end": True} if why else {"up": True}
        with contextlib.suppress(JarvisError):  # the link is gone, and with it whoever asked
            await link.send_binary(number, json.dumps({"id": request["id"], **told}).encode())

    def asked(stream: int, payload: bytes) -> None:
        request = json.loads(payload)
        if stream == number and request.get("hold"):
            spawn(answer(request), name="embedded")

    link.on_binary = asked
    await link.send_binary(number, json.dumps({"ready": True}).encode())
    code = await server.ended()
    raise JarvisError("unavailable", "The model's process ended", why=f"with {code}")


class Server:
    """llama.cpp's server in a child; ``up`` starts it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._listens = False
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def up(self) -> str:
        """Return once it listens; why not, where it does not."""
        async with self._turn:
            if self._listens:
                return ""
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "jarvis_daemon.assistant.worker.llama",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(self._settings).encode() + b"\n")
            told = (await process.stdout.readline()).decode(errors="replace").strip()
            self._listens = told == "up"
            if not self._listens:
                code = await process.wait()
                return told or f"its process ended with {code}"
            spawn(self._watch(process), name="llama")
            return ""

    async def ended(self) -> int:
        """The code with which a server that listened has ended."""
        return await self._over

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        self._over.set_result(await process.wait())
