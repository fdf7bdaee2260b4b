"""What a story says, in which words, and how grave it is."""

from __future__ import annotations

import pytest

from jarvis_daemon.protocol.state import Check, Repair, RepairStep
from jarvis_daemon.remediation import telling
from jarvis_daemon.remediation.words import inside, moment, span, spoken, story, why_not
from tests.unit.remediation.ward import Ward

AT = 1_800_000_000.0


def repair(**more: object) -> Repair:
    given = {"id": "1", "target": "guest:105", "target_name": "pihole", "seen": "pihole has stopped", "seen_at": AT}
    return Repair(**(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0.4, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5999, "1 h 40 min"), (6000, "1 h 40 min"),
        (7200, "2 h"), (86400, "24 h"),
    ],
)  # fmt: skip
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_story_tells_what_was_seen_decided_done_and_verified_with_times() -> None:
    told = story(repair(
        text="pihole is mended.", decided="start pihole", decided_at=AT + 10, status="repaired",
        steps=[
            RepairStep(tool="get_journal", text="keep its last lines", outcome="done", began_at=AT + 11),
            RepairStep(tool="start_container", text="start pihole", outcome="verified", ended_at=AT + 12),
        ],
        samples=[AT + 20, AT + 30],
    ))  # fmt: skip
    assert told == (
        f"pihole is mended. {moment(AT)} saw: pihole has stopped. {moment(AT + 10)} decided: start pihole. "
        f"{moment(AT + 11)} did: keep its last lines. {moment(AT + 12)} did: start pihole. "
        f"{moment(AT + 20)} and {moment(AT + 30)} verified by two fresh readings."
    )


def test_what_a_read_found_is_told_where_a_person_has_to_act() -> None:
    step = RepairStep(text="look at it", outcome="done", began_at=AT, result={"lines": ["exit 1"], "series": {}})
    assert "did: look at it: exit 1." in story(repair(text="So.", status="failed", steps=[step]))
    assert "did: look at it." in story(repair(text="So.", status="repaired", steps=[step]))


@pytest.mark.parametrize(
    ("target", "called"),
    [("guest:105", "pihole"), ("service:pve/smbd", "smbd on pve"), ("storage:pve/local", "local on pve")],
)
def test_a_target_is_called_as_a_person_calls_it(target: str, called: str) -> None:
    assert spoken(repair(target=target)) == called


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("denied", "asked"), ("expired", "asked"), ("refused", "tried"), ("failed", "tried"),
        ("contradicted", "did"),
    ],
)  # fmt: skip
def test_what_was_not_done_is_not_told_as_done(outcome: str, word: str) -> None:
    step = RepairStep(text="start pihole", outcome=outcome, began_at=AT)
    assert f"{word}: start pihole ({outcome})." in story(repair(text="No.", steps=[step]))


def test_what_was_left_alone_is_said_once() -> None:
    text = "pihole has stopped. I leave it alone: the cluster has no quorum."
    assert story(repair(text=text, status="refused")) == text


@pytest.mark.parametrize(
    ("sentence", "behind_a_colon"),
    [("The cluster has none.", "the cluster has none."), ("PVE's HA is left alone.", "PVE's HA is left alone."),
     ("Maria runs.", "Maria runs."), ("It flaps.", "it flaps."), ("", "")],
)  # fmt: skip
def test_only_what_is_no_name_becomes_small(sentence: str, behind_a_colon: str) -> None:
    assert inside(sentence) == behind_a_colon


def test_why_not_is_the_first_of_the_gravest() -> None:
    checks = [
        Check(guardrail="a", verdict="hold", text="Later."), Check(guardrail="b", verdict="refuse", text="No."),
        Check(guardrail="c", verdict="refuse", text="Never."),
    ]  # fmt: skip
    assert why_not(checks) == "No."
    assert why_not(checks[:1]) == "Later."
    assert why_not([Check(guardrail="a")]) == ""


@pytest.mark.parametrize(
    ("status", "severity"),
    [("repaired", "ok"), ("failed", "error"), ("escalated", "error"), ("acting", "info"), ("refused", "warning")],
)
async def test_how_grave_each_ending_is(ward: Ward, status: str, severity: str) -> None:
    line = telling.line(ward.feed, repair(status=status, text="So."))
    assert (line.severity, line.target, line.data["status"]) == (severity, "guest:105", status)
    assert line.kind == ("repair.begun" if status == "acting" else f"repair.{status}")


async def test_text_from_outside_is_cleaned_and_secrets_are_left_out(ward: Ward) -> None:
    text = "pi\x1b[31mhole\u202e has PVEAPIToken=root@pam!x=12345678-1234-1234-1234-123456789abc in its name"
    line = telling.line(ward.feed, repair(status="refused", text=text))
    assert "\x1b" not in line.text
    assert "\u202e" not in line.text
    assert "12345678-1234" not in line.text


async def test_many_are_one_line_that_names_some(ward: Ward) -> None:
    many = [repair(target_name=f"g{n}", status="holding", incident=str(n)) for n in range(12)]
    line = telling.together(ward.feed, many, "The cluster has no quorum.")
    assert line.text.startswith("I hold back on 12 faults (g0, g1, g2, g3, g4, g5, g6, g7 and 4 more).")
    assert line.data["incidents"] == [str(n) for n in range(12)]


@pytest.mark.parametrize(
    ("level", "by", "silent"), [(4, "watchman", True), (3, "watchman", False), (4, "cli", False)]
)
async def test_only_the_silent_level_is_silent(ward: Ward, level: int, by: str, silent: bool) -> None:
    line = telling.line(ward.feed, repair(status="repaired", level=level, by=by, text="So."))
    assert line.data["silent"] is silent
