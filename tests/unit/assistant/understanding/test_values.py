"""Numbers, durations, sizes, levels and stretches of the past, as people say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.understanding import values
from jarvis_daemon.assistant.understanding.numbers import spoken, whole

NUMBERS = {
    "one hundred and four": 104, "104": 104, "a hundred": 100, "nine thousand": 9000, "twenty-two": 22,
    "twenty two": 22, "a dozen": 12, "two dozen": 24, "nine thousand and five": 9005, "nineteen hundred": 1900,
    "five hundred thousand and one": 500_001, "one hundred and twenty-two": 122, "zero": 0,
    "two million": 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("said", NUMBERS)
def test_numbers(said: str) -> None:
    words = said.split()
    assert whole(words, 0) == (NUMBERS[said], len(words))


@pytest.mark.parametrize(
    ("said", "number", "words"),
    [("one two", 1, 1), ("one hundred and gitea", 100, 2), ("twenty eleven", 20, 1), ("five and six", 5, 1)],
)
def test_a_number_ends_where_it_ends(said: str, number: int, words: int) -> None:
    assert whole(said.split(), 0) == (number, words)


@pytest.mark.parametrize("said", ["hundred", "and", "plex", "1.5", "x104", "", "-4", "٤"])
def test_no_number(said: str) -> None:
    assert whole([said], 0) is None


@given(st.integers(0, 999))
def test_a_number_in_words_is_that_number(value: int) -> None:
    words = spoken(value).split()
    assert whole(words, 0) == (value, len(words))


DURATIONS = {
    "half an hour": 1800, "2h": 7200, "1h30m": 5400, "two days": 172_800, "an hour and a half": 5400,
    "one and a half hours": 5400, "90 minutes": 5400, "a couple of hours": 7200, "1.5h": 5400, "a week": 604_800,
    "2 hours and 30 minutes": 9000, "thirty seconds": 30, "half a day": 43_200, "a fortnight": 1_209_600,
}  # fmt: skip


@pytest.mark.parametrize("said", DURATIONS)
def test_durations(said: str) -> None:
    words = said.split()
    assert values.duration(words, 0) == (DURATIONS[said], len(words))


def test_a_duration_does_not_swallow_what_follows() -> None:
    assert values.duration(["2", "hours", "and", "gitea"], 0) == (7200, 2)
    assert values.duration(["2", "guests"], 0) is None


@pytest.mark.parametrize(
    ("said", "size"), [("4gb", 4 << 30), ("two gigabytes", 2 << 30), ("512 mb", 512 << 20), ("1.5 tb", 3 << 39)]
)
def test_sizes(said: str, size: int) -> None:
    words = said.split()
    assert values.size(words, 0) == (size, len(words))


@pytest.mark.parametrize(
    ("said", "level"), [("l3", 3), ("level three", 3), ("4", 4), ("observe", 0), ("act and report", 3)]
)
def test_levels(said: str, level: int) -> None:
    words = said.split()
    assert values.level(words, 0) == (level, len(words))


@pytest.mark.parametrize("said", ["l5", "5", "level nine", "l", "level"])
def test_no_level(said: str) -> None:
    assert values.level(said.split(), 0) is None


PERIODS = {
    "last night": "last night", "the last two hours": 7200.0, "the past week": 604_800.0, "today": "today",
    "last week": "last week", "past 2h": 7200.0, "the last hour": 3600.0, "overnight": "last night",
}  # fmt: skip


@pytest.mark.parametrize("said", PERIODS)
def test_stretches_of_the_past(said: str) -> None:
    words = said.split()
    assert values.period(words, 0) == (PERIODS[said], len(words))


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "half",
                "an",
                "hour",
                "and",
                "one",
                "hundred",
                "2h",
                "last",
                "the",
                "level",
                "4gb",
                "#3",
                "twenty-one",
            ]
        ),
        max_size=8,
    )
)
def test_any_words_have_spans_within_them(words: list[str]) -> None:
    for first, end, name, _ in values.spans(words):
        assert 0 <= first < end <= len(words), name
