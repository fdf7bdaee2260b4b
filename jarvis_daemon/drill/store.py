"""A store that shows each commit to a witness, before whoever wrote it hears that it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jarvis_daemon.store import Database, Store

T = TypeVar("T")


class WitnessedStore(Store):
    """``committed`` is called on the writer's thread."""

    def __init__(self, path: Path, committed: Callable[[Database], None]) -> None:
        super().__init__(path)
        self._committed = committed

    def _write(self, fn: Callable[[Database], T], durable: bool) -> T:
        result = super()._write(fn, durable)
        if self._full is not None:
            self._committed(Database(self._full))
        return result
