"""Times as people say them; asked on Friday 15 January 2027 at 08:00 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.memory.when import find
from tests.unit.assistant.memory.conftest import MORNING


def utc(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "since", "until", "rest"),
    [
        ("the NAS last week", "2027-01-04 00:00", "2027-01-11 00:00", "the NAS"),
        ("what broke yesterday", "2027-01-14 00:00", "2027-01-15 00:00", "what broke"),
        ("yesterday evening", "2027-01-14 18:00", "2027-01-14 23:00", ""),
        ("the day before yesterday", "2027-01-13 00:00", "2027-01-14 00:00", ""),
        ("last night plex died", "2027-01-14 21:00", "2027-01-15 08:00", "plex died"),
        ("today", "2027-01-15 00:00", "2027-01-16 00:00", ""),
        ("this morning", "2027-01-15 05:00", "2027-01-15 12:00", ""),
        ("on Monday", "2027-01-11 00:00", "2027-01-12 00:00", ""),
        ("friday", "2027-01-15 00:00", "2027-01-16 00:00", ""),
        ("last friday", "2027-01-08 00:00", "2027-01-09 00:00", ""),
        ("on Saturday night", "2027-01-09 21:00", "2027-01-10 07:00", ""),
        ("since Wednesday", "2027-01-13 00:00", "2027-01-15 08:00", ""),
        ("plex in the last 3 days", "2027-01-12 08:00", "2027-01-15 08:00", "plex"),
        ("over the past two weeks", "2027-01-01 08:00", "2027-01-15 08:00", ""),
        ("in the last hour", "2027-01-15 07:00", "2027-01-15 08:00", ""),
        ("the past week", "2027-01-08 08:00", "2027-01-15 08:00", ""),
        ("two days ago", "2027-01-13 00:00", "2027-01-14 00:00", ""),
        ("a week ago", "2027-01-07 00:00", "2027-01-10 00:00", ""),
        ("3 hours ago", "2027-01-15 04:30", "2027-01-15 05:30", ""),
        ("this week", "2027-01-11 00:00", "2027-01-15 08:00", ""),
        ("last weekend", "2027-01-09 00:00", "2027-01-11 00:00", ""),
        ("last month", "2026-12-01 00:00", "2027-01-01 00:00", ""),
        ("last year", "2026-01-01 00:00", "2027-01-01 00:00", ""),
        ("on 2027-01-03", "2027-01-03 00:00", "2027-01-04 00:00", ""),
        ("on January 3rd", "2027-01-03 00:00", "2027-01-04 00:00", ""),
        ("the 24th of December", "2026-12-24 00:00", "2026-12-25 00:00", ""),
        ("14 March 2025", "2025-03-14 00:00", "2025-03-15 00:00", ""),
        ("in November", "2026-11-01 00:00", "2026-12-01 00:00", ""),
    ],
)
def test_a_phrase_is_a_span_and_is_taken_out(text: str, since: str, until: str, rest: str) -> None:
    span, left = find(text, MORNING)
    assert span is not None
    assert abs(span.since - utc(since)) <= 1
    assert abs(span.until - utc(until)) <= 1
    assert left == rest


@pytest.mark.parametrize(
    "text",
    [
        "the NAS",
        "may I ask",
        "the second disk",
        "on 2027-13-45",
        "31 February",
        "weeks of work",
        "march on",
        "guest 104",
        "",
    ],
)
def test_what_names_no_time_names_none(text: str) -> None:
    assert find(text, MORNING) == (None, text)


def test_days_are_those_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    span, _ = find("yesterday", utc("2027-03-28 12:00"))  # the clocks went forward that night
    assert span is not None
    assert (span.since, span.until) == (utc("2027-03-26 23:00"), utc("2027-03-27 23:00"))
    span, _ = find("today", utc("2027-03-28 12:00"))
    assert span is not None
    assert span.until - span.since == 23 * 3600


@given(st.text(max_size=300), st.floats(min_value=0, max_value=4e9))
def test_any_text_at_any_time_is_read(text: str, now: float) -> None:
    span, rest = find(text, now)
    assert (span is None and rest == text) or (span is not None and len(rest) <= len(text))
