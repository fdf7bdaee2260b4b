"""How old each fact is: one entry per thing that is asked at a rhythm.

Ages are measured on the monotonic clock: a wall clock that jumps neither ages nor rejuvenates anything here.
"""

from __future__ import annotations

from dataclasses import dataclass

from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.conditions.picture import source_id
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import UNKNOWN_AFTER_S
from jarvis_daemon.protocol.state import Freshness, Source


@dataclass(slots=True)
class Polled:
    """What became of the last polls. ``*_mono`` on the monotonic clock, the others Unix seconds."""

    id: str
    what: str
    target: str | None
    interval_s: float
    stale_after_s: float
    polled_at: float | None = None
    ok_at: float | None = None
    ok_mono: float | None = None
    duration_s: float | None = None
    error: str | None = None
    code: str | None = None
    """Code of the error: a key of ``protocol.errors.ERRORS``."""
    next_step: str | None = None
    """What the error says to do."""
    failures: int = 0
    """In a row."""
    failing_since_at: float | None = None


class Sources:
    """The sources of one cluster by id."""

    def __init__(self, cluster: str, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self.polled: dict[str, Polled] = {}

    def of(self, what: str, target: str | None = None) -> Polled | None:
        return self.polled.get(source_id(self._cluster, what, target))

    def add(self, what: str, target: str | None = None, *, interval_s: float) -> Polled:
        """A source; the same again answers the one that is there."""
        key = source_id(self._cluster, what, target)
        if key not in self.polled:
            self.polled[key] = Polled(key, what, target, interval_s, stale_after_s(interval_s))
        return self.polled[key]

    def drop_target(self, target: str) -> None:
        """A node has left: nothing is asked of it any more."""
        self.polled = {key: p for key, p in self.polled.items() if p.target != target}

    def succeeded(self, polled: Polled, began_mono: float) -> None:
        polled.polled_at = polled.ok_at = self._clock.now()
        polled.ok_mono = self._clock.monotonic()
        polled.duration_s = round(polled.ok_mono - began_mono, 3)
        polled.error = polled.code = polled.next_step = polled.failing_since_at = None
        polled.failures = 0

    def failed(self, polled: Polled, error: JarvisError, began_mono: float) -> None:
        polled.polled_at = self._clock.now()
        polled.duration_s = round(self._clock.monotonic() - began_mono, 3)
        polled.error, polled.code, polled.next_step = error.sentence(), error.code, error.next
        polled.failures += 1
        if polled.failing_since_at is None:
            polled.failing_since_at = polled.polled_at

    def age_s(self, polled: Polled) -> float:
        """Seconds since it last told something; infinite before it ever did."""
        return float("inf") if polled.ok_mono is None else self._clock.monotonic() - polled.ok_mono

    def fresh(self) -> frozenset[str]:
        """Sources whose last poll succeeded and is not too old: only these are judged."""
        return frozenset(p.id for p in self.polled.values() if p.error is None and self.age_s(p) <= p.stale_after_s)

    def entities(self) -> dict[str, Source]:
        """For the topic."""
        return {p.id: self.entity(p) for p in self.polled.values()}

    def entity(self, p: Polled) -> Source:
        age = self.age_s(p)
        freshness: Freshness = "fresh" if age <= p.stale_after_s else "stale"
        if age > max(UNKNOWN_AFTER_S, p.stale_after_s):
            freshness = "unknown"
        return Source(
            id=p.id, cluster=self._cluster, what=p.what, target=p.target, interval_s=p.interval_s,
            stale_after_s=p.stale_after_s, polled_at=p.polled_at, ok_at=p.ok_at, duration_s=p.duration_s,
            freshness=freshness, error=p.error,
        )  # fmt: skip


def stale_after_s(interval_s: float) -> float:
    """Six missed polls of what is asked often (60 s at 10 s), three of what is asked seldom."""
    return max(6 * interval_s if interval_s <= 10 else 60.0, 3 * interval_s)
