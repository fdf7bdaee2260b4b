"""The kill switch: a database row **or** a sentinel file; either engages; missing or unreadable means engaged.

It is asked before each side effect. ``watch`` looks at the file twenty times a second, so a `touch` from any
shell stops a running tool within 100 ms as well.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import KillSwitchState
from jarvis_daemon.store import Database, Store

_log = logging.getLogger("jarvis.killswitch")
ROW: Final = "killswitch"
WATCH_S: Final = 0.05


class KillSwitch:
    """``engaged`` is the state as last read; ``check`` reads it anew."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, sentinel: Path) -> None:
        self._store, self._bus, self._clock, self.sentinel = store, bus, clock, sentinel
        self._row = KillSwitchState(id="killswitch:main", engaged=True, reason="not read yet")
        self._file = True
        self._listeners: list[Callable[[], None]] = []

    @property
    def engaged(self) -> bool:
        return self._row.engaged or self._file

    def on_engage(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at the moment it engages; answers what ends that."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    async def start(self) -> None:
        self._row, self._file = self._row_now(), self._file_engaged()
        self._publish()

    async def check(self) -> bool:
        """Read row and file; True when either is engaged, missing or cannot be read."""
        return self.look().engaged

    def look(self) -> KillSwitchState:
        """Read row and file now, and answer what holds."""
        row = self._row_now()
        before = self.engaged
        self._row, self._file = row, self._file_engaged()
        self._told(before)
        return self.state()

    def _row_now(self) -> KillSwitchState:
        try:
            return _decode(self._store.read_now(_read))
        except (JarvisError, ValueError, TypeError, KeyError) as error:
            why = f"it cannot be read, so it counts as engaged: {error}"
            return KillSwitchState(id="killswitch:main", engaged=True, reason=why)

    async def set(self, engaged: bool, *, by: str, reason: str) -> KillSwitchState:
        """Set the row, durably; disengaging also removes the file. Raises ``store_failed``.

        Engaging takes effect in memory first: a full disk does not keep anybody from stopping it. Engaged again, it
        takes the newer reason and keeps its time.
        """
        again = engaged and self._row.engaged
        since_at = self._row.since_at if again else None
        row = KillSwitchState(
            id="killswitch:main", engaged=engaged, since_at=since_at or self._clock.now(), by=by, reason=reason
        )
        before = self.engaged
        if engaged:
            self._row = row
            self._told(before)
        await self._store.write(lambda db: _write(db, row), durable=True)
        if not engaged:
            self.sentinel.unlink(missing_ok=True)
        self._row, self._file = row, self._file_engaged()
        self._told(before)
        if again:
            self._publish()
        return self.state()

    def state(self) -> KillSwitchState:
        """Row and file together, as shown."""
        row = self._row
        if self._file and not row.engaged:
            return KillSwitchState(
                id=row.id, engaged=True, since_at=self._clock.now(), by="file", reason=f"{self.sentinel} exists"
            )
        return KillSwitchState(id=row.id, engaged=row.engaged, since_at=row.since_at, by=row.by, reason=row.reason)

    async def watch(self) -> None:
        """Look at the sentinel for ever."""
        while True:
            before = self.engaged
            self._file = self._file_engaged()
            self._told(before)
            await self._clock.sleep(WATCH_S)

    def _file_engaged(self) -> bool:
        try:
            self.sentinel.stat()
        except FileNotFoundError:
            return not self.sentinel.parent.is_dir()
        except OSError:
            return True
        return True

    def _told(self, before: bool) -> None:
        if self.engaged == before:
            return
        _log.warning("kill switch", extra={"data": {"engaged": self.engaged}})
        if self.engaged:
            for callback in tuple(self._listeners):
                callback()
        self._publish()

    def _publish(self) -> None:
        state = self.state()
        self._bus.state("approvals").apply({"killswitch": {state.id: state}})


def _read(db: Database) -> str | None:
    row = db.execute("select value from kv where key = ?", [ROW]).fetchone()
    return str(row[0]) if row else None


def _decode(raw: str | None) -> KillSwitchState:
    if raw is None:
        raise ValueError("its row is missing")
    data = json.loads(raw)
    return KillSwitchState(
        id="killswitch:main", engaged=bool(data["engaged"]), since_at=data.get("since_at"),
        by=str(data.get("by", "")), reason=str(data.get("reason", "")),
    )  # fmt: skip


def _write(db: Database, row: KillSwitchState) -> None:
    value = json.dumps({"engaged": row.engaged, "since_at": row.since_at, "by": row.by, "reason": row.reason})
    db.execute("insert or replace into kv (key, value) values (?, ?)", [ROW, value])


async def until_engaged(switch: KillSwitch) -> None:
    """Return at the moment the switch engages."""
    if switch.engaged:
        return
    pulled = asyncio.Event()
    end = switch.on_engage(pulled.set)
    try:
        await pulled.wait()
    finally:
        end()
