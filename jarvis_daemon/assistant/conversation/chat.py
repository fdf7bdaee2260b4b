"""The conversation's service: what ``chat.*`` of the contract does.

A turn is kept before it is begun and runs as a task of its own: a client that goes away ends nothing, one that
comes back hears the rest (``chat.follow``). Turns of one session wait for each other. A daemon that starts marks
what its predecessor left open as *cut*, with all that had been said.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.assistant.conversation.log import ChatLog
from jarvis_daemon.assistant.conversation.running import ASKS_S, NO, YES, Asking, Running, plain
from jarvis_daemon.assistant.conversation.telling import Telling
from jarvis_daemon.assistant.conversation.thinking import Thinker
from jarvis_daemon.assistant.conversation.turn import Outcome, Trace
from jarvis_daemon.bus import ASKED, Bus, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import ChatReply
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.redact import redact
from jarvis_daemon.store import Database, Store

_log = logging.getLogger("jarvis.assistant")
TEXT_MAX: Final = 200_000
CUT: Final = "I was ended in the middle of this answer; what had been said is kept."
_UNSURE: Final = "I was ended while it ran; `jarvis audit list` tells what became of it."


class Chat:
    """``thinker`` makes an outcome of what was said; everything else about a turn is here."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, thinker: Thinker) -> None:
        self._store, self._clock, self._thinker = store, clock, thinker
        self.log = ChatLog(store, bus, clock)
        self._running: dict[int, Running] = {}
        self._asking: dict[tuple[int, str], Asking] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of sessions: held by the turn that runs and those that wait."""
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
        for number in await self._store.read(table.open_turns):
            await self._mark_cut(number)

    async def stop(self) -> None:
        """What still runs is cut, and says so."""
        tasks = [one.task for one in self._running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        key = f"{who.client}:{params.key}"[:200] if params.key else None
        if key is not None and (known := await self._store.read(lambda db: table.turn_of_key(db, key))) is not None:
            async for item in self.follow(mind.ChatFollow(turn=known), who):
                yield item
            return
        running = await self._begin(text, key, params, who)
        self._spawn(running, self._think(running))
        async for item in self._hear(running, 0):
            yield item

    async def confirm(self, params: mind.ChatConfirm, who: Principal) -> AsyncIterator[Any]:
        """Answer a call that asks."""
        asking = self._asking.get((params.turn, params.call))
        if asking is None or asking.until <= self._clock.monotonic():
            raise JarvisError(
                "refused", "Nothing waits for this word any more", why="it was answered, or is too old",
                next="Say it again.",
            )  # fmt: skip
        if who.role != "operator":
            raise JarvisError("forbidden", "Only an operator confirms a call")
        running = await self._reopen(asking, who)
        after = self.log.topic.last_seq
        self._spawn(running, self._answer(running, asking, params))
        async for item in self._hear(running, after):
            yield item

    async def follow(self, params: mind.ChatFollow, who: Principal) -> AsyncIterator[Any]:
        """The rest of a turn."""
        running = self._running.get(params.turn)
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
        if (running := self._running.get(params.turn)) is not None and running.task is not None:
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
        if any(one.session == session.id for one in self._running.values()):
            raise JarvisError("busy", "A turn of this session is under way", next="Cancel it first.")
        await self._store.write(lambda db: table.forget(db, session.id), durable=True)

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

    # --- beginnings ------------------------------------------------------------------------------------------

    async def _begin(self, text: str, key: str | None, params: mind.ChatSend, who: Principal) -> Running:
        now, queued = self._clock.now(), self._clock.monotonic()
        known = None if params.session is None else await self._known_session(params.session)
        session = known or secrets.token_hex(6)

        def write(db: Database) -> int:
            if known is None:
                table.begin_session(db, session, clean(text, limit=table.TITLE_MAX), who.client, now)
            return table.begin_turn(db, session, key, text, now)

        number = await self._store.write(write, durable=True)
        telling = Telling(self.log, self._clock, session, number)
        running = Running(
            number, session, text, who, telling, Trace(self._clock), now, queued, params.backend, params.brevity
        )
        self._running[number] = running
        await self.log.write(session, number, [("chat.asked", text, {"client": who.client})])
        return running

    async def _reopen(self, asking: Asking, who: Principal) -> Running:
        before = asking.running
        if not await self._store.write(lambda db: table.reopen_turn(db, before.number), durable=True):
            raise JarvisError("refused", "This turn was answered already")
        del self._asking[before.number, asking.call]
        telling = Telling(self.log, self._clock, before.session, before.number)
        telling.calls = dict(before.telling.calls)
        running = Running(
            before.number, before.session, before.asked, who, telling, Trace(self._clock), before.at,
            self._clock.monotonic(), before.backend, before.brevity,
        )  # fmt: skip
        self._running[running.number] = running
        return running

    def _spawn(self, running: Running, work: Any) -> None:
        running.task = spawn(self._run(running, work), name=f"turn-{running.number}")

    # --- the turn itself -------------------------------------------------------------------------------------

    async def _run(self, running: Running, work: Any) -> None:
        """Whatever happens in ``work``, the turn gets an end that is kept."""
        outcome = Outcome(status="failed", text="I could not answer that.")
        lock = self._turns.get(running.session) or asyncio.Lock()
        self._turns[running.session] = lock
        try:
            async with lock:
                running.trace.add("queue", running.queued_at)
                outcome = await work
        except asyncio.CancelledError as error:
            work.close()
            outcome = self._broken_off(running, "cancelled" if ASKED in error.args else "cut")
        except JarvisError as error:
            outcome = Outcome(
                status="failed", text=running.telling.said or f"{error.sentence()}.", notes=[error.sentence()]
            )
        except Exception as error:
            _log.exception("turn failed", extra={"data": {"turn": running.number}})
            sorry = f"Something broke inside me ({type(error).__name__}); your words are kept."
            outcome = Outcome(status="failed", text=running.telling.said or sorry, notes=[sorry])
        await self._end(running, outcome)

    def _broken_off(self, running: Running, status: Any) -> Outcome:
        note = "Stopped at your word." if status == "cancelled" else CUT
        calls = list(running.telling.calls.values())
        return Outcome(status=status, text=running.telling.said, notes=[note], calls=calls, tainted=True)

    async def _think(self, running: Running) -> Outcome:
        """A yes or no to what was asked back, else whatever the thinker makes of it."""
        answered = await self._short_answer(running)
        if answered is not None:
            return answered
        outcome, asking = await self._thinker.think(running)
        if asking is not None:
            self._keep_asking(running, asking)
        return outcome

    async def _short_answer(self, running: Running) -> Outcome | None:
        word = plain(running.asked)
        waits = [one for one in self._asking.values() if one.running.session == running.session]
        waits = [one for one in waits if one.until > self._clock.monotonic()]
        if waits:
            asking = waits[-1]
            call = asking.running.telling.calls[asking.call]
            approve = word in YES and call.needs == "confirm"
            typed = (
                running.asked.strip()
                if call.needs == "typed_name" and call.target_name == running.asked.strip()
                else None
            )
            if (approve or typed or word in NO) and running.who.role == "operator" and running.brevity == "screen":
                params = mind.ChatConfirm(call=asking.call, approve=bool(approve or typed), typed=typed)
                await self._close_asked(asking)
                return await self._confirmed(running, asking, params)
            await self._close_asked(asking)  # something else was said: the plan is off
        return None

    async def _answer(self, running: Running, asking: Asking, params: mind.ChatConfirm) -> Outcome:
        return await self._confirmed(running, asking, params)

    async def _confirmed(self, running: Running, asking: Asking, params: mind.ChatConfirm) -> Outcome:
        call = msgspec.structs.replace(asking.running.telling.calls[asking.call])
        return await self._thinker.confirm(
            running, asking.understood, call, approve=params.approve, typed=params.typed, pin=params.pin
        )

    def _keep_asking(self, running: Running, asking: tuple[Any, str]) -> None:
        understood, call = asking
        until = self._clock.monotonic() + ASKS_S
        self._asking[running.number, call] = Asking(understood, running, call, until)
        for key, one in list(self._asking.items()):
            if one.until <= self._clock.monotonic():
                del self._asking[key]

    async def _close_asked(self, asking: Asking) -> None:
        """The turn that asked is over: its answer came as a turn of its own."""
        self._asking.pop((asking.running.number, asking.call), None)
        await self._store.write(lambda db: table.close_asked(db, asking.running.number), durable=True)

    async def _end(self, running: Running, outcome: Outcome) -> None:
        """Keep the reply, then tell it. What cannot be kept is told all the same, and says so."""
        telling = running.telling
        try:
            if outcome.text != telling.said:
                await telling.drain()
                if outcome.text.startswith(telling.said):
                    await telling.text(outcome.text[len(telling.said) :])
                else:
                    await telling.replace(outcome.text)
            for note in outcome.notes:
                if note not in telling.notes:
                    await telling.note(note)
            await telling.drain()
            if telling.first_text_at is not None:
                running.trace.add_until("first word", running.queued_at, telling.first_text_at)
            running.trace.total()
            running.reply = reply = ChatReply(
                session=running.session, turn=running.number, status=outcome.status, text=outcome.text,
                calls=list(outcome.calls or telling.calls.values()), backend=outcome.backend,
                suggestion=outcome.suggestion, notes=list(telling.notes), trace=f"t{running.number}",
            )  # fmt: skip
            body = table.Body(messages=list(outcome.messages), tainted=outcome.tainted)
            now = self._clock.now()

            def keep(db: Database) -> None:
                table.end_turn(db, reply, body, running.trace.spans, now)
                if outcome.summary is not None:
                    table.keep_summary(db, running.session, outcome.summary, outcome.summary_upto)

            await self.log.write(
                running.session,
                running.number,
                [("chat.done", outcome.text, msgspec.to_builtins(reply))],
                also=keep,
            )
            reply.seq = self.log.topic.last_seq
        except JarvisError as error:
            running.reply = ChatReply(
                session=running.session, turn=running.number, status="failed", text=outcome.text,
                notes=[*telling.notes, f"{error.sentence()}: this answer is not kept."],
            )  # fmt: skip
        finally:
            self._running.pop(running.number, None)
            running.ended.set()

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

    async def _mark_cut(self, number: int) -> None:
        found = await self._turn(number)
        events = await self._store.read(lambda db: table.events(db, turn=number, after=0))
        said, calls, notes = "", dict[str, mind.ChatCall](), list[str]()
        for event in events:
            match event.kind:
                case "chat.text":
                    said += event.text
                case "chat.replaced":
                    said = event.text
                case "chat.note":
                    notes.append(event.text)
                case "chat.call":
                    call = msgspec.convert(event.data, mind.ChatCall)
                    calls[call.id] = call
        for call in calls.values():
            if call.status == "running":
                call.status, call.text = "unverified", _UNSURE
        reply = ChatReply(
            session=found.reply.session, turn=number, status="cut", text=said, calls=list(calls.values()),
            notes=[*notes, CUT],
        )  # fmt: skip
        now = self._clock.now()
        await self.log.write(
            reply.session,
            number,
            [("chat.note", CUT, {}), ("chat.done", said, msgspec.to_builtins(reply))],
            also=lambda db: table.end_turn(db, reply, table.Body(tainted=True), [], now),
        )

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
