"""A stretch of time that a question means: what ``understanding`` found, or last night, today, so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.assistant.answers.words import DAY_S
from jarvis_daemon.incidents.lines import span

NIGHT_BEGINS: Final = 22
NIGHT_ENDS: Final = 8


@dataclass(frozen=True)
class Period:
    """From ``since`` to ``until`` (Unix seconds); ``said``: as it is named in a sentence."""

    since: float
    until: float
    said: str

    def holds(self, at: float) -> bool:
        return self.since <= at <= self.until


def last_night(now: float) -> Period:
    """From ten in the evening before to eight this morning, local time, as far as it is over."""
    morning = at_hour(now, NIGHT_ENDS)
    evening = at_hour(at_hour(now, 12) - DAY_S, NIGHT_BEGINS)
    if now < at_hour(now, 4):  # one who asks at two means the night that goes on
        return Period(evening, now, "tonight")
    return Period(evening, min(now, morning), "last night")


def today(now: float) -> Period:
    return Period(at_hour(now, 0), now, "today")


def yesterday(now: float) -> Period:
    return Period(at_hour(at_hour(now, 12) - DAY_S, 0), at_hour(now, 0), "yesterday")


def this_morning(now: float) -> Period:
    return Period(min(now, at_hour(now, 4)), now, "this morning")


def this_week(now: float) -> Period:
    """From Monday on."""
    return Period(_monday(now), now, "this week")


def last_week(now: float) -> Period:
    end = _monday(now)
    return Period(_monday(end - DAY_S), end, "last week")


def this_month(now: float) -> Period:
    return Period(_first(now), now, "this month")


def last_month(now: float) -> Period:
    end = _first(now)
    return Period(_first(end - DAY_S), end, "last month")


def lasting(now: float, seconds: float) -> Period:
    return Period(now - seconds, now, f"in the last {span(seconds)}")


def at_hour(at: float, hour: int) -> float:
    """That hour of the local day of ``at``."""
    here = time.localtime(at)
    return time.mktime((here.tm_year, here.tm_mon, here.tm_mday, hour, 0, 0, 0, 0, -1))


def _monday(at: float) -> float:
    """The begin of its week; by noons, since days have 23 to 25 hours."""
    return at_hour(at_hour(at, 12) - time.localtime(at).tm_wday * DAY_S, 0)


def _first(at: float) -> float:
    here = time.localtime(at)
    return time.mktime((here.tm_year, here.tm_mon, 1, 0, 0, 0, 0, 0, -1))


NAMED: Final[dict[str, Callable[[float], Period]]] = {
    "last night": last_night, "today": today, "yesterday": yesterday, "this morning": this_morning,
    "this week": this_week, "last week": last_week, "this month": this_month, "last month": last_month,
    "now": lambda now: lasting(now, 3600.0), "recently": lambda now: lasting(now, DAY_S),
}  # fmt: skip
"""What the list ``period`` of sentence files gives, beside seconds."""


def meant(value: Any, now: float, otherwise: Period) -> Period:
    """What a slot of list ``period`` or ``duration`` stands for; ``otherwise`` where it is neither."""
    if isinstance(value, str):
        make = NAMED.get(value)
        return make(now) if make is not None else otherwise
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 3660 * DAY_S:
        return lasting(now, float(value))
    return otherwise
