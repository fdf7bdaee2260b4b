"""The conversation's service: what ``chat.*`` of the contract does.

A turn is kept before it is begun and runs as a task of its own: a client that goes away ends nothing, one that
comes back hears the rest (``chat.follow``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.assistant.conversation.course import Course
from jarvis_daemon.assistant.conversation.log import ChatLog
from jarvis_daemon.assistant.conversation.running import Running
from jarvis_daemon.assistant.conversation.telling import Telling
from jarvis_daemon.assistant.conversation.thinking import Thinker
from jarvis_daemon.assistant.conversation.turn import Trace
from jarvis_daemon.bus import ASKED, Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import ChatReply
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.redact import redact
from jarvis_daemon.store import Store

TEXT_MAX: Final = 200_000


class Chat:
    """``thinker`` makes an outcome of what was said; ``course`` runs the turns."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, thinker: Thinker) -> None:
        self._store, self._clock = store, clock
        self.log = ChatLog(store, bus, clock)
        self.course = Course(store, clock, self.log, thinker)
        self.on_forgotten: list[Callable[[str], Awaitable[None]]] = []
        """Who keeps something of a session beside it."""
        for method, handler in (
            ("chat.send", self.send), ("chat.confirm", self.confirm), ("chat.follow", self.follow),
            ("chat.cancel", self.cancel), ("chat.list", self.list), ("chat.show", self.show),
        ):  # fmt: skip
            bus.offer(method, handler, roles={"operator", "front"})
        bus.offer("chat.forget", self.forget, roles={"operator"})
        bus.offer("trace.show", self.trace, roles={"operator"})

    async def start(self) -> None:
        """Continue the numbering; mark what a dead daemon left open."""
        await self.log.start()
        await self.course.start()

    async def stop(self) -> None:
        """What still runs is cut, and says so."""
        await self.course.stop()

    # --- the service -----------------------------------------------------------------------------------------

    async def send(self, params: mind.ChatSend, who: Principal) -> AsyncIterator[Any]:
        """A new turn, or the one that this ``key`` began."""
        text = redact(clean_block(params.text, limit=TEXT_MAX + 1).strip())
        if not text:
            raise JarvisError("invalid_params", "Nothing was said", next='Say something: `jarvis ask "status"`.')
        if len(text) > TEXT_MAX:
            raise JarvisError(
                "invalid_params", f"That is longer than {TEXT_MAX:,} characters",
                next="Put it into a file, and ask about that.",
            )  # fmt: skip
        key = f"{who.role}:{who.uid}:{who.client}:{params.key}"[:200] if params.key else None
        session = None if params.session is None else await self._known_session(params.session)
        number = await self.course.begin(text, session, key, params, who)
        async for item in self.follow(mind.ChatFollow(turn=number), who):
            yield item

    async def confirm(self, params: mind.ChatConfirm, who: Principal) -> AsyncIterator[Any]:
        """Answer a call that asks."""
        asking = self.course.asking.get((params.turn, params.call))
        if asking is None or asking.until <= self._clock.monotonic():
            raise JarvisError(
                "refused", "Nothing waits for this word any more", why="it was answered, or is too old",
                next="Say it again.",
            )  # fmt: skip
        if who.role != "operator":
            raise JarvisError("forbidden", "Only an operator confirms a call")
        after = self.log.topic.last_seq
        running = await self.course.answer(asking, params, who)
        async for item in self._hear(running, after):
            yield item

    async def follow(self, params: mind.ChatFollow, who: Principal) -> AsyncIterator[Any]:
        """The rest of a turn."""
        running = self.course.running.get(params.turn)
        if running is None:
            found = await self._turn(params.turn)
            running = Running(
                found.turn, found.reply.session, found.asked, who, Telling(self.log, self._clock, "", found.turn),
                Trace(self._clock), found.at, 0.0, reply=found.reply,
            )  # fmt: skip
            running.ended.set()
        async for item in self._hear(running, params.after):
            yield item

    def cancel(self, params: mind.ChatCancel, who: Principal) -> None:
        """Stop a turn that runs; one that has ended is left as it is."""
        if (running := self.course.running.get(params.turn)) is not None and running.task is not None:
            running.task.cancel(ASKED)

    async def list(self, params: mind.ChatList, who: Principal) -> mind.ChatListResult:
        limit = max(1, min(params.limit, 500))
        return mind.ChatListResult(sessions=await self._store.read(lambda db: table.sessions(db, limit)))

    async def show(self, params: mind.ChatShow, who: Principal) -> mind.ChatShown:
        session = await self._session(params.session)
        limit = max(1, min(params.limit, 500))
        turns = await self._store.read(lambda db: table.turns(db, session.id, limit, params.before))
        return mind.ChatShown(session=session, turns=turns)

    async def forget(self, params: mind.ChatForget, who: Principal) -> None:
        """Delete a session. Raises ``busy`` while a turn of it runs."""
        session = await self._session(params.session)
        if any(one.session == session.id for one in self.course.running.values()):
            raise JarvisError("busy", "A turn of this session is under way", next="Cancel it first.")
        await self._store.write(lambda db: table.forget(db, session.id), durable=True)
        for forget in self.on_forgotten:
            await forget(session.id)

    async def trace(self, params: mind.TraceShow, who: Principal) -> mind.TraceShown:
        found = await self._store.read(lambda db: table.trace(db, params.turn))
        if found is None:
            raise JarvisError(
                "not_found", "There is no such turn", next='Ask something first: `jarvis ask "status"`.'
            )
        turn, spans = found
        return mind.TraceShown(
            id=turn.reply.trace, turn=turn.turn, at=turn.at, asked=turn.asked[:200], backend=turn.reply.backend,
            spans=spans,
        )  # fmt: skip

    # --- hearing ---------------------------------------------------------------------------------------------

    async def _hear(self, running: Running, after: int) -> AsyncIterator[Any]:
        """The turn's events as progress, then its reply."""
        seq = after
        try:
            async for event in self.log.read_turn(running.number, after, running.ended):
                seq = event.seq
                yield {"seq": event.seq, "kind": event.kind, "text": event.text, "data": event.data}
        except asyncio.CancelledError as error:
            if ASKED in error.args and running.task is not None:
                running.task.cancel(ASKED)
            raise
        reply = running.reply or ChatReply(session=running.session, turn=running.number, status="failed")
        reply.seq = max(reply.seq, seq)
        yield reply

    async def _turn(self, number: int) -> mind.ChatTurn:
        found = await self._store.read(lambda db: table.turn(db, number))
        if found is None:
            raise JarvisError("not_found", f"There is no turn {number}", next="`jarvis chat show` shows them.")
        return found

    async def _known_session(self, wanted: str) -> str | None:
        """None where ``last`` is asked for and there is none yet."""
        if wanted == "last":
            return await self._store.read(table.last_session)
        return (await self._session(wanted)).id

    async def _session(self, wanted: str) -> mind.ChatSession:
        last = await self._store.read(table.last_session) if wanted == "last" else None
        name = last or wanted
        found = await self._store.read(lambda db: table.session(db, name))
        if found is None:
            raise JarvisError(
                "not_found",
                f"There is no conversation {clean(wanted, limit=40)!r}",
                next="`jarvis chat list` shows them.",
            )
        return found
