"""A stretch of time that a question means: what ``understanding`` found, or last night, today, so many seconds."""

from __future__ import annotations

import time
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
    """From ten in the evening before to eight this morning, local time, as far as it is over; after ten in the
    evening still the one before."""
    morning = at_hour(now, NIGHT_ENDS)
    if now < at_hour(now, 4):  # one who asks at two means the night that goes on
        return Period(at_hour(now - DAY_S, NIGHT_BEGINS), now, "tonight")
    return Period(at_hour(morning - DAY_S, NIGHT_BEGINS), min(now, morning), "last night")


def today(now: float) -> Period:
    return Period(at_hour(now, 0), now, "today")


def yesterday(now: float) -> Period:
    return Period(at_hour(at_hour(now, 12) - DAY_S, 0), at_hour(now, 0), "yesterday")


def lasting(now: float, seconds: float) -> Period:
    return Period(now - seconds, now, f"in the last {span(seconds)}")


def at_hour(at: float, hour: int) -> float:
    """That hour of the local day of ``at``."""
    here = time.localtime(at)
    return time.mktime((here.tm_year, here.tm_mon, here.tm_mday, hour, 0, 0, 0, 0, -1))


def meant(value: Any, now: float, otherwise: Period) -> Period:
    """What a slot of list ``period`` or ``duration`` stands for: seconds back, or two moments."""
    if isinstance(value, Period):
        return value
    if isinstance(value, bool) or value is None:
        return otherwise
    if isinstance(value, int | float):
        return lasting(now, float(value)) if 0 < value < 3660 * DAY_S else otherwise
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
        return Period(float(value[0]), min(now, float(value[1])), "then")
    if isinstance(value, str):
        named = {"last_night": last_night, "night": last_night, "today": today, "yesterday": yesterday}
        make = named.get(value.strip().lower().replace(" ", "_"))
        return make(now) if make is not None else otherwise
    since = getattr(value, "since", None) or getattr(value, "since_at", None)
    until = getattr(value, "until", None) or getattr(value, "until_at", None) or now
    return Period(float(since), min(now, float(until)), "then") if isinstance(since, int | float) else otherwise
