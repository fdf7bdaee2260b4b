"""The course of a turn: from its first row, through the thinker, to a reply that is kept whatever happens.

Turns of one session wait for each other. A daemon that starts marks what its predecessor left open as *cut*, with
all that had been said.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Coroutine
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.assistant.conversation.log import ChatLog
from jarvis_daemon.assistant.conversation.running import ASKS_S, NO, YES, Asking, Running, plain
from jarvis_daemon.assistant.conversation.telling import Telling
from jarvis_daemon.assistant.conversation.thinking import Asks, Thinker
from jarvis_daemon.assistant.conversation.turn import Outcome, Trace
from jarvis_daemon.bus import ASKED, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import ChatReply
from jarvis_daemon.protocol.spawn import finished, spawn
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.store import Database, Store

_log = logging.getLogger("jarvis.assistant")
CUT: Final = "I was ended in the middle of this answer; what had been said is kept."
_UNSURE: Final = "I was ended while it ran; `jarvis audit list` tells what became of it."
Work = Coroutine[Any, Any, Outcome]


class Course:
    """``running`` are the turns under way, ``asking`` the calls that wait for a word."""

    def __init__(self, store: Store, clock: Clock, log: ChatLog, thinker: Thinker) -> None:
        self._store, self._clock, self._log, self._thinker = store, clock, log, thinker
        self.running: dict[int, Running] = {}
        self.asking: dict[tuple[int, str], Asking] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of sessions: held by the turn that runs and those that wait."""

    async def start(self) -> None:
        """Mark what a dead daemon left open, and what can no longer be confirmed."""
        await self._store.write(table.close_all_asked, durable=True)
        for number in await self._store.read(table.open_turns):
            await self._mark_cut(number)

    async def stop(self) -> None:
        """What still runs is cut, and says so."""
        tasks = [one.task for one in self.running.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- beginnings ------------------------------------------------------------------------------------------

    async def begin(
        self, text: str, session: str | None, key: str | None, params: mind.ChatSend, who: Principal
    ) -> int:
        """A new turn, in a new session where none is given, or the one that this ``key`` began; its number."""
        now, queued, trace = self._clock.now(), self._clock.monotonic(), Trace(self._clock)
        name = session or secrets.token_hex(6)

        def write(db: Database) -> tuple[tuple[int, bool], list[FeedEvent]]:
            if key is not None and (known := table.turn_of_key(db, key)) is not None:
                return (known, False), []
            if session is None:
                table.begin_session(db, name, clean(text, limit=table.TITLE_MAX), who.client, now)
            turn = table.begin_turn(db, name, key, text, now, role=who.role, client=who.client)
            return (turn, True), [table.append(db, name, turn, "chat.asked", text, {"client": who.client}, now)]

        number, new = await self._log.commit(write)
        if new:
            telling = Telling(self._log, self._clock, name, number)
            running = Running(number, name, text, who, telling, trace, now, queued, params.backend, params.brevity)
            self.running[number] = running
            self._spawn(running, self._think(running))
        return number

    async def answer(self, asking: Asking, params: mind.ChatConfirm, who: Principal) -> Running:
        """A person's word on a call that asks: its turn goes on. Raises ``refused`` when another was quicker."""
        before = asking.running
        if self.asking.pop((before.number, asking.call), None) is None:
            raise JarvisError("refused", "This call was answered already")
        if not await self._store.write(lambda db: table.reopen_turn(db, before.number), durable=True):
            raise JarvisError("refused", "This turn was answered already")
        telling = Telling(self._log, self._clock, before.session, before.number)
        telling.calls = dict(before.telling.calls)
        running = Running(
            before.number, before.session, before.asked, _as_asked(before.who, who), telling, Trace(self._clock),
            before.at, self._clock.monotonic(), before.backend, before.brevity,
        )  # fmt: skip
        self.running[running.number] = running
        self._spawn(running, self._confirmed(running, asking, params))
        return running

    def _spawn(self, running: Running, work: Work) -> None:
        running.task = spawn(self._run(running, work), name=f"turn-{running.number}")

    # --- the turn itself -------------------------------------------------------------------------------------

    async def _run(self, running: Running, work: Work) -> None:
        """Whatever happens in ``work``, the turn gets an end that is kept."""
        lock = self._turns.get(running.session) or asyncio.Lock()
        self._turns[running.session] = lock
        try:
            async with lock:  # to its very end: the next turn has to know all of this one
                running.trace.add("queue", running.queued_at)
                outcome = await self._made(running, work)
                running.ending = True
                await finished(self._end(running, outcome), name="turn-end")
        except asyncio.CancelledError as error:
            work.close()
            if not running.ending:  # it was still waiting
                await self._end(running, self._broken_off(running, error))

    async def _made(self, running: Running, work: Work) -> Outcome:
        try:
            return await work
        except asyncio.CancelledError as error:
            return self._broken_off(running, error)
        except JarvisError as error:
            why = f"{error.sentence()}."
            return Outcome(status="failed", text=running.telling.said or why, notes=[why])
        except Exception as error:
            _log.exception("turn failed", extra={"data": {"turn": running.number}})
            sorry = f"Something broke inside me ({type(error).__name__}); your words are kept."
            return Outcome(status="failed", text=running.telling.said or sorry, notes=[sorry])

    def _broken_off(self, running: Running, error: asyncio.CancelledError) -> Outcome:
        status: mind.TurnStatus = "cancelled" if ASKED in error.args else "cut"
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
        asking = self._asked_before(running)
        if asking is None or running.who.role != "operator":
            return None
        self.asking.pop((asking.running.number, asking.call), None)  # whatever was said, the plan is off with it
        await self._store.write(lambda db: table.close_asked(db, asking.running.number), durable=True)
        word, call = plain(running.asked), asking.running.telling.calls[asking.call]
        named = call.needs == "typed_name" and call.target_name == running.asked.strip()
        approve = named or (word in YES and call.needs == "confirm")
        if running.brevity != "screen" or not (approve or word in NO):
            return None
        typed = running.asked.strip() if named else None
        running.who = _as_asked(asking.running.who, running.who)
        return await self._confirmed(
            running, asking, mind.ChatConfirm(call=asking.call, approve=approve, typed=typed)
        )

    def _asked_before(self, running: Running) -> Asking | None:
        """The plan that stood when this was said: a word that was on its way before it is no answer to it."""
        now = self._clock.monotonic()
        waits = [one for one in self.asking.values() if one.running.session == running.session and one.until > now]
        return next((one for one in reversed(waits) if one.since <= running.queued_at), None)

    async def _confirmed(self, running: Running, asking: Asking, params: mind.ChatConfirm) -> Outcome:
        call = msgspec.structs.replace(asking.running.telling.calls[asking.call])
        return await self._thinker.confirm(
            running, asking.understood, call, approve=params.approve, typed=params.typed, pin=params.pin
        )

    def _keep_asking(self, running: Running, asking: Asks) -> None:
        understood, call = asking
        now = self._clock.monotonic()
        self.asking[running.number, call] = Asking(understood, running, call, now + ASKS_S, now)
        for key, one in list(self.asking.items()):
            if one.until <= self._clock.monotonic():
                del self.asking[key]

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
                meant=outcome.meant, suggestion=outcome.suggestion, notes=list(telling.notes),
                trace=f"t{running.number}",
            )  # fmt: skip
            body = table.Body(messages=list(outcome.messages), tainted=outcome.tainted)
            now = self._clock.now()

            def keep(db: Database) -> None:
                table.end_turn(db, reply, body, running.trace.spans, now)
                if outcome.summary is not None:
                    table.keep_summary(db, running.session, outcome.summary, outcome.summary_upto)

            await self._log.write(
                running.session,
                running.number,
                [("chat.done", outcome.text, msgspec.to_builtins(reply))],
                also=keep,
            )
            reply.seq = self._log.topic.last_seq
        except JarvisError as error:
            running.reply = ChatReply(
                session=running.session, turn=running.number, status="failed", text=outcome.text,
                notes=[*telling.notes, f"{error.sentence()}: this answer is not kept."],
            )  # fmt: skip
        finally:
            self.running.pop(running.number, None)
            running.ended.set()

    async def _mark_cut(self, number: int) -> None:
        found = await self._store.read(lambda db: table.turn(db, number))
        if found is None:
            return
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
        await self._log.write(
            reply.session,
            number,
            [("chat.note", CUT, {}), ("chat.done", said, msgspec.to_builtins(reply))],
            also=lambda db: table.end_turn(db, reply, table.Body(tainted=True), [], now),
        )


def _as_asked(asked: Principal, confirms: Principal) -> Principal:
    """Who confirms, with the client that asked: a plan is bound to it, and may be answered at another screen."""
    return dataclasses.replace(confirms, client=asked.client)
