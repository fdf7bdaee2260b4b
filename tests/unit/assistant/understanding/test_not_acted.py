"""Sentences that must not act: not one of them is an order, whatever else becomes of it."""

from __future__ import annotations

import re
from typing import Final

import pytest

from jarvis_daemon.assistant.understanding.understood import Understood
from tests.unit.assistant.understanding.lab import ROOT, Lab

FILE: Final = ROOT / "tests/data/sentences/not_acted.txt"
_ESCAPE: Final = re.compile(r"\\(n|r|e|a|u[0-9a-f]{4})")
_MEANT: Final = {"n": "\n", "r": "\r", "e": "\x1b", "a": "\x07"}


def sentences() -> list[tuple[str, str]]:
    """Category and sentence."""
    found, category = [], ""
    for line in FILE.read_text("utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            category = line[1:-1]
        elif line and not line.startswith("#"):
            text = _ESCAPE.sub(lambda m: _MEANT.get(m[1]) or chr(int(m[1][1:], 16)), line)
            found.append((category, text))
    return found


ALL: Final = sentences()


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 180
    assert len({category for category, _ in ALL}) >= 10
    assert len(set(ALL)) == len(ALL)


@pytest.mark.parametrize(("category", "sentence"), ALL)
def test_it_is_no_order(shared: Lab, category: str, sentence: str) -> None:
    understood = shared.understanding.parse(sentence)
    assert understood.kind in {"blocked", "unknown"}, understood
    assert not understood.tool
    assert not understood.args
    if understood.kind == "blocked":
        assert understood.text.endswith("."), understood
        assert "\x1b" not in understood.text
    if category in {"negated", "conditional", "quoted", "several", "timed"}:
        assert understood.suggestion is None, understood


SAYS_WHY: Final = {
    "don't restart plex": "That says not to",
    "if plex is down restart it": "That depends on something",
    "restart plex tomorrow": "That is for another time",
    "restart plex and gitea": "That is more than one thing",
    "restart all guests": "That could be more than one thing",
    'the log says "reboot pve"': "That quotes somebody",
    "restart plex?": "That is a question",
    "I restarted plex": "That is a report or a wish",
    "restart plex\u202e": "hidden characters",
    "restart foo": "I know nothing called “foo”",
    "restart plexx": "I know nothing called “plexx”; there is plex",
    "restart smbd": "More than one service is called smbd: smbd on Home; smbd on pve",
    "silence gitea": "There is no open incident about “gitea”, so nothing was done.",
    "drain plex": "There is no node called “plex”, so nothing was done.",
    "move gitea to plex": "There is no node called “plex”",
    "lift the silence over gitea": "There is no silence over “gitea”",
    "back up pve": "There is no guest called “pve”",
    "backup home assistant": "I know nothing called “home assistant”, so nothing was done.",
    "restart 999": "I know nothing called “999”",
    "give gitea 9999 cores": "“9999” does not fit, so nothing was done: cores is at most 512.",
    "grow disk scsi0 of truenas by 1.5 gb": "“1.5 gb” is no whole number of GiB, so nothing was done.",
    "engage the kill switch": "`jarvis kill` engages the kill switch",
    "stop everything": "`jarvis kill` stops all that acts",
    "roll gitea back to yesterday": "“yesterday” is no name",
    "show the biggest files in tmp on pve": "“tmp” does not fit, so nothing was done: path is an absolute path.",
    "tag gitea as Dev!": "“Dev” does not fit, so nothing was done: tag is a tag, lower case.",
    "restart samba on pve": "I know nothing called “samba on pve”",
}


@pytest.mark.parametrize("sentence", SAYS_WHY)
def test_it_says_why(shared: Lab, sentence: str) -> None:
    understood = shared.understanding.parse(sentence)
    assert understood.kind == "blocked"
    assert SAYS_WHY[sentence] in understood.text


SUGGESTED: Final = {
    "restart plexx": "restart plex",
    "restrat plex": "restart plex",
    "restar plex": "restart plex",
    "reboto gitea": "reboot gitea",
    "strat plex": "start plex",
    "shut plx down": "shut plex down",
    "should I restart plex?": "restart plex",
    "restart plex?": "restart plex",
    "hybernate windows11": "hibernate windows11",
}


@pytest.mark.parametrize("sentence", SUGGESTED)
def test_a_slip_is_answered_with_a_sentence_of_ours_that_would_be_understood(shared: Lab, sentence: str) -> None:
    understood = shared.understanding.parse(sentence)
    assert understood.suggestion == SUGGESTED[sentence]
    assert shared.understanding.parse(understood.suggestion).kind == "order"


TURNED: Final = (
    "trust storage-high", "trust the runbook storage-high", "unsilence plex", "unstop plex", "heal plex",
    "watch plex", "clean pve", "train pve", "rain pve", "resume pve", "power agent", "make agent", "wale agent",
    "stat plex", "brain pve", "clean agent1", "unpatch plex", "undrain pve", "hold plex", "close plex",
    "check plex", "free pve", "rest plex", "park plex", "unkill plex", "untag plex",
)  # fmt: skip


@pytest.mark.parametrize("sentence", TURNED)
def test_a_suggestion_never_turns_the_meaning_round(shared: Lab, sentence: str) -> None:
    understood = shared.understanding.parse(sentence)
    assert understood.kind in {"unknown", "blocked"}, understood
    assert understood.suggestion is None or shared.understanding.parse(understood.suggestion).kind == "question"


HUGE: Final = {
    "empty": "", "blank": "   ", "lines": "\n\n", "a long word": "x" * 100_000,
    "100 KB of orders": "restart plex " * 8_000,
    "nul": "\x00", "dots": "…", "quotes": "'" * 300, "a thousand words": "a " * 190,
}  # fmt: skip


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_what_is_empty_or_huge_is_unknown(shared: Lab, text: str) -> None:
    assert shared.understanding.parse(text) == Understood("unknown")
