"""Whatever a model says, the reply ends with what its calls come to."""

from __future__ import annotations

import pytest

from jarvis_daemon.assistant.conversation.turn import PastTurn
from jarvis_daemon.assistant.reasoning.balance import NOTHING, sentence
from tests.unit.assistant.reasoning.conftest import House
from tests.unit.assistant.reasoning.script import brain, calls, says
from tests.unit.assistant.reasoning.test_claims import call

SMBD = {"node": "pve", "service": "smbd"}
WRITING = {"reboot_vm", "restart_service"}


@pytest.mark.parametrize(
    "boast",
    [
        "Het draait weer.",
        "Voilà, plex tourne à nouveau.",
        "As you wish; it hums again.",
        "I have restarted it. Hm.",
    ],
)
async def test_an_order_without_a_call_ends_with_that(house: House, boast: str) -> None:
    outcome = await house.ask(brain(says(boast)), "restart smbd on pve")
    assert outcome.text.endswith(NOTHING)
    assert house.told.stands() == outcome.text
    assert outcome.messages[-1].text.endswith(NOTHING)


async def test_what_waits_is_told_with_its_approval(house: House) -> None:
    model = brain(calls(("reboot_vm", {"guest": "plex"})), says("There you go, plex hums again."))
    outcome = await house.ask(model, "reboot plex")
    (waits,) = outcome.calls
    told = "Nothing was done yet: reboot_vm on plex waits for your approval "
    assert outcome.text.endswith(f"{told}({waits.approval_id}).")


async def test_a_call_that_was_never_made_counts_as_tried(house: House) -> None:
    model = brain(calls(("start_vm", {"guest": "nonesuch"})), says("It hums."))
    assert (await house.ask(model, "how is it going?")).text == f"It hums.\n\n{NOTHING}"


async def test_a_question_and_a_deed_need_no_such_sentence(house: House) -> None:
    asked = await house.ask(brain(says("It was restarted on Monday.")), "when was smbd restarted?")
    assert asked.text == "It was restarted on Monday."
    shown = await house.ask(brain(calls(("get_journal", SMBD)), says("All quiet.")), "show me the journal of smbd")
    assert shown.text == "All quiet."
    done = await house.ask(brain(calls(("restart_service", SMBD)), says("It hums.")), "restart smbd on pve")
    assert done.text == "It hums."


@pytest.mark.parametrize("asked", ["plex backup status", "last snapshot of plex", "show me the backups"])
async def test_what_is_a_thing_too_orders_nothing(house: House, asked: str) -> None:
    assert (await house.ask(brain(says("From Monday.")), asked)).text == "From Monday."


@pytest.mark.parametrize(
    "asked", ["make a backup of plex", "please take a snapshot of plex", "plex restart", "stop it"]
)
async def test_an_order_is_one_wherever_its_word_stands(house: House, asked: str) -> None:
    assert (await house.ask(brain(says("Het draait.")), asked)).text.endswith(NOTHING)


async def test_a_yes_means_the_order_before_it(house: House) -> None:
    past = (PastTurn(6, "restart smbd", "On which node?"),)
    assert (await house.ask(brain(says("It hums.")), "do it, on pve", past=past)).text.endswith(NOTHING)
    past = (PastTurn(6, "why is it slow?", "It is busy."),)
    assert (await house.ask(brain(says("It hums.")), "go on", past=past)).text == "It hums."


async def test_a_failure_of_the_model_is_followed_by_it_too(house: House) -> None:
    outcome = await house.ask(brain([]), "restart smbd on pve")
    assert outcome.status == "failed"
    assert outcome.text.endswith(NOTHING)


def test_every_end_of_a_call_has_its_words() -> None:
    for status, words in {
        "awaiting": "Nothing was done yet: reboot_vm on plex waits for your approval (ab12cd).",
        "denied": "Nothing was done in this turn: reboot_vm on plex was denied.",
        "refused": "Nothing was done in this turn: reboot_vm on plex was refused.",
        "failed": "Not done: reboot_vm on plex failed.",
        "unverified": "It is not certain that this was done: reboot_vm on plex was begun; whether it worked could "
        "not be seen.",
        "verified": "",
        "done": "",
    }.items():
        made = call(status=status, approval_id="ab12cd")  # type: ignore[arg-type]
        assert sentence([made], WRITING, {"restart"}, tried=True) == words


def test_a_second_try_that_worked_is_enough_and_another_thing_is_not() -> None:
    assert sentence([call(status="failed"), call()], WRITING, {"restart"}, tried=True) == ""
    both = sentence([call(), call(target="gitea", status="failed")], WRITING, {"restart"}, tried=True)
    assert both == "Not all was done: reboot_vm on gitea failed."
    other = sentence([call("remember", tier="green", status="done")], {"remember"}, {"restart"}, tried=True)
    assert other == NOTHING or other.startswith("Only this was done in this turn: remember")
    assert sentence([call("get_vms", tier="green", status="done")], WRITING, None, tried=False) == ""
    assert sentence([call("get_vms", tier="green", status="done")], WRITING, {"restart"}, tried=False) == NOTHING


async def test_what_was_said_for_a_withheld_claim_is_not_said_again(house: House) -> None:
    false = await house.ask(brain(says("I have restarted smbd.")), "restart smbd on pve")
    assert false.text == "I was about to say that something was done; in truth I have done nothing of the kind."
    model = brain(calls(("reboot_vm", {"guest": "plex"})), says("I have rebooted plex."))
    waits = await house.ask(model, "reboot plex")
    assert waits.text.count("waits for your approval") == 1
