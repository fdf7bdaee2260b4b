"""The store without a file and without threads: the same schema, the same transactions, in this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from jarvis_daemon.drill.store import WitnessedStore
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.store.migrations import MIGRATIONS

T = TypeVar("T")


@cache
def _schema() -> bytes:
    connection = _connect()
    for step in MIGRATIONS:
        step(Database(connection))
    return connection.serialize()


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def fresh() -> sqlite3.Connection:
    """An empty database of the newest schema."""
    connection = _connect()
    connection.deserialize(_schema())
    return connection


class MemoryStore(WitnessedStore):
    """One life's hold on a database that outlives it. ``cut``: this life has ended, nothing of it is kept."""

    def __init__(self, connection: sqlite3.Connection, committed: Callable[[Database], None]) -> None:
        super().__init__(Path("/nowhere/jarvis.db"), committed)
        self._normal = self._full = connection
        self.cut = False
        self.writes = 0

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def _write(self, fn: Callable[[Database], T], durable: bool) -> T:
        self._alive()
        self.writes += 1
        return super()._write(fn, durable)

    def _read(self, fn: Callable[[Database], T]) -> T:
        self._alive()
        assert self._full is not None
        return fn(Database(self._full))

    def size_bytes(self) -> int:
        return 0

    def _alive(self) -> None:
        if self.cut:
            raise JarvisError("store_failed", "This life has ended")
