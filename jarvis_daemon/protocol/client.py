"""The asynchronous client: one link to the daemon that reconnects by itself and keeps a mirror of state.

    link = Link(socket_path, client="jarvis-hud", role="operator", topics=["cluster", "feed"], on_change=…)
    task = spawn(link.run(), name="link")
    await link.call("incident.ack", {"id": "3"})

Errors: ``JarvisError`` only. A call while the link is down raises ``daemon_unreachable`` at once; a call whose
link breaks before its answer raises it too, and whether the daemon acted is then not known.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from jarvis_daemon.clock import Clock, SystemClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import EVENT_QUEUE_MAX, MAX_FRAME_TO_CLIENT, PROTOCOL_MAX, PROTOCOL_MIN
from jarvis_daemon.protocol.mirror import Gap, Mirror
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import EVENT_TOPICS

BACKOFF_FIRST_S: Final = 0.25
BACKOFF_FACTOR: Final = 1.7
BACKOFF_MAX_S: Final = 10.0
PING_S: Final = 5.0
"""A daemon that hangs is a lost link after twice as long; a picture that looks fresh would be a lie."""
CALL_TIMEOUT_S: Final = 30.0
OPEN_TIMEOUT_S: Final = 10.0

Status = Literal["connecting", "up", "lost", "refused"]
"""``refused``: the daemon speaks another protocol or denies us; trying again would not help."""
_decode = msgspec.json.Decoder()
_encode = msgspec.json.Encoder()


class Link:
    """``mirror`` holds state topics, ``events`` the newest events by topic; ``on_change(topic)`` tells of both.

    ``on_change`` is called in the loop: with a topic's name after its state or events changed, with ``"link"``
    after ``status`` changed. ``start_daemon`` is called at most once an outage when nothing listens.
    """

    def __init__(
        self, socket_path: Path, *, client: str, version: str = "", role: str = "operator",
        topics: list[str] | None = None, max_hz: float = 1.0, on_change: Callable[[str], None] | None = None,
        ticket: str | None = None, start_daemon: Callable[[], Awaitable[None]] | None = None,
        clock: Clock | None = None, history: int = 200,
    ) -> None:  # fmt: skip
        self.socket_path = socket_path
        self.client, self.version, self.role, self.ticket = client, version, role, ticket
        self.topics = list(topics or [])
        self.max_hz = max_hz
        self.history = history
        self.clock: Clock = clock or SystemClock()
        self.mirror = Mirror()
        self.events: dict[str, deque[dict[str, Any]]] = {}
        self.event_seq: dict[str, int] = {}
        self.status: Status = "connecting"
        self.status_since = self.clock.monotonic()
        self.error: JarvisError | None = None
        self.welcome: dict[str, Any] = {}
        self.latency_s: float | None = None
        self.received_bytes = 0
        self.on_binary: Callable[[int, bytes], None] | None = None
        self._clock_offset = 0.0
        self._on_change = on_change or (lambda topic: None)
        self._start_daemon = start_daemon
        self._started_this_outage = False
        self._start_error: JarvisError | None = None
        self._refused = False
        self._greeted = False
        self._socket: ClientConnection | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[tuple[str, Any]]] = {}
        self._changed = asyncio.Event()

    # --- what a user of the link calls -------------------------------------------------------------------

    def now(self) -> float:
        """The daemon's wall clock, by which facts are aged."""
        return self.clock.now() + self._clock_offset

    async def wait_for(self, predicate: Callable[[Link], bool], timeout_s: float) -> bool:
        """Wait until ``predicate(link)`` holds, looking again after each change; False when time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                while not predicate(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Any:
        """Call a method and return its result. Raises ``JarvisError``."""
        result: Any = None
        try:
            async with asyncio.timeout(timeout_s):
                async for kind, result in self._exchange(method, params):
                    if kind == "result":
                        return result
        except TimeoutError:
            raise JarvisError("timed_out", f"The daemon did not answer {method} within {timeout_s:g} s") from None
        return result

    async def stream(self, method: str, params: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        """Call a long method: yields each progress, then the result as the last item."""
        async for _, value in self._exchange(method, params):
            yield value

    async def send_binary(self, stream: int, payload: bytes) -> None:
        """Send one frame of a binary stream opened with ``stream.open``."""
        await self._connected().send(stream.to_bytes(4, "big") + payload)

    async def run(self) -> None:
        """Connect and stay connected until cancelled, or until the daemon refuses us."""
        delay = BACKOFF_FIRST_S
        try:
            while True:
                if await self._session():
                    delay = BACKOFF_FIRST_S
                if self._refused:
                    return
                await self._maybe_start_daemon()
                await self.clock.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                delay = min(BACKOFF_MAX_S, delay * BACKOFF_FACTOR)
        finally:
            await self._drop()

    # --- one session -------------------------------------------------------------------------------------

    async def _session(self) -> bool:
        """Connect, greet, subscribe, read until it breaks. True when the session had come up."""
        came_up = False
        reader: asyncio.Task[None] | None = None
        try:
            async with unix_connect(
                str(self.socket_path), uri="ws://jarvis/", compression=None, max_size=MAX_FRAME_TO_CLIENT,
                open_timeout=OPEN_TIMEOUT_S, ping_interval=PING_S, ping_timeout=PING_S, close_timeout=1,
            ) as self._socket:  # fmt: skip
                reader = spawn(self._read(self._socket), name="link-read")
                await self._greet()
                came_up = True
                self._started_this_outage = False
                self._start_error = None
                self._set_status("up")
                await reader
        except (OSError, WebSocketException, InvalidHandshake, TimeoutError) as error:
            self.error = _unreachable(error)
            if self._start_error is not None and isinstance(error, FileNotFoundError | ConnectionRefusedError):
                self.error = self._start_error  # why it does not run says more than that it does not
        except JarvisError as error:
            self.error = error
            if error.code in {"protocol_mismatch", "forbidden"}:
                self._refused = True
                self._set_status("refused")
        finally:
            if reader is not None:
                reader.cancel()
            await self._drop()
        if self.status == "up":
            self._set_status("lost")
        return came_up

    async def _greet(self) -> None:
        before = self.clock.monotonic()
        same_boot = self.welcome.get("boot_id")
        self.welcome = await self.call(
            "hello",
            {
                "client": self.client, "version": self.version, "role": self.role, "ticket": self.ticket,
                "protocol": [PROTOCOL_MIN, PROTOCOL_MAX],
            },
            timeout_s=10,
        )  # fmt: skip
        self._greeted = True
        self.latency_s = self.clock.monotonic() - before
        self._clock_offset = float(self.welcome.get("now", self.clock.now())) - self.clock.now()
        if self.topics:
            since = {t: s for t, s in self.mirror.seq.items() if t in self.topics}
            since |= {t: s for t, s in self.event_seq.items() if t in self.topics}
            await self._subscribe(self.topics, since, same_boot)

    async def _subscribe(self, topics: list[str], since: dict[str, int], boot_id: str | None) -> None:
        answer = await self.call(
            "subscribe",
            {
                "topics": topics, "max_hz": self.max_hz, "since": since, "boot_id": boot_id,
                "history": self.history,
            },
        )  # fmt: skip
        if began_anew := [topic for topic in answer.get("began_anew") or [] if topic in since]:
            for topic in began_anew:
                self.events.pop(topic, None)
                self.event_seq.pop(topic, None)
            await self._subscribe(began_anew, {}, None)

    async def _read(self, connection: ClientConnection) -> None:
        try:
            async for frame in connection:
                self.received_bytes += len(frame)
                if isinstance(frame, bytes):
                    if self.on_binary is not None and len(frame) >= 4:
                        self.on_binary(int.from_bytes(frame[:4], "big"), frame[4:])
                else:
                    self._take(frame)
        finally:
            self._fail_waiting()  # at once: a greeting that waits for its time-out would delay the next try

    def _take(self, frame: str) -> None:
        """A message. Raises ``daemon_unreachable`` for what is none."""
        try:
            message: Any = _decode.decode(frame)
        except msgspec.DecodeError as error:
            raise _no_message(_short(error)) from None
        if not isinstance(message, dict):
            raise _no_message(type(message).__name__)
        if "method" in message:
            self._notification(message["method"], message.get("params") or {})
        elif (queue := self._waiting.get(message.get("id", 0))) is not None:
            queue.put_nowait(("error", message["error"]) if "error" in message else ("result", message["result"]))

    def _notification(self, method: str, params: dict[str, Any]) -> None:
        topic = params.get("topic", "")
        if method == "snapshot":
            self.mirror.snapshot(topic, params["seq"], params["state"])
            self._tell(topic)
        elif method == "delta":
            try:
                self.mirror.delta(topic, params["seq"], params.get("set", {}), params.get("del", []))
            except Gap:
                spawn(self._resync(topic), name="link-resync")
                return
            self._tell(topic)
        elif method == "event":
            self._event(topic, params["event"])
        elif method == "lagged":
            spawn(self._resync(topic), name="link-resync")
        elif method == "progress" and (queue := self._waiting.get(params.get("id", 0))) is not None:
            queue.put_nowait(("progress", params.get("data") or {}))

    def _event(self, topic: str, event: dict[str, Any]) -> None:
        if event["seq"] <= self.event_seq.get(topic, 0):
            return  # already here: a resync overlaps
        self.event_seq[topic] = event["seq"]
        self.events.setdefault(topic, deque(maxlen=EVENT_QUEUE_MAX)).append(event)
        self._tell(topic)

    async def _resync(self, topic: str) -> None:
        since = {topic: self.event_seq.get(topic, 0)} if topic in EVENT_TOPICS else {}
        try:
            await self._subscribe([topic], since, None)
        except JarvisError:
            return  # the link broke: the next session subscribes anew

    async def _exchange(self, method: str, params: dict[str, Any] | None) -> AsyncIterator[tuple[str, Any]]:
        connection = self._connected(greeting=method == "hello")
        call_id = next(self._ids)
        queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._waiting[call_id] = queue
        request = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params or {}}
        finished = False
        try:
            try:
                await connection.send(_encode.encode(request).decode())
            except (WebSocketException, OSError) as error:
                raise JarvisError("daemon_unreachable", "The link to the daemon broke", why=_short(error)) from None
            while not finished:
                kind, value = await queue.get()
                if kind == "error":
                    finished = True
                    raise JarvisError.from_wire(value)
                finished = kind == "result"
                yield kind, value
        finally:
            self._waiting.pop(call_id, None)
            if not finished and self._socket is connection:
                spawn(self._cancel(connection, call_id), name="link-cancel")

    async def _cancel(self, connection: ClientConnection, call_id: int) -> None:
        """Tell the daemon that nobody waits for that call any more."""
        note = {"jsonrpc": "2.0", "id": next(self._ids), "method": "cancel", "params": {"id": call_id}}
        try:
            await connection.send(json.dumps(note))
        except (WebSocketException, OSError):
            return

    def _connected(self, *, greeting: bool = False) -> ClientConnection:
        if self._socket is None or not (greeting or self._greeted):
            raise self.error or JarvisError("daemon_unreachable", "The link to the daemon is down")
        return self._socket

    async def _drop(self) -> None:
        self._socket = None
        self._greeted = False
        self._fail_waiting()

    def _fail_waiting(self) -> None:
        lost = JarvisError("daemon_unreachable", "The link to the daemon broke").to_wire()
        for queue in list(self._waiting.values()):
            queue.put_nowait(("error", lost))

    async def _maybe_start_daemon(self) -> None:
        if self._start_daemon is None or self._started_this_outage:
            return
        self._started_this_outage = True
        try:
            await self._start_daemon()
        except JarvisError as error:
            self.error = self._start_error = error

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.status_since = self.clock.monotonic()
            self._tell("link")

    def _tell(self, topic: str) -> None:
        self._changed.set()
        self._on_change(topic)


def _unreachable(error: Exception) -> JarvisError:
    """Why nobody answers, in our words."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return JarvisError("daemon_unreachable", "The daemon does not run")
    given_up = isinstance(error, ConnectionClosed) and error.rcvd is None and error.sent is not None
    if isinstance(error, TimeoutError) or given_up:  # pings unanswered: it is stopped, or very busy
        return JarvisError(
            "daemon_unreachable", "The daemon accepts but does not answer",
            next="`jarvis daemon restart --force` ends one that hangs.",
        )  # fmt: skip
    if isinstance(error, ConnectionClosed):
        why = (error.rcvd.reason if error.rcvd else "") or "it closed the connection"
    else:
        why = error.strerror or str(error) if isinstance(error, OSError) else "it closed the connection"
    return JarvisError("daemon_unreachable", "The daemon does not answer", why=why)


def _short(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _no_message(why: str) -> JarvisError:
    return JarvisError("daemon_unreachable", "The daemon sent something that is no message", why=why)
