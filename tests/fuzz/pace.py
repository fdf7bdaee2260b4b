"""How fast a sequence lives: the issue's own numbers, or all of them shortened, so that a day takes minutes."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from jarvis_daemon.drill.witness import Bounds
from jarvis_daemon.remediation import files, reading
from jarvis_daemon.remediation.facts import Limits
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.tools import Registry

__all__ = ["QUICK", "REAL", "Pace", "shipped"]


@dataclass(frozen=True)
class Pace:
    """``shorten`` divides cool-downs and patience; ``beat_s`` is the rhythm of the poll."""

    beat_s: float
    shorten: float
    limits: Limits
    bounds: Bounds = field(default_factory=Bounds)
    tick_s: float = 5.0
    """Between two looks of incidents and watchman at deadlines that pass while nobody answers."""
    settle_s: float = 1800.0
    """After the last fault everything has to be at rest by then."""


def shipped(registry: Registry) -> list[Kept]:
    """The shipped runbooks as they are."""
    found = []
    for path in files.found(files.SHIPPED):
        file = files.read_any(path)
        runbook, mistakes = reading.look(file.text, registry)
        assert runbook is not None, mistakes
        assert not mistakes, mistakes
        found.append(Kept(runbook=runbook, sha256=file.sha256, path=str(path), shipped=True, trusted=True))
    return found


def shortened(kept: Kept, by: float) -> Kept:
    """The same runbook with shorter waits."""
    book = kept.runbook
    steps = [
        msgspec.structs.replace(step, args={**step.args, "wait_s": 45} if "wait_s" in step.args else step.args)
        for step in book.steps
    ]
    when = [
        msgspec.structs.replace(one, at_least=one.at_least / by)
        if one.fact == "incident.age_s" and one.at_least else one
        for one in book.when
    ]  # fmt: skip
    verify = msgspec.structs.replace(book.verify, within_s=max(250.0, book.verify.within_s / by))
    return msgspec.structs.replace(
        kept, runbook=msgspec.structs.replace(
            book, steps=steps, when=when, verify=verify, cool_down_min=[m / by for m in book.cool_down_min]
        ),
    )  # fmt: skip


def _bounds(limits: Limits, beat_s: float) -> Bounds:
    return Bounds(
        per_hour=limits.acts_per_hour, per_day=limits.acts_per_day, fresh_s=max(60.0, 2 * beat_s),
        flapping_s=limits.flapping_window_s,
        known_within_s=max(31.0, 2 * beat_s + 1), rarely_known_within_s=7.5 * beat_s,
    )  # fmt: skip


REAL = Pace(10.0, 1.0, Limits(), _bounds(Limits(), 10.0), settle_s=5 * 3600.0)
_SHORT = Limits(
    ha_patience_s=40.0, person_quiet_s=60.0, flapping_window_s=900.0, acts_per_hour=4, acts_per_day=8,
)  # fmt: skip
QUICK = Pace(60.0, 20.0, _SHORT, _bounds(_SHORT, 60.0), tick_s=19.0, settle_s=3600.0)
