"""Stretches of time as people mean them, in local time, also where a day has 23 or 25 hours."""

from __future__ import annotations

import time

import pytest

from jarvis_daemon.assistant.answers import period
from jarvis_daemon.assistant.answers.period import NAMED, meant
from jarvis_daemon.assistant.answers.words import ago, listing, moment, percent, size


def at(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M"))


def shown(one: period.Period) -> tuple[str, str, str]:
    form = "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(one.since)), time.strftime(form, time.localtime(one.until)), one.said


FRIDAY = "2027-01-15 09:30"


@pytest.mark.parametrize(("name", "since", "until"), [
    ("last night", "2027-01-14 22:00", "2027-01-15 08:00"), ("today", "2027-01-15 00:00", FRIDAY),
    ("yesterday", "2027-01-14 00:00", "2027-01-15 00:00"), ("this morning", "2027-01-15 04:00", FRIDAY),
    ("this week", "2027-01-11 00:00", FRIDAY), ("last week", "2027-01-04 00:00", "2027-01-11 00:00"),
    ("this month", "2027-01-01 00:00", FRIDAY), ("last month", "2026-12-01 00:00", "2027-01-01 00:00"),
    ("recently", "2027-01-14 09:30", FRIDAY), ("now", "2027-01-15 08:30", FRIDAY),
])  # fmt: skip
def test_named(name: str, since: str, until: str) -> None:
    assert shown(NAMED[name](at(FRIDAY)))[:2] == (since, until)


def test_the_night_that_goes_on() -> None:
    assert shown(period.last_night(at("2027-01-15 02:00"))) == ("2027-01-14 22:00", "2027-01-15 02:00", "tonight")
    assert shown(period.last_night(at("2027-01-15 06:00")))[1] == "2027-01-15 06:00"


def test_days_of_23_and_25_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    spring, autumn = at("2027-03-29 12:00"), at("2027-11-01 12:00")
    assert shown(period.yesterday(spring))[:2] == ("2027-03-28 00:00", "2027-03-29 00:00")
    assert shown(period.yesterday(autumn))[:2] == ("2027-10-31 00:00", "2027-11-01 00:00")
    assert shown(period.this_week(at("2027-03-28 12:00")))[0] == "2027-03-22 00:00"
    assert shown(period.last_night(at("2027-03-28 09:00")))[0] == "2027-03-27 22:00"


def test_what_a_slot_means() -> None:
    now = at(FRIDAY)
    otherwise = period.today(now)
    assert meant(7200.0, now, otherwise).since == now - 7200
    assert meant("yesterday", now, otherwise).said == "yesterday"
    for nonsense in (None, "in a while", -5, 0, float("nan"), 1e12, True, object()):
        assert meant(nonsense, now, otherwise) is otherwise, nonsense


def test_words() -> None:
    now = at(FRIDAY)
    assert [listing(["a", "b", "c", "d"][:n], 3) for n in range(5)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        ("a, b and 2 more"),
    ]
    assert [size(n) for n in (None, 0, 999, 1024, 1 << 30, 5 << 40)] == [
        "an unknown amount", "0 B", "999 B", "1.0 KiB", "1.0 GiB", "5.0 TiB",
    ]  # fmt: skip
    assert [percent(s) for s in (0, 0.004, 0.5, 0.996, 1)] == ["0 %", "0.4 %", "50 %", "100 %", "100 %"]
    assert [moment(now, now - s) for s in (60, 86400, 3 * 86400, 20 * 86400)] == [
        "at 09:29", "yesterday at 09:30", "on Tue at 09:30", "on 26 Dec 2026",
    ]  # fmt: skip
    assert ago(now, now + 5) == "just now"
