"""Series for sparklines: seeded from the daemon's history, moved on by what arrives."""

from __future__ import annotations

from typing import Any, Final

SPAN_S: Final = 3600.0
POINTS: Final = 60
STEP_S: Final = SPAN_S / POINTS
CARRY: Final = 2
"""Empty buckets that a known value bridges: history of 1 minute read at another phase leaves single holes."""


class Ring:
    """``POINTS`` means of ``STEP_S`` seconds each; the last one is still growing."""

    def __init__(self) -> None:
        self.values: list[float | None] = [None] * POINTS
        self._bucket = -1
        self._count = 0

    def seed(self, start_at: float, step_s: float, values: list[float | None]) -> None:
        """Fill from a ``Series`` of ``metrics.history``, keeping what is already known to be newer."""
        if step_s <= 0 or not values:
            return
        end = int((start_at + step_s * len(values)) // STEP_S)
        self._move_to(max(self._bucket, end))
        for index, value in enumerate(values):
            slot = POINTS - 1 - (self._bucket - int((start_at + step_s * (index + 0.5)) // STEP_S))
            if value is not None and 0 <= slot < POINTS and self.values[slot] is None:
                self.values[slot] = value
        self._bridge()

    def add(self, now: float, value: float | None) -> None:
        """A value that is true now."""
        self._move_to(int(now // STEP_S))
        if value is None:
            return
        last = self.values[-1]
        self._count = self._count + 1 if last is not None else 1
        self.values[-1] = value if last is None else last + (value - last) / self._count

    def _move_to(self, bucket: int) -> None:
        ahead = bucket - self._bucket if self._bucket >= 0 else 0
        if ahead > 0:
            self.values = (self.values + [None] * min(ahead, POINTS))[-POINTS:]
            self._count = 0
        if ahead > 0 or self._bucket < 0:
            self._bucket = bucket

    def _bridge(self) -> None:
        known, gap = None, 0
        for index, value in enumerate(self.values[:-1]):
            if value is not None:
                known, gap = value, 0
            elif known is not None and gap < CARRY:
                self.values[index] = known
                gap += 1


class Rings:
    """Rings by entity and metric."""

    METRICS: Final = ("cpu", "memory", "temperature")

    def __init__(self) -> None:
        self._rings: dict[tuple[str, str], Ring] = {}

    def values(self, entity_id: str, metric: str) -> list[float | None]:
        ring = self._rings.get((entity_id, metric))
        return ring.values if ring else []

    def add(self, entity_id: str, metric: str, now: float, value: float | None) -> None:
        self._rings.setdefault((entity_id, metric), Ring()).add(now, value)

    def seed(self, result: dict[str, Any]) -> None:
        """Take the result of ``metrics.history``."""
        for entity_id, metrics in (result.get("series") or {}).items():
            for metric, series in metrics.items():
                ring = self._rings.setdefault((entity_id, metric), Ring())
                ring.seed(series.get("start_at", 0.0), series.get("step_s", 0.0), series.get("values") or [])
