"""The daemon about itself: CPU, memory, size of the store; topic ``health``."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.state import Health
from jarvis_daemon.store import Store

INTERVAL_S: Final = 10.0
Probe = Callable[[], dict[str, float | None]]
"""A room's own figures: fields of ``Health`` by name."""


class SelfWatch:
    """Publishes ``health:daemon`` every ten seconds. ``probes`` are asked for their rooms' figures."""

    def __init__(self, bus: Bus, clock: Clock, store: Store, *, version: str) -> None:
        self._bus, self._clock, self._store, self._version = bus, clock, store, version
        self._started_at = clock.now()
        self._last = (clock.monotonic(), _cpu_s())
        self.probes: list[Probe] = []

    async def run(self) -> None:
        while True:
            self.publish()
            await self._clock.sleep(INTERVAL_S)

    def publish(self) -> None:
        now, used = self._clock.monotonic(), _cpu_s()
        elapsed = now - self._last[0]
        cpu = (used - self._last[1]) / elapsed if elapsed > 0.5 else None
        self._last = (now, used)
        health = Health(
            id="health:daemon", version=self._version, pid=os.getpid(), started_at=self._started_at, cpu=cpu,
            rss_bytes=_rss_bytes(), store_bytes=self._store.size_bytes(), store_error=self._store.error,
        )  # fmt: skip
        for probe in self.probes:
            for name, value in probe().items():
                setattr(health, name, value)
        self._bus.state("health").apply({"health": {health.id: health}})


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
