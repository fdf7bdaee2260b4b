"""Events of a stream: cut anywhere, ended in any of the standard's ways."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.llm.sse import LINE_MAX, Events

TEXTS = ["Größe 🌡", '{"a": 1}', "52 °C", "[DONE]", "日本"]


def all_of(*chunks: bytes) -> list[str]:
    events = Events()
    found = [event for chunk in chunks for event in events.feed(chunk)]
    return [*found, *events.end()]


@given(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 400), max_size=30),
)  # fmt: skip
def test_wherever_it_is_cut_it_is_the_same(texts: list[str], end: str, cuts: list[int]) -> None:
    whole = "".join(f": ping{end}event: x{end}data: {text}{end}{end}" for text in texts).encode()
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    chunks = [whole[begin:stop] for begin, stop in itertools.pairwise(places)]
    assert all_of(*chunks) == texts


def test_an_event_of_several_lines_and_one_without_a_space() -> None:
    assert all_of(b"data: one\ndata:two\nid: 7\n\n") == ["one\ntwo"]


def test_comments_and_empty_lines_are_no_events() -> None:
    assert all_of(b"\n\n: alive\n\nretry: 3\n\n") == []


def test_the_last_event_counts_without_its_empty_line() -> None:
    assert all_of(b"data: a\n\ndata: [DONE]\n") == ["a", "[DONE]"]
    assert all_of(b"data: a\n\ndata: [DONE]") == ["a", "[DONE]"]


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert all_of(b"data: a\xff\xfeb\n\n") == ["a\ufffd\ufffdb"]


def test_an_error_that_stands_in_a_field_of_its_own() -> None:
    assert all_of(b'error: {"code": 500, "message": "no"}\n\n') == ['{"error": {"code": 500, "message": "no"}}']


def test_a_line_without_an_end_and_an_event_without_an_end_are_not_kept() -> None:
    with pytest.raises(ValueError, match="more than"):
        all_of(b"data: " + b"x" * (LINE_MAX // 2), b"x" * LINE_MAX)
    line = b"data: " + b"x" * 100_000 + b"\n"
    with pytest.raises(ValueError, match="more than"):
        all_of(*[line] * 12)
