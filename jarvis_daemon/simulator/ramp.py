"""Something that grows (or falls) over simulated time and then stays."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ramp:
    """From ``start`` at ``begin`` (simulated seconds) to ``end`` after ``over_s``, linear, then flat."""

    begin: float
    over_s: float
    start: float
    end: float

    def at(self, sim: float) -> float:
        if self.over_s <= 0 or sim >= self.begin + self.over_s:
            return self.end
        share = max(0.0, (sim - self.begin) / self.over_s)
        return self.start + (self.end - self.start) * share
