"""What is said, and what is meant by it: over all rooms, with the daemon's own tools and the homelab's names."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from jarvis_daemon.assistant.room import QUESTIONS
from jarvis_daemon.assistant.understanding.guessing import MARK, forms, references
from jarvis_daemon.assistant.understanding.sentences import Intent, Say
from jarvis_daemon.tools import Tier
from tests.unit.assistant.understanding.lab import ROOT, Lab

SENTENCES: Final = ROOT / "tests/data/sentences"
MEANT: Final[dict[str, dict[str, list[Any]]]] = yaml.safe_load((SENTENCES / "meant.yaml").read_text("utf-8"))
UNSAID: Final = {
    "execute_ssh": "a command is never taken from a sentence",
    "trust_runbook": "wants the hash of the file that was looked at",
    "import_memories": "wants a whole page and the hash of its comparison",
    "get_metrics_history": "wants ids and metrics; how things went is asked as a question",
    "get_cluster_status": "the state holds it: a question",
    "get_node_status": "the state holds it: a question",
}
"""Tools without a sentence, each with the reason."""


def test_there_are_enough_of_them() -> None:
    assert len(MEANT["orders"]) >= 80


@pytest.mark.parametrize("sentence", MEANT["orders"])
def test_an_order_is_one_tool_call(shared: Lab, sentence: str) -> None:
    tool, args = MEANT["orders"][sentence]
    understood = shared.understanding.parse(sentence)
    assert (understood.kind, understood.tool, dict(understood.args)) == ("order", tool, args), understood


@pytest.mark.parametrize("sentence", MEANT.get("questions", {}))
def test_a_question_is_answered_by_its_name(shared: Lab, sentence: str) -> None:
    name, slots = MEANT["questions"][sentence]
    understood = shared.understanding.parse(sentence)
    found = {slot: one.value for slot, one in understood.slots.items()}
    assert (understood.kind, understood.intent, found) == ("question", name, slots), understood


def test_every_tool_can_be_said_or_has_a_reason(shared: Lab) -> None:
    tools = {spec.name for spec in shared.tools.registry.all()}
    said = {tool for intent in shared.understanding.intents.values() for tool in intent.tools.values()}
    assert tools - said == UNSAID.keys() & tools
    assert said <= tools


def test_every_tool_that_can_be_said_is_in_the_file(shared: Lab) -> None:
    said = {tool for intent in shared.understanding.intents.values() for tool in intent.tools.values()}
    tested = {tool for tool, _ in MEANT["orders"].values()}
    missing = said - tested
    assert missing <= {"search_memory", "list_memories", "start_vm", "explain_incident", "get_llm_costs"}, missing


def test_every_example_is_understood_as_its_own_intent(shared: Lab) -> None:
    wrong = {}
    for name, intent in shared.understanding.intents.items():
        for sentence in [intent.example] if intent.example else []:
            understood = shared.understanding.parse(sentence)
            if understood.intent != name:
                wrong[sentence] = understood
    assert wrong == {}


NAMED: Final = {
    "guest": "gitea", "vm": "immich", "container": "gitea", "node": "agent1", "storage": "externalhdd",
    "service": "cron", "docker": "grafana", "runbook": "service-down", "condition": "storage-high", "incident": "3",
    "silence": "2", "person": "Emma", "number": "5", "duration": "two hours", "size": "4 gb", "level": "l3",
    "period": "last night",
}  # fmt: skip


@pytest.mark.slow
def test_no_sentence_of_one_intent_is_an_order_of_another(shared: Lab) -> None:
    """Of each template the forms without what may be left out, with real names."""
    own, orders_elsewhere = set(), {}
    for name, intent in shared.understanding.intents.items():
        for say in intent.says:
            if not NAMED.keys() >= set(say.slots.values()):
                own.add(name)  # free slots and choices: the other tests say them
                continue
            for form in forms(intent, say):
                sentence = filled(form, intent, say)
                understood = shared.understanding.parse(sentence)
                if understood.intent == name:
                    own.add(name)
                elif understood.kind == "order" and understood.tool not in intent.tools.values():
                    orders_elsewhere[sentence] = (name, understood.intent)
    assert orders_elsewhere == {}
    assert shared.understanding.intents.keys() - own == set()


def filled(form: str, intent: Intent, say: Say) -> str:
    for name in references(say.sentence.expression, intent):
        form = form.replace(MARK, NAMED[name], 1)
    return form


def test_every_question_has_an_answer_and_every_answer_a_question(shared: Lab) -> None:
    asked = {name for name, intent in shared.understanding.intents.items() if intent.kind == "question"}
    assert asked == set(QUESTIONS)


TELLS: Final = {"remember", "forget_memory"}
"""Tools whose own sentence says more than a phrasing could: what was replaced, what holds again."""


def test_every_act_has_phrasings_of_its_success(shared: Lab) -> None:
    for name, intent in shared.understanding.intents.items():
        tools = [shared.tools.registry.get(tool) for tool in set(intent.tools.values()) - TELLS]
        if any(tool.tier > Tier.GREEN for tool in tools):
            assert len(set(intent.replies)) >= 3, name
            assert all("{sir}" in reply for reply in intent.replies), name


def test_help_gives_sentences_that_are_understood(shared: Lab) -> None:
    for room in (None, "cluster", "incidents", "remediation", "notify", "assistant"):
        examples = shared.understanding.help(room)
        assert examples, room
        understood = [shared.understanding.parse(sentence).kind for sentence in examples]
        share = sum(kind in {"order", "question"} for kind in understood) / len(understood)
        assert share >= 0.9, [e for e, kind in zip(examples, understood, strict=True) if kind == "unknown"]


def test_what_was_said_is_kept_beside_what_it_means(shared: Lab) -> None:
    understood = shared.understanding.parse("Jarvis, move the container Gitea to agent one")
    assert {name: (slot.value, slot.said) for name, slot in understood.slots.items()} == {
        "guest": ("guest:107", "Gitea"), "node": ("node:agent1", "agent one"),
    }  # fmt: skip
    assert understood.replies
