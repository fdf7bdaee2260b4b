"""The clocks of a world: real seconds, simulated seconds (real × speed), and what is due on either.

Tasks, loads and fault growth run on simulated seconds; pvestatd, ageing and wall clocks on real ones.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

Action = Callable[[], None]


class Timer:
    """One thing that will happen, unless cancelled."""

    __slots__ = ("action", "cancelled")

    def __init__(self, action: Action) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timeline:
    """``now`` is Unix seconds; ``elapsed`` real and ``sim`` simulated seconds since the start."""

    def __init__(self, now: float, speed: float = 1.0) -> None:
        self.started_at = now
        self.now = now
        self.elapsed = 0.0
        self.sim = 0.0
        self.speed = speed
        self._count = itertools.count()
        self._real: list[tuple[float, int, Timer]] = []
        self._simulated: list[tuple[float, int, Timer]] = []

    def after(self, seconds: float, action: Action) -> Timer:
        """Run ``action`` in ``seconds`` of simulated time."""
        timer = Timer(action)
        heapq.heappush(self._simulated, (self.sim + max(0.0, seconds), next(self._count), timer))
        return timer

    def after_real(self, seconds: float, action: Action) -> Timer:
        """Run ``action`` in ``seconds`` of real time, whatever the speed."""
        timer = Timer(action)
        heapq.heappush(self._real, (self.elapsed + max(0.0, seconds), next(self._count), timer))
        return timer

    def load_at(self, wall: float | None = None) -> float:
        """The time of the load curves: wall time at the start, then running with the speed."""
        behind = 0.0 if wall is None else (self.now - wall) * self.speed
        return self.started_at + self.sim - behind

    def due_in(self) -> float:
        """Real seconds until the next action; infinity when nothing is planned."""
        for heap in (self._real, self._simulated):
            while heap and heap[0][2].cancelled:
                heapq.heappop(heap)
        real = self._real[0][0] - self.elapsed if self._real else math.inf
        simulated = (self._simulated[0][0] - self.sim) / self.speed if self._simulated else math.inf
        return max(0.0, min(real, simulated))

    def advance(self, seconds: float) -> None:
        """Let real ``seconds`` pass, running what becomes due in its order."""
        end = self.elapsed + seconds
        while (wait := self.due_in()) <= end - self.elapsed:
            self._step(wait)
            timer = self._pop()
            timer.action()
        self._step(end - self.elapsed)

    def _step(self, seconds: float) -> None:
        self.elapsed += seconds
        self.now += seconds
        self.sim += seconds * self.speed

    def _pop(self) -> Timer:
        real = self._real[0][0] - self.elapsed if self._real else math.inf
        simulated = (self._simulated[0][0] - self.sim) / self.speed if self._simulated else math.inf
        return heapq.heappop(self._real if real <= simulated else self._simulated)[2]
