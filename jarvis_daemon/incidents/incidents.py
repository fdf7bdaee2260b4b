"""What opens, what is announced, what closes.

First observation: held (the entity on the screen shows the fault already). Second in a row: opened. After its
grace: announced, with one line in the feed; one more when it gets graver, one when it is over. A fault that
heals within its grace was an incident, but nobody is told. A condition that a round could not judge neither
opens nor closes anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.incidents import lines, rows
from jarvis_daemon.incidents.observation import RANK, Observation
from jarvis_daemon.incidents.rows import Kept
from jarvis_daemon.incidents.services import IncidentServices
from jarvis_daemon.incidents.silences import silenced_until
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import FeedEvent, Incident, Silence
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Database, Store

SHOW_CLOSED_S = 3600.0
"""How long a closed incident stays in the state topic."""
TICK_S = 5.0
SWEEP_S = 3600.0
SAVE_EVIDENCE_S = 60.0
"""Numbers of an open incident are saved at most this often; whatever a person is told, at once."""

Key = tuple[str, str]
_log = logging.getLogger("jarvis.incidents")


@dataclass
class Change:
    """An incident as it shall be, with the events that tell of it (last word of the feed's key -> event)."""

    kept: Kept
    events: dict[str, FeedEvent] = field(default_factory=dict)
    save: bool = True


class Incidents:
    """The incidents of one cluster. ``start`` restores what was open; ``observe`` is called by rooms."""

    def __init__(self, store: Store, bus: Bus, feed: Feed, clock: Clock, settings: Settings) -> None:
        self.store, self.feed, self.clock, self.settings = store, feed, clock, settings
        self.cluster = settings.cluster.name if settings.cluster else ""
        self.silences: dict[str, Silence] = {}
        self.lock = asyncio.Lock()
        self.topic = bus.state("incidents")
        self._open: dict[Key, Kept] = {}
        self._opened: dict[str, float] = {}  # incident id -> monotonic moment of its opening
        self._saved: dict[str, float] = {}  # incident id -> monotonic moment it was last written
        self._held: dict[Key, tuple[float, float | None]] = {}  # first observation: when, and its ``seen_at``
        self._task: asyncio.Task[None] | None = None
        IncidentServices(self).offer(bus)

    async def start(self) -> None:
        """Restore open incidents and silences and begin to watch graces and ends. Raises ``store_failed``."""
        now, mono = self.clock.now(), self.clock.monotonic()
        recent = await self.store.read(
            lambda db: rows.read_incidents(db, status=None, closed_after=now - SHOW_CLOSED_S)
        )
        for kept in recent:
            if kept.incident.status == "open" and kept.incident.cluster == self.cluster:
                self._open[_key(kept.incident)] = kept
                self._opened[kept.incident.id] = mono - max(0.0, now - kept.incident.opened_at)
        self.silences = {s.id: s for s in await self.store.read(lambda db: rows.read_silences(db, now))}
        self.topic.replace({
            "incidents": {k.incident.id: k.incident for k in recent if k.incident.cluster == self.cluster},
            "silences": self.silences,
        })  # fmt: skip
        self._task = spawn(self._run(), name="incidents")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def open_incidents(self, room: str | None = None) -> list[Incident]:
        """What is open now, of one room or of all."""
        return [k.incident for k in self._open.values() if room is None or k.room == room]

    async def observe(
        self, room: str, observations: Iterable[Observation], covered: Collection[str],
        unjudged: Collection[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        """One whole round of a room.

        ``covered`` names the conditions that the round could judge; ``unjudged`` the (condition, target) pairs
        among them that it could not (a node's sensors are stale, say): those are left as they are.
        Nothing is raised when the store fails: memory stays as it was, and the next round tries again.
        """
        async with self.lock:
            seen = {
                (o.condition, o.target): o for o in observations
                if o.condition in covered and (o.condition, o.target) not in unjudged
            }  # fmt: skip
            judged = [
                key for key in self._open
                if key[0] in covered and key not in unjudged and self._open[key].room == room
            ]  # fmt: skip
            changes = [self._close(self._open[key]) for key in judged if key not in seen]
            changes += [c for key, o in seen.items() if (c := self._see(room, key, o)) is not None]
            for key in [k for k in self._held if k[0] in covered and k not in unjudged and k not in seen]:
                del self._held[key]
            await self._carry_out(changes)
            await self._announce_due()

    async def tick(self) -> None:
        """Announce what is due, drop what ended: for the time between rounds."""
        async with self.lock:
            now = self.clock.now()
            for ended in [s.id for s in self.silences.values() if s.ends_at <= now]:
                del self.silences[ended]
                self.topic.remove("silences", ended)
            await self._announce_due()
            shown = self.topic.all("incidents", Incident)
            old = [i.id for i in shown.values() if i.closed_at is not None and i.closed_at < now - SHOW_CLOSED_S]
            self.topic.remove("incidents", *old)

    def find(self, incident_id: str) -> Kept | None:
        """An open incident by its number."""
        return next((k for k in self._open.values() if k.incident.id == incident_id), None)

    def publish(self, *incidents: Incident) -> None:
        """Show what was committed."""
        self.topic.apply({"incidents": {i.id: i for i in incidents}})

    def mark_silenced(self) -> None:
        """Let every open incident say until when it is silenced."""
        now = self.clock.now()
        for kept in self._open.values():
            until = silenced_until(self.silences.values(), kept.incident, now)
            if until != kept.incident.silenced_until:
                kept.incident = replace(kept.incident, silenced_until=until)
                self.publish(kept.incident)

    # --- one round -----------------------------------------------------------------------------------

    def _see(self, room: str, key: Key, o: Observation) -> Change | None:
        kept = self._open.get(key)
        if kept is not None:
            return self._update(kept, o)
        held = self._held.get(key)
        if held is None:
            self._held[key] = (self.clock.now(), o.seen_at)
            return None
        if o.seen_at is not None and o.seen_at == held[1]:
            return None
        return self._opening(room, o, held[0])

    def _opening(self, room: str, o: Observation, observed_at: float) -> Change:
        now = self.clock.now()
        incident = Incident(
            id="", cluster=self.cluster, condition=o.condition, target=o.target, severity=o.severity,
            title=o.title, detail=o.detail, evidence=o.evidence, observed_at=observed_at, opened_at=now,
            updated_at=now,
        )  # fmt: skip
        incident.silenced_until = silenced_until(self.silences.values(), incident, now)
        return Change(Kept(incident=incident, room=room, grace_s=o.grace_s, settled=o.settled))

    def _update(self, kept: Kept, o: Observation) -> Change | None:
        old, now = kept.incident, self.clock.now()
        told = (o.severity, o.title) != (old.severity, old.title)
        if not told and o.evidence == old.evidence and o.detail == old.detail:
            return None
        due = self.clock.monotonic() - self._saved.get(old.id, 0.0) >= SAVE_EVIDENCE_S
        new = replace(old, severity=o.severity, title=o.title, evidence=o.evidence, updated_at=now)
        if told or due:
            new.detail = o.detail
        change = Change(replace(kept, incident=new, settled=o.settled, grace_s=o.grace_s), save=told or due)
        if RANK[o.severity] > RANK[old.severity] and old.announced_at and new.silenced_until is None:
            change.events[o.severity] = lines.graver(self.feed, new)
        return change

    def _close(self, kept: Kept) -> Change:
        now = self.clock.now()
        new = replace(kept.incident, status="closed", closed_at=now, updated_at=now, close_reason="settled")
        new.silenced_until = None
        change = Change(replace(kept, incident=new))
        if new.announced_at is not None or new.acked_at is not None:
            change.events["closed"] = lines.closed(self.feed, new, kept.settled)
        return change

    async def _announce_due(self) -> None:
        self.mark_silenced()
        mono, due = self.clock.monotonic(), list[Change]()
        for kept in self._open.values():
            i = kept.incident
            if i.announced_at is not None or i.acked_at is not None or i.silenced_until is not None:
                continue
            if mono - self._opened[i.id] >= kept.grace_s:
                new = replace(i, announced_at=self.clock.now())
                due.append(Change(replace(kept, incident=new), {"opened": lines.opened(self.feed, new)}))
        await self._carry_out(due)

    async def _carry_out(self, changes: list[Change]) -> None:
        saved = [c for c in changes if c.save]
        events: list[FeedEvent | None] = []
        if saved:
            try:
                events = await self.store.write(lambda db: self._write(db, saved), durable=True)
            except JarvisError as error:
                _log.error("incidents could not be saved: %s", error.sentence())
                return
        for change in changes:
            self.remember(change.kept)
            if change.save:
                self._saved[change.kept.incident.id] = self.clock.monotonic()
            if change.kept.incident.status == "closed":
                self._saved.pop(change.kept.incident.id, None)
        self.publish(*(c.kept.incident for c in changes))
        self.feed.publish(*events)

    def _write(self, db: Database, changes: list[Change]) -> list[FeedEvent | None]:
        """In one transaction: what each incident is now, and the line that tells of it."""
        events: list[FeedEvent | None] = []
        for change in changes:
            if change.kept.incident.id:
                rows.update_incident(db, change.kept)
            else:
                rows.insert_incident(db, change.kept)
            for word, event in change.events.items():
                key = f"incident:{change.kept.incident.id}:{word}"
                events.append(self.feed.append(db, event, key=key))
        return events

    def remember(self, kept: Kept) -> None:
        """Take over what was committed."""
        i, key = kept.incident, _key(kept.incident)
        self._held.pop(key, None)
        if i.status == "closed":
            self._open.pop(key, None)
            self._opened.pop(i.id, None)
            return
        self._open[key] = kept
        self._opened.setdefault(i.id, self.clock.monotonic())

    async def _run(self) -> None:
        since_sweep = SWEEP_S
        while True:
            await self.tick()
            since_sweep += TICK_S
            if since_sweep >= SWEEP_S:
                since_sweep = 0.0
                limit = self.clock.now() - self.settings.feed.retention_days * 86400
                with suppress(JarvisError):
                    await self.store.write(partial(rows.sweep, older_than=limit))
            await self.clock.sleep(TICK_S)


def _key(incident: Incident) -> Key:
    return incident.condition, incident.target
