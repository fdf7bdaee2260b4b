"""Recent numbers in memory: fixed steps, four bytes a value, nothing copied."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Final

UNKNOWN: Final = float("nan")


class Ring:
    """The last ``size`` steps of ``step_s`` seconds; a step holds the mean of what was put into it."""

    __slots__ = ("_count", "_last", "_values", "size", "step_s")

    def __init__(self, step_s: float, size: int) -> None:
        self.step_s, self.size = step_s, size
        self._values = array("f", [UNKNOWN]) * size
        self._last = -1
        """Number of the newest step, since the epoch."""
        self._count = 0

    def put(self, at: float, value: float | None) -> None:
        """A value at Unix seconds ``at``. A moment before the newest step is ignored: the clock went back."""
        slot = int(at // self.step_s)
        if slot < self._last - self.size:  # it went back by more than all we hold: begin anew
            self._values = array("f", [UNKNOWN]) * self.size
            self._last = -1
        if slot > self._last:
            self._advance(slot)
        elif slot < self._last:
            return
        if value is None:
            return
        self._count += 1
        index = slot % self.size
        old = self._values[index]
        self._values[index] = value if self._count == 1 else old + (value - old) / self._count

    def backfill(self, at: float, length_s: float, value: float) -> None:
        """What was measured from ``at`` for ``length_s`` by somebody else; never over a value of our own."""
        for slot in range(int(at // self.step_s), int((at + length_s) // self.step_s)):
            if self._last - self.size < slot <= self._last and math.isnan(self._values[slot % self.size]):
                self._values[slot % self.size] = value

    def between(self, start_at: float, end_at: float) -> Iterator[tuple[float, float]]:
        """(moment, value) of the known steps within, oldest first."""
        if self._last < 0:
            return
        first = max(int(start_at // self.step_s), self._last - self.size + 1)
        for slot in range(first, min(math.ceil(end_at / self.step_s), self._last + 1)):
            value = self._values[slot % self.size]
            if not math.isnan(value):
                yield slot * self.step_s, value

    def first_at(self) -> float | None:
        """The first moment of which something is known."""
        return next((at for at, _ in self.between(0, (self._last + 1) * self.step_s)), None)

    @property
    def reaches_back_s(self) -> float:
        return self.step_s * self.size

    def _advance(self, slot: int) -> None:
        if self._last >= 0:
            for missed in range(max(self._last + 1, slot - self.size + 1), slot + 1):
                self._values[missed % self.size] = UNKNOWN
        self._last, self._count = slot, 0
