"""The text of an answer on a terminal: however it is cut into pieces, the same is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_cli.cells import width
from jarvis_cli.prose import Prose
from jarvis_cli.style import Look

PLAIN = Look(colors=0, unicode=True, width=40)
COLOURED = Look(colors=16, unicode=True, width=40)


def shown(text: str, look: Look = PLAIN) -> str:
    prose = Prose(look)
    return prose.feed(text) + prose.end()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("All is well.", ["All is well."]),
        ("one **two** three", ["one two three"]),
        ("## Heading\nbelow", ["Heading", "below"]),
        ("- a\n- b", ["- a", "- b"]),
        ("2 * 3 * 4 is 24", ["2 * 3 * 4 is 24"]),
        ("`jarvis status` tells", ["`jarvis status` tells"]),
        ("```\nsystemctl  restart  smbd\n```\ndone", ["systemctl  restart  smbd", "done"]),
        ("a_b_c and #5 and C#", ["a_b_c and #5 and C#"]),
        ("a\n\nb", ["a", "", "b"]),
        ("**never closed\nnext", ["never closed", "next"]),
        ("\x1b[31mred\x1b[0m \u202eevil", ["red evil"]),
    ],
)
def test_a_little_markdown(text: str, lines: list[str]) -> None:
    assert shown(text).splitlines() == lines


def test_colours_where_there_are_any() -> None:
    assert shown("**b** `c`", COLOURED) == "\x1b[1mb\x1b[0m \x1b[36mc\x1b[0m"
    assert shown("# h", COLOURED) == "\x1b[1mh\x1b[0m"


def test_items_hang_and_words_stay_whole() -> None:
    text = "- the node agent1 is warm since yesterday evening, and nobody knew it"
    assert shown(text).splitlines() == [
        "- the node agent1 is warm since", "  yesterday evening, and nobody knew it",
    ]  # fmt: skip


def test_what_is_whole_is_written_at_once() -> None:
    prose = Prose(PLAIN)
    assert prose.feed("The no") == "The"
    assert prose.feed("de pve is ") == " node pve is"
    assert prose.feed("up.\n") == " up.\n"


def test_a_word_longer_than_the_line_is_not_held_for_ever() -> None:
    prose = Prose(PLAIN)
    assert len(prose.feed("x" * 5000)) > 4000
    assert shown("x" * 100_000).replace("\n", "") == "x" * 100_000


texts = st.text(alphabet="ab *`#-\n1.é云", max_size=120)


@settings(max_examples=150, deadline=None)
@given(texts, st.lists(st.integers(0, 120), max_size=8))
def test_the_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    prose, told, last = Prose(COLOURED), "", 0
    for cut in sorted(min(c, len(text)) for c in cuts):
        told += prose.feed(text[last:cut])
        last = cut
    told += prose.feed(text[last:]) + prose.end()
    assert told == shown(text, COLOURED)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_no_letter_is_lost_and_lines_fit(text: str) -> None:
    told = shown(text)
    assert re.sub(r"[^abé云]", "", told) == re.sub(r"[^abé云]", "", text)
    if "```" not in text:
        short = all(width(word) < 30 for word in text.split())
        assert not short or all(width(line.rstrip()) <= 40 for line in told.splitlines())
