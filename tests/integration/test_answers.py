"""Sentences as a person says them, against the simulated homelab: understood, answered, every read in words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon import assistant
from jarvis_daemon.assistant.answers.answers import Answers
from jarvis_daemon.assistant.answers.asked import QUESTIONS
from jarvis_daemon.assistant.answers.results import FORMATTERS
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.explain import Explainer
from jarvis_daemon.assistant.memory import tools as memory_tools
from jarvis_daemon.assistant.memory.memory import Memory
from jarvis_daemon.assistant.persona import Persona
from jarvis_daemon.assistant.understanding import tools as alias_tools
from jarvis_daemon.assistant.understanding.understanding import Understanding
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.redact import redact
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.settings.assistant import AssistantSettings
from jarvis_daemon.simulator.faults import Faults
from tests.integration.node_house import OPERATOR, NodeHouse

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
PERSONA = Persona(AssistantSettings())
RAW = re.compile(r"[{}]|(?<=[a-z,:] )None\b|\bTrue\b|\bFalse\b|\x1b")


@dataclass
class Parlour:
    house: NodeHouse
    understanding: Understanding
    answers: Answers

    async def say(self, text: str) -> tuple[Understood, str]:
        """A question or a GREEN order, and all that is answered."""
        await self.house.until(lambda: not View(self.house.bus, time.time()).blind)  # a busy machine polls late
        understood = self.understanding.parse(text)
        if understood.kind == "question":
            answer = await self.answers.answer(understood, OPERATOR)
        else:
            assert understood.kind == "order", (text, understood)
            outcome = await self.house.call(understood.tool, OPERATOR, **understood.args)
            answer = self.answers.tell(understood, outcome)
        told = PERSONA.say(answer, seed=0)
        assert told.partition("\n")[0].endswith((".", "!", "?", "…")), told
        return understood, told


async def no_head() -> str:
    return ""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parlour() -> AsyncIterator[Parlour]:
    async with NodeHouse() as house:
        places, registry = base_places({"JARVIS_HOME": str(house.home)}), house.tools.registry
        clock = house.incidents.clock
        NotifyRoom(
            house.settings, places, house.bus, house.store, house.feed, clock, audit_head=no_head
        ).register_tools(registry)
        Remediation(
            house.settings, places, house.bus, house.store, house.feed, clock, house.tools,
            ask_second=house.room.second_look, ask_orders=house.room.boot_orders, in_window=lambda now: False,
        )  # fmt: skip
        explainer = Explainer(house.bus, clock, registry)
        explainer.offer()
        explainer.register(registry)
        memory = Memory(house.store, house.bus, house.feed, clock, house.settings.assistant.memory, redact)
        memory.offer(house.bus)
        memory_tools.register(registry, memory)
        aliases = Understanding(registry, house.bus).aliases
        alias_tools.register(registry, aliases)
        registry.add_sentences("assistant", Path(assistant.__file__).parent / "intents")
        understanding = Understanding(
            registry, house.bus, answers=QUESTIONS.keys(), services=house.settings.conditions.services,
            docker=lambda: [("management", "grafana")],
        )  # fmt: skip
        answers = Answers(
            house.bus, clock, registry=registry, help=understanding.help, explainer=explainer, simulated=True
        )
        await house.until(lambda: house.nodes["node:pve"].temperature_c and house.nodes["node:pve"].ha_state)
        yield Parlour(house, understanding, answers)
        understanding.stop()


SAID: list[tuple[str, str]] = [
    ("status", r"No incident is open|nodes are online"),
    ("how hot is pve?", r"pve.*\d\d °C|\d\d °C.*pve"),
    ("which node is the hottest", r"\d\d °C"),
    ("how full is externalhdd", r"externalhdd.*% full|% full.*externalhdd"),
    ("what runs on Home", r"on Home.*management|Home: .*management"),
    ("is plex running", r"plex"),
    ("since when is pve up", r"pve.*up|up.*pve"),
    ("where is gitea", r"gitea"),
    ("do we have quorum", r"uorum|quorate"),
    ("how many guests run", r"\d+ .*run"),
    ("which guest uses the most memory", r"GiB|MiB"),
    ("which storage is the fullest", r"% full"),
    ("what happened last night", r"happened|noted|opened|night|tonight"),
    ("what did you do today", r"nothing|Nothing"),
    ("when was plex last backed up", r"plex.*(backed up|no backup)|backup of plex"),
    ("which guests have no backup", r"backup"),
    ("is anything wrong", r"o incident is open|Nothing"),
    ("what is your autonomy level", r"L\d|not know"),
    ("is the kill switch engaged", r"not engaged|released"),
    ("which version are you", r"version"),
    ("what can i say", r"say|For instance|sentences"),
    ("how busy is agent1", r"CPU \d"),
    ("who is home", r"not know|cannot see"),
    ("is this real", r"simulated"),
    ("give me the morning report", r"report|Nothing wants|matter"),
]


@pytest.mark.parametrize(("text", "told"), SAID, ids=[q for q, _ in SAID])
async def test_a_question_of_a_person(parlour: Parlour, text: str, told: str) -> None:
    understood, said = await parlour.say(text)
    assert understood.kind == "question"
    assert re.search(told, said), said
    assert not RAW.search(said), said


READS: list[tuple[str, dict[str, Any], str]] = [
    ("get_cluster_status", {}, "4 of 4 nodes are online"),
    ("get_node_status", {"node": "pve"}, "pve is online, CPU"),
    ("get_storage", {}, "the fullest is"),
    ("get_cluster_resources", {}, "resources"),
    ("get_node_temperature", {}, "pve "),
    ("get_recent_tasks", {"limit": 3}, "Three tasks"),
    ("get_ha_status", {}, "Quorum holds; high availability manages 1 guest"),
    ("get_metrics_history", {"ids": ["node:pve"], "metrics": ["cpu"]}, "pve, cpu:"),
    ("get_vms", {}, "VMs, of which"),
    ("get_containers", {"node": "pve"}, "container"),
    ("get_guest_config", {"guest": "plex"}, "MiB of memory"),
    ("get_guest_addresses", {"guest": "plex"}, "plex"),
    ("get_snapshots", {"guest": "plex"}, "plex"),
    ("get_backups", {}, "backup"),
    ("list_docker_containers", {}, "Docker container"),
    ("get_docker_logs", {"node": "management", "container": "grafana"}, "log of grafana"),
    ("list_services", {}, "services are listed"),
    ("get_service_status", {"node": "pve", "service": "smbd"}, "smbd on pve is active"),
    ("get_journal", {"node": "pve", "service": "smbd"}, "journal of smbd on pve"),
    ("get_disk_health", {"node": "pve"}, "pve"),
    ("get_updates_available", {"node": "pve"}, "update"),
    ("get_firewall_status", {"node": "pve"}, "The firewall of pve"),
    ("get_mount_health", {"node": "pve"}, "pve"),
    ("get_disk_usage", {"node": "pve"}, "The biggest on pve"),
    ("get_biggest_volumes", {"storage": "externalhdd"}, "The biggest on externalhdd"),
    ("get_incidents", {}, "No incident is open"),
    ("get_feed", {}, "The last of"),
    ("get_notifications", {}, "No message"),
    ("get_repairs", {}, "no story of a repair"),
    ("list_memories", {}, "I remember nothing"),
    ("search_memory", {"query": "the NAS"}, "I remember nothing of the NAS"),
    ("list_runbooks", {}, "runbooks, "),
    ("test_runbook", {"runbook": "node-unreachable", "target": "pve"}, "Nothing has been touched"),
]


@pytest.mark.parametrize(("tool", "args", "told"), READS, ids=[t for t, _, _ in READS])
async def test_a_read_told_in_words(parlour: Parlour, tool: str, args: dict[str, Any], told: str) -> None:
    """Never as raw data, whatever comes back; and marked as text from outside where the tool marks it."""
    outcome = await parlour.house.call(tool, OPERATOR, **args)
    assert outcome.outcome == "done", outcome.text
    answer = parlour.answers.tell(Understood("order", tool, tool, args), outcome)
    assert told in answer.text, answer.text
    assert answer.tainted or not outcome.tainted
    assert not answer.success
    for seed in range(4):
        said = PERSONA.say(answer, replies=["{target} is done{sir}."], seed=seed)
        assert not RAW.search(said.replace("\\{", "")), said
        assert "is done" not in said
    assert json.dumps(outcome.result)[:40] not in answer.text


async def test_every_read_has_its_words(parlour: Parlour) -> None:
    reads = {spec.name for spec in parlour.house.tools.registry.all() if not spec.writes}
    assert reads - FORMATTERS.keys() == set()
    assert reads - {tool for tool, _, _ in READS} == {
        "get_task_log",
        "get_uptime_checks",
        "plan_restore",
        "explain_incident",
    }


async def test_a_node_dies_and_is_explained(parlour: Parlour) -> None:
    """Last: it takes a node away. What was running there is unknown at once, and the incident is explained."""
    house = parlour.house
    Faults(house.lab.world).begin("node-down", "agent1")
    await house.until(
        lambda: any(i.condition == "node-unreachable" for i in house.incidents.open_incidents("cluster"))
    )
    number = next(i.id for i in house.incidents.open_incidents("cluster") if i.condition == "node-unreachable")
    _, told = await parlour.say("how is agent1")
    assert "offline" in told
    _, on_it = await parlour.say("what runs on agent1")
    assert "nobody can say" in on_it or "is not known" in on_it
    lost = next(guest for guest in house.guests.values() if guest.node == "agent1")
    _, running = await parlour.say(f"is {lost.name} running")
    assert "Yes" not in running
    assert "agent1 is offline" in running
    _, why = await parlour.say("why is agent1 down")
    for part in ("Evidence:", "Likely causes:", "What could be done:", "jarvis node wake agent1"):
        assert part in why, why
    outcome = await house.call("explain_incident", OPERATOR, incident=number)
    assert outcome.outcome == "done"
    answer = parlour.answers.tell(Understood("order", "x", "explain_incident", {"incident": number}), outcome)
    assert answer.text.startswith("agent1 does not answer.")
    _, plan = await parlour.say("plan a restore of agent1")
    assert "Nothing has been restored" in plan
