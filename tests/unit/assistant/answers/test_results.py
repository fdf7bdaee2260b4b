"""Results of reads: a tool that nobody wrote words for, a shape that is not ours, what the simulator has not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jarvis_daemon.assistant.answers import (  # noqa: F401  # each enters its formatters
    results_guests,
    results_mind,
    results_nodes,
    results_rooms,
    results_services,
)
from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.outcomes import tell_outcome
from jarvis_daemon.assistant.answers.results import FORMATTERS
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.bus import Bus
from jarvis_daemon.protocol.messages import ToolOutcome
from tests.unit.assistant.answers.salon import GIB, HOUR, NOW

RAW = re.compile(r"[{}\[\]]|\x1b|\u202e|(?<=[a-z,:] )None\b|\bTrue\b")


def tell(tool: str, result: dict[str, Any], *, tainted: bool = False, **args: Any) -> Answer:
    outcome = ToolOutcome(tool=tool, outcome="done", result=result, tainted=tainted)
    return tell_outcome(outcome, View(Bus(), NOW), args=args, writes=False)


def everything(answer: Answer) -> str:
    return "\n".join([answer.text, *answer.ways, *answer.lines])


def test_a_tool_without_words_of_its_own() -> None:
    """As of a foreign MCP server: named, counted, listed; never dumped."""
    evil = "x\x1b[2J\u202e token=abcdefgh12345"
    answer = tell(
        "weather_now", {"celsius": 3.5, "wet": True, "seen_at": NOW - 60, "size_bytes": 2 * GIB, "who": None,
                        "note": evil, "days": [{"name": evil, "rain": 4, "deep": {"a": [1]}}, "plain", [1, 2]],
                        "more": {"a": {"b": 1}}},
        tainted=True,
    )  # fmt: skip
    assert answer.text.startswith("weather now: celsius 3.5, wet yes, seen at 07:59, size 2.0 GiB, who not known")
    assert "3 days" in answer.text
    told = everything(answer)
    assert not RAW.search(told), told
    assert "abcdefgh12345" not in told
    assert answer.tainted
    assert "days 1: name x token=***, rain 4" in told
    assert tell("empty_tool", {}).text == "empty tool answered, and had nothing to tell"


@pytest.mark.parametrize("tool", sorted(FORMATTERS))
@pytest.mark.parametrize("result", [{}, {"guests": 3}, {"node": None, "series": [], "tested": "x", "cluster": 1}])
def test_a_shape_of_another_version(tool: str, result: dict[str, Any]) -> None:
    """Told as far as it goes; nothing is raised, and nothing is made up."""
    answer = tell(tool, result)
    assert answer.text
    assert not RAW.search(everything(answer)), everything(answer)
    if not result:
        assert "had nothing to tell" in answer.text or "not known" in answer.text, answer.text


def test_uptime_checks() -> None:
    checks = [
        {"source": "Uptime Kuma", "name": "plex", "state": "up", "detail": ""},
        {"source": "Uptime Kuma", "name": "gitea", "state": "down", "detail": "timeout"},
        {"source": "Prometheus", "name": "nas", "state": "pending", "detail": ""},
    ]
    answer = tell("get_uptime_checks", {"checks": checks, "unreachable": {"Prometheus": "it does not answer"}})
    assert answer.text == (
        "1 of 3 checks is up. Down: gitea. One check is neither up nor down. Prometheus does not answer."
    )
    assert answer.grave
    assert answer.lines[0] == "gitea: down timeout"


def test_a_log_s_last_line_and_memories() -> None:
    log = tell("get_task_log", {"upid": "UPID:x", "status": "ok", "lines": ["one", "two\x1b[2J"], "next": 2})
    assert log.text == "The log of the task: 2 lines, the last one: two"
    assert log.tainted
    rows = [
        {
            "id": 1,
            "text": "the NAS has 4 disks",
            "trust": "operator",
            "happened_at": NOW - HOUR,
            "superseded_by": None,
        }
    ]
    told = tell("search_memory", {"memories": rows}, query="the NAS")
    assert told.text == "At 07:00: the NAS has 4 disks"
    assert told.lines == ("1 At 07:00, you told me: the NAS has 4 disks",)


def test_a_plan_of_a_restore_restores_nothing() -> None:
    guests = [
        {
            "vmid": 101,
            "name": "nextcloud",
            "age_s": 3 * HOUR,
            "command": "jarvis tool call create_guest x=1",
            "why": "",
        },
        {"vmid": 102, "name": "gitea", "age_s": None, "command": None, "why": "no backup can be reached"},
    ]
    answer = tell(
        "plan_restore", {"node": "pve", "guests": guests, "warnings": ["Be sure that pve is off."], "not_asked": {}}
    )
    assert answer.text == (
        "1 of 2 guests of pve could be made anew from a backup elsewhere. Nothing has been restored."
    )
    assert answer.lines[1] == "102 gitea: no backup; no backup can be reached"
    assert answer.grave
