"""From what was said to an outcome: the sentences first, a model for the rest, an honest word where none does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Literal, Protocol

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.conversation import table
from jarvis_daemon.assistant.conversation.orders import Done, Orders
from jarvis_daemon.assistant.conversation.running import ASKS_S, YES, Running, plain
from jarvis_daemon.assistant.conversation.turn import Outcome, PastTurn, Turn
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.mind import ChatCall
from jarvis_daemon.store import Database, Store

NOT_UNDERSTOOD: Final = "I did not understand that, and no language model is set up that I could ask."
NOT_WITHOUT_MODEL: Final = "I did not understand that without a language model."
Asks = tuple[Understood, str]
"""What waits for a word, and the id of its call."""


class Parser(Protocol):
    def parse(self, text: str) -> Understood: ...


class Speaker(Protocol):
    """The persona: an answer as it is said."""

    def say(
        self, answer: Answer, *, replies: Sequence[str] = (), seed: int, brevity: Literal["screen", "voice"]
    ) -> str: ...


class Looping(Protocol):
    """The model's side (``loop.py``)."""

    async def run(self, turn: Turn) -> Outcome: ...


class Thinker:
    """``answer`` answers questions from state; ``models`` names the backends that may be asked; ``ready``
    returns once sentences can be understood."""

    def __init__(
        self, store: Store, clock: Clock, parser: Parser, orders: Orders, speaker: Speaker,
        answer: Callable[[Understood, Principal], Awaitable[Answer]], loop: Looping,
        models: Callable[[], Collection[str]],
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        self._store, self._clock = store, clock
        self._parser, self._orders, self._speaker = parser, orders, speaker
        self._answer, self._loop, self._models, self._ready = answer, loop, models, ready

    async def think(self, running: Running) -> tuple[Outcome, Asks | None]:
        """What comes of a turn, and what of it waits for a word."""
        said = await self._meant(running)
        if self._ready is not None:
            await self._ready()
        with running.trace.span("intent"):
            understood = self._parser.parse(said)
        to_model = running.backend in {"local", "cloud"}
        if not to_model and understood.kind == "order":
            return await self._order(running, understood)
        if not to_model and understood.kind == "question":
            with running.trace.span("answer", understood.intent):
                answer = await self._answer(understood, running.who)
            return Outcome(text=self._say(running, answer), meant="question", tainted=answer.tainted), None
        blocked = understood.kind == "blocked" and not to_model  # and no model is asked to do it all the same
        slip = understood.suggestion is not None and not understood.text and not to_model
        if not blocked and not slip and running.backend != "intents" and self._models():
            return await self._modelled(running), None
        return self._not_understood(running, understood), None

    async def _modelled(self, running: Running) -> Outcome:
        """A model's answer, which says whose it is."""
        if running.backend == "cloud" and "cloud" not in self._models():
            await running.telling.note("No cloud model is enabled; the one that is was asked.")
        outcome = await self._loop.run(await self._turn(running))
        if outcome.backend != "none":
            small = ", which is very small, knows little and errs often" if "embedded" in outcome.backend else ""
            outcome.notes.append(f"A language model's words ({outcome.backend}{small}).")
        return outcome

    async def confirm(
        self, running: Running, understood: Understood, call: ChatCall, *, approve: bool, typed: str | None,
        pin: str | None,
    ) -> Outcome:  # fmt: skip
        """A person's word on a call that asked."""
        if not approve:
            call.status = "denied"
            await running.telling.call(call)
            said = self._say(running, Answer("Very well, nothing was done.", grave=True))
            return Outcome(text=said, calls=[call], meant="order")
        with running.trace.span("tool", understood.tool):
            done = await self._orders.confirm(understood, call, running.who, running.telling, typed=typed, pin=pin)
        return self._told(running, understood, done)

    async def _order(self, running: Running, understood: Understood) -> tuple[Outcome, Asks | None]:
        with running.trace.span("tool", understood.tool):
            done = await self._orders.run(understood, running.who, running.telling)
        outcome = self._told(running, understood, done)
        return outcome, (understood, done.call.id) if done.asks else None

    def _told(self, running: Running, understood: Understood, done: Done) -> Outcome:
        replies = understood.replies if done.success else ()
        text = self._say(running, done.answer, replies)
        return Outcome(
            text=text, status="asks" if done.asks else "done", meant="order", calls=[done.call],
            tainted=done.answer.tainted,
        )  # fmt: skip

    def _not_understood(self, running: Running, understood: Understood) -> Outcome:
        suggestion, lines = understood.suggestion, list[str]()
        if understood.text:
            text = understood.text
            if understood.kind == "blocked" and self._models():
                lines = ["A model gives advice about it where you ask with --local or --cloud."]
        elif suggestion is not None:
            text = f"Did you mean: {suggestion}?"
        else:
            text = NOT_WITHOUT_MODEL if self._models() else NOT_UNDERSTOOD
            lines = ["`help` tells what I understand."]
        said = self._say(running, Answer(text, tuple(lines), grave=True))
        return Outcome(
            text=said, suggestion=suggestion, meant="blocked" if understood.kind == "blocked" else "unknown"
        )

    def _say(self, running: Running, answer: Answer, replies: Sequence[str] = ()) -> str:
        return self._speaker.say(answer, replies=replies, seed=running.number, brevity=running.brevity)

    # --- what a turn needs to know ---------------------------------------------------------------------------

    async def _meant(self, running: Running) -> str:
        """A bare yes takes up what was suggested a moment before."""
        if plain(running.asked) not in YES:
            return running.asked
        since, role = self._clock.now() - ASKS_S, running.who.role
        suggested = await self._store.read(
            lambda db: table.suggestion(db, running.session, running.number, role, since)
        )
        return suggested or running.asked

    async def _turn(self, running: Running) -> Turn:
        """With all of its session that a model needs."""

        def read(db: Database) -> tuple[str, list[PastTurn]]:
            summary, upto = table.summary(db, running.session)
            return summary, table.past(db, running.session, running.number, upto)

        summary, past = await self._store.read(read)
        return Turn(
            id=running.number, session=running.session, asked=running.asked, principal=running.who,
            emit=running.telling, trace=running.trace, now=self._clock.now(), backend=running.backend,
            brevity=running.brevity, past=past, summary=summary,
        )  # fmt: skip
