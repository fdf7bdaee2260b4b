"""What was attempted, and when: the memory behind attempts, cool-downs, flapping and the blast radius.

All ages are monotonic. After a restart they are taken from the wall times in the store; a moment in the future
counts as now, so that a clock that jumped back makes the engine more patient, never less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation.facts import Past
from jarvis_daemon.remediation.runbook import Scope

DAY_S: Final = 86400.0
HOUR_S: Final = 3600.0
KEEP_S: Final = 2 * DAY_S
BEFORE_OPEN_S: Final = 30.0
"""So long may a fault have been seen before its incident opens."""
Fault = tuple[str, str]
"""(condition, target)"""


@dataclass
class Attempt:
    """One repair from the moment it is reserved. ``acted`` is False until something was begun."""

    incident: str
    fault: Fault
    scope: Scope
    began: float
    acted: bool = False
    ended: float | None = None


@dataclass
class Ledger:
    """Everything is kept in memory; ``Stories`` is what survives."""

    clock: Clock
    window_s: float = HOUR_S
    """Within which openings of one fault count as flapping."""
    attempts: list[Attempt] = field(default_factory=list)
    _openings: dict[Fault, list[tuple[str, float]]] = field(default_factory=dict)
    _first_seen: dict[str, float] = field(default_factory=dict)
    _looked: float | None = None
    """When ``opened`` was called last (monotonic)."""

    def opened(self, incidents: list[Incident]) -> None:
        """Take note of open incidents; each counts once."""
        now, mono = self.clock.now(), self.clock.monotonic()
        for incident in incidents:
            if incident.id in self._first_seen:
                continue
            age = max(0.0, now - incident.observed_at)
            if self._looked is not None:  # it was not open then: a clock that jumped made it older
                age = min(age, mono - self._looked + BEFORE_OPEN_S)
            self._first_seen[incident.id] = mono - age
            seen = self._openings.setdefault((incident.condition, incident.target), [])
            seen.append((incident.id, mono - max(0.0, now - incident.opened_at)))
        self._looked = mono

    def begin(self, incident: Incident, scope: Scope) -> Attempt:
        """Reserve a place: from now on it counts as under way."""
        fault = incident.condition, incident.target
        attempt = Attempt(incident.id, fault, scope, self.clock.monotonic())
        self.attempts.append(attempt)
        return attempt

    def end(self, attempt: Attempt) -> None:
        """It is over; where nothing was begun it does not count."""
        attempt.ended = self.clock.monotonic()
        if not attempt.acted:
            self.attempts.remove(attempt)

    def restore(self, repair: Repair, scope: Scope) -> Attempt:
        """An attempt of an earlier life, which did something."""
        now, mono = self.clock.now(), self.clock.monotonic()
        began = mono - max(0.0, now - (repair.decided_at or repair.seen_at))
        ended = None if repair.ended_at is None else mono - max(0.0, now - repair.ended_at)
        fault = repair.condition, repair.target
        attempt = Attempt(repair.incident, fault, scope, began, True, ended)
        self.attempts.append(attempt)
        return attempt

    def past(self, incident: Incident, *, besides: Attempt | None = None) -> Past:
        """What was done before, for one case. ``besides``: the attempt that asks."""
        mono = self.clock.monotonic()
        fault = incident.condition, incident.target
        others = [a for a in self.attempts if a is not besides]
        same = [a for a in others if a.acted and a.fault == fault and mono - a.began < DAY_S]
        mine = [a for a in others if a.acted and incident.id and a.incident == incident.id]
        ended = [a.ended for a in {id(a): a for a in [*same, *mine]}.values() if a.ended is not None]
        running = [a for a in others if a.ended is None]
        first = self._first_seen.get(incident.id, mono)
        return Past(
            age_s=mono - first, attempts=max(len(same), len(mine)),
            last_act_age_s=mono - max(ended) if ended else None,
            openings=sum(mono - at < self.window_s for _, at in self._openings.get(fault, [])),
            acts_hour=sum(mono - a.began < HOUR_S for a in others),
            acts_day=sum(mono - a.began < DAY_S for a in others),
            running_guests=sum(a.scope == "guest" for a in running),
            running_nodes=sum(a.scope == "node" for a in running),
            running_here=any(a.fault[1] == incident.target for a in running),
        )  # fmt: skip

    def sweep(self, open_ids: set[str]) -> None:
        """Forget what no guardrail asks for any more."""
        mono = self.clock.monotonic()
        self.attempts = [
            a for a in self.attempts if a.ended is None or a.incident in open_ids or mono - a.began < KEEP_S
        ]
        for fault, seen in list(self._openings.items()):
            kept = [(i, at) for i, at in seen if i in open_ids or mono - at < self.window_s]
            for gone in {i for i, _ in seen} - {i for i, _ in kept}:
                self._first_seen.pop(gone, None)
            if kept:
                self._openings[fault] = kept
            else:
                del self._openings[fault]
