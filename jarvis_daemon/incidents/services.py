"""What people ask of incidents: list, ack, silence, unsilence. Offered on the bus; saved before answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.incidents import lines, rows
from jarvis_daemon.incidents.silences import asked_for
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentAck, IncidentList, IncidentSilence, IncidentUnsilence
from jarvis_daemon.protocol.spawn import finished
from jarvis_daemon.protocol.state import FeedEvent, Incident
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.store import Database

if TYPE_CHECKING:
    from jarvis_daemon.incidents.incidents import Incidents


class IncidentServices:
    """The four services over one ``Incidents``."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._feed = incidents.feed

    def offer(self, bus: Bus) -> None:
        bus.offer("incident.list", self.list)
        bus.offer("incident.ack", self.ack, roles={"operator"})
        bus.offer("incident.silence", self.silence, roles={"operator"})
        bus.offer("incident.unsilence", self.unsilence, roles={"operator"})

    async def ack(self, params: IncidentAck, principal: Principal) -> dict[str, Any]:
        return await finished(self._ack(params, principal), name="incident-ack")

    async def silence(self, params: IncidentSilence, principal: Principal) -> dict[str, Any]:
        return await finished(self._silence(params, principal), name="incident-silence")

    async def unsilence(self, params: IncidentUnsilence, principal: Principal) -> dict[str, Any]:
        return await finished(self._unsilence(params, principal), name="incident-unsilence")

    async def list(self, params: IncidentList, principal: Principal) -> dict[str, Any]:
        """``{"incidents": [newest first], "silences": [...]}``, closed ones too unless ``status`` says."""
        now, limit = self._incidents.clock.now(), max(1, min(params.limit, 1000))
        kept = await self._incidents.store.read(
            lambda db: rows.read_incidents(db, status=params.status, limit=limit)
        )
        opened = {i.id: i for i in self._incidents.open_incidents()}  # newer numbers than the saved ones
        silences = [s for s in self._incidents.silences.values() if s.ends_at > now]
        return {
            "incidents": [msgspec.to_builtins(opened.get(k.incident.id, k.incident)) for k in kept],
            "silences": [msgspec.to_builtins(s) for s in silences],
        }

    async def _ack(self, params: IncidentAck, principal: Principal) -> dict[str, Any]:
        """The incident, acknowledged; a second time changes nothing. Raises ``not_found`` ``store_failed``."""
        async with self._incidents.lock:
            kept = self._incidents.find(params.id)
            if kept is None:
                raise await self._not_open(params.id)
            if kept.incident.acked_at is None:
                by = clean(params.by, limit=80) or str(principal)
                new = replace(kept.incident, acked_at=self._incidents.clock.now(), acked_by=by)
                kept = replace(kept, incident=new)
                event = await self._incidents.store.write(lambda db: self._save_ack(db, kept), durable=True)
                self._incidents.remember(kept)
                self._incidents.publish(new)
                self._feed.publish(event)
            answer: dict[str, Any] = msgspec.to_builtins(kept.incident)
            return answer

    async def _silence(self, params: IncidentSilence, principal: Principal) -> dict[str, Any]:
        """``{"silence": …, "incidents": [ids it silences now]}``. Raises ``invalid_params`` ``not_found``."""
        incidents = self._incidents
        by = clean(params.by, limit=80) or str(principal)
        async with incidents.lock:
            now = incidents.clock.now()
            incident = await self._named(params.id) if params.id is not None else None
            silence = asked_for(params, incident, incidents.cluster, by, now)
            until = lines.span(silence.ends_at - max(now, silence.starts_at))
            what = "Maintenance" if silence.maintenance else "Silence"
            event = self._feed.make(
                "incident.silenced", f"{what} for {until}, by {by}: {silence.condition} on {silence.target}. "
                f"Reason: {silence.reason}",
            )  # fmt: skip

            def save(db: Database) -> FeedEvent | None:
                rows.insert_silence(db, silence)
                return self._feed.append(db, event, key=f"silence:{silence.id}:begun")

            written = await incidents.store.write(save, durable=True)
            incidents.silences[silence.id] = silence
            incidents.topic.apply({"silences": {silence.id: silence}})
            incidents.mark_silenced()
            self._feed.publish(written)
            silenced = [i.id for i in incidents.open_incidents() if i.silenced_until is not None]
            return {"silence": msgspec.to_builtins(silence), "incidents": silenced}

    async def _unsilence(self, params: IncidentUnsilence, principal: Principal) -> dict[str, Any]:
        """Ends a silence now. Raises ``not_found``."""
        incidents = self._incidents
        async with incidents.lock:
            silence = incidents.silences.get(params.id)
            if silence is None:
                raise JarvisError(
                    "not_found", f"There is no silence {clean(params.id)!r}", next="`jarvis incident list`."
                )
            text = f"The silence over {silence.condition} on {silence.target} is lifted, by {principal}."
            event = self._feed.make("incident.unsilenced", text)

            def save(db: Database) -> FeedEvent | None:
                rows.end_silence(db, silence.id, incidents.clock.now())
                return self._feed.append(db, event, key=f"silence:{silence.id}:ended")

            written = await incidents.store.write(save, durable=True)
            del incidents.silences[silence.id]
            incidents.topic.remove("silences", silence.id)
            incidents.mark_silenced()
            self._feed.publish(written)
            return {"silence": msgspec.to_builtins(silence)}

    def _save_ack(self, db: Database, kept: rows.Kept) -> FeedEvent | None:
        rows.update_incident(db, kept)
        return self._feed.append(
            db, lines.acked(self._feed, kept.incident), key=f"incident:{kept.incident.id}:acked"
        )

    async def _named(self, incident_id: str) -> Incident:
        kept = await self._incidents.store.read(lambda db: rows.read_incident(db, incident_id))
        if kept is None:
            raise await self._not_open(incident_id)
        return kept.incident

    async def _not_open(self, incident_id: str) -> JarvisError:
        kept = await self._incidents.store.read(lambda db: rows.read_incident(db, incident_id))
        what = "is closed already" if kept is not None else "does not exist"
        return JarvisError(
            "not_found",
            f"Incident {clean(incident_id)!r} {what}",
            next="`jarvis incident list` shows the open ones.",
        )
