"""Asking a worker: over its one binary stream, a JSON document a frame each way.

The worker opens the stream, says ``{ready: true}`` once it listens, is asked ``{id, …}`` and answers with that
``id``: one document to ``ask``; to ``stream`` any number, the last with ``end: true``. ``{id, cancel: true}`` tells
it that nobody waits for a stream any more. What it says without an ``id`` goes to ``unasked``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.supervisor.supervisor import Supervisor, WorkerSpec

_log = logging.getLogger("jarvis.supervisor")
START_S: Final = 30.0
"""How long a worker may take to listen; loading a large library takes seconds on a small machine."""


class Lost(Exception):
    """No answer, and why, in words. ``sent``: it may have acted; else nothing has reached it."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.why, self.sent = why, sent


@dataclass
class _Line:
    """One stream of one process of the worker."""

    outgoing: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)


@dataclass
class _Call:
    line: _Line
    answers: asyncio.Queue[dict[str, Any] | Lost] = field(default_factory=asyncio.Queue)


class Asking:
    """The way to one worker. ``start`` gives it the supervisor; before that nothing can be asked.

    ``spec`` is asked each time the worker is started. ``idle_s``: it is ended when it was not asked for so long;
    None: it runs until ``stop``, and whoever wants it started calls ``wanted``. ``start_s``: how long a question
    waits for a worker that does not listen yet; 0: not at all.
    """

    def __init__(
        self, bus: Bus, clock: Clock, name: str, stream: str, spec: Callable[[], WorkerSpec], *,
        idle_s: float | None = None, start_s: float = START_S,
        unasked: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._bus, self._clock, self._spec = bus, clock, spec
        self._idle_s, self._start_s, self._unasked = idle_s, start_s, unasked
        self._supervisor: Supervisor | None = None
        self._running = False
        self._line: _Line | None = None
        self._listens = asyncio.Event()
        self._calls: dict[int, _Call] = {}
        self._ids = itertools.count(1)
        self._used = 0.0
        self._idle: asyncio.Task[None] | None = None
        self._turning = asyncio.Lock()
        bus.offer_stream(stream, self._stream)

    def start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def stop(self) -> None:
        """No more idle times are counted; the supervisor ends the worker itself."""
        if self._idle is not None:
            self._idle.cancel()

    @property
    def listens(self) -> bool:
        return self._listens.is_set()

    async def wanted(self) -> None:
        """Start the worker unless it runs; it may take a while until it listens. Raises what ``spec`` raises."""
        self._used = self._clock.monotonic()
        async with self._turning:
            if self._supervisor is None or self._running:
                return
            self._supervisor.start(self._spec())
            self._running = True
            if self._idle_s is not None:
                self._idle = spawn(self._end_when_idle(self._idle_s), name=f"{self.name}-idle")

    async def end(self) -> None:
        """End the worker, and with it what waits; the next question starts another."""
        async with self._turning:
            if not self._running or self._supervisor is None:
                return
            if self._idle is not None and self._idle is not asyncio.current_task():
                self._idle.cancel()
            self._running, self._line = False, None  # who asks from now on waits for the next one
            self._listens.clear()
            await self._supervisor.stop(self.name)

    async def ask(
        self, request: dict[str, Any], timeout_s: float | None = None, *, grace_s: float = 0.0
    ) -> dict[str, Any]:
        """The worker's answer, waited for ``timeout_s + grace_s`` (the worker itself may keep the time-out). Raises
        ``Lost``."""
        number, call = await self._send(request)
        try:
            async with asyncio.timeout(None if timeout_s is None else timeout_s + grace_s):
                return await _next(call)
        except TimeoutError:
            raise Lost(f"no answer within {timeout_s or 0:g} s", sent=True) from None
        finally:
            self._over(number)

    async def stream(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Each answer, the last with ``end``. Closing it tells the worker to stop. Raises ``Lost``."""
        number, call = await self._send(request)
        ended = False
        try:
            while not ended:
                answer = await _next(call)
                ended = bool(answer.get("end"))
                yield answer
        except Lost:
            ended = True
            raise
        finally:
            self._over(number)
            if not ended:
                call.line.outgoing.put_nowait(json.dumps({"id": number, "cancel": True}).encode())

    async def _send(self, request: dict[str, Any]) -> tuple[int, _Call]:
        if self._idle_s is not None:
            await self.wanted()
        if self._start_s > 0:
            try:
                async with asyncio.timeout(self._start_s):
                    await self._listens.wait()
            except TimeoutError:
                raise Lost(self._absent(), sent=False) from None
        if self._line is None:
            raise Lost(self._absent(), sent=False)
        number, call = next(self._ids), _Call(self._line)
        self._calls[number] = call
        self._line.outgoing.put_nowait(json.dumps({"id": number, **request}).encode())
        return number, call

    def _over(self, number: int) -> None:
        del self._calls[number]
        self._used = self._clock.monotonic()

    async def _end_when_idle(self, idle_s: float) -> None:
        while (left := self._used + idle_s - self._clock.monotonic()) > 0 or self._calls:
            await self._clock.sleep(max(left, 1.0))
        await self.end()

    def _absent(self) -> str:
        service = self._bus.state("services").get("services", f"service:{self.name}", Service)
        last = service.last_error if service is not None else None
        return f"the process that speaks to it does not run{f' ({last})' if last else ''}"

    # --- the stream --------------------------------------------------------------------------------------

    async def _stream(self, principal: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if principal.worker != self.name:
            raise JarvisError("forbidden", f"Only the worker {self.name} opens this stream")
        line = _Line()
        reading = spawn(self._read(line, incoming), name=f"{self.name}-read")
        try:
            while True:
                yield await line.outgoing.get()
        finally:
            reading.cancel()
            if self._line is line:
                self._line = None
                self._listens.clear()
            for call in self._calls.values():
                if call.line is line:
                    call.answers.put_nowait(Lost("the process that speaks to it ended", sent=True))

    async def _read(self, line: _Line, incoming: AsyncIterator[bytes]) -> None:
        async for payload in incoming:
            try:
                message = json.loads(payload)
                if "id" in message:
                    call = self._calls.get(message["id"])
                    if call is not None and call.line is line:
                        call.answers.put_nowait(message)
                elif message.get("ready"):
                    self._line = line
                    self._listens.set()
                elif self._unasked is not None:
                    await self._unasked(message)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                why = f"{type(error).__name__}: {error}"[:200]
                _log.warning("not understood", extra={"data": {"worker": self.name, "why": why}})


async def _next(call: _Call) -> dict[str, Any]:
    answer = await call.answers.get()
    if isinstance(answer, Lost):
        raise answer
    return answer
