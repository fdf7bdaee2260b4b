"""The manner: fact first, several phrasings, no wit in bad times, no secrets in the page, numbers said aloud."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.answers import NAMES
from jarvis_daemon.assistant.persona import Persona, page, version
from jarvis_daemon.assistant.spoken import number, ordinal, spoken
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.settings.assistant import AssistantSettings
from tests.unit.assistant.answers.salon import PERSON, Salon, slots_of

WITTY = Answer("pve is at 62 °C", ways=("62 °C on pve",), asides=("Nothing to open a window for{sir}.",))
SEEDS = range(60)


def said(answer: Answer, seeds: Any = SEEDS, **settings: Any) -> set[str]:
    persona = Persona(AssistantSettings(**settings))
    return {persona.say(answer, seed=seed) for seed in seeds}


# --- the page ------------------------------------------------------------------------------------------------


def test_the_page_is_a_page_with_a_version_and_no_internals() -> None:
    assert page().splitlines()[0] == f"Persona, version {version()}"
    assert version().isdigit()
    assert len(page().splitlines()) <= 60
    words = set(re.findall(r"[a-z']+", page().lower()))
    assert not words & {
        "green", "yellow", "red", "black", "tier", "tiers", "override", "password", "passphrase", "token", "pin",
        "key", "secret", "sudo", "autonomy", "kill", "killswitch", "bypass", "confirmed",
    }  # fmt: skip


@pytest.mark.parametrize(("address", "told"), [
    ("sir", 'Address the person as "sir".'), ("", ("Use no form of "
"address.")), ("Dr. Who", 'Address the person as "Dr. Who".'),
])  # fmt: skip
def test_a_model_is_told_the_page_the_address_and_whether_wit_is_wanted(address: str, told: str) -> None:
    prompt = Persona(AssistantSettings(address=address)).prompt()
    assert prompt.startswith(page())
    assert told in prompt
    assert "leave all wit out" not in prompt
    assert "leave all wit out" in Persona(AssistantSettings(address=address, wit=False)).prompt()


# --- phrasings -----------------------------------------------------------------------------------------------


def test_the_same_seed_says_the_same() -> None:
    persona = Persona(AssistantSettings())
    assert persona.say(WITTY, seed=7) == persona.say(WITTY, seed=7)
    assert persona.say(WITTY, seed=7) == Persona(AssistantSettings()).say(WITTY, seed=7)


def test_wit_follows_the_fact_and_only_where_it_may() -> None:
    told = said(WITTY)
    assert any("window" in text for text in told)
    assert any("window" not in text for text in told)
    assert all(re.match(r"(pve is at 62 °C|62 °C on pve)(, sir)?\.", text) for text in told)
    assert all(text.count("sir") <= 1 for text in told)
    for quiet in (said(WITTY, wit=False), said(Answer(WITTY.text, grave=True, asides=WITTY.asides))):
        assert not any("window" in text for text in quiet)
    voice = {Persona(AssistantSettings()).say(WITTY, seed=seed, brevity="voice") for seed in SEEDS}
    assert not any("window" in text for text in voice)


@pytest.mark.parametrize("address", ["sir", "madam", "Anna", "", "  ", "sir,"])
def test_every_form_of_address_leaves_no_dangling_comma(address: str) -> None:
    answers = [
        WITTY, Answer("Not at all{sir}", plain=True), Answer("Good night{sir}. I keep watch", plain=True),
        Answer("Restart plex: shall I?", grave=True), Answer("One. Two."), Answer("Undo: `jarvis guest stop 1`"),
    ]  # fmt: skip
    for answer in answers:
        for text in said(answer, address=address):
            assert not re.search(r",\s*[.,!?;]|\s[.,;!?]|,$|\{|, , |,,", text), text
            assert text.endswith((".", "?", "!"))
            if not address.strip(" ,"):
                assert "sir" not in text
    if address == "sir":
        assert "Restart plex: shall I, sir?" in said(answers[3])


async def test_three_phrasings_of_every_answer_that_all_hold_its_facts(salon: Salon) -> None:
    """With wit and address; each phrasing has the numbers and names of the fact."""
    few = []
    lost = []
    for name in sorted(NAMES):
        answer = await salon.answers.answer(Understood("question", name, slots=slots_of(name)), PERSON)
        heads = {text.partition("\n")[0] for text in said(answer, range(40))}
        if len(heads) < 3:
            few.append(f"{name}: {heads}")
        facts = facts_of(answer.text)
        for text in said(answer, range(40)):
            if not facts <= facts_of(text):
                lost.append((name, facts - facts_of(text), text))
    assert few == [], "\n".join(few)
    assert lost == [], "\n".join(map(str, lost))


def facts_of(text: str) -> set[str]:
    """Numbers, and the names of what the homelab has."""
    small = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"}
    plain = " ".join(small.get(word.lower(), word) for word in re.findall(r"[\w.]+", text))
    names = {"pihole", "Home", "agent1", "pve", "plex", "externalhdd", "tank", "management", "nextcloud"}
    return set(re.findall(r"\d+(?:\.\d+)?", plain)) | (names & set(plain.replace(".", " ").split()))


# --- replies of orders ---------------------------------------------------------------------------------------

REPLIES = ("{target} is back on its feet{sir}.", "Done{sir}: {target} runs on {node}.", "{nobody} knows")


def test_a_phrasing_of_success_is_used_of_a_success_only() -> None:
    persona = Persona(AssistantSettings(wit=False))
    good = Answer("plex has been restarted", ("undo: x",), {"target": "plex", "node": "pve"}, success=True)
    told = {persona.say(good, replies=REPLIES, seed=seed).partition("\n")[0] for seed in SEEDS}
    assert told == {"plex is back on its feet, sir.", "Done, sir: plex runs on pve."}
    assert persona.say(good, replies=REPLIES, seed=1).endswith("\nundo: x")
    partly = Answer("plex has been restarted", facts={"target": "plex"}, success=True)
    assert {persona.say(partly, replies=REPLIES[1:], seed=s) for s in SEEDS} <= {
        "plex has been restarted.", "plex has been restarted, sir.",
    }  # fmt: skip
    bad = Answer("plex could not be restarted", facts={"target": "plex", "node": "pve"}, grave=True)
    assert all("feet" not in persona.say(bad, replies=REPLIES, seed=seed) for seed in SEEDS)


def test_a_reply_cannot_reach_into_what_it_is_given() -> None:
    persona = Persona(AssistantSettings())
    answer = Answer("plex runs", facts={"target": "plex\x1b[2J {sir} {0}"}, success=True)
    for template in ("{target.__class__}", "{target[0]}", "{", "}", "{0}", "{target!r:>{width}}", "{target"):
        assert "plex runs" in persona.say(answer, replies=[template], seed=3), template
    assert "\x1b" not in persona.say(answer, replies=["{target} runs{sir}"], seed=3)


# --- aloud ---------------------------------------------------------------------------------------------------


ALOUD = {
    "pve is at 62 °C.": "pve is at sixty-two degrees.",
    "local on pve is 67 % full, with 19.2 GiB of 94.0 GiB left.":
        "local on pve is about two thirds full, with nineteen gigabytes of ninety-four gigabytes left.",
    "tank is 98 % full.": "tank is ninety-eight percent full.",
    "tank is 100 % full.": "tank is completely full.",
    "tank is 52 % full.": "tank is about half full.",
    "CPU 0.4 %, memory 74 %.": "CPU less than one percent, memory seventy-four percent.",
    "plex has been up for 3 d 4 h, since Tue at 03:12.":
        "plex has been up for three days, since Tuesday at three twelve.",
    "It took 1 h 2 min.": "It took one hour and two minutes.",
    "At 08:00.": "At eight o'clock.",
    "At 00:00.": "At midnight.",
    "At 07:05.": "At seven oh five.",
    "plex (103) is stopped: `jarvis guest start 103`": "plex is stopped",
    "`jarvis unkill` releases it.": "jarvis unkill releases it.",
    "3 of 4 nodes run. 17 guests do.": "Three of four nodes run. Seventeen guests do.",
    "$0.00 today and $1.20 this month.": "Nothing today and one dollar and twenty cents this month.",
    "L2: I recommend.": "Level two: I recommend.",
    "It began on 5 Dec 2026.": "It began on the fifth of December.",
    "PVE 9.1.3 on agent1, kernel 6.14.8-2-pve.": "PVE 9.1.3 on agent1, kernel 6.14.8-2-pve.",
    "It holds 2.5 GiB, 512 MiB and 1 TiB.":
        "It holds two and a half gigabytes, five hundred and twelve megabytes and one terabyte.",
    "https://192.168.1.50:8006 fails.": "https://192.168.1.50:8006 fails.",
    "+2.0 points in 7 d.": "up two points in seven days.",
    "backup-2024 of vm-1 is 12345 lines long.": "backup-2024 of vm-1 is 12345 lines long.",
}  # fmt: skip


@pytest.mark.parametrize("written", ALOUD)
def test_what_is_written_as_it_is_said(written: str) -> None:
    assert spoken(written) == ALOUD[written]


def test_numbers_in_words() -> None:
    assert [number(n) for n in (0, 7, 13, 20, 42, 100, 105, 342, 1000, 2026, 9999, -3)] == [
        "zero", "seven", "thirteen", "twenty", "forty-two", "one hundred", "one hundred and five",
        "three hundred and forty-two", "one thousand", "two thousand and twenty-six",
        "nine thousand nine hundred and ninety-nine", "minus three",
    ]  # fmt: skip
    assert [ordinal(n) for n in (1, 2, 3, 4, 12, 20, 21, 31)] == [
        "first", "second", "third", "fourth", "twelfth", "twentieth", "twenty-first", "thirty-first",
    ]  # fmt: skip


async def test_a_voice_leaves_lines_commands_and_digits_out(salon: Salon) -> None:
    persona = Persona(AssistantSettings())
    for name in sorted(NAMES):
        answer = await salon.answers.answer(Understood("question", name, slots=slots_of(name)), PERSON)
        for seed in range(6):
            aloud = persona.say(answer, seed=seed, brevity="voice")
            assert "\n" not in aloud, name
            assert "`" not in aloud, name
            assert not re.search(r"°C|\bGiB\b|\bMiB\b|\d %", aloud), (name, aloud)
