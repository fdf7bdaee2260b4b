"""Text from outside: nothing in it reaches a terminal as anything but text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.protocol.text import clean, clean_block


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plex", "plex"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("\x9b2Jgone", "gone"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("bell\x07tab\tline\nend", "bell tab line end"),
        ("emoji 🦊 stays", "emoji 🦊 stays"),
        ("\x1b", ""),
    ],
)
def test_one_line(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_lines_of_a_log_stay_lines() -> None:
    assert clean_block("one\n\x1b[2Jtwo\x08\r\n") == "one\ntwo  \n"


def test_it_is_cut_with_an_ellipsis() -> None:
    assert clean("x" * 500, limit=10) == "x" * 9 + "…"


@given(st.text())
def test_no_control_or_bidi_character_is_left(text: str) -> None:
    shown = clean(text)
    assert not [c for c in shown if unicodedata.category(c) == "Cc"]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f")
    assert clean(shown) == shown
