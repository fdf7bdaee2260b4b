"""How much is done without asking: the chosen levels, kept in the store, and what holds of them now."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.state import Autonomy, Cluster
from jarvis_daemon.remediation.decision import ceiling
from jarvis_daemon.store import Database, Store

Kind = Literal["all", "condition", "target"]
ID = "autonomy:main"


class Levels:
    """``state`` is what judging reads; ``set`` and ``unset`` commit first."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, *, start: int, cluster: str) -> None:
        self._store, self._clock, self._topic = store, clock, bus.state("approvals")
        self.state = Autonomy(id=ID, cluster=cluster, level=start, effective=min(start, 2), by="settings")

    async def start(self) -> None:
        """Take over what was chosen in an earlier life. Raises ``store_failed``."""
        rows = await self._store.read(
            lambda db: db.execute("select kind, name, level, at, by from autonomy").fetchall()
        )
        for kind, name, level, at, by in rows:
            if kind == "all":
                self.state = replace(self.state, level=level, since_at=at, by=by)
            else:
                self._own(kind)[name] = level
        self._publish()

    async def set(self, kind: Kind, name: str, level: int, by: str) -> None:
        """Choose a level. Raises ``store_failed``."""
        now = self._clock.now()

        def fn(db: Database) -> None:
            db.execute(
                "insert into autonomy (kind, name, level, at, by) values (?, ?, ?, ?, ?) on conflict (kind, name) "
                "do update set level = excluded.level, at = excluded.at, by = excluded.by",
                [kind, name, level, now, by],
            )

        await self._store.write(fn, durable=True)
        if kind == "all":
            self.state = replace(self.state, level=level, since_at=now, by=by)
        else:
            self._own(kind)[name] = level
        self._publish()

    async def unset(self, kind: Kind, name: str) -> None:
        """Let a condition or target follow the level of all again. Raises ``store_failed``."""
        await self._store.write(
            lambda db: db.execute("delete from autonomy where kind = ? and name = ?", [kind, name]), durable=True
        )
        self._own(kind).pop(name, None)
        self._publish()

    def weigh(self, cluster: Cluster) -> None:
        """Say what holds now, after a look at the cluster."""
        most, why = ceiling(cluster)
        effective = min(self.state.level, most)
        why = why if effective < self.state.level else ""
        if (effective, why) != (self.state.effective, self.state.why):
            self.state = replace(self.state, effective=effective, why=why)
            self._publish()

    def _own(self, kind: str) -> dict[str, int]:
        """A fresh copy to change: the old one may be on its way to a client."""
        if kind == "condition":
            self.state = replace(self.state, conditions=dict(self.state.conditions))
            return self.state.conditions
        self.state = replace(self.state, targets=dict(self.state.targets))
        return self.state.targets

    def _publish(self) -> None:
        self._topic.apply({"autonomy": {ID: self.state}})
