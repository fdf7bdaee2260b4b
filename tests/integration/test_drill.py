"""The drill as the command starts it: a process, lines of JSON, a simulator of its own, nothing of the user's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.drill import script
from jarvis_daemon.drill.lab import Lab
from jarvis_daemon.drill.run import START, Plan, drill
from jarvis_daemon.drill.script import ANSWERED_BY
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.remediation import files, guardrails

SHIPPED = {path.stem for path in files.found(files.SHIPPED)}
STORIES = ("repaired", "refused", "escalated", "asked")


def _drill(*words: str, home: Path) -> tuple[list[str], dict[str, Any]]:
    ran = subprocess.run(
        [sys.executable, "-m", "jarvis_daemon", "admin", "drill", *words, "--json"], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, env={"JARVIS_HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    *told, last = [json.loads(line) for line in ran.stdout.splitlines()]
    return [line["progress"] for line in told], last["report"]


@pytest.mark.slow
def test_half_an_hour_breaks_no_guardrail_and_tells_the_same_again(home: Path) -> None:
    told, report = _drill("--minutes", "30", "--seed", "3", home=home)
    assert report["violations"] == []
    assert report["seed"] == 3
    assert len(report["faults"]) >= 4
    assert len(report["repaired"]) >= 3
    assert all(len(story["samples"]) >= 2 for story in report["repaired"])
    assert any("is mended" in line for line in told)
    assert list(home.iterdir()) == [], "the user's own home was touched"
    again_told, again = _drill("--minutes", "30", "--seed", "3", home=home)
    assert (again_told, again) == (told, report)
    assert _drill("--minutes", "30", "--seed", "4", home=home)[1]["faults"] != report["faults"]


@pytest.mark.slow
def test_one_fault_of_a_runbook_is_played_to_its_end(home: Path) -> None:
    _, report = _drill("--runbook", "guest-crashed", "--seed", "1", home=home)
    assert [fault["name"] for fault in report["faults"]] == ["guest-crash"]
    (story,) = report["repaired"]
    assert (story["runbook"], story["status"], story["attempt"]) == ("guest-crashed", "repaired", 1)
    assert {check["guardrail"] for check in story["checks"]} >= {
        "kill switch",
        "quorum",
        "blast radius",
        "evidence",
    }
    assert all(check["verdict"] == "pass" for check in story["checks"])
    assert story["samples"][1] - report["faults"][0]["at"] <= 60, "six polls"
    assert report["open"] == report["violations"] == []


@pytest.mark.slow
def test_after_a_power_cut_only_what_may_be_done_is_done(home: Path) -> None:
    _, report = _drill("--power-cut", "--minutes", "45", "--seed", "1", home=home)
    back = [fault["at"] for fault in report["faults"] if fault["name"] == "person: power-on"]
    assert len(back) == 4
    acted = [story for key in STORIES for story in report[key] if story["attempt"]]
    assert acted, "guests that do not start with their node wait for somebody"
    assert all(story["decided_at"] > sorted(back)[2] for story in acted), "before three nodes had their power again"
    assert report["violations"] == []


@pytest.mark.slow
def test_its_witness_notices_a_guardrail_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, so that one can be taken away: a protected guest is started."""
    monkeypatch.setitem(script.TARGETS, "guest-crashed", "opnsense")
    assert drill(Plan(minutes=5, runbook="guest-crashed"), lambda text: None)["violations"] == []
    left = tuple(one for one in guardrails.GUARDRAILS if one.__name__ != "protected")
    monkeypatch.setattr(guardrails, "GUARDRAILS", left)
    report = drill(Plan(minutes=5, runbook="guest-crashed"), lambda text: None)
    assert any("protected" in one for one in report["violations"])


def test_time_stands_still_in_its_homelab_until_it_is_told(home: Path) -> None:
    lab = Lab(seed=1, now=START)
    try:
        assert lab.truth["now"] == START
        lab.passed = 12.5
        assert lab.catch_up()
        assert lab.truth["now"] == START + 12.5
        assert not lab.catch_up()
        with pytest.raises(JarvisError, match="0 to 86400"):
            lab.say("advance", seconds=-1)
        lab.say("person", act="stop", target="plex")
        lab.passed = 5.0
        lab.catch_up()
        assert lab.truth["guests"]["103"]["state"] == "stopped"
        with pytest.raises(JarvisError, match="cannot dance"):
            lab.say("person", act="dance", target="plex")
        folder = lab.folder
    finally:
        lab.close()
    assert not folder.exists()


def test_every_shipped_runbook_has_its_fault() -> None:
    assert SHIPPED - set(ANSWERED_BY) <= {"root-disk-high", "docker-container-looping"}
    with pytest.raises(JarvisError, match="No fault is known"):
        drill(Plan(runbook="make-coffee"), lambda text: None)
