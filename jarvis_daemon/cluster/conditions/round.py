"""One round of judging, and what is kept from one round to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jarvis_daemon.cluster.conditions.picture import Stop
from jarvis_daemon.incidents import Observation
from jarvis_daemon.incidents.observation import RANK
from jarvis_daemon.protocol.state import Severity, Task

Key = tuple[str, str]


@dataclass(slots=True)
class Memory:
    """What the judges remember."""

    severities: dict[Key, Severity] = field(default_factory=dict)
    """(condition, target) -> gravity of the last observation: hysteresis holds on to it."""
    since: dict[Key, float] = field(default_factory=dict)
    """(condition, target) -> monotonic moment since which a value is too high."""
    stops: dict[str, Stop] = field(default_factory=dict)
    """Guests that stopped and have not been explained yet."""
    failures: dict[Key, Task] = field(default_factory=dict)
    """(condition, target) -> the failed task that no later one has made good."""


@dataclass(slots=True)
class Round:
    """What one picture shows. ``covered``: conditions that could be judged; ``unjudged``: pairs that could not."""

    memory: Memory
    grace_s: float
    observations: list[Observation] = field(default_factory=list)
    covered: set[str] = field(default_factory=set)
    unjudged: set[Key] = field(default_factory=set)

    def cover(self, *conditions: str) -> None:
        self.covered.update(conditions)

    def skip(self, condition: str, target: str) -> None:
        """This target could not be judged in this round."""
        self.unjudged.add((condition, target))

    def drop(self, condition: str) -> None:
        """Nothing of this condition could be judged after all."""
        self.covered.discard(condition)
        self.observations = [o for o in self.observations if o.condition != condition]

    def report(
        self, condition: str, target: str, severity: Severity, title: str, detail: str = "", *,
        evidence: dict[str, Any] | None = None, settled: str = "", seen_at: float | None = None,
        grace_s: float | None = None,
    ) -> None:  # fmt: skip
        grace = self.grace_s if grace_s is None else grace_s
        self.observations.append(
            Observation(condition, target, severity, title, detail, evidence or {}, grace, settled, seen_at)
        )

    def active(self, condition: str) -> list[str]:
        """Targets that the last judged round found ill."""
        return [target for name, target in self.memory.severities if name == condition]

    def level(
        self, key: Key, value: float, steps: Sequence[tuple[float, Severity]], hysteresis: float
    ) -> Severity | None:
        """The gravity of ``value``: the gravest step it exceeds.

        A step that was reached in the last round holds until the value is ``hysteresis`` below it.
        """
        was = RANK.get(self.memory.severities.get(key, ""), -1)
        found: Severity | None = None
        for threshold, severity in steps:  # rising
            limit = threshold - hysteresis if was >= RANK[severity] else threshold
            if value > limit:
                found = severity
        return found

    def lasting(self, key: Key, ill: bool, seconds: float, mono: float) -> bool:
        """Whether ``ill`` has been so for ``seconds`` without a break."""
        if not ill:
            self.memory.since.pop(key, None)
            return False
        if key in self.memory.severities:
            return True
        return mono - self.memory.since.setdefault(key, mono) >= seconds

    def finish(self) -> None:
        """Remember what was seen, for the next round's hysteresis."""
        seen = {(o.condition, o.target): o.severity for o in self.observations}
        kept = {
            key: severity for key, severity in self.memory.severities.items()
            if key[0] not in self.covered or key in self.unjudged
        }  # fmt: skip
        self.memory.severities = kept | seen
