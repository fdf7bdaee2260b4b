"""One attached client, from hello to goodbye."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from jarvis_daemon.bus import ASKED, Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.server import calls, roles
from jarvis_daemon.server.frames import (
    Call,
    CallId,
    decode_call,
    decode_params,
    encode_error,
    encode_note,
    encode_result,
)
from jarvis_daemon.server.outbox import Outbox
from jarvis_daemon.server.streams import Streams

if TYPE_CHECKING:
    from jarvis_daemon.server.server import Server

_log = logging.getLogger("jarvis.server")
CALLS_AT_ONCE: Final = 64
BAD_FRAMES_MAX: Final = 20
SEND_STALLED_S: Final = 60.0
"""A client that takes nothing for so long is cut; pings find a dead one sooner."""


class Session:
    """Reads calls, answers each in a task of its own, writes what the outbox yields."""

    def __init__(self, server: Server, connection: ServerConnection, uid: int, pid: int) -> None:
        self.server = server
        self.connection = connection
        self.principal = Principal(session=secrets.token_hex(6), role="viewer", uid=uid, pid=pid)
        self.version = ""
        self.connected_at = server.clock.now()
        self.sent_bytes = 0
        self.outbox = Outbox()
        self.streams = Streams(server.bus, self._send, lambda: self.principal)
        self._running: dict[CallId, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """All of them: those of calls without an id, or with one that another has too, as well."""
        self._bad_frames = 0

    async def run(self) -> None:
        """Serve until either side ends it."""
        try:
            async with asyncio.timeout(m.HELLO_TIMEOUT_S):
                if not await self._hello():
                    return
        except TimeoutError:
            await self.connection.close(1008, "no hello within 5 s")
            return
        self.server.joined(self)
        writer = spawn(self._write(), name=f"session-{self.principal.session}")
        watcher = spawn(self._watch(), name=f"session-{self.principal.session}-end")
        try:
            async for frame in self.connection:
                await self._frame(frame)
        finally:
            self.outbox.close()
            writer.cancel()
            watcher.cancel()
            self.streams.close()
            for task in list(self._tasks):
                task.cancel()
            self.server.left(self)

    async def _watch(self) -> None:
        """A full stream stops the reading, and who does not read does not see that the client is gone."""
        await self.connection.wait_closed()
        self.streams.close()

    async def goodbye(self, reason: str) -> None:
        """Tell the client why and close."""
        try:
            async with asyncio.timeout(1):
                await self._send(encode_note("goodbye", m.Goodbye(reason=reason)))
                await self.connection.close(1001, reason)
        except (TimeoutError, ConnectionClosed):
            self.connection.transport.abort()

    # --- hello -------------------------------------------------------------------------------------------

    async def _hello(self) -> bool:
        call_id: CallId = None
        try:
            frame = await self.connection.recv()
            if isinstance(frame, bytes):
                raise JarvisError("hello_required", "The session begins with hello, not with a binary frame")
            call = decode_call(frame)
            call_id = call.id
            if call.method != "hello":
                raise JarvisError("hello_required", f"The session begins with hello, not with {call.method}")
            self._admit(decode_params(call))
        except JarvisError as error:
            await self._send(encode_error(call_id, error))
            await self.connection.close(1008, error.what[:100])
            return False
        welcome = m.Welcome(
            protocol=m.PROTOCOL_MAX, daemon_version=self.server.version, boot_id=self.server.boot_id,
            simulated=self.server.simulated, now=self.server.clock.now(), session=self.principal.session,
            role=self.principal.role,
        )  # fmt: skip
        await self._send(encode_result(call_id, welcome))
        return True

    def _admit(self, hello: m.Hello) -> None:
        low, high = hello.protocol
        if low > m.PROTOCOL_MAX or high < m.PROTOCOL_MIN:
            mine = f"{m.PROTOCOL_MIN} to {m.PROTOCOL_MAX}"
            newer = low > m.PROTOCOL_MAX
            raise JarvisError(
                "protocol_mismatch", f"You speak protocol {low} to {high}, the daemon speaks {mine}",
                why=f"the daemon is version {self.server.version}, you are {hello.version or 'unknown'}",
                next="Run `jarvis daemon restart`." if newer else "Update this client: `make run` in its folder.",
            )  # fmt: skip
        worker = None
        if hello.role not in roles.ALLOWED:
            raise JarvisError("forbidden", f"No session is of role {hello.role}")
        if hello.role in roles.NEEDS_TICKET:
            worker = self.server.tickets.redeem(hello.ticket, hello.role)
            if worker is None:
                raise JarvisError("forbidden", f"A session of role {hello.role} needs a ticket of the daemon")
        elif not self.server.may_take(self.principal.uid, hello.role):
            raise JarvisError("forbidden", f"Your account may attach as viewer only, not as {hello.role}")
        self.version = hello.version[:40]
        self.principal = dataclasses.replace(
            self.principal, role=hello.role, client=hello.client[:40], worker=worker
        )

    # --- calls -------------------------------------------------------------------------------------------

    async def _frame(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await self.streams.incoming(frame)
            return
        try:
            call = decode_call(frame)
        except JarvisError as error:
            self._bad_frames += 1
            await self._send(encode_error(None, error))
            if self._bad_frames >= BAD_FRAMES_MAX:
                await self.connection.close(1008, "too many frames that are no calls")
            return
        if len(self._tasks) >= CALLS_AT_ONCE:
            await self._send(
                encode_error(call.id, JarvisError("busy", f"{CALLS_AT_ONCE} calls of yours run already"))
            )
            return
        task = spawn(self._answer(call), name=f"call-{call.method[:40]}")
        self._tasks.add(task)
        if call.id is not None:
            self._running[call.id] = task
        task.add_done_callback(lambda done: self._finished(call.id, done))

    def _finished(self, call_id: CallId, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._running.get(call_id) is task:
            del self._running[call_id]

    async def _answer(self, call: Call) -> None:
        try:
            frame = await self._outcome(call)
        except JarvisError as error:
            frame = encode_error(call.id, error)
        except asyncio.CancelledError:
            frame = encode_error(call.id, JarvisError("cancelled", f"{call.method} was cancelled"))
        except Exception as error:
            _log.exception("call failed", extra={"data": {"method": call.method}})
            sorry = JarvisError("internal", f"{call.method} failed inside the daemon", why=type(error).__name__)
            frame = encode_error(call.id, sorry)
        if call.id is not None:
            try:
                await self._send(frame)
            except ConnectionClosed:
                return

    async def _outcome(self, call: Call) -> bytes:
        params = decode_params(call)
        if call.method not in roles.ALLOWED[self.principal.role]:
            raise JarvisError("forbidden", f"A session of role {self.principal.role} may not call {call.method}")
        result = await self._dispatch(call.method, params)
        if isinstance(result, AsyncIterator):
            return encode_result(call.id, await self._progress(call.id, result))
        return encode_result(call.id, result)

    async def _progress(self, call_id: CallId, items: AsyncIterator[Any]) -> Any:
        """Send dicts as progress; the one ``Message`` is the result."""
        result: Any = None
        async for item in items:
            if isinstance(item, m.Message):
                result = item
            else:
                await self._send(encode_note("progress", m.Progress(id=call_id or 0, data=item)))
        return result

    async def _dispatch(self, method: str, params: Any) -> Any:
        bus = self.server.bus
        match method:
            case "subscribe":
                return calls.subscribe(bus, self.outbox, params, self.server.boot_id, self.principal.role)
            case "unsubscribe":
                return calls.unsubscribe(self.outbox, params)
            case "state.get":
                return await calls.state_get(bus, self.server.clock, params)
            case "history":
                return await calls.history(bus, params, self.principal.role)
            case "cancel":
                return self._cancel(params.id)
            case "drop":
                return self._drop(params.role)
            case "stream.open":
                return m.StreamOpened(stream=self.streams.open(params.kind))
            case "stream.close":
                return self.streams.end(params.stream)
            case _:
                return await bus.ask(method, params, self.principal)

    def _cancel(self, call_id: int | str) -> None:
        if (task := self._running.get(call_id)) is not None:
            task.cancel(ASKED)

    def _drop(self, role: m.Role) -> None:
        if not roles.may_drop(self.principal.role, role):
            raise JarvisError("forbidden", f"A session of role {self.principal.role} cannot become {role}")
        self.principal = dataclasses.replace(self.principal, role=role)
        for topic in roles.PRIVATE_TOPICS:
            if not roles.may_hear(role, topic):
                self.outbox.unsubscribe(topic)
        self.server.joined(self)

    # --- writing -----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            async for frame in self.outbox.frames():
                async with asyncio.timeout(SEND_STALLED_S):
                    await self._send(frame)
        except ConnectionClosed:
            return
        except TimeoutError:
            _log.warning("client takes nothing", extra={"data": {"client": str(self.principal)}})
            self.connection.transport.abort()
        except Exception:  # a client that is told nothing more has to see that the link is gone
            _log.exception("nothing can be told", extra={"data": {"client": str(self.principal)}})
            self.connection.transport.abort()

    async def _send(self, frame: bytes, *, binary: bool = False) -> None:
        self.sent_bytes += len(frame)
        await self.connection.send(frame, text=not binary)
