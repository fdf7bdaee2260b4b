"""A guest that stopped: by itself, or by somebody's will."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.cluster.conditions import Judge, Stop
from jarvis_daemon.protocol.state import Incident

from .pictures import NOW, SETTINGS, guest, ill, node, picture, task

CRASH = {("guest-crashed", "guest:103"): "error"}
STOPPED = [guest(103, "plex", status="stopped", memory_used_bytes=None)]
STOP = Stop("guest:103", last_running_at=NOW - 10, seen_at=NOW, memory_share=0.99)


@pytest.fixture
def judge() -> Judge:
    return Judge(SETTINGS)


def test_stopped_without_a_task_is_a_crash_until_it_runs_again(judge: Judge) -> None:
    assert ill(judge, picture(0, guests=STOPPED, stops=[STOP])) == CRASH
    found = judge.judge(picture(10, guests=STOPPED))
    (seen,) = found.observations
    assert "Its memory was 99% full before" in seen.detail
    assert ill(judge, picture(20)) == {}
    assert ill(judge, picture(30, guests=STOPPED)) == {}  # who saw no running guest stop has nothing to report


EXPLAINED: list[dict[str, Any]] = [
    {"tasks": [task("vzshutdown", "103", started_at=NOW - 9, ended_at=NOW - 1)]},
    {"tasks": [task("vzstop", "103", started_at=NOW - 9, ended_at=NOW - 8, status="failed", exit_text="x")]},
    {"tasks": [task("vzmigrate", "103", status="running", started_at=NOW - 9, ended_at=None)]},
    {"tasks": [task("stopall", started_at=NOW - 9, ended_at=NOW - 1)]},
    {"tasks": [task("bulkshutdown", node="agent", started_at=NOW - 9, ended_at=NOW - 1)]},
    {"guests": [guest(103, "plex", status="stopped", ha_state="stopped")]},
    {"guests": [guest(103, "plex", status="stopped", template=True)]},
    {"guests": [guest(103, "plex", status="paused")]},
    {"guests": []},
]


@pytest.mark.parametrize("given", EXPLAINED)
def test_what_explains_a_stop_explains_it_for_good(judge: Judge, given: dict[str, Any]) -> None:
    assert CRASH.keys().isdisjoint(ill(judge, picture(0, **({"guests": STOPPED, "stops": [STOP]} | given))))
    assert CRASH.keys().isdisjoint(ill(judge, picture(10, guests=STOPPED)))


POSTPONED: list[dict[str, Any]] = [
    {"guests": [guest(103, "plex", status="stopped", lock="backup")]},
    {"tasks": [task("vzdump", status="running", started_at=NOW - 300, ended_at=None)]},
    {"in_window": True},
    {"stale": ("tasks",)},
    {"stale": ("resources",)},
    {"guests": [guest(103, "plex", status="unknown")]},
    {"nodes": [node("pve", started_at=NOW - 5)]},
]


@pytest.mark.parametrize("given", POSTPONED)
def test_what_may_explain_a_stop_postpones_the_judgement(judge: Judge, given: dict[str, Any]) -> None:
    assert ill(judge, picture(0, **({"guests": STOPPED, "stops": [STOP]} | given))) == {}
    assert ill(judge, picture(10, guests=STOPPED)) == CRASH


NOT_EXPLAINED = [
    task("vzstart", "103", started_at=NOW - 5, ended_at=NOW - 4),
    task("vzshutdown", "104", started_at=NOW - 9, ended_at=NOW - 1),
    task("vzshutdown", "103", started_at=NOW - 5000, ended_at=NOW - 4990),
    task("stopall", node="agent", started_at=NOW - 9, ended_at=NOW - 1),
]


@pytest.mark.parametrize("told", NOT_EXPLAINED)
def test_other_tasks_explain_nothing(judge: Judge, told: Any) -> None:
    assert ill(judge, picture(0, guests=STOPPED, stops=[STOP], tasks=[told])) == CRASH


def test_a_guest_that_ran_since_its_node_booted_is_judged_at_once(judge: Judge) -> None:
    young = [node("pve", started_at=NOW - 100)]
    assert ill(judge, picture(0, guests=STOPPED, stops=[STOP], nodes=young)) == CRASH


def test_a_stop_is_judged_only_with_tasks_read_after_it(judge: Judge) -> None:
    early = picture(0, guests=STOPPED, stops=[STOP])
    early.sources["source:homelab/tasks"].ok_at = NOW - 5
    assert ill(judge, early) == {}
    late = picture(10, guests=STOPPED, tasks=[task("vzstop", "103", started_at=NOW - 9, ended_at=NOW - 8)])
    assert ill(judge, late) == {}


@pytest.mark.parametrize(("since", "expected"), [(NOW - 7200, CRASH), (NOW - 100, {}), (None, {})])
def test_after_a_long_absence_only_a_list_that_reaches_back_convicts(
    judge: Judge, since: float | None, expected: Any
) -> None:
    """The daemon was down for an hour: a stop of that time is a crash only if its tasks would be listed."""
    stop = Stop("guest:103", last_running_at=NOW - 3600, seen_at=NOW)
    assert ill(judge, picture(0, guests=STOPPED, stops=[stop], tasks_since_at=since)) == expected


def test_an_open_crash_stays_open_after_a_restart() -> None:
    judge = Judge(SETTINGS)
    judge.seed([
        Incident(id="1", condition="guest-crashed", target="guest:103", severity="error",
                 evidence={"last_running_at": NOW - 500, "seen_at": NOW - 490, "memory_share": None})
    ])  # fmt: skip
    assert ill(judge, picture(0, guests=STOPPED)) == CRASH
    assert ill(judge, picture(10)) == {}
