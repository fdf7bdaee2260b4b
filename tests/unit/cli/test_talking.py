"""A conversation at a real terminal: questions, approvals, suggestions, Ctrl-C, the prompt of `jarvis chat`."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess

import pytest

from tests.integration.terminal import Terminal
from tests.unit.cli.parlour import ServedParlour

INTERRUPT = b"\x03"
END = b"\x04"


def type_(me: Terminal, keys: bytes) -> None:
    os.write(me.master, keys)


def interrupted(me: Terminal) -> int:
    """Its exit code after Ctrl-C. A key that comes while a prompt sets up its terminal may get lost: as a person
    would, it is pressed again."""
    for _ in range(5):
        type_(me, INTERRUPT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            me.process.wait(5)
            break
    return me.end()


# --- ask ----------------------------------------------------------------------------------------------------


def test_an_order_shows_its_plan_and_asks(parlour: ServedParlour) -> None:
    me = Terminal("ask", "reboot", "103")
    me.answer("Go on? [y/N]:", "y")
    assert me.end() == 0
    shown = me.seen.partition("Go on?")[0]
    for told in ("Would: Reboot plex.", "plex (guest:103)", "two users watch a film", "RED"):
        assert told in shown
    assert "plex has been rebooted." in me.seen
    assert parlour.served.workshop.acts == ["reboot_container guest:103"]


def test_a_no_is_a_no(parlour: ServedParlour) -> None:
    me = Terminal("ask", "reboot", "103")
    me.answer("Go on? [y/N]:", "n")
    assert me.end() == 5
    assert "nothing was done" in me.seen
    assert parlour.served.workshop.acts == []


def test_what_destroys_wants_the_name_even_with_yes(parlour: ServedParlour) -> None:
    me = Terminal("ask", "--yes", "delete", "104")
    me.answer("Type plex to go on:", "plx")
    assert me.end() == 5
    assert parlour.served.workshop.acts == []
    me = Terminal("ask", "--yes", "delete", "104")
    me.answer("Type plex to go on:", "plex")
    assert me.end() == 0
    assert parlour.served.workshop.acts == ["delete_guest guest:104"]


def test_a_suggestion_is_said_after_a_yes(parlour: ServedParlour) -> None:
    me = Terminal("ask", "restrt", "103")
    me.answer("Is that what you mean? [y/N]:", "y")
    me.answer("Go on? [y/N]:", "y")
    assert me.end() == 0
    assert parlour.served.workshop.acts == ["reboot_container guest:103"]
    me = Terminal("ask", "restrt", "103")
    me.answer("Is that what you mean? [y/N]:", "")
    assert me.end() == 6
    assert len(parlour.served.workshop.acts) == 1


@pytest.mark.parametrize(("word", "code", "acts"), [("y", 0, ["reboot_container guest:103"]), ("n", 5, [])])
def test_a_model_s_call_is_let_run_by_another_session(
    parlour: ServedParlour, word: str, code: int, acts: list[str]
) -> None:
    parlour.script["mend it"] = ["I propose this.", parlour.propose]
    me = Terminal("ask", "mend", "it")
    me.answer("Let it run? [y/N]:", word)
    assert me.end() == code
    shown = me.seen.partition("Let it run?")[0]
    assert "Reboot plex" in shown
    assert "from guest 103: from a line of a journal" in shown
    assert parlour.served.workshop.acts == acts


def test_ctrl_c_at_an_approval_denies_it(parlour: ServedParlour) -> None:
    parlour.script["mend it"] = ["I propose this.", parlour.propose]
    me = Terminal("ask", "mend", "it")
    me.sees("Let it run? [y/N]:")
    assert interrupted(me) == 130
    waits = parlour.served.bus.state("approvals").plain["approvals"].values()
    assert [approval["status"] for approval in waits] == ["denied"]
    assert parlour.served.workshop.acts == []


def test_at_a_terminal_it_goes_on_with_the_conversation_used_last(parlour: ServedParlour) -> None:
    parlour.script |= {"one": ["One."], "two": ["Two."]}
    for word in ("one", "two"):
        assert Terminal("ask", word).end() == 0
    assert [turn.asked for turn in parlour.asked[-1].past] == ["one"]


def test_ctrl_c_cancels_the_turn_and_keeps_what_was_said(parlour: ServedParlour) -> None:
    parlour.script["tell me"] = ["One, ", parlour.hold, "two."]
    me = Terminal("ask", "tell me")
    me.sees("One,")
    parlour.wait_held()
    me.process.send_signal(signal.SIGINT)
    assert me.end() == 130
    assert "Stopped at your word." in me.seen
    assert "(cancelled)" in me.seen
    assert "two." not in me.seen
    shown = Terminal("chat", "show", "last")
    assert shown.end() == 0
    assert "One," in shown.seen


def test_ctrl_c_at_a_question_is_a_no(parlour: ServedParlour) -> None:
    me = Terminal("ask", "reboot", "103")
    me.sees("Go on? [y/N]:")
    assert interrupted(me) == 130
    assert parlour.served.workshop.acts == []


# --- chat ---------------------------------------------------------------------------------------------------


def test_a_conversation_at_the_prompt(parlour: ServedParlour) -> None:
    parlour.script |= {"one": ["One."], "two": ["Two."]}
    me = Terminal("chat")
    me.sees("Ctrl-D ends.")
    me.answer("> ", "one")
    me.sees("One.")
    me.answer("> ", "")
    me.answer("> ", "/nonsense")
    me.sees("There is no /nonsense")
    me.answer("> ", "/local")
    me.answer("local> ", "two")
    me.sees("Two.")
    assert parlour.asked[-1].backend == "local"
    assert [turn.asked for turn in parlour.asked[-1].past] == ["one"]
    me.answer("local> ", "/new")
    me.answer("local> ", "two")
    me.sees("Two.")
    assert list(parlour.asked[-1].past) == []
    me.answer("local> ", "/sessions")
    me.sees("BEGAN WITH")
    me.answer("local> ", "/trace")
    me.sees("total")
    me.sees("local> ")
    type_(me, END)
    assert me.end() == 0
    history = parlour.served.places.state_dir / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "two" in history.read_text()


def test_what_is_pasted_is_one_text(parlour: ServedParlour) -> None:
    pasted = "what is this?\n" + "\n".join(f"line {n} of a journal" for n in range(40))
    parlour.script[pasted] = ["A journal."]
    me = Terminal("chat")
    me.sees("> ")
    type_(me, b"\x1b[200~" + pasted.encode() + b"\x1b[201~\r")
    me.sees("A journal.")
    me.answer("> ", "reboot 103")
    me.answer("Go on? [y/N]:", "n")
    me.answer("> ", "/quit")
    assert me.end() == 0
    history = parlour.served.places.state_dir / "chat_history"
    assert history.read_text() == "reboot 103\n"  # neither the paste nor the answer


def test_ctrl_c_in_a_conversation_stops_the_answer_not_the_conversation(parlour: ServedParlour) -> None:
    parlour.script |= {"tell me": ["One, ", parlour.hold, "two."], "again": ["Well."]}
    me = Terminal("chat")
    me.answer("> ", "tell me")
    me.sees("One,")
    parlour.wait_held()
    me.process.send_signal(signal.SIGINT)
    me.sees("(cancelled)")
    me.answer("> ", "again")
    me.sees("Well.")
    me.sees("> ")
    me.process.send_signal(signal.SIGINT)  # at the prompt: the line is dropped
    me.answer("> ", "/quit")
    assert me.end() == 0


def test_a_conversation_is_taken_up_again(parlour: ServedParlour) -> None:
    parlour.script |= {"one": ["One."], "two": ["Two."]}
    assert Terminal("ask", "one").end() == 0
    me = Terminal("chat", "--session", "last")
    me.sees("One.")
    me.answer("> ", "two")
    me.sees("Two.")
    me.answer("> ", "/quit")
    assert me.end() == 0
    assert [turn.asked for turn in parlour.asked[-1].past] == ["one"]
