"""What is known around one incident, and the small words that rules are written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.answers.words import ago, degrees, percent, safe
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import FeedEvent, Guest, Incident, Node, Repair, Task

BEFORE_S: Final = 3600.0
NEAR_S: Final = 900.0
"""What happened within so long of the beginning may have to do with it."""
Points = Sequence[tuple[float, float]]
"""(Unix seconds, value), oldest first."""


@dataclass(frozen=True)
class Case:
    """One incident; all lists are of its surroundings in time, oldest first."""

    incident: Incident
    view: View
    name: str
    """Of the target, as a person calls it."""
    node: str = ""
    """Name of the node that it is on; empty where there is none."""
    series: Mapping[str, Points] = field(default_factory=dict)
    """``cpu`` ``memory`` ``temperature`` of its node, ``used`` of a storage, ``guest.memory`` ``guest.cpu``."""
    tasks: Sequence[Task] = ()
    events: Sequence[FeedEvent] = ()
    others: Sequence[Incident] = ()
    """Incidents that began about the same time."""
    repairs: Sequence[Repair] = ()
    unread: Sequence[str] = ()
    """What could not be read, a sentence each."""

    # --- what it is about --------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.view.now

    @property
    def began(self) -> float:
        return self.incident.observed_at or self.incident.opened_at

    @property
    def guest(self) -> Guest | None:
        return self.view.guest(self.incident.target) if self.incident.target.startswith("guest:") else None

    @property
    def host(self) -> Node | None:
        return self.view.node(self.node) if self.node else None

    def fact(self, key: str) -> Any:
        return self.incident.evidence.get(key)

    def number(self, key: str) -> float | None:
        value = self.fact(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, key: str) -> str:
        value = self.fact(key)
        return "" if value is None else safe(value, 300).rstrip(".")

    def says(self, *words: str, key: str = "error") -> bool:
        """Whether an error text holds one of these words."""
        told = f"{self.text(key)} {self.text('exit_text')} {self.text('problem')}".casefold()
        return any(word in told for word in words)

    # --- surroundings ------------------------------------------------------------------------------------------

    def other(self, *conditions: str, same_node: bool = True) -> Incident | None:
        """An incident of these conditions near in time; of the same node unless said otherwise."""
        for incident in self.others:
            if incident.condition not in conditions:
                continue
            if not same_node or not self.node or self._node_of(incident) in {"", self.node}:
                return incident
        return None

    def near(self, *conditions: str, same_node: bool = True) -> str:
        """As ``other``, in words; empty where there is none."""
        found = self.other(*conditions, same_node=same_node)
        return self.told(found) if found is not None else ""

    def _node_of(self, incident: Incident) -> str:
        kind, _, rest = incident.target.partition(":")
        if kind == "node":
            return rest
        return str(incident.evidence.get("node") or "")

    def ran(self, *types: str, target: str | None = None) -> Task | None:
        """The last task of these types on the node, around the beginning; ``target``: a vmid."""
        found = [
            t
            for t in self.tasks
            if t.type in types and (not self.node or t.node == self.node) and target in {None, t.target}
        ]
        return found[-1] if found else None

    def at_beginning(self, metric: str) -> float | None:
        """The last value before it began, or right after it."""
        points = self.series.get(metric, ())
        before = [value for at, value in points if at <= self.began]
        return before[-1] if before else points[0][1] if points else None

    def hour_before(self, metric: str) -> float | None:
        points = [(at, value) for at, value in self.series.get(metric, ()) if at <= self.began - BEFORE_S / 2]
        return points[0][1] if points else None

    def risen(self, metric: str) -> float | None:
        """By how much it rose within the hour before; None where that is not known."""
        first, last = self.hour_before(metric), self.at_beginning(metric)
        return None if first is None or last is None else last - first

    def course(self, metric: str, what: str) -> str:
        """``The CPU of pve went from 12 % to 97 % in the hour before``; empty where nothing is known."""
        first, last = self.hour_before(metric), self.at_beginning(metric)
        form = degrees if metric == "temperature" else percent
        if last is None:
            return ""
        if first is None:
            return f"{what} stood at {form(last)} when it began"
        if form(first) == form(last):
            return f"{what} stood at {form(last)} for the hour before"
        return f"{what} went from {form(first)} to {form(last)} in the hour before"

    def when(self, at: float) -> str:
        """A moment against the incident's own: ``4 min before its beginning``."""
        gap = at - self.began
        if abs(gap) < 1:
            return "at its beginning"
        return f"{span(abs(gap))} {'before' if gap < 0 else 'after'} its beginning"

    def told(self, incident: Incident) -> str:
        """Another incident in words."""
        return f"{safe(incident.title)} ({incident.severity}), {self.when(incident.opened_at)}"

    def task(self, task: Task) -> str:
        target = f" of {self.view.name(f'guest:{task.target}')}" if task.target.isdigit() else ""
        return (
            f"the task {safe(task.type, 40)}{target} on {safe(task.node, 80)}, begun "
            f"{self.when(task.started_at)} by {safe(task.user, 60)}"
        )

    def ago(self, at: float) -> str:
        return ago(self.now, at)
