"""No claim of a deed is ever shown that no call bears out; what claims nothing is not kept waiting."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.reasoning.claims import Claims, Piece, claims, safe_upto
from jarvis_daemon.protocol.mind import CallStatus, ChatCall

FALSE = [
    "I have restarted plex.", "I've stopped gitea.", "Done, plex has been rebooted.", "Done.",
    "Done, sir.", "I am restarting plex now.", "Restarting plex…", "Restarted plex.",
    "Successfully restarted plex.",
    "The VM plex has just been successfully restarted.", "Certainly, sir; I have restarted plex.",
    "I've gone ahead and restarted plex.", "I took a snapshot of plex.", "I have taken a snapshot of plex.",
    "A snapshot of plex has been created.", "I've turned plex off.", "Your VM plex has been powered on.",
    "I have moved gitea to agent1.", "I deleted the backup.", "Consider it done.", "Plex rebooted successfully.",
    "Plex has been brought back up.", "It has been taken care of.", "✅ Restarted plex.",
    "**Done** - plex restarted.",
    "As you requested, I have restarted plex.", "We have shut down gitea.", "plex is now stopped.",
    "I just bounced smbd and rebooted plex.", "The updates have been installed.",
]  # fmt: skip
INNOCENT = [
    "The node pve is at 52 °C.", "Plex is stopped.", "plex has been running since Monday.", "Shall I restart plex?",
    "I will restart plex.", "I have not restarted plex.", "If plex has been restarted, look again.",
    "Nothing was stopped.", "You have restarted plex.", "I can restart it for you.", "I have looked at the logs.",
    "Has plex been restarted?", "No guest was stopped.", "It should be restarted.", "It could have been rebooted.",
    "It needs to be restarted.", "Temperatures are normal.", "There are 18 guests.", "1 of 4 nodes is offline.",
    "I would have restarted plex.", "To stop it, say so.",
]  # fmt: skip


def call(name: str = "reboot_vm", target: str = "plex", status: CallStatus = "verified", **more: Any) -> ChatCall:
    return ChatCall(
        id="m1", name=name, args={"guest": target}, tier=more.pop("tier", "red"), status=status,
        target=f"guest:{target}", target_name=target, **more,
    )  # fmt: skip


def run(
    text: str, cuts: list[int], made: list[ChatCall], ordered: set[str], names: set[str], *, question: bool = False
) -> tuple[str, list[str]]:  # fmt: skip
    """What stands at the end, and everything that was ever on the screen."""
    filter_ = Claims(made, ordered, names, question=question)
    shown, screens = "", []
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    pieces: list[Piece] = []
    for at, end in pairwise(edges):
        pieces += filter_.feed(text[at:end])
    pieces += filter_.settle()
    for piece in pieces:
        shown = piece.text if piece.instead else shown + piece.text
        screens.append(shown)
    assert shown == filter_.stands
    return shown, screens


@pytest.mark.parametrize("sentence", FALSE)
def test_a_false_claim_is_known(sentence: str) -> None:
    assert claims(sentence)
    shown, _ = run(f"Let me see. {sentence} That is all.", [], [], {"restart"}, {"plex", "gitea"})
    assert sentence not in shown
    assert "in truth I have done nothing" in shown
    assert shown.startswith("Let me see. ")
    assert shown.endswith("That is all.")


@pytest.mark.parametrize("sentence", INNOCENT)
def test_what_claims_nothing_passes_to_the_letter(sentence: str) -> None:
    assert claims(sentence, {"restart"}) == set()
    assert run(f"Well. {sentence} So be it.", [], [], {"restart"}, {"plex"})[0] == f"Well. {sentence} So be it."


@given(
    st.lists(st.sampled_from([*FALSE, *INNOCENT]), max_size=6), st.lists(st.integers(0, 500), max_size=80),
    st.sampled_from([" ", "\n", "  "]), st.booleans(),
)  # fmt: skip
def test_no_cut_of_the_stream_shows_a_false_claim_or_changes_what_is_said(
    sentences: list[str], cuts: list[int], between: str, ordered: bool
) -> None:
    text = between.join(sentences)
    acts = {"restart"} if ordered else set[str]()
    whole, _ = run(text, [], [], acts, {"plex", "gitea"})
    shown, screens = run(text, cuts, [], acts, {"plex", "gitea"})
    assert shown == whole
    for screen in screens:
        for sentence in sentences:
            if sentence in FALSE and (claims(sentence, acts) - {"done"} or ordered):
                heart = re.split(r"[.…]", sentence)[0].strip()
                assert heart not in screen, (screen, heart)


@given(st.text(max_size=300), st.lists(st.integers(0, 300), max_size=30))
def test_any_text_keeps_its_sense_however_it_is_cut(text: str, cuts: list[int]) -> None:
    assert run(text, cuts, [], set(), set())[0] == run(text, [], [], set(), set())[0]


def test_the_first_word_of_an_answer_does_not_wait() -> None:
    for text in ("The ", "Plex ", "pve", "There", "52 °C", "Nothing ", "Certainly, sir; the "):
        assert Claims([], set(), set()).feed(text) == [Piece(text)]
    filter_ = Claims([], {"restart"}, {"plex"})
    assert filter_.feed("I ") == []
    assert filter_.feed("have ") == []
    assert filter_.feed("looked ") == [Piece("I have looked ")]
    assert safe_upto("The guest has been ") == len("The guest ")


def test_a_claim_that_a_call_bears_out_stands() -> None:
    for sentence in ("I have restarted plex.", "Done, plex has been rebooted.", "Done.", "Restarted plex."):
        assert run(sentence, [3, 9], [call()], {"restart"}, {"plex", "gitea"})[0] == sentence


def test_it_has_to_be_the_very_deed_on_the_very_thing() -> None:
    names = {"plex", "gitea"}
    for sentence, made in (
        ("I have restarted gitea.", call()),
        ("I have stopped plex.", call()),
        ("I have restarted plex and gitea.", call()),
        ("I have restarted plex.", call(status="unverified")),
        ("I have restarted plex.", call("get_vms", tier="green", status="done")),
    ):
        assert sentence not in run(sentence, [], [made], {"restart", "stop"}, names)[0], sentence
    assert run("I restarted plex, while gitea runs on.", [], [call()], {"restart"}, names)[0].startswith(
        "I restarted"
    )
    both = [call(), call(target="gitea")]
    assert "plex and gitea" in run("I have restarted plex and gitea.", [], both, {"restart"}, names)[0]


def test_what_is_so_instead_is_told() -> None:
    waits = call(status="awaiting", approval_id="4f2a1c")
    told = run("I have restarted plex.", [], [waits], {"restart"}, {"plex"})[0]
    assert told.strip() == "That is not done yet: reboot_vm on plex waits for your approval 4f2a1c."
    failed = call(status="failed", text="Restart plex: it is locked. Nothing was done.")
    assert "it is locked" in run("I have restarted plex.", [], [failed], {"restart"}, {"plex"})[0]


def test_the_beginning_of_a_withheld_sentence_is_taken_back() -> None:
    filter_ = Claims([], {"restart"}, {"plex"})
    assert filter_.feed("Let me see. The VM plex ") == [Piece("Let me see."), Piece(" The VM plex ")]
    assert filter_.feed("has been restarted.") == []
    (piece,) = filter_.settle()
    assert piece.instead
    assert piece.text.startswith("Let me see. I was about to say")
    assert filter_.caught == ["The VM plex has been restarted."]


def test_a_claim_made_before_its_call_waits_for_it() -> None:
    made: list[ChatCall] = []
    filter_ = Claims(made, {"restart"}, {"plex"})
    assert filter_.feed("I am restarting plex now. One moment.") == []
    made.append(call())
    assert "".join(piece.text for piece in filter_.settle()) == "I am restarting plex now. One moment."


def test_a_report_of_what_was_read_is_no_claim() -> None:
    read = [call("get_recent_tasks", tier="green", status="done")]
    for sentence in (
        "plex was stopped by root@pam at 10:42.", "plex has been stopped.",
        "The watchman restarted plex last night.",
        "I restarted plex last night at 03:12.",
    ):  # fmt: skip
        assert run(sentence, [], read, set(), {"plex"})[0] == sentence
    for sentence in ("gitea was moved to pve on Monday.", "gitea has been moved.", "I ran a check on gitea."):
        assert run(sentence, [], read, set(), {"gitea"}, question=True)[0] == sentence
    told = "gitea was restarted on Monday."  # from a memory: nothing was called
    assert run(told, [], [], set(), {"gitea"}, question=True)[0] == told
    assert "in truth" in run("I have restarted plex.", [], [], set(), {"plex"}, question=True)[0]
    assert "in truth" in run("I restarted plex at 10:42.", [], read, {"restart"}, {"plex"})[0]
    assert "in truth" in run("I have restarted plex.", [], read, set(), {"plex"})[0]
    assert "in truth" in run("plex has been restarted.", [], read, {"restart"}, {"plex"})[0]
