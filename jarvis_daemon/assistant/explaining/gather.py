"""What is known around an incident, read from the store and the topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.explaining.case import BEFORE_S, NEAR_S, Case, Points
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentList, MetricsHistory, RepairList
from jarvis_daemon.protocol.state import FeedEvent, Incident, Repair

WEEK_S: Final = 7 * 86400.0
OTHERS_S: Final = 1800.0
POINTS: Final = 240


async def find(bus: Bus, number: str, principal: Principal) -> tuple[Incident, list[Incident]]:
    """The incident, and all that are known. Raises ``not_found``, ``store_failed``."""
    told = await bus.ask("incident.list", IncidentList(limit=1000), principal)
    known = msgspec.convert(told["incidents"], list[Incident])
    incident = next((one for one in known if one.id == number), None)
    if incident is None:
        raise JarvisError(
            "not_found", f"There is no incident {number[:20]!r}", next="`jarvis incident list --all` shows them."
        )
    return incident, known


async def gather(bus: Bus, now: float, incident: Incident, known: Sequence[Incident], principal: Principal) -> Case:
    """Everything around it; what cannot be read is named instead."""
    view, unread = View(bus, now), list[str]()
    node = _node_of(view, incident)
    began = incident.observed_at or incident.opened_at
    since, until = began - NEAR_S, (incident.closed_at or now) + NEAR_S
    events = await _events(bus, since, min(until, began + BEFORE_S), unread)
    near = [e for e in events if e.target == incident.target or (node and e.target == f"node:{node}")]
    mine = [e for e in near if e.kind != "incident.opened" or e.data.get("incident") != incident.id]
    tasks = [
        t
        for t in reversed(view.tasks)
        if (not node or t.node == node or f"guest:{t.target}" == incident.target)
        and (since <= t.started_at <= began + NEAR_S or t.started_at <= began <= (t.ended_at or now))
    ]
    others = [
        i
        for i in sorted(known, key=lambda i: i.opened_at)
        if i.id != incident.id
        and (
            abs(i.opened_at - incident.opened_at) <= OTHERS_S
            or (i.opened_at < began and (i.closed_at or now) > began)
        )
    ]
    return Case(
        incident,
        view,
        view.name(incident.target),
        node,
        await _series(bus, now, incident, node, principal, unread),
        tasks,
        mine,
        others,
        await _repairs(bus, incident, principal, unread),
        unread,
    )


def _node_of(view: View, incident: Incident) -> str:
    kind, _, rest = incident.target.partition(":")
    if kind == "node":
        return rest
    told = incident.evidence.get("node")
    if isinstance(told, str) and told:
        return told
    guest = view.guest(incident.target) if kind == "guest" else None
    if guest is not None:
        return guest.node
    return rest.partition("/")[0] if kind in {"service", "disk", "storage"} and "/" in rest else ""


async def _events(bus: Bus, since: float, until: float, unread: list[str]) -> list[FeedEvent]:
    if not bus.has_events("feed"):
        return []
    try:
        found = await bus.events("feed").history(since_at=since, limit=5000)
    except JarvisError as error:
        unread.append(f"The feed could not be read: {error.sentence()}")
        return []
    return [e for e in found if e.at <= until and e.kind != "heartbeat"]


async def _repairs(bus: Bus, incident: Incident, principal: Principal, unread: list[str]) -> list[Repair]:
    try:
        told = await bus.ask("repair.list", RepairList(incident=incident.id, limit=20), principal)
    except JarvisError as error:
        if error.code != "method_not_found":
            unread.append(f"The repairs could not be read: {error.sentence()}")
        return []
    found: list[Repair] = list(told.repairs)
    return sorted(found, key=lambda r: r.seen_at)


async def _series(
    bus: Bus, now: float, incident: Incident, node: str, principal: Principal, unread: list[str]
) -> dict[str, Points]:
    """Numbers of the hour before it began, as fine as they are kept; of a storage those of a week."""
    kind, began = incident.target.partition(":")[0], incident.observed_at or incident.opened_at
    back = max(BEFORE_S, now - began + BEFORE_S)
    wanted: list[tuple[str, str, str, float]] = []
    if node:
        wanted += [(name, f"node:{node}", name, back) for name in ("cpu", "memory", "temperature")]
    if kind == "guest":
        wanted += [(f"guest.{name}", incident.target, name, back) for name in ("cpu", "memory")]
    if kind == "storage":
        wanted.append(("used", incident.target, "used", now - began + WEEK_S))
    found: dict[str, Points] = {}
    for key, entity, metric, span_s in wanted:
        try:
            points = await _points(bus, entity, metric, span_s, principal)
        except JarvisError as error:
            if error.code != "method_not_found" and not any("figures" in one for one in unread):
                unread.append(f"The figures of before could not be read: {error.sentence()}")
            continue
        begin = began - (WEEK_S if key == "used" else BEFORE_S)
        kept = [(at, value) for at, value in points if begin <= at <= began + 300]
        if kept:
            found[key] = kept
    return found


async def _points(
    bus: Bus, entity: str, metric: str, span_s: float, principal: Principal
) -> list[tuple[float, float]]:
    asked = MetricsHistory(ids=[entity], metrics=[metric], span_s=min(span_s, 366 * 86400.0), points=POINTS)
    told: Any = await bus.ask("metrics.history", asked, principal)
    series = told.series.get(entity, {}).get(metric)
    if series is None:
        return []
    return [(series.start_at + i * series.step_s, v) for i, v in enumerate(series.values) if v is not None]
