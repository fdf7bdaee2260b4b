"""What happened to something in a span of time: from memory, and from the history of incidents for the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from jarvis_daemon.assistant.memory import events, table
from jarvis_daemon.assistant.memory.find import words as words_of
from jarvis_daemon.assistant.memory.statement import Redact, tidy
from jarvis_daemon.assistant.memory.when import Span
from jarvis_daemon.bus import Bus
from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.protocol.mind import MemoryItem
from jarvis_daemon.protocol.state import Guest, Node, Storage
from jarvis_daemon.store.database import Database

MOST: Final = 50
_TOLD: Final = frozenset({"incident", "event"})
_ALL: Final = frozenset({"cluster", "everything", "homelab", "house", "lab", "night", "system"})
"""Words that name nothing in particular."""
_KINDS: Final = frozenset({
    "backup", "box", "container", "ct", "disk", "disks", "guest", "host", "machine", "node", "pool", "server",
    "service", "storage", "vm",
})  # fmt: skip
"""Words that only say what sort of thing it is, where another word names it."""


def telling(asked: Sequence[str]) -> list[str]:
    """The words of a question by which a thing is known."""
    wanted = [word for word in asked if word not in _ALL]
    return [word for word in wanted if word not in _KINDS] or wanted


def named(bus: Bus, asked: Sequence[str]) -> frozenset[str]:
    """Ids of the guests, nodes and storages that one of these words names; without one, of those whose name has it
    as a part (``nas`` in ``truenas``)."""
    topic = bus.state("cluster")
    known = [
        *((one.id, one.name) for one in topic.all("nodes", Node).values()),
        *((one.id, one.name) for one in topic.all("guests", Guest).values()),
        *((one.id, one.name) for one in topic.all("storages", Storage).values()),
    ]
    wanted = telling(asked)
    exact = frozenset(key for key, name in known if not {name.casefold(), _last(key)}.isdisjoint(wanted))
    parts = [word for word in wanted if len(word) >= 3 and word not in _KINDS]
    return exact or frozenset(key for key, name in known if any(word in name.casefold() for word in parts))


def _last(key: str) -> str:
    """``guest:104`` → ``104``, ``storage:pve/local`` → ``local``"""
    return key.rpartition("/")[2].rpartition(":")[2].casefold()


def look(
    db: Database, asked: Sequence[str], ids: Collection[str], span: Span, now: float, redact: Redact, *,
    sure: bool = False,
) -> list[MemoryItem]:  # fmt: skip
    """Oldest first, at most ``MOST``, the newest of them: about one of ``ids``, or, unless that is ``sure``, with
    one of the words. Without words and ids all."""
    wanted = [] if sure else telling(asked)
    found = [
        one for one in table.read(db, now, since=span.since, until=span.until)
        if one.kind in _TOLD and _is_about(one, wanted, ids)
    ]  # fmt: skip
    have = {one.source for one in found}
    for kept in incident_rows.read_incidents(db, status=None, closed_after=span.since):
        incident = kept.incident
        if incident.severity not in events.GRAVE or f"incident:{incident.id}" in have:
            continue
        if table.was_forgotten(db, f"incident:{incident.id}") or not span.holds(incident.opened_at):
            continue
        repairs = events.repairs_of(db, incident.id)
        told = MemoryItem(
            tier="episodic", kind="incident", subject=incident.target,
            text=tidy(events.told(incident, repairs), redact), source=f"incident:{incident.id}",
            trust=events.trust_of(incident, repairs), happened_at=incident.opened_at, created_at=incident.opened_at,
        )  # fmt: skip
        if _is_about(told, wanted, ids):
            found.append(told)
    return sorted(found, key=lambda one: one.happened_at)[-MOST:]


def _is_about(one: MemoryItem, wanted: Sequence[str], ids: Collection[str]) -> bool:
    if not wanted and not ids:
        return True
    if one.subject in ids or any(one.subject.endswith(f"/{key.partition(':')[2]}") for key in ids):
        return True
    there = set(words_of(f"{_last(one.subject)} {one.text}"))
    return any(word in there for word in wanted)
