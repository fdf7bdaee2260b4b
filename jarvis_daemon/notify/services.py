"""Services that Apprise knows: asked of a worker, which is started when there is something to say."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.loopback import check_url
from jarvis_daemon.notify.wording import cut
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import AppriseSettings
from jarvis_daemon.settings.secret import secret
from jarvis_daemon.supervisor import Supervisor, WorkerSpec

_log = logging.getLogger("jarvis.notify")
STREAM: Final = "notify.apprise"
WORKER: Final = "apprise"
START_S: Final = 30.0
"""How long the worker may take to come; loading Apprise takes a second on a small machine."""
IDLE_S: Final = 300.0
"""It is ended when it was not needed for so long."""
GRACE_S: Final = 5.0
BODY_MAX: Final = 3500
"""Most services take about 4,000 characters."""
_TYPE: Final = {"ok": "success", "warning": "warning", "error": "failure", "critical": "failure"}


class AppriseLink:
    """The one worker for all of them. ``start`` gives it the supervisor; before that nothing can be sent."""

    def __init__(self, bus: Bus, clock: Clock, *, simulated: bool) -> None:
        self._bus, self._clock = bus, clock
        self._spec = WorkerSpec(WORKER, settings={"simulated": simulated})
        self._supervisor: Supervisor | None = None
        self._running = False
        self._outgoing: asyncio.Queue[bytes] | None = None
        self._connected = asyncio.Event()
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._used = 0.0
        self._idle: asyncio.Task[None] | None = None
        bus.offer_stream(STREAM, self._stream)

    def start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def stop(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    async def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The worker's answer; ``{error, unknown}`` also where it did not come, or ended on the way."""
        self._used = self._clock.monotonic()
        try:
            async with asyncio.timeout(START_S):
                await self._wanted()
        except TimeoutError:
            return {"error": self._absent(), "unknown": False}
        number = next(self._ids)
        waits: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = waits
        try:
            if self._outgoing is None:
                return {"error": self._absent(), "unknown": False}
            self._outgoing.put_nowait(json.dumps({"id": number, "timeout_s": timeout_s, **request}).encode())
            async with asyncio.timeout(timeout_s + GRACE_S):
                return await waits
        except TimeoutError:
            return {"error": f"no answer within {timeout_s:g} s", "unknown": True}
        finally:
            del self._calls[number]

    async def _wanted(self) -> None:
        """Return once the worker listens."""
        if self._supervisor is not None and not self._running:
            self._running = True
            self._supervisor.start(self._spec)
            self._idle = spawn(self._end_when_idle(), name="apprise-idle")
        await self._connected.wait()

    async def _end_when_idle(self) -> None:
        while (left := self._used + IDLE_S - self._clock.monotonic()) > 0 or self._calls:
            await self._clock.sleep(max(left, 1.0))
        self._running, self._outgoing = False, None  # who asks from now on waits for the next one
        self._connected.clear()
        if self._supervisor is not None:
            await self._supervisor.stop(WORKER)

    def _absent(self) -> str:
        service = self._bus.state("services").get("services", f"service:{WORKER}", Service)
        last = service.last_error if service is not None else None
        return f"the process that speaks to it does not run{f' ({last})' if last else ''}"

    async def _stream(self, principal: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if principal.worker != WORKER:
            raise JarvisError("forbidden", f"Only the worker {WORKER} opens this stream")
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._outgoing = outgoing
        reading = spawn(self._read(incoming), name="apprise-read")
        try:
            while True:
                yield await outgoing.get()
        finally:
            reading.cancel()
            if self._outgoing is outgoing:
                self._outgoing = None
                self._connected.clear()
                for waits in self._calls.values():
                    if not waits.done():
                        waits.set_result({"error": "the process that speaks to it ended", "unknown": True})

    async def _read(self, incoming: AsyncIterator[bytes]) -> None:
        async for payload in incoming:
            try:
                message = json.loads(payload)
                if message.get("ready"):
                    self._connected.set()
                    continue
                waits = self._calls.get(message["id"])
                if waits is not None and not waits.done():
                    waits.set_result(message)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                _log.warning("not understood", extra={"data": {"why": f"{type(error).__name__}: {error}"[:200]}})


class Push:
    """One channel of ``[notify.apprise.NAME]``."""

    def __init__(
        self, name: str, settings: AppriseSettings, places: Places, link: AppriseLink, *, simulated: bool
    ) -> None:
        self.name = name
        self.route = settings
        self._settings, self._places, self._link, self._simulated = settings, places, link, simulated

    async def send(self, parcel: Parcel) -> str:
        """Hand it to the service. Raises ``NotTaken``; such a service knows no keys, so what may have arrived may
        arrive twice."""
        request = {
            "url": self._url(), "title": clean(parcel.subject, limit=200), "body": cut(parcel.body, BODY_MAX),
            "type": _TYPE.get(parcel.severity, "info"),
        }  # fmt: skip
        answer = await self._link.ask(request, self._settings.timeout_s)
        if answer.get("ok"):
            return ""
        why = clean(str(answer.get("error") or "it does not say why"), limit=300)
        raise NotTaken("unknown" if answer.get("unknown") else "down", JarvisError(
            "unavailable", f"The service {self.name} did not take the message", why=why,
            next=f"`jarvis notify test {self.name}` tries it again.",
        ))  # fmt: skip

    def _url(self) -> str:
        """Raises ``NotTaken`` where there is none, or it may not be used."""
        try:
            found = secret(self._places, self._settings.url, self._settings.url_file, f"notify-{self.name}")
            lines = (found or "").split()
            if not lines:
                raise JarvisError(
                    "config_invalid", f"The URL of the service {self.name} is not to be found",
                    next="Put it into a file of mode 0600 and name that by url_file.",
                )  # fmt: skip
            check_url(lines[0], simulated=self._simulated)
        except JarvisError as error:
            raise NotTaken("down", error) from None
        return lines[0]
