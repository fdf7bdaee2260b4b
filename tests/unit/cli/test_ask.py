"""`jarvis ask` without a terminal: what goes to stdout, what to stderr, the document, the exit codes."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from jarvis_cli.main import run
from jarvis_cli.output import Output
from jarvis_daemon.assistant.conversation.turn import Turn
from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.parlour import ServedParlour
from tests.unit.cli.served import Served
from tests.unit.cli.test_golden import ENDING, GOLDEN, WRITE


def document(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("parlour")
def test_an_answer_is_on_stdout_and_nothing_else_is(jarvis: Jarvis) -> None:
    said = jarvis("ask", "how", "hot")
    assert (said.code, said.out, said.err) == (0, "agent is the hottest, at 79 °C.\n", "SIMULATED\n")
    assert jarvis("ask", "how hot", "-q").err == ""


@pytest.mark.usefixtures("parlour")
def test_the_document_has_its_shape(jarvis: Jarvis) -> None:
    said = jarvis("ask", "start 104", "-o", "json")
    found = document(said)
    assert said.code == 0
    assert list(found) == [
        "simulated", "reply", "calls", "meant", "backend", "suggestion", "session", "turn", "status", "notes",
    ]  # fmt: skip
    (call,) = found["calls"]
    assert (call["name"], call["args"], call["tier"], call["status"]) == (
        "start_container", {"guest": "104"}, "yellow", "verified",
    )  # fmt: skip
    assert call["undo_command"] == "jarvis guest shutdown 104"
    assert (found["reply"], found["backend"], found["suggestion"]) == ("plex runs.", "intents", None)
    assert found["status"] == "done"
    assert found["session"]
    assert found["turn"]
    assert len(jarvis("ask", "how hot", "-o", "jsonl").out.splitlines()) == 1


def test_what_a_model_says_comes_as_it_is_said(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script["tell me"] = ["The NAS ", "is **well", "**, \x1b[31msir.\n", "And `tank` too."]
    said = jarvis("ask", "tell me")
    assert (said.code, said.out) == (0, "The NAS is **well**, sir.\nAnd `tank` too.\n")
    found = document(jarvis("ask", "tell me", "-o", "json"))
    assert found["reply"].startswith("The NAS is **well**")
    assert found["backend"] == "local test"


def test_what_was_said_wrongly_is_corrected_and_marked(parlour: ServedParlour, jarvis: Jarvis) -> None:
    async def withdraw(turn: Turn) -> None:
        await turn.emit.replace("I have not restarted it.")

    async def note(turn: Turn) -> None:
        await turn.emit.note("the cloud did not answer: 529")

    parlour.script["restart it"] = ["I restarted it.", note, withdraw]
    said = jarvis("ask", "restart it")
    assert said.out == "I restarted it.\n(corrected:)\nI have not restarted it.\n"
    assert said.err.splitlines()[0] == "· the cloud did not answer: 529"
    found = document(jarvis("ask", "restart it", "-o", "json"))
    assert found["reply"] == "I have not restarted it."
    assert found["notes"] == ["the cloud did not answer: 529", "A language model's words (local test)."]


def test_the_options_choose_who_is_asked(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script["tell me"] = ["Well."]
    for option, backend in (("--local", "local"), ("--cloud", "cloud"), ("-q", "auto")):
        assert jarvis("ask", "tell me", option).code == 0
        assert parlour.asked[-1].backend == backend
    count = len(parlour.asked)
    jarvis("ask", "tell me", "--no-model")
    assert len(parlour.asked) == count
    assert jarvis("ask", "tell me", "--local", "--cloud").code == 2


def test_a_script_begins_a_conversation_and_goes_on_with_one_it_names(
    parlour: ServedParlour, jarvis: Jarvis
) -> None:
    parlour.script |= {"one": ["One."], "two": ["Two."]}
    first = document(jarvis("ask", "one", "-o", "json"))["session"]
    assert document(jarvis("ask", "one", "-o", "json"))["session"] != first
    assert document(jarvis("ask", "two", "-o", "json", "--session", first))["session"] == first
    assert [turn.asked for turn in parlour.asked[-1].past] == ["one"]
    assert document(jarvis("ask", "two", "--session", "last", "-o", "json"))["session"] == first
    assert document(jarvis("ask", "two", "--new", "-o", "json"))["session"] != first
    assert jarvis("ask", "two", "--session", "nobody").code == 6
    assert jarvis("ask", "two", "--session", first, "--new").code == 2


def test_what_is_read_from_standard_input(
    parlour: ServedParlour, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "what is this?\n" + "a line of a journal\n" * 5000
    assert len(text) > 100_000
    parlour.script[text.strip()] = ["A journal."]
    path = tmp_path / "pasted"
    path.write_text(text)
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        said = jarvis("ask", "-")
    assert (said.code, said.out) == (0, "A journal.\n")
    path.write_bytes(b"x" * 1_000_000)
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        said = jarvis("ask", "-")
    assert said.code == 2
    assert "That is too much to be said at once: 1,000,000 bytes" in said.err


@pytest.mark.usefixtures("parlour")
def test_nothing_said_is_wrong_usage(jarvis: Jarvis) -> None:
    for words in (["ask", ""], ["ask", "  "]):
        said = jarvis(*words)
        assert said.code == 2
        assert "There is nothing to be said" in said.err
    assert "Missing argument 'TEXT'" in jarvis("ask").err


# --- orders -----------------------------------------------------------------------------------------------


def test_an_order_tells_its_call_with_tier_and_outcome(parlour: ServedParlour, jarvis: Jarvis) -> None:
    said = jarvis("ask", "start 104")
    assert (said.code, said.out) == (0, "plex runs.\n")
    assert said.err.splitlines() == [
        "  ◌ start_container plex YELLOW running", "  ✔ start_container plex YELLOW verified",
        "undo: jarvis guest shutdown 104", "SIMULATED",
    ]  # fmt: skip
    assert parlour.served.workshop.acts == ["start_container guest:104"]


def test_without_a_person_an_order_that_asks_stays_as_it_is(parlour: ServedParlour, jarvis: Jarvis) -> None:
    said = jarvis("ask", "reboot 103", "--no-input", "-o", "json")
    assert said.code == 7
    assert document(said)["status"] == "asks"
    assert document(said)["calls"][0]["status"] == "asks"
    assert jarvis("ask", "delete 104", "--yes", "-q").code == 7
    assert parlour.served.workshop.acts == []


def test_yes_answers_what_disrupts(parlour: ServedParlour, jarvis: Jarvis) -> None:
    said = jarvis("ask", "reboot 103", "--yes", "-o", "json")
    assert said.code == 0
    assert document(said)["calls"][0]["status"] == "verified"
    assert document(said)["reply"] == "plex has been rebooted."
    plain = jarvis("ask", "reboot 103", "--yes")
    assert plain.out.splitlines()[-1] == "plex has been rebooted."
    assert "(corrected:)" not in plain.out
    assert parlour.served.workshop.acts == ["reboot_container guest:103"] * 2


@pytest.mark.parametrize(
    ("line", "code", "status"),
    [("stop 103", 8, "unverified"), ("start 777", 5, "refused"), ("reboot 103", 0, "verified")],
)
@pytest.mark.usefixtures("parlour")
def test_the_exit_code_follows_the_call(jarvis: Jarvis, line: str, code: int, status: str) -> None:
    said = jarvis("ask", line, "--yes", "-o", "json")
    assert document(said)["calls"][0]["status"] == status
    assert said.code == code


def test_a_failed_act_and_a_killed_gate(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.served.workshop.raises = JarvisError("cluster_refused", "Proxmox VE said no")
    assert jarvis("ask", "start 104").code == 1
    assert jarvis("kill", "test").code == 0
    assert jarvis("ask", "start 104").code == 5


@pytest.mark.usefixtures("parlour")
def test_what_must_not_act_is_told_and_coded(jarvis: Jarvis) -> None:
    said = jarvis("ask", "not start 104", "--yes")
    assert (said.code, said.out) == (5, "I do nothing that is negated.\n")
    assert document(jarvis("ask", "not start 104", "-o", "json"))["meant"] == "blocked"
    nothing = jarvis("ask", "gibberish")
    assert nothing.code == 6
    assert "I did not understand that" in nothing.out


@pytest.mark.usefixtures("parlour")
def test_what_was_not_understood_suggests_and_does_nothing(jarvis: Jarvis) -> None:
    said = jarvis("ask", "restrt 103")
    assert said.code == 6
    assert "Did you mean: reboot 103?" in said.out
    assert document(jarvis("ask", "restrt 103", "-o", "json"))["suggestion"] == "reboot 103"


def test_a_model_s_call_waits_for_another_session(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script["mend it"] = ["I propose this.", parlour.propose]
    said = jarvis("ask", "mend it")
    assert said.code == 7
    assert "◌ reboot_container plex RED awaiting" in said.err
    assert "It waits for your word: `jarvis approve " in said.err
    assert parlour.served.workshop.acts == []


# --- bad days ---------------------------------------------------------------------------------------------


def test_a_lost_link_loses_nothing_and_repeats_nothing(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script["tell me"] = ["One, ", parlour.hold, "two, ", "three."]

    def break_it() -> None:
        parlour.wait_held()
        parlour.served.restart()
        parlour.let_go()

    breaker = threading.Thread(target=break_it)
    breaker.start()
    said = jarvis("ask", "tell me")
    breaker.join()
    assert (said.code, said.out) == (0, "One, two, three.\n")
    assert "The daemon went away" in said.err
    assert "The daemon is back." in said.err
    assert len(parlour.asked) == 1


def test_a_daemon_that_ended_leaves_the_answer_marked(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script |= {"tell me": ["One, ", parlour.hold, "two."], "again": ["Well."]}

    def end_it() -> None:
        parlour.wait_held()
        parlour.served.do(parlour.chat.stop())
        parlour.served.restart()

    ender = threading.Thread(target=end_it)
    ender.start()
    said = jarvis("ask", "tell me")
    ender.join()
    assert said.code == 8
    assert said.out == "One, \n"
    assert "(cut: the daemon ended)" in said.err
    assert jarvis("ask", "again").out == "Well.\n"


def test_a_daemon_that_does_not_come_back(
    parlour: ServedParlour, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jarvis_cli.turns.PATIENCE_S", 0.5)
    parlour.script["tell me"] = ["One, ", parlour.hold, "two."]

    shown = threading.Event()
    piece = Output.piece

    def seen(out: Output, text: str) -> None:
        piece(out, text)
        shown.set()

    monkeypatch.setattr(Output, "piece", seen)

    def end_it() -> None:
        assert shown.wait(15)
        parlour.served.do(parlour.served.server.stop())

    ender = threading.Thread(target=end_it)
    ender.start()
    said = jarvis("ask", "tell me")
    ender.join()
    assert said.code == 3
    assert said.out == "One, \n"
    assert "(cut: the daemon ended)" in said.err
    assert "The daemon went away in the middle of the answer" in said.err


def test_without_a_daemon(jarvis: Jarvis, home: Path) -> None:
    said = jarvis("ask", "how hot")
    assert (said.code, said.out) == (3, "")
    assert "The daemon does not run" in said.err


def test_a_daemon_without_conversations_says_so(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("ask", "how hot")
    assert said.code == 1
    assert "Nobody here answers chat.send" in said.err


# --- conversations that were ------------------------------------------------------------------------------


def test_conversations_are_listed_shown_and_forgotten(parlour: ServedParlour, jarvis: Jarvis) -> None:
    parlour.script["tell me"] = ["It is **well**."]
    ident = document(jarvis("ask", "tell me", "-o", "json"))["session"]
    jarvis("ask", "start 104", "--session", ident)
    listed = jarvis("chat", "list")
    assert listed.code == 0
    assert ident in listed.out
    assert "tell me" in listed.out
    shown = jarvis("chat", "show", ident)
    assert [line for line in shown.out.splitlines() if line][:2] == ["08:00:00 > tell me", "It is **well**."]
    assert "  ✔ start_container plex YELLOW verified" in shown.out
    turns = json.loads(jarvis("chat", "show", "-o", "json").out)["turns"]
    assert [turn["asked"] for turn in turns] == ["tell me", "start 104"]
    assert turns[1]["calls"][0]["status"] == "verified"
    assert jarvis("chat", "forget", ident).code == 2
    assert jarvis("chat", "forget", ident, "--yes").code == 0
    assert json.loads(jarvis("chat", "list", "-o", "json").out)["sessions"] == []
    assert jarvis("chat", "show", ident).code == 6


def test_the_prompt_needs_a_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chat"]) == 2
    assert "A conversation needs a terminal" in capsys.readouterr().err


def test_the_messages_of_the_contract_are_what_is_sent() -> None:
    """The plain client has no structs: their names are held here."""
    sent = {"text", "session", "backend", "key"}
    assert sent <= set(mind.ChatSend.__struct_fields__)
    assert {"turn", "call", "approve", "typed", "pin"} == set(mind.ChatConfirm.__struct_fields__)
    assert {"turn", "after"} == set(mind.ChatFollow.__struct_fields__)


# --- golden outputs ---------------------------------------------------------------------------------------

SAID = {
    "ask": ["ask", "how hot"],
    "ask-order": ["ask", "start 104"],
    "ask-asks": ["ask", "reboot 103"],
    "ask-suggests": ["ask", "restrt 103"],
    "chat-list": ["chat", "list"],
    "chat-show": ["chat", "show", "last"],
}


@pytest.mark.parametrize("name", SAID)
def test_output(parlour: ServedParlour, jarvis: Jarvis, name: str) -> None:
    """`JARVIS_GOLDEN=write` writes them anew; what is random in them is left out."""
    for format_, ending in ENDING.items():
        if name.startswith("chat"):
            parlour.served.do(forgotten(parlour))
            jarvis("ask", "reboot 103", "--yes")
        said = jarvis(*SAID[name], "-o", format_)
        told = re.sub(r"\b[0-9a-f]{12}\b", "SESSION", said.out)
        told = re.sub(r'("turn": |turn: )\d+', r"\g<1>0", told)
        path = GOLDEN / f"{name}.{ending}"
        if WRITE:
            path.write_text(told)
        assert told == path.read_text(), path.name
        assert "\x1b" not in told


async def forgotten(parlour: ServedParlour) -> None:
    """No conversation is left."""
    who = Principal(session="test", role="operator")
    for one in (await parlour.chat.list(mind.ChatList(), who)).sessions:
        await parlour.chat.forget(mind.ChatForget(session=one.id), who)
