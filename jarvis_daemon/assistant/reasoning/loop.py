"""The tool loop: a model is told of the house and the question, calls tools through the gate, and answers.

Everything that goes to a model leaves through ``sealed``, which takes the secrets out. Everything a model says
reaches the person through ``Claims``, which lets no deed be told that was not done. A model proposes; the gate
decides.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

from jarvis_daemon.assistant.conversation.turn import Outcome, Turn
from jarvis_daemon.assistant.llm.contract import (
    Began,
    Brain,
    Done,
    Failed,
    LLMBackend,
    Message,
    Request,
    Switched,
    Text,
    ToolDef,
    ToolUse,
    Wish,
)  # fmt: skip
from jarvis_daemon.assistant.reasoning import acts, balance
from jarvis_daemon.assistant.reasoning.calling import BAD_MAX, Calling, named
from jarvis_daemon.assistant.reasoning.claims import NOT_SO, Claims, Piece
from jarvis_daemon.assistant.reasoning.context import Context
from jarvis_daemon.assistant.reasoning.deadline import within
from jarvis_daemon.assistant.reasoning.grounding import Grounding
from jarvis_daemon.assistant.reasoning.quarantine import Quarantine, able, ends
from jarvis_daemon.assistant.reasoning.said import asks, why_not
from jarvis_daemon.assistant.reasoning.sealing import LEVELS, REPLY, RULES, Thrift, sealed
from jarvis_daemon.assistant.reasoning.tooling import choose, define, mark, names_there, offered
from jarvis_daemon.assistant.reasoning.window import (
    AFTER,
    FULL,
    Count,
    Fitted,
    Tokens,
    cautious,
    fit,
    is_tainted,
    size,
    squeeze,
    told,
)  # fmt: skip
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.text import clean_block
from jarvis_daemon.redact import redact
from jarvis_daemon.settings import AssistantSettings
from jarvis_daemon.tools.gate import Gate
from jarvis_daemon.tools.registry import Registry

SHRUNK: Final = 0.6
"""Of the window, after a server said that a prompt was too long for it."""
CHOOSING: Final = 100
"""Tokens by which a model without tools of its own is told how to choose one."""
FOLD_S: Final = 30.0
"""A summary of older turns may take so long; the person has the answer already."""
RESULT_KEPT: Final = 1500
"""Characters of a tool's result that later turns see."""


class Block(Protocol):
    """What memory puts before a model."""

    @property
    def text(self) -> str: ...

    @property
    def tainted(self) -> bool: ...


MemoryBlock = Callable[[str, int, Count], Awaitable[Block]]
"""``(question, tokens, count)``."""


class Loop:
    """``persona_prompt``: the page of manner; ``memory_block``: what is remembered of a question, None without
    memory; ``aliases``: the operator's words for things, as they are now. ``close`` when the room ends."""

    def __init__(
        self, brain: Brain, gate: Gate, registry: Registry, bus: Bus, clock: Clock, settings: AssistantSettings,
        persona_prompt: Callable[[], str], memory_block: MemoryBlock | None = None,
        aliases: Callable[[], Mapping[str, str]] = dict,
    ) -> None:  # fmt: skip
        self.brain, self.gate, self.registry, self.bus, self.clock = brain, gate, registry, bus, clock
        self.settings, self.persona_prompt, self.memory_block = settings, persona_prompt, memory_block
        self.grounding = Grounding(bus, aliases)
        self.quarantine = Quarantine(brain)
        self.context = Context(bus, clock)
        self.tokens = Tokens()

    def close(self) -> None:
        self.context.close()

    async def run(self, turn: Turn) -> Outcome:
        """One turn with a model. Never raises for what a model or a tool did; ``CancelledError`` passes."""
        under_way = _Run(self, turn)
        limit = self.settings.router.turn_s
        try:
            async with within(self.clock, limit):
                await under_way.go()
        except TimeoutError:
            await under_way.calling.abandon()
            await under_way.fail(f"I stopped: this took longer than {limit:g} seconds.")
        return await under_way.outcome()


@dataclass
class _Said:
    """One answer of the model: its text, its calls, how it ended."""

    uses: list[ToolUse] = field(default_factory=list)
    ended: Done | Failed = field(default_factory=lambda: Failed("cut", "The model's answer ended in the middle."))
    from_char: int = 0
    """Where its text begins in all that stands."""


