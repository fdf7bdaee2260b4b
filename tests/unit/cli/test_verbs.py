"""The table of verbs: each is a call of a tool, and a call is told as its verb."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from jarvis_cli import verbs
from jarvis_cli.verbs import MORE, VERBS, Verb
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served

SUBJECT = {"guest": "104", "node": "pve", "service": "pve/smbd", "container": "agent1/frigate", "none": None}
IDS = [f"{verb.noun}-{verb.name}" for verb in VERBS]


def filled(verb: Verb) -> dict[str, Any]:
    values: dict[type, Any] = {int: 7, str: "a b", bool: True}
    return verbs.arguments(verb, SUBJECT[verb.about], {part.name: values[part.kind] for part in verb.parts})


@pytest.mark.parametrize("verb", VERBS, ids=IDS)
def test_a_call_is_told_as_the_verb_that_makes_it(verb: Verb) -> None:
    args = filled(verb)
    words = shlex.split(verbs.command_line(verb.vm, args))
    assert words[:3] == ["jarvis", verb.noun, verb.name]
    assert verbs.command_line(verb.ct, args | {"unheard": "of"}).startswith(f"jarvis tool call {verb.ct} ")


def test_one_word_one_row() -> None:
    assert len({(verb.noun, verb.name) for verb in VERBS}) == len(VERBS)


def test_what_no_verb_says_is_told_as_a_call_quoted_for_a_shell() -> None:
    line = verbs.command_line("set_guest_tags", {"guest": "1", "tags": ["a", "b c"], "x": "$(rm)"})
    assert shlex.split(line) == [
        "jarvis",
        "tool",
        "call",
        "set_guest_tags",
        "guest=1",
        'tags=["a", "b c"]',
        "x=$(rm)",
    ]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.noun == "guest"][:4], ids=lambda verb: verb.name)
def test_a_vm_and_a_container_have_their_own_tools(served: Served, jarvis: Jarvis, verb: Verb) -> None:
    for vmid, tool in (("100", verb.vm), ("103", verb.ct)):
        jarvis("guest", verb.name, vmid, "--yes")
        assert served.workshop.acts[-1] == f"{tool} guest:{vmid}"


def test_options_reach_the_tool(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("guest", "reboot", "103", "--patience", "4", "--yes")
    assert (said.code, served.workshop.acts) == (2, [])
    assert "timeout_s" in said.err
    assert jarvis("guest", "reboot", "103", "--patience", "60", "--yes").code == 0
    assert jarvis("guest", "migrate", "103", "Home", "--yes").code == 0
    rows = served.do(served.tools.audit.list_rows(limit=100))
    args = {row["tool"]: row["args"] for row in rows if row["kind"] == "intent"}
    assert args == {
        "reboot_container": {"guest": "103", "timeout_s": 60}, "migrate_guest": {"guest": "103", "node": "Home"}
    }  # fmt: skip


def test_two_guests_of_one_name_and_unknown_ones_are_refused_here(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("guest", "start", "plex")
    assert (said.code, served.workshop.acts) == (2, [])
    assert "103 (ct on agent1), 104 (vm on Home)" in said.err
    assert jarvis("guest", "start", "nobody").code == 6
    assert jarvis("node", "reboot", "nobody").code == 6


def test_services_and_containers_are_named_with_their_node(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("service", "restart", "Home/smbd")
    assert (said.code, said.out) == (0, "✔ smbd is restarted.\n")
    assert served.workshop.acts == ["restart_service service:Home/smbd"]
    for wrong in ("smbd", "/smbd", "Home/"):
        said = jarvis("service", "restart", wrong)
        assert said.code == 2
        assert "does not say where: write it as NODE/UNIT" in said.err
    assert jarvis("docker", "logs", "frigate").code == 2


def test_a_tool_that_the_daemon_lacks_is_one_clear_sentence(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("node", "wake", "pve")
    assert said.code == 1
    assert said.err == (
        "jarvis: This daemon cannot do `jarvis node wake`: it has no tool wake_node\n"
        "  next: `jarvis tool list` shows what it has; after an update, `jarvis daemon restart`.\n"
    )
    assert jarvis("service", "list").code == 1
    assert jarvis("tool", "call", "wake_node").code == 6


@pytest.mark.parametrize("verb", MORE, ids=[f"{verb.noun}-{verb.name}" for verb in MORE])
def test_a_call_of_the_watchman_is_told_as_its_command(verb: Verb) -> None:
    words = shlex.split(verbs.command_line(verb.vm, filled(verb)))
    assert words[:3] == ["jarvis", verb.noun, verb.name]


def test_the_undo_of_a_level_is_a_command() -> None:
    told = verbs.command_line("set_autonomy", {"level": 2, "target": "guest:105"})
    assert told == "jarvis autonomy set 2 --target guest:105"
    assert verbs.command_line("unset_autonomy", {"condition": "storage-high"}) == (
        "jarvis autonomy unset --condition storage-high"
    )
    assert verbs.command_line("trust_runbook", {"name": "a", "sha256": "b"}).startswith("jarvis tool call trust_")
