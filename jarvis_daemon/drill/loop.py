"""An event loop whose time passes only when everything waits for nothing but time.

All that waits on the loop (sleeps, deadlines, timers) is in simulated time, in the order in which it becomes due.
While a call is under way (a thread, an answer that is still to come) no time passes at all.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Rest = Literal["works", "asleep", "woken"]
"""Of those who owe an answer: they work on it; they wait for time to pass; another one was let go instead."""
Pass = Callable[[float], None]
GRACE_S: Final = 0.04
"""Real seconds of silence after which it is asked whether anybody still works on a call."""
SILENT_S: Final = 1.5
"""The same after which a call counts as one that hangs, where nobody can be asked."""
STUCK_S: Final = 120.0
STRIDE_S: Final = 1.0
"""While a call hangs, time passes in such steps: its answer may come before the next deadline."""
_remote: ContextVar[bool] = ContextVar("remote", default=False)


class StuckError(Exception):
    """Work is under way, and nothing came of it for minutes of real time."""


class Waiting(selectors.BaseSelector):
    """The loop's selector: where the loop would wait for time only, time passes at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calling = 0
        """Calls to elsewhere whose answer is still to come; they may hang, and only time ends that."""
        self.on_pass: Pass = lambda seconds: None
        """Told how much time is about to pass."""
        self.asleep: Callable[[bool], Rest] = lambda silent: "works"
        """Whether the calls that are under way wait for nothing but time themselves. ``silent``: nothing was heard
        of them for long, so that one that cannot be accounted for hangs."""
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.calling:
            events, rest = self._answers()
            if events or rest == "woken":
                return events
        if timeout is None:
            return self._real.select(GRACE_S)
        passes = min(timeout, STRIDE_S) if self.calling else timeout
        self.now += passes
        self.on_pass(passes)
        return []

    def _answers(self) -> tuple[list[tuple[selectors.SelectorKey, int]], Rest]:
        """Wait for an answer in real time; nothing, when those who owe one wait for time to pass."""
        began = time.monotonic()
        while not (events := self._real.select(GRACE_S)):
            silent = time.monotonic() - began
            if (rest := self.asleep(silent > SILENT_S)) != "works":
                return self._real.select(0), rest
            if silent > STUCK_S:
                raise StuckError(f"{self.calling} calls are under way and none of them ends")
        return events, "works"

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class Turns:
    """One after the other; ``pass_on`` lets the next one in beside one that hangs."""

    def __init__(self) -> None:
        self._holder: object | None = None
        self._queue: deque[tuple[object, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        me = object()
        if self._holder is None:
            self._holder = me
        else:
            turned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append((me, turned))
            try:
                await turned
            except asyncio.CancelledError:
                self._queue = deque(one for one in self._queue if one[0] is not me)
                if self._holder is me:
                    self.pass_on()
                raise
        try:
            yield
        finally:
            if self._holder is me:
                self.pass_on()

    def pass_on(self) -> bool:
        """The next one's turn; False when nobody waits."""
        self._holder = None
        while self._queue:
            me, turned = self._queue.popleft()
            if not turned.done():
                self._holder = me
                turned.set_result(None)
                return True
        return False


class VirtualLoop(asyncio.SelectorEventLoop):
    """What is given to a thread runs at once, in this one, and its answer comes a turn later; but for calls that go
    out to somebody else (``call_under_way``)."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        super().__init__(self.waiting)
        self.turns = Turns()
        self.before_call: Callable[[], None] = lambda: None
        """Called before something goes out to the network."""

    def time(self) -> float:
        return self.waiting.now

    @asynccontextmanager
    async def call_under_way(self) -> AsyncIterator[None]:
        """No time passes within, as long as the other side works on it; threads within are threads.

        One at a time, in the order in which they come, so that answers never overtake one another; a call that
        hangs holds up nobody.
        """
        async with self.turns.turn():
            self.before_call()
            self.waiting.calling += 1
            token = _remote.set(True)
            try:
                yield
            finally:
                _remote.reset(token)
                self.waiting.calling -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        return super().run_in_executor(executor, func, *args) if _remote.get() else self._at_once(func, *args)

    def _at_once(self, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            future.set_exception(error)
        else:
            self.call_soon(lambda: None if future.done() else future.set_result(result))
        return future

    def run_for(self, seconds: float) -> None:
        """From outside: let the loop run until so much time has passed."""
        self.call_at(self.time() + seconds, self.stop)
        self.run_forever()

    def run_turns(self, turns: int) -> None:
        """From outside: let the loop turn so often, wherever its tasks stand then."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()

    def end(self) -> None:
        """Cancel what still runs and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.close()


class LoopClock:
    """The ``Clock`` of a virtual loop. ``start``: Unix seconds at the loop's time 0."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop, self._start = loop, start

    def now(self) -> float:
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        return 1000.0 + self._loop.time()

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, as NTP or a person does."""
        self._start += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class CoarseClock(LoopClock):
    """One whose sleeps last ``least_s`` or longer: for what looks around twenty times a second."""

    def __init__(self, loop: VirtualLoop, start: float, least_s: float) -> None:
        super().__init__(loop, start)
        self._least_s = least_s

    async def sleep(self, seconds: float) -> None:
        await super().sleep(max(seconds, self._least_s))
