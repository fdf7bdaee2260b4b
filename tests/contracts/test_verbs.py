"""The command line's verbs against the tools as the daemon registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from jarvis_cli.verbs import MORE, VERBS, Verb
from jarvis_daemon.assistant.memory import tools as memory
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.remediation import tools as watchman
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry
from tests.unit.cli.test_verbs import filled


@pytest.fixture
async def registry(tmp_path: Path) -> Registry:
    """The cluster's tools; nothing is started, nothing is connected."""
    cluster = ClusterSettings(endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", tls="insecure")
    settings, clock, bus, store = Settings(cluster=cluster), ManualClock(), Bus(), Store(tmp_path / "jarvis.db")
    feed = Feed(store, bus, clock)
    incidents = Incidents(store, bus, feed, clock, settings)
    places = Places(tmp_path, tmp_path, tmp_path, tmp_path)
    room = ClusterRoom(settings, places, bus, store, feed, incidents, clock)
    found = Registry()
    room.register_tools(found)
    await room.scene.px.close()
    return found


@pytest.mark.parametrize("verb", VERBS, ids=[f"{verb.noun}-{verb.name}" for verb in VERBS])
async def test_a_verb_gives_what_its_tool_takes(registry: Registry, verb: Verb) -> None:
    for spec in (registry.get(name) for name in {verb.vm, verb.ct}):
        schema, args = spec.input_schema(), filled(verb)
        assert set(args) <= set(schema["properties"]), spec.name
        assert set(schema.get("required", [])) <= set(args), spec.name
        assert spec.writes == verb.asks, spec.name


@pytest.fixture
def watch_registry() -> Registry:
    """Tools of the watchman and of memory; they ask their room for nothing before they are called."""
    found = Registry()
    watchman.register(found, cast(Any, object()))
    memory.register(found, cast(Any, object()))
    return found


@pytest.mark.parametrize("verb", MORE, ids=[f"{verb.noun}-{verb.name}" for verb in MORE])
def test_a_command_of_its_own_gives_what_its_tool_takes(watch_registry: Registry, verb: Verb) -> None:
    schema, args = watch_registry.get(verb.vm).input_schema(), filled(verb)
    assert set(args) <= set(schema["properties"])
    assert set(schema.get("required", [])) <= set(args)


def test_trust_is_asked_for_with_what_was_looked_at(watch_registry: Registry) -> None:
    assert set(watch_registry.get("trust_runbook").input_schema()["properties"]) == {"name", "sha256"}
    operators_own = {"trust_runbook", "distrust_runbook", "set_autonomy", "unset_autonomy"}
    assert all(watch_registry.get(name).operator_only for name in operators_own)
