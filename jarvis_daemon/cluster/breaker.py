"""When a failing endpoint is asked again: at a poll of 10 s after 2, 4 … 60 s, a refused token after 30 … 300 s."""

from __future__ import annotations

from typing import Final, Literal

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError

Condition = Literal["well", "failed", "unclear"]
"""What an answer, or none, says of the endpoint itself."""

FIRST: Final = 0.2
LAST: Final = 6.0
DENIED_FIRST: Final = 3.0
DENIED_LAST: Final = 30.0
"""Pauses in poll intervals. PVE answers a bad token 3 s late on purpose: a rare look whether it was mended."""


class Breaker:
    """One endpoint's. Closed: ask it. Open: do not, ``error`` tells why. After the pause one call may try."""

    def __init__(self, clock: Clock, poll_interval_s: float) -> None:
        self._clock = clock
        self._interval_s = poll_interval_s
        self._until = 0.0
        self._pause_s = 0.0
        self._trying = False
        self.error: JarvisError | None = None

    @property
    def closed(self) -> bool:
        return self.error is None

    def admits(self) -> bool:
        """Whether a call may go out now; while one tries a failed endpoint, the others wait."""
        return self.closed or (not self._trying and self._clock.monotonic() >= self._until)

    def begin(self) -> None:
        self._trying = not self.closed

    def learn(self, condition: Condition, error: JarvisError) -> None:
        if condition == "failed":
            self.failed(error)
        elif condition == "well":
            self.succeeded()
        else:
            self.gave_up()

    def succeeded(self) -> None:
        self.error = None
        self._pause_s = 0.0
        self._trying = False

    def failed(self, error: JarvisError) -> None:
        if not self.closed and not self._trying:
            self.error = error  # of a call that was under way when another failed: the same outage
            return
        first, last = (DENIED_FIRST, DENIED_LAST) if error.code == "cluster_denied" else (FIRST, LAST)
        self._pause_s = min(last * self._interval_s, max(first * self._interval_s, self._pause_s * 2))
        self._until = self._clock.monotonic() + self._pause_s
        self.error = error
        self._trying = False

    def gave_up(self) -> None:
        """The try ended without a verdict on the endpoint (cancelled, or a node behind it is dead)."""
        self._trying = False

    def forget(self) -> None:
        """Ask with the next call, whatever was; the error is told until that succeeds."""
        self._until = 0.0
        self._pause_s = 0.0
