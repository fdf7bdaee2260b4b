"""An event loop whose time passes only when everything waits for nothing but time.

All that waits on the loop (sleeps, deadlines, timers) is in simulated time, in the order in which it becomes due.
While a call is under way (a thread, an answer that is still to come) no time passes at all.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
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
        self.working = 0
        """Threads at work in this process: they are always waited for."""
        self.calling = 0
        """Calls to elsewhere whose answer is still to come; they may hang, and only time ends that."""
        self.on_pass: Pass = lambda seconds: None
        """Told how much time is about to pass."""
        self.asleep: Callable[[bool], bool] = lambda silent: False
        """Whether the calls that are under way wait for nothing but time themselves. ``silent``: nothing was heard
        of them for long, so that one that cannot be accounted for hangs."""
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.under_way and (events := self._answers()):
            return events
        if timeout is None:
            return self._real.select(GRACE_S)
        passes = min(timeout, STRIDE_S) if self.under_way else timeout
        self.now += passes
        self.on_pass(passes)
        return []

    @property
    def under_way(self) -> int:
        return self.working + self.calling

    def _answers(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for an answer in real time; nothing, when those who owe one wait for time to pass."""
        began = time.monotonic()
        while not (events := self._real.select(GRACE_S)):
            silent = time.monotonic() - began
            if not self.working and self.asleep(silent > SILENT_S):
                return self._real.select(0)
            if silent > STUCK_S:
                raise StuckError(f"{self.under_way} calls are under way and none of them ends")
        return events

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


class VirtualLoop(asyncio.SelectorEventLoop):
    """``inline``: what is given to a thread runs at once, in this one; its answer comes a turn later."""

    def __init__(self, *, inline: bool = False) -> None:
        self.waiting = Waiting()
        super().__init__(self.waiting)
        self._inline = inline
        self.before_call: Callable[[], None] = lambda: None
        """Called before something goes out to the network."""

    def time(self) -> float:
        return self.waiting.now

    @contextmanager
    def call_under_way(self) -> Iterator[None]:
        """No time passes within, as long as the other side works on it. Threads within are not counted again."""
        self.before_call()
        self.waiting.calling += 1
        token = _remote.set(True)
        try:
            yield
        finally:
            _remote.reset(token)
            self.waiting.calling -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        if self._inline:
            return self._at_once(func, *args)
        future = super().run_in_executor(executor, func, *args)
        if not _remote.get():
            self.waiting.working += 1
            future.add_done_callback(self._ended)
        return future

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.waiting.working -= 1

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
