"""When a failing model is asked again: three failures within a minute open its breaker for 30 s, then 1, 2 … 10
minutes. After that one question may try; what it meets decides."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from jarvis_daemon.assistant.llm.contract import Failed, Why
from jarvis_daemon.clock import Clock

FAILURES: Final = 3
WITHIN_S: Final = 60.0
FIRST_S: Final = 30.0
LAST_S: Final = 600.0
_ILL: Final[frozenset[Why]] = frozenset({"unreachable", "timeout", "rate_limit", "overloaded", "auth", "cut"})
"""What says something of the backend. The rest is about the question, our money, or what is not installed."""
Position = Literal["closed", "open", "half-open"]


class Breaker:
    """One backend's. ``why``: the last failure, in words."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._until: float | None = None
        self._pause_s = 0.0
        self._trying = False
        self.why = ""

    @property
    def position(self) -> Position:
        if self._until is None:
            return "closed"
        return "half-open" if self._clock.monotonic() >= self._until else "open"

    @property
    def left_s(self) -> float:
        """Seconds until somebody may try."""
        return 0.0 if self._until is None else max(0.0, self._until - self._clock.monotonic())

    def admits(self) -> bool:
        """Whether a question may go there now; while one tries, the others go elsewhere."""
        position = self.position
        return position == "closed" or (position == "half-open" and not self._trying)

    def begin(self) -> None:
        self._trying = self.position == "half-open"

    def succeeded(self) -> None:
        self._failures.clear()
        self._until, self._pause_s, self._trying, self.why = None, 0.0, False, ""

    def failed(self, failure: Failed) -> None:
        """Learn from a failure. A server that says how long it wants peace gets it, up to ten minutes."""
        if failure.why not in _ILL:
            self._trying = False
            return
        now, tried = self._clock.monotonic(), self._trying
        self._failures.append(now)
        self._trying, self.why = False, failure.text
        if self.position == "open":
            return  # of a question that was under way when the others failed: the same outage
        asked_for = min(failure.retry_after_s or 0.0, LAST_S)
        often = len(self._failures) == FAILURES and now - self._failures[0] <= WITHIN_S
        if tried or often or asked_for:
            if tried or often:
                self._pause_s = min(LAST_S, max(FIRST_S, self._pause_s * 2))
            self._until = now + max(asked_for, self._pause_s if tried or often else 0.0)

    def gave_up(self) -> None:
        """The question ended without a verdict: cancelled."""
        self._trying = False
