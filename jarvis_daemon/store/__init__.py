"""The SQLite file of the daemon: one writer thread, readers on their own connections, numbered migrations."""

from jarvis_daemon.store.database import Database
from jarvis_daemon.store.store import Store

__all__ = ["Database", "Store"]
