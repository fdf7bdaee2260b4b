"""The lines of the feed that tell of an incident: the fact first, then what is known of it."""

from __future__ import annotations

from jarvis_daemon.bus import Feed
from jarvis_daemon.protocol.state import FeedEvent, Incident


def opened(feed: Feed, incident: Incident) -> FeedEvent:
    """Announced: it outlived its grace."""
    text = f"{incident.title}. {incident.detail}".rstrip(" ")
    return _event(feed, "incident.opened", incident, text, incident.severity)


def graver(feed: Feed, incident: Incident) -> FeedEvent:
    """It was announced and has become worse."""
    return _event(
        feed, "incident.graver", incident, f"Now {incident.severity}: {incident.title}. {incident.detail}",
        incident.severity,
    )  # fmt: skip


def closed(feed: Feed, incident: Incident, settled: str) -> FeedEvent:
    """It is over; told only of what a person had heard of."""
    lasted = span((incident.closed_at or incident.opened_at) - incident.observed_at)
    text = f"{settled or f'Settled: {incident.title}'}, after {lasted}."
    return _event(feed, "incident.closed", incident, text, "ok")


def acked(feed: Feed, incident: Incident) -> FeedEvent:
    return _event(
        feed, "incident.acked", incident, f"{incident.acked_by} has taken note: {incident.title}.", "info"
    )


def span(seconds: float) -> str:
    """A duration for the ear: ``40 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _event(feed: Feed, kind: str, incident: Incident, text: str, severity: str) -> FeedEvent:
    data = {"incident": incident.id, "condition": incident.condition}
    known = {"info": "info", "ok": "ok", "warning": "warning", "error": "error", "critical": "critical"}
    return feed.make(kind, text, severity=known[severity], target=incident.target, data=data)  # type: ignore[arg-type]