class _Run:
    """One turn under way."""

    def __init__(self, loop: Loop, turn: Turn) -> None:
        self.loop, self.turn = loop, turn
        self.key = secrets.token_hex(4)
        self.specs = {spec.name: spec for spec in offered(loop.registry, turn.principal.role)}
        words = acts.words(turn.asked)
        ordered = acts.ordered(words) if why_not(turn.asked) != "asked" else []
        prefer = turn.backend if turn.backend != "intents" else "auto"
        self.wish = Wish(
            text=redact(turn.asked[: acts.LONGEST]), turn=turn.id, prefer=prefer, writes=bool(ordered),
            private=turn.backend == "local",
        )  # fmt: skip
        self.calling = Calling(
            loop.gate, loop.grounding, loop.quarantine, turn, self.specs, self.key, self.wish
        )  # fmt: skip
        self.claims = Claims(
            self.calling.calls, set(ordered), self._known_names(), question=asks(turn.asked)
        )  # fmt: skip
        self.ordered = balance.acts_ordered(turn)
        self.tried = False
        """A call that writes was proposed."""
        self.messages: list[Message] = []
        """Of this turn, behind the person's own."""
        self.backend = ""
        self.notes: list[str] = []
        self.status: str = "done"
        self.fitted = Fitted((), (), 0)
        self.room = 0.0
        self.summary: str | None = None
        self.summary_upto = 0
        self.memory_tainted = False
        self.thrift, self.cap = 0, 1 << 30
        self.ids: set[str] = set()
        self.asked = redact(clean_block(turn.asked, limit=400_000))
        """Without secrets before it may be cut: half of one has lost the form by which it is known."""
        self._questions: dict[tuple[int, str], str] = {}

    # --- rounds --------------------------------------------------------------------------------------------------

    async def go(self) -> None:
        self._read_past()
        shrunk = False
        rounds = 0
        while rounds < self.loop.settings.router.turns_max:
            self.wish = replace(self.wish, steps=rounds)
            backend, why = await self.loop.brain.fit(self.wish)
            if backend is None:
                await self.fail(why or "No model can answer now.")
                return
            request = await self._request(backend)
            said = await self._stream(request)
            if isinstance(said.ended, Failed):
                if said.ended.why == "overflow" and not shrunk:
                    shrunk = True
                    self.thrift = 2
                    self.cap = int((said.ended.window or self.calling.window) * SHRUNK)
                    continue
                await self._tell(self.claims.settle())
                await self.fail(said.ended.text, said.from_char)
                return
            rounds += 1
            if not said.uses:
                await self._finish(said, backend)
                return
            await self._calls(said)
            if self.calling.bad > BAD_MAX:
                await self.fail("I stopped: the model did not manage to make a proper call.")
                return
        await self.fail(f"I stopped after {rounds} rounds of calls without an answer. Say `go on`, if I should.")

    async def _calls(self, said: _Said) -> None:
        uses = named(said.uses, self.ids)
        self.tried = self.tried or any(use.name in self.specs and self.specs[use.name].writes for use in uses)
        results = await self.calling.run(uses)
        await self._tell(self.claims.settle())
        text = self.claims.stands[said.from_char :].strip()
        self.messages += [Message("assistant", text, calls=tuple(uses)), *results]

    async def _finish(self, said: _Said, backend: LLMBackend) -> None:
        await self._tell(self.claims.settle())
        text = self.claims.stands[said.from_char :].strip()
        if not text:
            await self.fail("The model answered nothing.")
            return
        if said.ended == Done("length"):
            await self._note("The answer reached its greatest length.")
        if self.claims.caught:
            await self._note("A claim of the model was withheld: no call bears it out.")
        await self._balance()
        self.messages.append(Message("assistant", self.claims.stands[said.from_char :].strip()))
        with self.turn.trace.span("window"):
            await self._fold(backend)

    async def _stream(self, request: Request) -> _Said:
        """One answer, told as it comes. Closing the stream reaches the model's server."""
        said = _Said(from_char=len(self.claims.stands))
        clock, began, first = self.loop.clock, self.loop.clock.monotonic(), True
        before = self.claims.stands
        stream = cast("Any", self.loop.brain.stream(request, self.wish))
        async with aclosing(stream):
            async for event in stream:
                if first and isinstance(event, Text | ToolUse):
                    first = False
                    self.turn.trace.add("first token", began, self.backend)
                    began = clock.monotonic()
                if isinstance(event, Began):
                    self.backend = f"{event.backend} {event.model}"
                elif isinstance(event, Switched):
                    said.uses.clear()
                    if self.claims.stands != before or event.spoiled:
                        await self.turn.emit.replace(before)
                    self.claims.drop(before)
                    await self._note(event.text)
                elif isinstance(event, Text):
                    await self._text(event.text, before)
                elif isinstance(event, ToolUse):
                    said.uses.append(event)
                elif isinstance(event, Done | Failed):
                    said.ended = event
                    break
        if not first:
            self.turn.trace.add("tokens", began, self.backend)
        return said

    async def _text(self, piece: str, before: str) -> None:
        plain = "".join(c for c in piece if c == "\n" or c.isprintable())
        if plain and before and self.claims.stands == before and not before.endswith("\n"):
            if not plain.strip():
                return
            await self._tell(self.claims.add("\n\n"))
            plain = plain.lstrip()
        await self._tell(self.claims.feed(plain))

    async def _tell(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            if piece.instead:
                await self.turn.emit.replace(piece.text)
            else:
                await self.turn.emit.text(piece.text)

    async def _note(self, text: str) -> None:
        self.notes.append(text)
        await self.turn.emit.note(text)

    async def _balance(self) -> None:
        """What the calls come to, behind what the model made of it; not twice where a claim was answered so."""
        writing = {name for name, spec in self.specs.items() if spec.writes}
        found = balance.sentence(self.calling.calls, writing, self.ordered, tried=self.tried)
        stands = self.claims.stands.rstrip()
        what = found.partition(": ")[2].replace("(", "").replace(")", "")
        twice = stands.endswith(NOT_SO) if found == balance.NOTHING else bool(what) and stands.endswith(what)
        if found and not twice:
            await self._tell(self.claims.add(f"\n\n{found}" if stands else found))

    async def fail(self, sentence: str, from_char: int | None = None) -> None:
        """One honest sentence behind what stands; nothing that was said is lost, from ``from_char`` on for the next
        turn's model too."""
        self.status = "failed"
        begin = len(self.claims.stands) if from_char is None else from_char
        await self._tell(self.claims.add(("\n\n" if self.claims.stands else "") + redact(sentence)))
        await self._balance()
        self.messages.append(Message("assistant", self.claims.stands[begin:].strip()))

    async def outcome(self) -> Outcome:
        tainted = self.calling.reading.tainted or self.memory_tainted or is_tainted(self.turn.summary)
        messages = tuple(replace(one, text=ends(one.text, RESULT_KEPT)) for one in sealed(self.messages).messages)
        return Outcome(
            text=self.claims.stands, status=cast("Any", self.status), calls=list(self.calling.calls),
            backend=self.backend or "none", notes=list(self.notes), messages=messages, tainted=tainted,
            summary=self.summary, summary_upto=self.summary_upto,
        )  # fmt: skip

    # --- the request ---------------------------------------------------------------------------------------------

    async def _request(self, backend: LLMBackend) -> Request:
        """All that the model is shown, within its window: the unchanging part first, the question last. Where a
        cautious count fits into half of it, the model's own tokenizer is not asked: that would cost time."""
        request, used, limit = await self._fitted(backend, cautious)
        if 2 * used > limit:
            request, _, _ = await self._fitted(backend, self.loop.tokens.by(backend))
        return request

    async def _fitted(self, backend: LLMBackend, count: Count) -> tuple[Request, int, int]:
        """A request, its tokens and what there is room for, as ``count`` counts."""
        window = min(await backend.window(), self.cap)
        reply = min(REPLY, max(96, window // 4))
        limit = window - reply - 64 - window // 50 - (0 if backend.native_tools else CHOOSING)
        self.calling.window, self.calling.tokens = window, max(120, min(1200, limit // 5))
        self.calling.condense = able(backend, window)
        small = not backend.native_tools
        level = first_level = max(self.thrift, 1 if small else 0)
        while True:
            thrift = LEVELS[level]
            head = Message("system", f"{self.loop.persona_prompt().strip()}\n{RULES}", keep=True)
            tools = self._tools(thrift, small)
            asked = ends(self.asked, max(200, int(limit * 1.5)))
            last = Message("user", await self._question(level, asked))
            told_tools = await count(json.dumps([[t.name, t.description, t.schema] for t in tools], default=str))
            fixed = await size([head, last], count) + (told_tools if tools else 0)
            if fixed <= 0.75 * limit or level == len(LEVELS) - 1:
                break
            level += 1
        if count is not cautious and asked != self.asked and not any("middle" in note for note in self.notes):
            await self._note("Your text is longer than the model can read at once: its middle was left out.")
        own = await squeeze(self.messages, max(0, limit - fixed), count)
        self.room = limit - fixed - await size(own, count)
        self.fitted = await fit(self.turn.past, max(0.0, self.room), count)
        used = int(limit - self.room) + self.fitted.tokens
        exact = count is not cautious
        if exact and self.fitted.left and self.summary is None:
            await self._leave_behind(self.fitted)
        tight = self.fitted.left or level > first_level or asked != self.asked or own != self.messages
        if not exact and tight:
            used = limit
        request = sealed([head, *self.fitted.messages, last, *own], tools=tools, max_tokens=reply)
        return request, used, limit

    def _tools(self, thrift: Thrift, small: bool) -> list[ToolDef]:
        specs = list(self.specs.values())
        if thrift.tools is not None:
            specs = choose(specs, self.turn.asked, thrift.tools)
        names = names_there(self.loop.bus) if small else {}
        return [define(spec, names) for spec in specs]

    async def _question(self, level: int, asked: str) -> str:
        """Made once a turn: what stands before the calls of a turn stays as it was, so servers need not read it
        again."""
        if (known := self._questions.get((level, asked))) is None:
            known = self._questions[level, asked] = await self._asking(LEVELS[level], asked)
        return known

    async def _asking(self, thrift: Thrift, asked: str) -> str:
        parts = [f"KEY of data in this message: {self.key}. Now: {_local(self.turn.now)}."]
        if thrift.context:
            with self.turn.trace.span("context"):
                block = self.loop.context.block(self.turn.asked, thrift.context)
            self.turn.ids.update(block.ids)
            self._once("the house now (names of guests)", block.text, tainted=True, standing=True)
            parts.append(mark(block.text, "the house now, live", self.key, tainted=True))
        if thrift.memory and self.loop.memory_block is not None and self.loop.settings.memory.enabled:
            with self.turn.trace.span("memory"):
                memory = await self.loop.memory_block(self.turn.asked, thrift.memory, cautious)
            if memory.text:
                self.memory_tainted = self.memory_tainted or memory.tainted
                self._once("memories", memory.text, tainted=memory.tainted)
                parts.append(mark(memory.text, "what is remembered", self.key, tainted=memory.tainted))
        if summary := self.summary or self.turn.summary:
            self._once("the summary of earlier turns", summary, tainted=is_tainted(summary))
            parts.append(mark(summary, "earlier in this conversation", self.key, tainted=is_tainted(summary)))
        brief = "\nAnswer in one or two short sentences, to be spoken." if self.turn.brevity == "voice" else ""
        return "\n\n".join([*parts, f"The operator says:{brief}\n{asked}"])

    def _once(self, source: str, text: str, *, tainted: bool, standing: bool = False) -> None:
        if all(read.source != source for read in self.calling.reading.reads):
            self.calling.reading.add(source, text, tainted=tainted, standing=standing)

    # --- what came before ----------------------------------------------------------------------------------------

    def _read_past(self) -> None:
        for past in self.turn.past:
            tools = {use.id: use.name for message in past.messages for use in message.calls}
            for message in past.messages:
                if message.role == "tool":
                    source = f"{tools.get(message.call_id, 'a tool')} in an earlier turn"
                    self.calling.reading.add(source, message.text, tainted=past.tainted)
            if past.reply:
                self.calling.reading.add("an earlier answer", past.reply, tainted=past.tainted)

    async def _leave_behind(self, fitted: Fitted) -> None:
        """Turns that find no room: told in a few sentences at once, without asking a model."""
        self.summary = await told(self.turn.summary, fitted.left)
        self.summary_upto = fitted.left[-1].id

    async def _fold(self, backend: LLMBackend) -> None:
        """When the conversation fills its room by seven tenths, older turns become a summary for the next one."""
        count = self.loop.tokens.by(backend)
        used = self.fitted.tokens + await size(self.messages, count)
        room = self.room + await size(self.messages, count)
        if used <= FULL * room or not self.fitted.kept:
            return
        stay = await fit(self.fitted.kept, max(0.0, AFTER * room), count)
        if not stay.left:
            return

        async def by_model(text: str) -> str | None:
            about = "earlier turns of a conversation"
            with suppress(TimeoutError):
                async with within(self.loop.clock, FOLD_S):
                    return await self.loop.quarantine.summarise(text, about, self.wish, window=self.calling.window)
            return None

        before = self.summary if self.summary is not None else self.turn.summary
        self.summary = await told(before, stay.left, by_model if self.calling.condense else None)
        self.summary_upto = stay.left[-1].id

    def _known_names(self) -> set[str]:
        block = self.loop.context.block(self.turn.asked, 4000)
        return {name for name in block.names if not name.isdecimal()}


def _local(now: float) -> str:
    return time.strftime("%a %d %b %Y %H:%M", time.localtime(now))
