"""What goes out now, what waits, what need not go: a pure function of what is queued and of the moment.

One message goes as it is. Several that had to wait (quiet hours, a channel that was down), or more than five within
a minute, go as one digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from jarvis_daemon.notify.outbox import Row, Told
from jarvis_daemon.notify.routes import ENDS, RANK, is_urgent

GATHER_S: Final = 2.0
"""What happens within this belongs together."""
STORM_MESSAGES: Final = 5
STORM_S: Final = 60.0
SETTLE_S: Final = 10.0
"""A storm that paused for so long is told; at the latest after ``STORM_S``."""
SAME_S: Final = 900.0
LOOK_AGAIN_S: Final = 60.0
REPORT: Final = "report.daily"
QUIET: Final = "quiet hours"
SAME: Final = "told a moment before"


@dataclass(frozen=True)
class Moment:
    """``seen``: message id to the monotonic moment it was first seen; ``arrived``: how many within ``STORM_S``."""

    now: float
    mono: float
    quiet: bool
    was_down: bool
    seen: Mapping[int, float]
    arrived: int
    last_digest: float


@dataclass
class Choice:
    """``lots``: each is one parcel, of more than one row a digest. ``wait_s``: when to look again."""

    lots: list[list[Row]] = field(default_factory=list)
    hold: dict[str, list[int]] = field(default_factory=dict)
    skip: list[int] = field(default_factory=list)
    wait_s: float = LOOK_AGAIN_S

    def wait(self, seconds: float) -> None:
        self.wait_s = max(0.05, min(self.wait_s, seconds))


def choose(rows: Sequence[Row], told: Sequence[Told], at: Moment) -> Choice:
    """``rows``: queued and in no parcel yet, oldest first; ``told``: what was sent within ``SAME_S``."""
    choice = Choice()
    ready = _without_repeats(rows, told, at, choice)
    if at.quiet:
        held = [row for row in ready if not (is_urgent(row.kind, row.severity) or row.kind == REPORT)]
        _hold(choice, QUIET, held)
        ready = [row for row in ready if row not in held]
    reports = [row for row in ready if row.kind == REPORT and not (at.was_down or row.held)]
    choice.lots += [[row] for row in reports]
    ready = [row for row in ready if row not in reports]
    if not ready:
        return choice
    first, last = min(at.seen[row.id] for row in ready), max(at.seen[row.id] for row in ready)
    if (left := first + GATHER_S - at.mono) > 0:
        choice.wait(left)
        return choice
    waited = at.was_down or any(row.held not in ("", SAME) for row in ready)
    if not waited and at.arrived > STORM_MESSAGES:
        due = max(min(first + STORM_S, last + SETTLE_S), at.last_digest + STORM_S)
        if (left := due - at.mono) > 0:
            choice.wait(left)
            return choice
        waited = True
    choice.lots += [ready] if waited else [[row] for row in ready]
    return choice


def _without_repeats(rows: Sequence[Row], told: Sequence[Told], at: Moment, choice: Choice) -> list[Row]:
    """What is news. A fault that came back soon after it was told is told again only if it stays."""
    ready: list[Row] = []
    closings = {row.incident or "": row for row in rows if row.kind == "incident.closed"}
    over: set[int] = set()
    for row in rows:
        if row.id in over:
            continue
        before = _told_before(row, told, at.now)
        if before is None:
            ready.append(row)
            continue
        closing = closings.get(row.incident or "?")
        if row.kind == "incident.opened" and closing is None:
            _hold(choice, SAME, [row])
            choice.wait(before.sent_at + SAME_S - at.now)
            continue
        choice.skip.append(row.id)
        if row.kind == "incident.opened" and closing is not None:
            choice.skip.append(closing.id)
            over.add(closing.id)
    return ready


def _told_before(row: Row, told: Sequence[Told], now: float) -> Told | None:
    if row.kind in ENDS or row.kind == REPORT:
        return None
    return next(
        (
            one for one in reversed(told)
            if one.what == row.what and abs(now - one.sent_at) < SAME_S
            and RANK.get(one.severity, 0) >= RANK.get(row.severity, 0)
        ),
        None,
    )  # fmt: skip


def _hold(choice: Choice, why: str, rows: Sequence[Row]) -> None:
    fresh = [row.id for row in rows if row.held != why]
    if fresh:
        choice.hold.setdefault(why, []).extend(fresh)
