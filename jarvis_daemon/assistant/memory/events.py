"""Incidents and their repairs, from the feed into memory: by number, the cursor in the same transaction.

An incident is one memory under its key, told anew with each of its lines: so a line that is seen twice changes
nothing, and a kill loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.memory import table
from jarvis_daemon.assistant.memory.statement import Redact, subject_of, tidy
from jarvis_daemon.assistant.memory.table import Ends, New, Trust
from jarvis_daemon.assistant.memory.when import moment
from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import FeedEvent, Incident, Repair
from jarvis_daemon.store.database import Database
from jarvis_daemon.store.feed import last_seq, read_events

_log = logging.getLogger("jarvis.memory")
CURSOR: Final = "memory:cursor"
AT_ONCE: Final = 200
GRAVE: Final = frozenset({"warning", "error", "critical"})
REPAIRS_MAX: Final = 3
_OWN_WORDS: Final = ("node:", "cluster:", "storage:")
"""Targets whose names only the operator gives; a guest's name may be anybody's."""
_repair = msgspec.json.Decoder(Repair).decode


def begin(db: Database, *, enabled: bool) -> None:
    """Set the cursor behind what happened so far, the first time and after a time without memory."""
    if not enabled:
        db.execute("delete from kv where key = ?", [CURSOR])
    elif table.note(db, CURSOR) is None:
        table.keep_note(db, CURSOR, str(last_seq(db)))


def follow(db: Database, now: float, ends: Ends, redact: Redact) -> int:
    """Remember what the next events tell, and move the cursor; how many events there were. One transaction."""
    cursor = int(table.note(db, CURSOR) or 0)
    events = read_events(db, cursor, None, None, AT_ONCE)
    for event in events:
        try:
            _take(db, event, now, ends, redact)
        except (ValueError, TypeError, KeyError, msgspec.MsgspecError):  # a damaged row stops nothing behind it
            _log.exception("not remembered", extra={"data": {"event": event.seq, "kind": event.kind}})
    if events:
        table.keep_note(db, CURSOR, str(events[-1].seq))
    return len(events)


def _take(db: Database, event: FeedEvent, now: float, ends: Ends, redact: Redact) -> None:
    kind, _, word = event.kind.partition(".")
    number = str(event.data.get("incident") or "")
    if kind not in {"incident", "repair"} or word in {"silenced", "unsilenced"}:
        return
    if not number:
        if kind == "repair" and event.severity in GRAVE and event.target:  # of a guest that was left alone
            _remember(db, f"repair:{event.data.get('repair') or event.seq}", event.target, event.text, "tainted",
                      event.at, "event", now, ends, redact)  # fmt: skip
        return
    kept = incident_rows.read_incident(db, number)
    if kept is None or kept.incident.severity not in GRAVE:
        return
    incident = kept.incident
    repairs = repairs_of(db, number)
    _remember(
        db, f"incident:{number}", incident.target, told(incident, repairs), trust_of(incident, repairs),
        incident.opened_at, "incident", now, ends, redact,
    )  # fmt: skip


def _remember(
    db: Database, key: str, target: str, text: str, trust: Trust, at: float, kind: Any, now: float, ends: Ends,
    redact: Redact,
) -> None:  # fmt: skip
    if table.was_forgotten(db, key):
        return
    new = New(
        tidy(text, redact), "episodic", kind, subject_of(target, redact), source=key, trust=trust, key=key,
        ours=True, happened_at=at,
    )  # fmt: skip
    table.put(db, new, now, ends)


def repairs_of(db: Database, incident: str) -> list[Repair]:
    """The last stories of an incident in which something was done, or that ended, oldest first."""
    found = db.execute(
        "select body from repairs where incident = ? and body != '' "
        "and (acted_at is not null or status in ('failed', 'escalated', 'reported')) order by id desc limit ?",
        [incident, REPAIRS_MAX],
    ).fetchall()
    return [_repair(body) for (body,) in found[::-1]]


def told(incident: Incident, repairs: Sequence[Repair]) -> str:
    """An incident in sentences: what, when, what was done, how it ended. Local time."""
    parts = [_sentence(incident.title), f"It began at {moment(incident.observed_at or incident.opened_at)}."]
    parts += [f"{moment(r.decided_at or r.seen_at)}: {_sentence(r.text)}" for r in repairs if r.text]
    if incident.closed_at is not None:
        lasted = span(incident.closed_at - (incident.observed_at or incident.opened_at))
        parts.append(f"It was over at {moment(incident.closed_at)}, after {lasted}.")
    if incident.detail:
        parts.append(_sentence(incident.detail))
    return " ".join(part for part in parts if part)


def trust_of(incident: Incident, repairs: Sequence[Repair]) -> Trust:
    """``system`` only where every word is ours: a detail, a story and the name of a guest come from outside."""
    ours = incident.target.startswith(_OWN_WORDS) and not incident.detail and not any(r.text for r in repairs)
    return "system" if ours else "tainted"


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text.rstrip('.')}." if text else ""
