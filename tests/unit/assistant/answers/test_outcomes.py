"""What became of a call is told as it is: no outcome but a verified one gets a word of success."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.commands import command_of
from jarvis_daemon.assistant.answers.outcomes import tell_outcome
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.persona import Persona
from jarvis_daemon.bus import Bus
from jarvis_daemon.protocol.messages import Outcome, ToolOutcome
from jarvis_daemon.settings.assistant import AssistantSettings
from tests.unit.assistant.answers.salon import NOW

SUCCESS = re.compile(
    r"\b(back on its feet|restarted|succeeded|successful(ly)?|verified|as asked|very good|is done|has been done|"
    r"all set|with pleasure|completed|mended|at your service)\b", re.I,
)  # fmt: skip
REPLIES = ("{target} is back on its feet{sir}.", "{target} has been restarted{sir}.")
BAD = ("contradicted", "unverified", "failed", "refused", "denied", "expired", "cancelled", "awaiting", "planned")


def tell(outcome: ToolOutcome, *, writes: bool = True, **args: Any) -> Answer:
    return tell_outcome(outcome, View(Bus(), NOW), args=args, writes=writes)


def of(word: str, **more: Any) -> ToolOutcome:
    given = {"tool": "reboot_vm", "outcome": word, "target": "guest:103", "target_name": "plex"}
    return ToolOutcome(**(given | more))


def all_said(answer: Answer, replies: Any = REPLIES) -> list[str]:
    persona = Persona(AssistantSettings())
    return [
        persona.say(answer, replies=replies, seed=seed, brevity=brevity)
        for seed in range(12) for brevity in ("screen", "voice")
    ]  # fmt: skip


def test_every_outcome_of_the_gate_is_told() -> None:
    assert set(BAD) | {"done", "verified"} == set(get_args(Outcome))
    for word in get_args(Outcome):
        answer = tell(of(word))
        assert answer.text, word
        assert "plex" in answer.text or word == "expired", word


def test_a_verified_act_with_its_undo() -> None:
    undo = {"name": "stop_vm", "args": {"guest": "103"}}
    answer = tell(of("verified", text="plex has been restarted.", undo=undo), guest="103")
    assert answer.text == "plex has been restarted."
    assert answer.lines == ("undo: `jarvis guest stop 103`",)
    assert answer.success
    assert answer.facts["target"] == "plex"
    assert answer.facts["guest"] == "103"
    told = all_said(answer)
    assert any("back on its feet" in text for text in told)
    assert all("plex" in text for text in told)


@pytest.mark.parametrize("word", BAD)
def test_nothing_else_sounds_like_success(word: str) -> None:
    answer = tell(of(word, why="the node does not answer", next="`jarvis task list`."))
    assert answer.grave
    assert not answer.success
    for text in all_said(answer):
        assert not SUCCESS.search(text.replace("it was sent", "")), text
        assert "feet" not in text
    assert "the node does not answer" in answer.text


@given(
    word=st.sampled_from(BAD), text=st.sampled_from(["", "Reboot plex: it did not end.", "plex is locked."]),
    why=st.sampled_from(["", "timed out", "no room"]), seed=st.integers(0, 10_000),
    brevity=st.sampled_from(["screen", "voice"]), wit=st.booleans(), address=st.sampled_from(["", "sir", "Anna"]),
)  # fmt: skip
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_word_of_success_whatever_the_seed(
    word: str, text: str, why: str, seed: int, brevity: Any, wit: bool, address: str
) -> None:
    persona = Persona(AssistantSettings(wit=wit, address=address))
    said = persona.say(tell(of(word, text=text, why=why)), replies=REPLIES, seed=seed, brevity=brevity)
    assert not SUCCESS.search(said), said
    assert re.search(re.escape(text.rstrip(".")) if text else "plex|nobody|Nobody", said), said


def test_what_waits_tells_how_it_is_answered() -> None:
    answer = tell(of("awaiting", approval_id="ab12", expires_at=NOW + 120, effects=["it does not serve meanwhile"]))
    assert answer.lines == ("`jarvis approve ab12` lets it run, within 2 min", "it does not serve meanwhile")


def test_a_target_from_outside_is_cleaned() -> None:
    answer = tell(
        of("failed", text="x\x1b[2J\u202e token=abcdefgh1234 failed", target_name="\x1b[31mevil", tainted=True)
    )
    for text in [answer.text, *answer.ways, *answer.lines]:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "abcdefgh1234" not in text
    assert answer.tainted


COMMANDS: list[tuple[str, dict[str, Any], str]] = [
    ("start_container", {"guest": "103"}, "jarvis guest start 103"),
    ("migrate_guest", {"guest": "103", "node": "pve"}, "jarvis guest migrate 103 pve"),
    ("migrate_guest", {"guest": "103", "offline": True}, "jarvis tool call migrate_guest guest=103 offline=true"),
    ("restart_service", {"node": "pve", "service": "smbd"}, "jarvis service restart pve/smbd"),
    ("restart_docker_container", {"node": "home", "container": "web"}, "jarvis docker restart home/web"),
    ("apply_updates", {"node": "pve"}, "jarvis node update pve"),
    ("get_storage", {}, "jarvis tool call get_storage"),
    ("x", {"a": "b c; rm"}, "jarvis tool call x 'a=b c; rm'"),
    ("acknowledge_incident", {"incident": "3"}, "jarvis incident ack 3"),
]


@pytest.mark.parametrize(("tool", "args", "command"), COMMANDS)
def test_the_command_of_a_call(tool: str, args: dict[str, Any], command: str) -> None:
    assert command_of(tool, args) == command
