"""All models behind one stream: the router's choice, and the next one when it fails.

    [Switched]  Began  [Text ToolUse …]  [Switched  Began …]  …  Done | Failed

An overflow goes to whoever asked, who can shorten; at its second in a turn it counts as a failure. A backend that
failed in a turn is asked last in the rest of it. Each call stands in the ledger, which may refuse it beforehand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from jarvis_daemon.assistant.llm.breaker import Breaker
from jarvis_daemon.assistant.llm.contract import (
    Began,
    BrainEvent,
    Done,
    Event,
    Failed,
    LLMBackend,
    Request,
    State,
    Switched,
    Text,
    Usage,
    Wish,
)
from jarvis_daemon.assistant.llm.router import Choice, Router
from jarvis_daemon.assistant.llm.waiting import within
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import ModelInfo
from jarvis_daemon.protocol.spawn import finished
from jarvis_daemon.settings.assistant import AssistantSettings

_log = logging.getLogger("jarvis.assistant")
STATE_S: Final = 3.0
"""How long a backend may take to tell how it is."""
KNOWN_S: Final = 30.0
BAD_S: Final = 5.0
"""A state is believed for so long; a bad one only briefly, unless finding out took its time."""
SLOW_S: Final = 0.5
TURNS: Final = 64


class Ledger(Protocol):
    """What calls cost (``ledger.Ledger``). Without one nothing is kept and nothing is refused."""

    async def reserve(self, backend: LLMBackend, request: Request, turn: int) -> Any:
        """A reservation, written before the call, or ``Failed`` where the budget does not allow it."""
        ...

    async def settle(
        self, reservation: Any, *, usage: Usage | None, status: str, first_token_ms: float | None,
        total_ms: float | None, fallback_of: str = "",
    ) -> object:  # fmt: skip
        ...


@dataclass
class _Turn:
    """What one turn has met: backends that failed in it, and overflows."""

    failed: set[str] = field(default_factory=set)
    overflown: set[str] = field(default_factory=set)


@dataclass
class _Call:
    """One backend's try. ``ending``: its Done or Failed; None: whoever listened went away."""

    backend: LLMBackend
    began: float
    first: float | None = None
    usage: Usage | None = None
    ending: Done | Failed | None = None
    said: bool = False
    """Text of it was passed on."""


