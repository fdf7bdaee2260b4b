"""Why an incident is: evidence first, causes with what speaks for and against, advice that could be ordered."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from jarvis_daemon.assistant.answers.commands import command_of
from jarvis_daemon.assistant.explain import Explainer, document
from jarvis_daemon.assistant.explaining.findings import RULES
from jarvis_daemon.bus import Principal
from jarvis_daemon.cluster import conditions
from jarvis_daemon.incidents.observation import Observation
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import IncidentExplain, IncidentExplained
from jarvis_daemon.protocol.state import Repair, Storage, Task
from jarvis_daemon.tools import Registry
from tests.contracts.test_tool_tiers import registry
from tests.unit.assistant.answers.salon import DAY, GIB, HOUR, NOW, PERSON, Salon
from tests.unit.assistant.answers.test_questions import FORECAST, LEFTOVERS

__all__ = ["registry"]  # the fixture: all tools of the rooms

KNOWN = {
    name
    for line in (conditions.__doc__ or "").splitlines()
    if (found := re.match(r"([a-z]+(?:-[a-z]+)+(?:, [a-z]+(?:-[a-z]+)+)*)  +\S", line))
    for name in found[1].split(", ")
} | {
    name
    for line in (conditions.__doc__ or "").splitlines()
    if (found := re.match(r"([a-z-]+-[a-z-]+) ", line))
    for name in [found[1]]
}  # fmt: skip
UPID = "UPID:Home:00001F40:00A1B2C3:6B49D200:vzdump:105:root@pam:"
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("cluster-unwatchable", "cluster:homelab", {"problem": "401 no such token", "endpoints_failed": {"a": "no"}}),
    ("endpoint-failing", "endpoint:https://192.168.1.74:8006", {"error": "timed out", "node": "pve"}),
    ("permission-missing", "cluster:homelab", {"missing": ["VM.Audit on /vms"]}),
    ("quorum-lost", "cluster:homelab", {"nodes_online": 2, "nodes_total": 4, "quorum_needed": 3}),
    ("node-unreachable", "node:pve", {"node": "pve", "last_seen_at": NOW - 60, "guests": ["nextcloud"]}),
    ("node-unreachable", "node:pve", {"node": "pve", "mute_since_at": NOW - 60, "error": "timed out"}),
    ("memory-high", "node:Home", {"node": "Home", "percent": 97.0, "used_bytes": 23 * GIB}),
    ("cpu-high", "node:Home", {"node": "Home", "percent": 99.0}),
    ("temperature-high", "node:Home", {"node": "Home", "celsius": 96.0}),
    ("clock-skew", "node:Home", {"node": "Home", "skew_s": -90.0}),
    ("clock-skew", "cluster:homelab", {"skew_s": 90.0}),
    ("certificate-expiring", "node:Home", {"node": "Home", "expires_at": NOW + DAY}),
    ("service-down", "service:Home/smbd", {"node": "Home", "unit": "smbd", "state": "failed"}),
    ("sensors-failing", "node:Home", {"node": "Home", "error": "connection refused"}),
    ("storage-high", "storage:Home/local", {"percent": 99.4, "used_bytes": 1, "total_bytes": 2, "node": "Home"}),
    ("storage-high", "storage:externalhdd", {"percent": 92.0, "node": None}),
    ("storage-high", "node:Home", {"percent": 96.0, "node": "Home"}),
    ("disk-failing", "disk:Home/sda", {"node": "Home", "disk": "/dev/sda", "health": "FAILED!", "wearout_pct": 3}),
    ("docker-container-unhealthy", "container:management/grafana",
     {"node": "Home", "host": "management", "container": "grafana", "health": "unhealthy", "status": "Up 3 hours"}),
    ("guest-crashed", "guest:104", {"node": "Home", "seen_at": NOW - 10, "memory_share": 0.99}),
    ("guest-out-of-memory", "guest:105", {"node": "agent", "percent": 99.0, "used_bytes": 1}),
    ("task-failed", "guest:105", {"node": "agent", "upid": UPID, "exit_text": "storage 'x' is not online"}),
    ("task-stuck", UPID, {"node": "Home", "upid": UPID, "type": "vzdump", "started_at": NOW - 13 * HOUR}),
    ("backup-failed", "guest:105", {"node": "agent", "upid": UPID, "exit_text": "no space left on device"}),
    ("backup-missing", "guest:105", {"node": "agent", "last_at": NOW - 9 * DAY, "job": "daily"}),
    ("replication-failed", "guest:105", {"node": "agent", "to": "pve", "error": "'zfs send' failed: signal 13"}),
]  # fmt: skip


async def explained(
    salon: Salon, tools: Registry, condition: str, target: str, evidence: dict[str, Any]
) -> IncidentExplained:
    await salon.fault(
        Observation(condition, target, "error", f"{target} is ill", "It looks bad.", evidence, grace_s=0)
    )
    explainer = Explainer(salon.bus, salon.clock, tools)
    return await explainer.explain(IncidentExplain(id="1"), PERSON)


def test_each_condition_has_a_rule() -> None:
    assert len(KNOWN) >= 22
    assert RULES.keys() == KNOWN
    assert {condition for condition, _, _ in CASES} == KNOWN


@pytest.mark.parametrize(
    ("condition", "target", "evidence"), CASES, ids=[f"{c}-{i}" for i, (c, _, _) in enumerate(CASES)]
)
async def test_every_condition(
    salon: Salon, registry: Registry, condition: str, target: str, evidence: dict[str, Any]
) -> None:
    told = await explained(salon, registry, condition, target, evidence)
    assert told.evidence[0].startswith(f"{target} is ill (error), first seen at 08:00")
    assert any("It looks bad." in line for line in told.evidence)
    assert len(told.causes) >= 2 or condition in {"cluster-unwatchable", "clock-skew"}
    if condition != "temperature-high":  # without figures of before nothing tells why
        assert any(cause.speaks_for for cause in told.causes), "what was recorded speaks for something"
    balance = [len(c.speaks_for) - len(c.against) for c in told.causes]
    assert balance == sorted(balance, reverse=True), "the likeliest first"
    assert told.advice
    for advice in told.advice:
        assert advice.command.startswith("jarvis "), advice
        if advice.tool:
            spec = registry.get(advice.tool)
            msgspec.convert(advice.args, spec.args)
            assert advice.tier == spec.base_tier.word
            assert advice.command == command_of(advice.tool, advice.args)
    text = document(told)
    assert not LEFTOVERS.search(text.replace("  for:", "").replace("  against:", "")), text
    assert not FORECAST.search(text), text
    assert told.prose == ""


async def test_nothing_destructive_is_advised(salon: Salon, registry: Registry) -> None:
    tiers = set()
    for number, (condition, target, evidence) in enumerate(CASES, start=1):
        observation = Observation(condition, f"{target}", "error", "x", "y", evidence, grace_s=0)
        await salon.fault(observation)
        found = [i for i in salon.incidents.open_incidents("cluster") if i.condition == condition]
        told = await Explainer(salon.bus, salon.clock, registry).explain(IncidentExplain(id=found[-1].id), PERSON)
        tiers |= {advice.tier for advice in told.advice}
        assert number
    assert "black" not in tiers


# --- what speaks for and against ---------------------------------------------------------------------------------


async def test_a_guest_whose_memory_was_full(salon: Salon, registry: Registry) -> None:
    told = await explained(salon, registry, "guest-crashed", "guest:104", {"node": "Home", "memory_share": 0.99})
    assert told.causes[0].text.startswith("It ran out of memory")
    assert told.causes[0].speaks_for == ["Its memory was 99 % full before."]
    assert told.advice[0].tool == "start_vm"
    assert told.advice[0].command == "jarvis guest start 104"
    assert told.advice[0].tier == "yellow"


async def test_a_guest_whose_memory_was_not_full(salon: Salon, registry: Registry) -> None:
    told = await explained(salon, registry, "guest-crashed", "guest:104", {"node": "Home", "memory_share": 0.4})
    memory = next(cause for cause in told.causes if "memory" in cause.text)
    assert memory.against == ["Its memory was 40 % full before."]
    assert memory is told.causes[-1] or told.causes[0] is not memory


async def test_a_node_that_works_hard_and_one_whose_fan_fails(salon: Salon, registry: Registry) -> None:
    for load, first in ((0.95, "It works hard"), (0.05, "A fan fails")):
        salon.series["node:Home", "cpu"] = [(NOW - HOUR + 60 * i, load) for i in range(60)]
        salon.series["node:Home", "temperature"] = [(NOW - HOUR + 60 * i, 50.0 + i * 0.7) for i in range(60)]
        observation = Observation("temperature-high", "node:Home", "warning", "Home runs hot", "91 °C.",
                                  {"node": "Home", "celsius": 91.0}, grace_s=0)  # fmt: skip
        await salon.fault(observation)
        told = await Explainer(salon.bus, salon.clock, registry).explain(IncidentExplain(id="1"), PERSON)
        assert told.causes[0].text.startswith(first)
        assert any("Home went from 50 °C to 91 °C in the hour before." in line for line in told.evidence)
    assert any(cause.against == ["No other node is hot."] for cause in told.causes)


async def test_what_happened_around_it_is_evidence(salon: Salon, registry: Registry) -> None:
    task = Task(id="UPID:move", node="Home", type="qmigrate", target="100", user="root@pam", status="ok",
                exit_text="OK", started_at=NOW - 300, ended_at=NOW - 100)  # fmt: skip
    far = Task(id="UPID:far", node="pve", type="vzdump", status="ok", started_at=NOW - 300, ended_at=NOW - 100)
    salon.bus.state("tasks").apply({"tasks": {t.id: t for t in (task, far)}})
    await salon.feed.post("tool.verified", "Home was rebooted", target="node:Home")
    await salon.fault(Observation("storage-high", "storage:Home/local", "error", "local on Home is nearly full",
                                  "95 %.", {"node": "Home"}, grace_s=0))  # fmt: skip
    salon.repairs.append(Repair(id="1", incident="2", runbook="x", status="failed", text="I tried.", seen_at=NOW))
    await salon.fault(Observation("memory-high", "node:Home", "critical", "Home runs short", "97 %.",
                                  {"node": "Home", "percent": 97.0}, grace_s=0))  # fmt: skip
    told = await Explainer(salon.bus, salon.clock, registry).explain(IncidentExplain(id="2"), PERSON)
    text = "\n".join(told.evidence)
    assert "The task qmigrate of management on Home, begun 5 min before its beginning by root@pam: ok, OK." in text
    assert "on pve" not in text, "a task of another node has nothing to do with it"
    assert "About the same time: local on Home is nearly full (error)" in text
    assert "The feed, at its beginning: Home was rebooted." in text
    assert "Repair by x: failed; I tried." in text
    moved = next(cause for cause in told.causes if "started there or moved" in cause.text)
    assert "qmigrate of management" in moved.speaks_for[0]


async def test_a_storage_that_filled_quickly_and_one_that_did_slowly(salon: Salon, registry: Registry) -> None:
    salon.series["storage:externalhdd", "used"] = [(NOW - 6 * DAY + i * DAY, 0.5 + 0.08 * i) for i in range(6)]
    told = await explained(salon, registry, "storage-high", "storage:externalhdd", {"percent": 90.0})
    assert "It went from 50 % to 90 % over 5 d" in str([c.speaks_for for c in told.causes])
    assert any(a.tool == "get_biggest_volumes" for a in told.advice)
    assert not any(a.tool == "clean_package_cache" for a in told.advice), "no part of a root file system"


async def test_memory_that_guests_do_not_use(salon: Salon, registry: Registry) -> None:
    salon.node("Home", memory_used_bytes=23 * GIB)
    pool = Storage(id="storage:Home/rpool", name="rpool", node="Home", type="zfspool")
    salon.apply(storages=[pool])
    told = await explained(salon, registry, "memory-high", "node:Home", {"node": "Home", "percent": 97.0})
    assert told.causes[0].text.startswith("The node itself takes it")
    assert "rpool is a ZFS pool there" in told.causes[0].speaks_for[1]


# --- its end, its errors, its prose -------------------------------------------------------------------------------


async def test_one_that_is_over(salon: Salon, registry: Registry) -> None:
    await explained(salon, registry, "cpu-high", "node:Home", {"node": "Home"})
    await salon.clock.advance(600)
    for _ in range(3):
        await salon.incidents.observe("cluster", [], {"cpu-high"})
        await salon.clock.advance(60)
    told = await Explainer(salon.bus, salon.clock, registry).explain(IncidentExplain(id="#1"), PERSON)
    assert any(line.startswith("It was over after") for line in told.evidence)
    assert [advice.text for advice in told.advice] == ["It is over: nothing has to be done"]


async def test_a_number_that_is_none(salon: Salon, registry: Registry) -> None:
    with pytest.raises(JarvisError, match="There is no incident '77'") as caught:
        await Explainer(salon.bus, salon.clock, registry).explain(IncidentExplain(id="77"), PERSON)
    assert caught.value.code == "not_found"
    assert "jarvis incident list" in caught.value.next


async def test_a_condition_that_nobody_knows(salon: Salon, registry: Registry) -> None:
    told = await explained(
        salon, registry, "moon-full", "node:Home", {"node": "Home", "odd": {"a": [1, 2]}, "yes": True}
    )
    assert told.causes[0].text == "Of this condition I know no common causes."
    assert told.advice
    assert any("odd: a [1, 2]; yes: yes" in line for line in told.evidence)


async def test_prose_is_told_from_the_document_alone(salon: Salon, registry: Registry) -> None:
    given: list[str] = []

    async def tell(text: str) -> tuple[str, str]:
        given.append(text)
        return "\x1b[2JIt was memory. token=abcdefgh12345", "local qwen"

    explainer = Explainer(salon.bus, salon.clock, registry, tell=tell)
    await explained(salon, registry, "guest-crashed", "guest:104", {"node": "Home", "memory_share": 0.99})
    quiet = await explainer.explain(IncidentExplain(id="1"), PERSON)
    assert (quiet.prose, given) == ("", []), "no model is asked without being wanted"
    told = await explainer.explain(IncidentExplain(id="1", prose=True), PERSON)
    assert (told.prose, told.backend) == ("It was memory. token=***", "local qwen")
    assert given == [document(quiet)]
    viewer = Principal(session="v", role="viewer", client="hud")
    with pytest.raises(JarvisError, match="Only an operator has a model asked"):
        await explainer.explain(IncidentExplain(id="1", prose=True), viewer)
    assert (await explainer.explain(IncidentExplain(id="1"), viewer)).causes == quiet.causes
    assert told.causes == quiet.causes
    assert told.evidence == quiet.evidence


async def test_a_model_that_fails_takes_nothing_away(salon: Salon, registry: Registry) -> None:
    async def tell(text: str) -> tuple[str, str]:
        raise JarvisError("unavailable", "No model answers")

    await explained(salon, registry, "cpu-high", "node:Home", {"node": "Home"})
    told = await Explainer(salon.bus, salon.clock, registry, tell=tell).explain(
        IncidentExplain(id="1", prose=True), PERSON
    )
    assert (told.prose, told.backend) == ("", "")
    assert told.causes


async def test_as_a_question_and_as_a_tool(salon: Salon) -> None:
    evidence = {"node": "Home", "memory_share": 0.99}
    title, detail = "plex has stopped by itself", "No task explains it."
    await salon.fault(Observation("guest-crashed", "guest:104", "error", title, detail, evidence, grace_s=0))
    asked = await salon.ask("why_guest", guest="guest:104")
    assert asked.text == (
        "plex has stopped by itself. The likeliest cause by what was recorded: it ran out of memory, and the "
        "kernel ended it (Its memory was 99 % full before)."
    )
    assert asked.grave
    assert asked.tainted
    assert "What could be done:" in asked.lines
    number = await salon.ask("explain_incident", incident="1")
    assert number.text == asked.text
    assert (await salon.ask("why_anything")).text == asked.text
    spec = salon.registry.get("explain_incident")
    assert (spec.base_tier.word, spec.room, spec.tainted) == ("green", "assistant", True)
    output = await spec.run(msgspec.convert({"incident": "1"}, spec.args), None, None)  # type: ignore[arg-type]
    assert output.explained.title == "plex has stopped by itself"  # type: ignore[attr-defined]


async def test_a_guest_of_a_dead_node_is_explained_by_its_node(salon: Salon) -> None:
    salon.kill_node("agent")
    await salon.fault(Observation("node-unreachable", "node:agent", "error", "agent does not answer",
                                  "The cluster calls it offline.", {"node": "agent"}, grace_s=0))  # fmt: skip
    told = await salon.ask("why_guest", guest="guest:105")
    assert told.text.startswith(
        "agent does not answer. The likeliest cause by what was recorded: the node lost its power"
    )


async def test_evidence_from_outside_is_clean(salon: Salon, registry: Registry) -> None:
    evil = "x\x1b[2J\u202e password=hunter2hunter2"
    told = await explained(
        salon, registry, "task-failed", "guest:105", {"node": "agent", "upid": UPID, "exit_text": evil}
    )
    text = document(told)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "hunter2hunter2" not in text
