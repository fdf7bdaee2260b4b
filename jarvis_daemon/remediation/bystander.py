"""Guests that stopped and that nobody calls ill: the feed says why they are left alone.

A guest that a person stopped, that HA looks after or that is locked opens no incident. Silence would look like
blindness, so each such stop gets one story, which ends as it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jarvis_daemon.bus.state import StateDelta
from jarvis_daemon.protocol.state import Guest, Incident, Repair
from jarvis_daemon.remediation.facts import Case, Facts
from jarvis_daemon.remediation.guardrails import OF_THE_TARGET, ours, stop_task
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.remediation.words import inside

LOOKS: Final = 3
"""An incident would have opened by now."""
CONDITION: Final = "guest-crashed"
BEFORE_S: Final = 60.0


@dataclass
class _Stop:
    noticed_at: float
    looks: int = 0
    looked_at: float | None = None


class Bystander:
    """``note`` listens to the topic ``cluster``; ``stories`` is asked once a round."""

    def __init__(self) -> None:
        self._stops: dict[str, _Stop] = {}
        self._ran: set[str] = set()
        """Guests that were running when something was last known of them."""

    def note(self, delta: StateDelta, now: float) -> None:
        """Take note of guests that ran, and whose status became ``stopped``."""
        for path, changed in delta.set.items():
            if not path.startswith("guests/") or "status" not in changed:
                continue
            guest, status = path.removeprefix("guests/"), changed["status"]
            if status == "running":
                self._ran.add(guest)
            elif status != "unknown":
                if status == "stopped" and guest in self._ran:
                    self._stops.setdefault(guest, _Stop(now))
                self._ran.discard(guest)

    def stories(self, facts: Facts, kept: Kept | None) -> list[Repair]:
        """One story for each guest that is left alone for a reason."""
        source = facts.sources.get(f"source:{facts.cluster.name}/resources")
        at = source.ok_at if source is not None else None
        ill = {i.target for i in facts.incidents.values() if i.condition == CONDITION}
        told: list[Repair] = []
        for guest_id, stop in list(self._stops.items()):
            guest = facts.guests.get(guest_id)
            if at != stop.looked_at:
                stop.looks, stop.looked_at = stop.looks + 1, at
            if guest is None or guest_id in ill:
                del self._stops[guest_id]
            elif guest.ha_state or (stop.looks >= LOOKS and guest.status == "stopped"):
                del self._stops[guest_id]
                if kept is not None and (story := _left_alone(facts, guest, stop, kept)) is not None:
                    told.append(story)
            elif guest.status == "running":
                del self._stops[guest_id]
        return told


def _left_alone(facts: Facts, guest: Guest, stop: _Stop, kept: Kept) -> Repair | None:
    name = guest.name or guest.id
    incident = Incident(
        id="", cluster=guest.cluster, condition=CONDITION, target=guest.id, severity="info",
        title=f"{name} has stopped", observed_at=stop.noticed_at,
        evidence={"node": guest.node, "last_running_at": stop.noticed_at - BEFORE_S},
    )  # fmt: skip
    case = Case(facts, incident, kept)
    task = stop_task(case)
    if task is not None and ours(task, facts.our_user):
        return None  # by an order that went through the gate, which has told of it
    checks = [guardrail(case) for guardrail in OF_THE_TARGET]
    against = next((c for c in checks if c.verdict != "pass"), None)
    if against is None:
        return None
    return Repair(
        id="", condition=CONDITION, target=guest.id, target_name=name, runbook=kept.runbook.name,
        status="refused", severity="info", seen=incident.title, seen_at=stop.noticed_at, checks=checks,
        ended_at=facts.now, text=f"{name} has stopped. I leave it alone: {inside(against.text)}",
    )  # fmt: skip
