"""Numbers that are kept: means, lows and highs by minute, hour and day (table ``metrics``).

Rows are added to, so a minute or an hour may be written in parts, by daemons that were killed in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from jarvis_daemon.store.database import Database

Resolution = Literal["minute", "hour", "day"]
SECONDS: Final[dict[Resolution, int]] = {"minute": 60, "hour": 3600, "day": 86400}
MINUTES_KEPT_S: Final = 2 * 86400.0
ROWS_MAX: Final = 500_000
"""Of guests at most about so many rows an hour and a day each: with more guests fewer days are kept."""


class Bucket(NamedTuple):
    """Where a number belongs; ``at`` is the begin of the minute or hour, Unix seconds."""

    entity: str
    metric: str
    resolution: Resolution
    at: int


class Sum:
    """Count, total, lowest and highest of the numbers of one bucket."""

    __slots__ = ("high", "low", "n", "total")

    def __init__(self, value: float) -> None:
        self.n, self.total, self.low, self.high = 1, value, value, value

    def add(self, value: float) -> None:
        self.n += 1
        self.total += value
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value

    def merge(self, other: Sum) -> None:
        self.n += other.n
        self.total += other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)


def write(db: Database, cluster: str, sums: Iterable[tuple[Bucket, Sum]]) -> None:
    """Add to the rows."""
    db.conn.executemany(
        "insert into metrics (cluster, entity, metric, resolution, at, n, total, low, high) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set n = n + excluded.n, "
        "total = total + excluded.total, low = min(low, excluded.low), high = max(high, excluded.high)",
        [(cluster, *bucket, s.n, s.total, s.low, s.high) for bucket, s in sums],
    )


def write_absent(db: Database, cluster: str, values: Iterable[tuple[Bucket, float]]) -> None:
    """What PVE remembers of a time that we did not see; never beside numbers of our own."""
    db.conn.executemany(
        "insert or ignore into metrics (cluster, entity, metric, resolution, at, n, total, low, high) "
        "values (?, ?, ?, ?, ?, 1, ?, ?, ?)",
        [(cluster, *bucket, value, value, value) for bucket, value in values],
    )


def read(
    db: Database, cluster: str, entity: str, metric: str, resolution: Resolution, start_at: float, end_at: float
) -> list[tuple[int, int, float]]:
    """(moment, count, total) of the buckets within, oldest first."""
    rows = db.execute(
        "select at, n, total from metrics where cluster = ? and entity = ? and metric = ? and resolution = ? "
        "and at >= ? and at < ? order by at",
        [cluster, entity, metric, resolution, int(start_at), int(end_at) + 1],
    )
    return [(int(at), int(n), float(total)) for at, n, total in rows]


def roll_days(db: Database, cluster: str, since: float) -> None:
    """Days out of hours, for the days from ``since`` on; may be done again and again."""
    day = SECONDS["day"]
    first = int(since // day) * day
    db.execute(
        "insert or replace into metrics (cluster, entity, metric, resolution, at, n, total, low, high) "
        "select cluster, entity, metric, 'day', at / ? * ?, sum(n), sum(total), min(low), max(high) "
        "from metrics where cluster = ? and resolution = 'hour' and at >= ? group by 1, 2, 3, 5",
        [day, day, cluster, first],
    )


def sweep(db: Database, cluster: str, now: float, retention_days: float, guests: int) -> int:
    """Delete what is past its time; returns how many rows went."""
    hours_days = _clamp(ROWS_MAX / max(1, guests * 2 * 24), 3.0, max(3.0, retention_days))
    days_days = _clamp(ROWS_MAX / max(1, guests * 2), 30.0, 1826.0)
    limits = [
        ("resolution = 'minute'", now - MINUTES_KEPT_S),
        ("resolution = 'hour' and entity not like 'guest:%'", now - retention_days * 86400),
        ("resolution = 'hour' and entity like 'guest:%'", now - hours_days * 86400),
        ("resolution = 'day' and entity not like 'guest:%'", now - 1826 * 86400),
        ("resolution = 'day' and entity like 'guest:%'", now - days_days * 86400),
    ]
    gone = 0
    for which, limit in limits:
        cursor = db.execute(f"delete from metrics where cluster = ? and at < ? and {which}", [cluster, limit])  # noqa: S608
        gone += cursor.rowcount
    return gone


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
