"""One SQLite file, one writer thread, readers beside it.

The writer holds two connections: ``synchronous=NORMAL`` for what may lose its last second when the machine
loses power (metrics), ``FULL`` for what was acknowledged to somebody. A killed process loses neither.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.store.database import Database
from jarvis_daemon.store.migrations import migrate

T = TypeVar("T")
_log = logging.getLogger("jarvis.store")
READERS = 2


class Store:
    """``write`` and ``read`` take a function of a ``sqlite_utils.Database`` and run it on the right thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: str | None = None
        """One sentence while writing fails; None again after the next success."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._local = threading.local()
        self._normal: sqlite3.Connection | None = None
        self._full: sqlite3.Connection | None = None
        self._reading: list[sqlite3.Connection] = []

    async def open(self) -> None:
        """Open the file, create or migrate the schema. Raises ``store_failed``."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._open)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise JarvisError(
                "store_failed", f"The store {self.path} cannot be opened", why=str(error),
                next=f"Free space, or move the file aside: mv {self.path} {self.path}.old",
            ) from error  # fmt: skip

    async def write(self, fn: Callable[[Database], T], *, durable: bool = False) -> T:
        """Run ``fn`` in one transaction; it is committed when this returns. ``durable``: also synced to disk.

        Raises ``store_failed`` when the disk is full or the file broken: nothing of ``fn`` is kept then.
        An exception of ``fn`` itself rolls back and passes on.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, fn, durable)

    async def read(self, fn: Callable[[Database], T]) -> T:
        """Run ``fn`` on a reader's connection. Raises ``store_failed``."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    def read_now(self, fn: Callable[[Database], T]) -> T:
        """Run ``fn`` at once, on the caller's thread: only for a single row by its key, which takes microseconds.

        Raises ``store_failed``.
        """
        return self._read(fn)

    def size_bytes(self) -> int:
        """The file and its write-ahead log."""
        return sum(
            p.stat().st_size for p in (self.path, self.path.with_name(self.path.name + "-wal")) if p.exists()
        )

    async def close(self) -> None:
        """Finish what is queued and close; the log is folded into the file."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()

    def _open(self) -> None:
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._normal = self._connect("normal")
        migrate(self._normal, self.path)
        self._full = self._connect("full")

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute("pragma foreign_keys = on")
        return connection

    def _write(self, fn: Callable[[Database], T], durable: bool) -> T:
        connection = self._full if durable else self._normal
        if connection is None:
            raise JarvisError("store_failed", "The store is not open")
        try:
            connection.execute("begin immediate")
            try:
                result = fn(Database(connection))
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
        except sqlite3.IntegrityError:
            raise  # of ``fn``: the file is well
        except sqlite3.DatabaseError as error:  # full, read-only, locked, damaged
            self.error = f"nothing can be saved: {error}"
            _log.error("write failed", extra={"data": {"error": str(error)}})
            raise JarvisError("store_failed", "It could not be saved", why=str(error)) from error
        self.error = None
        return result

    def _read(self, fn: Callable[[Database], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
                connection.execute("pragma query_only = on")
                self._local.connection = connection
                self._reading.append(connection)
            return fn(Database(connection))
        except sqlite3.Error as error:
            raise JarvisError("store_failed", "The store cannot be read", why=str(error)) from error

    def _close(self) -> None:
        if self._full is not None:
            self._full.close()
        if self._normal is not None:
            self._normal.execute("pragma wal_checkpoint(truncate)")
            self._normal.close()
        self._full = self._normal = None