class ModelBrain:
    """``backends``: those that are enabled."""

    def __init__(
        self,
        settings: AssistantSettings,
        backends: Sequence[LLMBackend],
        clock: Clock,
        ledger: Ledger | None = None,
    ) -> None:
        self._settings, self._backends, self._clock, self._ledger = settings, list(backends), clock, ledger
        self._router = Router(settings.router)
        self._breakers: Mapping[str, Breaker] = {it.name: Breaker(clock) for it in backends}
        self._known: dict[str, tuple[float, State]] = {}
        self._turns: OrderedDict[int, _Turn] = OrderedDict()

    @property
    def any(self) -> bool:
        return bool(self._backends)

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()

    async def fit(self, wish: Wish) -> tuple[LLMBackend | None, str]:
        """The backend that would answer now, and why; None and one sentence where none can."""
        ready, reasons = await self._ready(wish)
        for backend, why in ready:
            state = await self._state(backend)
            if state.ok:
                return backend, why
            reasons.append(state.why)
        return None, _together(reasons) or self._nobody(wish).text

    async def stream(self, request: Request, wish: Wish) -> AsyncGenerator[BrainEvent]:
        """As the contract says. ``Switched`` also comes first of all, where the first choice is left alone."""
        turn = self._turn(wish.turn)
        ready, reasons = await self._ready(wish)
        failed: Failed | None = None
        asked: _Call | None = None
        for backend, why in ready:
            reserved = await self._reserve(backend, request, wish)
            if isinstance(reserved, Failed):
                failed = failed or reserved
                reasons.append(reserved.text)
                continue
            if asked is not None:
                yield Switched(f"{reasons[-1]}; asking {_named(backend)}", asked.said)
            elif reasons and not wish.steps and backend is not self._first(wish):
                yield Switched(f"{_together(reasons)}; asking {_named(backend)}")
            notes = [*([] if asked else reasons), str(getattr(reserved, "note", ""))]
            yield Began(backend.name, backend.model, _together([why, *notes]))
            instead = "" if backend is self._first(wish) else self._first(wish).name
            asked = _Call(backend, self._clock.monotonic())
            try:
                async with contextlib.aclosing(self._call(asked, request)) as events:
                    async for event in events:
                        yield event
            finally:
                await finished(self._settle(asked, reserved, instead), name="llm-settle")
            if not isinstance(asked.ending, Failed):
                yield asked.ending or Done()
                return
            if asked.ending.why == "overflow" and backend.name not in turn.overflown:
                turn.overflown.add(backend.name)
                yield asked.ending
                return
            turn.failed.add(backend.name)
            failed = asked.ending
            reasons.append(failed.text)
        yield self._over(wish, failed, reasons)

    async def states(self) -> list[ModelInfo]:
        """Each model there could be, the ones that are not enabled too. Asked now."""
        return [*await asyncio.gather(*(self._info(it) for it in self._backends)), *self._absent()]

    # --- one call ----------------------------------------------------------------------------------------

    async def _call(self, call: _Call, request: Request) -> AsyncGenerator[BrainEvent]:
        """What one backend says, without its end, which is left in ``call``."""
        self._breakers[call.backend.name].begin()
        stream = call.backend.stream(request)
        try:
            async with _closing(stream):
                async for event in stream:
                    if isinstance(event, Done | Failed):
                        call.ending = event
                        break
                    self._note(call, event)
                    yield event
        except Exception as error:  # of a library behind a backend: the next one answers
            _log.exception("a model failed", extra={"data": {"backend": call.backend.name}})
            call.ending = Failed("bad_reply", f"{_who(call.backend)} failed unexpectedly ({type(error).__name__})")
        if call.ending is None:
            call.ending = Failed("cut", f"{_who(call.backend)} ended in the middle")
        if isinstance(call.ending, Done) and call.first is None:
            call.ending = Failed("bad_reply", f"{_who(call.backend)} said nothing")

    def _note(self, call: _Call, event: Event) -> None:
        if isinstance(event, Usage):
            call.usage = event
        elif call.first is None:
            call.first = self._clock.monotonic()
        call.said = call.said or isinstance(event, Text)

    async def _reserve(self, backend: LLMBackend, request: Request, wish: Wish) -> Any:
        """The ledger's leave, or ``Failed``. Where nothing can be written, nothing may cost."""
        if self._ledger is None:
            return None
        try:
            return await self._ledger.reserve(backend, request, wish.turn)
        except JarvisError as error:
            if backend.place == "cloud":
                return Failed("budget", f"What it costs cannot be kept: {error.sentence()}")
            return None

    async def _settle(self, call: _Call, reserved: Any, fallback_of: str) -> None:
        breaker, now = self._breakers[call.backend.name], self._clock.monotonic()
        if call.ending is None:
            status = "cancelled"
            breaker.gave_up()
        elif isinstance(call.ending, Failed):
            status = call.ending.why
            breaker.failed(call.ending)
            self._known.pop(call.backend.name, None)
        else:
            status = "done"
            breaker.succeeded()
        if self._ledger is None or reserved is None:
            return
        first = None if call.first is None else (call.first - call.began) * 1e3
        try:
            await self._ledger.settle(
                reserved, usage=call.usage, status=status, first_token_ms=first,
                total_ms=(now - call.began) * 1e3, fallback_of=fallback_of,
            )  # fmt: skip
        except JarvisError as error:  # the reservation stands, and counts as spent
            _log.error("a call's cost was not kept", extra={"data": {"why": error.sentence()}})

    # --- who ---------------------------------------------------------------------------------------------

    def _order(self, wish: Wish) -> list[Choice]:
        """The router's, with those behind that failed in this turn already."""
        failed = self._turn(wish.turn).failed
        ranked = self._router.order(wish, self._backends)
        return sorted(ranked, key=lambda choice: choice[0].name in failed)

    def _first(self, wish: Wish) -> LLMBackend:
        return self._router.order(wish, self._backends)[0][0]

    async def _ready(self, wish: Wish) -> tuple[list[Choice], list[str]]:
        """Those that may be asked now, and why the others are left alone. Before only the very small model is left,
        or none, servers of the house are asked whether they are back. Who is known to be ill comes last."""
        ready: list[Choice] = []
        paused: list[Choice] = []
        for choice in self._order(wish):
            (ready if self._breakers[choice[0].name].admits() else paused).append(choice)
        if not any(backend.name != "embedded" for backend, _ in ready):
            for choice in [it for it in paused if it[0].place != "cloud"]:
                if (await self._state(choice[0], anew=True)).ok:
                    self._breakers[choice[0].name].succeeded()
                    paused.remove(choice)
                    ready.insert(0, choice)
        ill = [
            believed.why for it, _ in ready[:1] if (believed := self._believed(it)) is not None and not believed.ok
        ]
        ready.sort(key=lambda choice: (state := self._believed(choice[0])) is not None and not state.ok)
        return ready, [*ill, *(self._paused(backend) for backend, _ in paused)]

    def _paused(self, backend: LLMBackend) -> str:
        breaker = self._breakers[backend.name]
        why = breaker.why or f"{_who(backend)} is being tried by another question"
        return f"{why} (asked again in {breaker.left_s:.0f} s)" if breaker.left_s else why

    def _over(self, wish: Wish, failed: Failed | None, reasons: list[str]) -> Failed:
        """The end where nobody answered: all that stood in the way, in one sentence."""
        if failed is None and not reasons:
            return self._nobody(wish)
        return replace(failed or Failed("unreachable", ""), text=_together(reasons))

    def _nobody(self, wish: Wish) -> Failed:
        if not self._backends:
            return Failed(
                "missing", "No model is enabled: see [assistant.local], [assistant.cloud] of the settings"
            )
        why = "private questions stay in the house" if wish.private else "you chose a local one"
        return Failed("refused", f"No model may be asked: {why}, and none of the house is enabled")

    def _turn(self, number: int) -> _Turn:
        """``number`` 0 is nobody's turn, and begins anew each time."""
        if not number:
            return _Turn()
        turn = self._turns.setdefault(number, _Turn())
        self._turns.move_to_end(number)
        while len(self._turns) > TURNS:
            self._turns.popitem(last=False)
        return turn

    # --- how they are ------------------------------------------------------------------------------------

    async def _state(self, backend: LLMBackend, *, anew: bool = False) -> State:
        if not anew and (known := self._believed(backend)) is not None:
            return known
        began = self._clock.monotonic()
        try:
            state = await within(self._clock, STATE_S, backend.state())
        except TimeoutError:
            state = State(False, f"{_who(backend)} does not answer", backend.model)
        now = self._clock.monotonic()
        self._known[backend.name] = (now + (KNOWN_S if state.ok or now - began > SLOW_S else BAD_S), state)
        return state

    def _believed(self, backend: LLMBackend) -> State | None:
        until, state = self._known.get(backend.name, (0.0, None))
        return state if self._clock.monotonic() < until else None

    async def _info(self, backend: LLMBackend) -> ModelInfo:
        state = await self._state(backend, anew=True)
        breaker = self._breakers[backend.name]
        return ModelInfo(
            name=backend.name, model=state.model or backend.model, place=backend.place, enabled=True,
            healthy=state.ok and breaker.position != "open",
            why=state.why or ("" if breaker.admits() else self._paused(backend)),
            window_tokens=state.window, native_tools=backend.native_tools, breaker=breaker.position,
        )  # fmt: skip

    def _absent(self) -> list[ModelInfo]:
        here = {it.name for it in self._backends}
        given = self._settings
        rows = [
            ModelInfo(name="local", model=given.local.model, place="lan", native_tools=given.local.native_tools),
            ModelInfo(name="embedded", model=given.embedded.model_file or "", place="here"),
            ModelInfo(name="cloud", model=given.cloud.model, place="cloud", native_tools=given.cloud.native_tools),
        ]
        for row in rows:
            row.why = f"not enabled: set assistant.{row.name}.enabled"
        return [row for row in rows if row.name not in here]


def _named(backend: LLMBackend) -> str:
    return f"the {backend.name} model ({backend.model})"


def _who(backend: LLMBackend) -> str:
    return f"The {backend.name} model ({backend.model})"


def _together(reasons: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(reason.rstrip(".") for reason in reasons if reason))


def _closing(stream: AsyncIterator[Event]) -> contextlib.AbstractAsyncContextManager[Any]:
    return contextlib.aclosing(stream) if isinstance(stream, AsyncGenerator) else contextlib.nullcontext()
