"""Sentence files are read strictly: what is wrong is told with file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from jarvis_daemon.assistant.understanding.sentences import Filled, Intent, SentenceError, load
from jarvis_daemon.tools import Registry, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, NoArgs, Output


class GuestArgs(Args):
    guest: Annotated[str, Meta(max_length=80)]
    wait_s: Annotated[int, Meta(ge=1, le=60)] = 10


async def nothing(args: Any, target: Any, act: Any) -> Output:
    return Output()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    filled = Registry()
    for name, args in (("reboot_vm", GuestArgs), ("reboot_container", GuestArgs), ("get_all", NoArgs)):
        filled.add(
            ToolSpec(
                name=name, room="cluster", tier=Tier.GREEN, description="For this test.", args=args, output=Output,
                run=nothing,
            )
        )  # fmt: skip
    filled.add_sentences("cluster", tmp_path)
    return filled


def read(registry: Registry, text: str, answers: set[str] | None = None) -> dict[str, Intent]:
    (registry.sentences()["cluster"] / "orders.yaml").write_text(text, "utf-8")
    return {intent.name: intent for intent in load(registry, answers)}


def test_an_order_and_a_question_are_read(registry: Registry) -> None:
    found = read(
        registry,
        """
orders:
  reboot:
    say: ["restart [the] <thing> {guest}", "bounce {guest} [within {duration}]"]
    tool: {vm: reboot_vm, ct: reboot_container}
    args: {guest: guest.vmid, wait_s: {slot: duration, or: 20}}
    replies: ["{target} is back{sir}."]
questions:
  hottest:
    say: ["which (node|{how_bad} host) is [the] hottest"]
    fixed: {metric: temperature}
words: {thing: "(vm|container)"}
lists: {how_bad: {Serious: critical}}
""",
        {"hottest"},
    )
    order, question = found["reboot"], found["hottest"]
    assert order.tools == {"vm": "reboot_vm", "ct": "reboot_container"}
    assert order.args["guest"] == Filled("guest", "vmid")
    assert order.args["wait_s"] == Filled("duration", other=20, fallback=True)
    assert order.says[1].slots == {"guest": "guest", "duration": "duration"}
    assert order.says[1].sure == {"guest"}
    assert question.fixed == {"metric": "temperature"}
    assert question.lists == {"how_bad": {"serious": "critical"}}


ORDER = "orders: {reboot: {say: [%s], tool: %s, args: %s}}"
BOTH = "{vm: reboot_vm, ct: reboot_container}"
WRONG = {
    "a key that is not known": ("order: {}", "order is not known"),
    "a key of an order that is not known": (
        "orders: {x: {say: [a], tool: get_all, reply: []}}", "reply is not known",
    ),
    "a tool that is not there": (ORDER % ("all", "get_everything", "{}"), "there is no tool get_everything"),
    "an argument that is not there": (
        ORDER % ('"restart {guest}"', BOTH, "{guest: guest, force: {value: true}}"), "no argument force",
    ),
    "a required argument that nothing fills": (ORDER % ("restart", "reboot_vm", "{}"), "reboot_vm wants guest"),
    "a required argument that may be left out": (
        ORDER % ('"restart [{guest}]"', "reboot_vm", "{guest: guest}"), "guest may be left out",
    ),
    "a slot that no sentence has": (
        ORDER % ('"restart {guest}"', "reboot_vm", "{guest: vm}"), "no sentence has a slot vm",
    ),
    "a slot that fills nothing": (
        ORDER % ('"restart {guest} on {node}"', "reboot_vm", "{guest: guest}"), "slot node fills no argument",
    ),
    "a list that is not there": (
        ORDER % ('"restart {thing}"', "reboot_vm", "{guest: thing}"), "there is no list thing",
    ),
    "a part that is not there": (
        ORDER % ('"restart {guest}"', "reboot_vm", "{guest: guest.colour}"), "guest has no part colour",
    ),
    "words that are not there": (
        ORDER % ('"restart <any> {guest}"', "reboot_vm", "{guest: guest}"), "there are no words <any>",
    ),
    "a tool by the kind of no guest": (ORDER % ('"restart"', BOTH, "{}"), "depends on slot guest"),
    "half a choice of tools": (
        ORDER % ('"restart {guest}"', "{vm: reboot_vm}", "{guest: guest}"), "one each for vm and ct",
    ),
    "a sentence that cannot be read": (
        ORDER % ('"restart (the {guest}"', "reboot_vm", "{guest: guest}"), "cannot be read",
    ),
    "capitals": (ORDER % ('"Restart {guest}"', "reboot_vm", "{guest: guest}"), "not in lower case"),
    "a question nobody answers": ("questions: {colour: {say: [what colour]}}", "nothing in assistant/answers"),
    "no sentence": ("questions: {hottest: {say: []}}", "no sentence"),
    "a name twice": ("questions:\n  hottest: {say: [a]}\n  hottest: {say: [b]}", "stands there twice"),
    "a list like a known one": ("lists: {guest: {a: b}}", "there is a list of that name"),
    "words like the common ones": ('words: {show: "see"}', "common.yaml has that name"),
    "no document": ("- a", "names and what belongs to them"),
    "no YAML": ("orders: [", "orders.yaml"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_place(registry: Registry, case: str) -> None:
    text, told = WRONG[case]
    with pytest.raises(SentenceError) as error:
        read(registry, text, {"hottest"})
    assert told in str(error.value)
    assert "cluster/orders.yaml" in str(error.value)


def test_an_intent_s_name_belongs_to_one_file(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "questions.yaml").write_text("questions: {hottest: {say: [a]}}", "utf-8")
    with pytest.raises(SentenceError, match="hottest: cluster has that name too"):
        read(registry, "questions: {hottest: {say: [b]}}")
