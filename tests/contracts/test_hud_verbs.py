"""The HUD's words against the tools as the daemon registers them."""

from __future__ import annotations

import re

import pytest

from jarvis_cli.hud.verbs import VERBS, tool_of, undo_words, wish
from jarvis_daemon.tools import Registry
from tests.contracts.test_verbs import registry as registry  # the fixture

TARGETS = {
    "vm": {"id": "guest:100", "vmid": 100, "kind": "vm", "name": "management"},
    "ct": {"id": "guest:103", "vmid": 103, "kind": "ct", "name": "plex"},
    "node": {"id": "node:pve", "name": "pve"},
}


@pytest.mark.parametrize("word", VERBS)
async def test_a_word_gives_what_its_tool_takes(registry: Registry, word: str) -> None:
    verb = VERBS[word]
    for kind, target in TARGETS.items():
        name = tool_of(verb, kind)
        if not name:
            continue
        if name not in registry:
            assert name == "drain_node", f"no such tool: {name}"
            continue
        schema = registry.get(name).input_schema()
        made = wish(verb, target, {name: {}}, "x" if verb.want else "")
        assert made is not None
        assert set(made.args) <= set(schema["properties"]), name
        assert set(schema.get("required", [])) <= set(made.args), name
        assert registry.get(name).writes, name


async def test_a_proposed_snapshot_has_a_name_that_is_taken(registry: Registry) -> None:
    schema = registry.get("create_snapshot").input_schema()["properties"]["name"]
    assert re.search(schema["pattern"], "hud-20261120-2147")


def test_an_undo_is_told_as_something_to_type() -> None:
    assert undo_words({"name": "start_vm", "args": {"guest": "100"}}) == ":start 100"
    assert undo_words({"name": "migrate_guest", "args": {"guest": "100", "node": "pve"}}) == ":migrate 100 pve"
    told = undo_words({"name": "delete_snapshot", "args": {"guest": "100", "name": "x"}})
    assert told == "jarvis tool call delete_snapshot guest=100 name=x"
    assert undo_words(None) == ""
