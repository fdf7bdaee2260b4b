"""Stories on disk and on the bus: each is written, with its line of the feed, before it is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import FeedEvent, Repair
from jarvis_daemon.remediation.facts import Case
from jarvis_daemon.store import Database, Store

_log = logging.getLogger("jarvis.remediation")
ENDS: Final = frozenset({"repaired", "failed", "escalated", "reported", "cancelled", "over"})
SHOWN_S: Final = 86400.0
"""An ended story stays in the state topic for so long."""
SHOWN_MAX: Final = 60
ANSWER_MAX: Final = 8 << 20
"""Bytes; a frame to a client holds 16 MiB."""
_encode = msgspec.json.Encoder().encode
_repair = msgspec.json.Decoder(Repair).decode
_case = msgspec.json.Decoder(Case).decode


@dataclass
class Save:
    """One story as it shall be, with what is told of it and the case it was decided upon."""

    repair: Repair
    event: FeedEvent | None = None
    case: Case | None = None
    acted: bool = False


class Stories:
    """``save`` commits, then publishes. Raises ``store_failed``, and then nothing may be done."""

    def __init__(self, store: Store, bus: Bus, feed: Feed, clock: Clock, cluster: str) -> None:
        self._store, self._feed, self._clock, self._cluster = store, feed, clock, cluster
        self._topic = bus.state("incidents")

    async def start(self) -> list[Repair]:
        """Publish the stories of the last day and those that have not ended; answers all of them, oldest first."""
        since = self._clock.now() - 2 * SHOWN_S
        kept = await self._store.read(lambda db: _read(db, "began_at >= ? or ended_at is null", [since], 5000))
        shown = kept[-SHOWN_MAX:]
        self._topic.replace({"repairs": {r.id: _repair(_encode(r)) for r in shown}})  # the engine changes its own
        return kept

    async def save(self, *saves: Save) -> None:
        """Write stories and their lines in one transaction, then tell of them. New ones get their number."""
        if not saves:
            return
        for one in saves:
            one.repair.cluster = self._cluster
        new = [one.repair for one in saves if not one.repair.id]
        try:
            events = await self._store.write(lambda db: self._write(db, saves), durable=True)
        except BaseException:
            for repair in new:
                repair.id = ""  # the number went back with the row, and will be another story's
            raise
        # copies, steps and all: what is published is compared with what comes next
        self._topic.apply({"repairs": {s.repair.id: _repair(_encode(s.repair)) for s in saves}})
        self._feed.publish(*events)

    def _write(self, db: Database, saves: Sequence[Save]) -> list[FeedEvent | None]:
        told: list[FeedEvent | None] = []
        for one in saves:
            r = one.repair
            if not r.id:
                cursor = db.execute(
                    "insert into repairs (cluster, incident, condition, target, runbook, status, began_at, body, "
                    "facts) values (?, ?, ?, ?, ?, ?, ?, '', '')",
                    [r.cluster, r.incident, r.condition, r.target, r.runbook, r.status, r.seen_at],
                )
                r.id = str(cursor.lastrowid)
            db.execute(
                "update repairs set status = ?, ended_at = ?, acted_at = coalesce(acted_at, ?), body = ? "
                "where id = ?",
                [r.status, r.ended_at, r.decided_at if one.acted else None, _encode(r).decode(), int(r.id)],
            )
            if one.case is not None:
                db.execute(
                    "update repairs set facts = ? where id = ?", [_encode(slim(one.case)).decode(), int(r.id)]
                )
            if one.event is not None:
                one.event.data["repair"] = r.id
                told.append(self._feed.append(db, one.event))
        return told

    def sweep_shown(self) -> None:
        """Take what ended long ago off the state topic."""
        shown = self._topic.all("repairs", Repair)
        limit = self._clock.now() - SHOWN_S
        old = [r.id for r in shown.values() if r.ended_at is not None and r.ended_at < limit]
        ended = sorted((r for r in shown.values() if r.ended_at is not None), key=lambda r: r.ended_at or 0.0)
        self._topic.remove("repairs", *old, *(r.id for r in ended[: max(0, len(shown) - SHOWN_MAX)]))

    async def sweep(self, older_than: float) -> None:
        """Delete ended stories from before ``older_than`` (Unix seconds)."""
        await self._store.write(
            lambda db: db.execute("delete from repairs where ended_at is not null and ended_at < ?", [older_than])
        )

    async def list(self, *, since_at: float | None, incident: str | None, limit: int) -> list[Repair]:
        """The newest first."""
        where, args = ["1"], list[object]()
        if since_at is not None:
            where.append("(began_at >= ? or ended_at >= ? or ended_at is null)")
            args += [since_at, since_at]
        if incident is not None:
            where.append("incident = ?")
            args.append(incident)
        limit = max(1, min(limit, 1000))
        found = await self._store.read(lambda db: _read(db, " and ".join(where), args, limit))
        return _fitting(found[::-1])

    async def case_of(self, incident: str, runbook: str) -> tuple[Case, Repair] | None:
        """The facts of the last decision about an incident by a runbook, as they were kept."""

        def fn(db: Database) -> tuple[str, str] | None:
            row = db.execute(
                "select facts, body from repairs where incident = ? and runbook = ? and facts != '' "
                "order by id desc limit 1",
                [incident, runbook],
            ).fetchone()
            return (row[0], row[1]) if row else None

        found = await self._store.read(fn)
        if found is None:
            return None
        try:
            return _case(found[0]), _repair(found[1])
        except msgspec.DecodeError as error:
            raise JarvisError(
                "store_failed", f"The facts kept of incident {incident} cannot be read", why=str(error),
                next="Leave --incident out to test against the facts of now.",
            ) from error  # fmt: skip


def slim(case: Case) -> Case:
    """The case with what its own target needs of the picture: a day has many decisions."""
    facts, node, guest = case.facts, case.node, case.guest
    host = node.name if node else ""
    return replace(
        case,
        facts=replace(
            facts, nodes=dict(facts.nodes), guests={guest.id: guest} if guest else {},
            storages={case.storage.id: case.storage} if case.storage else {},
            sources={
                key: s for key, s in facts.sources.items()
                if s.what == "resources" or s.target in {host, guest.name if guest else host}
            },
            tasks={
                key: t for key, t in facts.tasks.items()
                if (guest and t.target == str(guest.vmid)) or (t.status == "running" and t.node == host)
            },
            incidents={
                key: i for key, i in facts.incidents.items()
                if i.condition == "node-unreachable" or i.id == case.incident.id
            },
            silences=dict(facts.silences), orders={},
        ),
    )  # fmt: skip


def _fitting(stories: list[Repair]) -> list[Repair]:
    """The newest first; of those beyond what one answer holds, without what their steps have read."""
    size = 0
    for story in stories:
        size += len(_encode(story))
        if size > ANSWER_MAX:
            for step in story.steps:
                step.result = {"cut": "`jarvis history --incident` has it"} if step.result else {}
    return stories


def _read(db: Database, where: str, args: Sequence[object], limit: int) -> list[Repair]:
    """Oldest first, the last ``limit`` ones."""
    query = f"select body from repairs where body != '' and ({where}) order by id desc limit ?"  # noqa: S608
    rows = db.execute(query, [*args, limit]).fetchall()
    return [_repair(body) for (body,) in rows[::-1]]
