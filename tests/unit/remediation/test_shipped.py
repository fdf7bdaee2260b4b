"""The shipped runbooks: sound against the real tools, pinned, conservative, and filled from real evidence."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jarvis_daemon import cluster
from jarvis_daemon.cluster.conditions import JUDGES
from jarvis_daemon.protocol.state import Guest, Incident, Node, Storage
from jarvis_daemon.remediation import braces, files, plan, reading
from jarvis_daemon.remediation.facts import Case
from jarvis_daemon.remediation.runbook import Runbook
from jarvis_daemon.remediation.sense import NODE_LEVEL
from jarvis_daemon.tools import Tier
from tests.unit.remediation.books import NOW, case, registry

PATHS = sorted(files.SHIPPED.glob("*.yaml"), key=lambda path: path.stem)
UPID = "UPID:pve:0001C0DE:00A1B2C3:6720F0D0:vzdump:101:root@pam:"

TABLE = {
    # name: (condition, scope, tools that act)
    "disk-failing": ("disk-failing", "report", set()),
    "docker-container-looping": ("docker-container-unhealthy", "report", set()),
    "docker-container-unhealthy": ("docker-container-unhealthy", "guest", {"restart_docker_container"}),
    "failed-backup": ("backup-failed", "report", set()),
    "failed-replication": ("replication-failed", "report", set()),
    "guest-crashed": ("guest-crashed", "guest", {"start_vm", "start_container"}),
    "guest-out-of-memory": ("guest-out-of-memory", "report", set()),
    "high-temperature": ("temperature-high", "report", set()),
    "high-temperature-migrate": ("temperature-high", "node", {"drain_node"}),
    "node-down-for-long": ("node-unreachable", "report", set()),
    "node-unreachable": ("node-unreachable", "node", {"wake_node"}),
    "root-disk-high": (
        "storage-high", "guest", {"clean_backup_leftovers", "clean_package_cache", "clean_task_logs"},
    ),
    "service-down": ("service-down", "guest", {"restart_service"}),
    "storage-high": (
        "storage-high", "guest", {"clean_backup_leftovers", "clean_package_cache", "clean_task_logs"},
    ),
    "storage-high-report": ("storage-high", "report", set()),
    "stuck-backup": ("task-stuck", "report", set()),
}  # fmt: skip
"""All that may ever act by itself at night: a change of this table is a change of what users are promised."""


def shipped(path: Path) -> Runbook:
    return reading.read(path.read_bytes(), str(path), registry())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_sound_by_the_real_tools_and_is_named_like_its_file(path: Path) -> None:
    runbook, mistakes = reading.look(path.read_bytes(), registry())
    assert [f"line {one.line}: {one.sentence()} ({one.hint})" for one in mistakes] == []
    assert runbook is not None
    assert runbook.name == path.stem
    assert path.read_text().startswith("# "), "a shipped runbook says why it is as it is"


def test_the_table_of_what_may_act() -> None:
    found = {}
    for runbook in map(shipped, PATHS):
        names = [name for step in runbook.steps for name in plan_tools(step)]
        acting = {name for name in names if registry().get(name).writes}
        found[runbook.name] = (runbook.condition, runbook.scope, acting)
    assert found == TABLE


def plan_tools(step: Any) -> list[str]:
    return [step.tool] if isinstance(step.tool, str) else list(step.tool.tools.values())


def test_every_shipped_file_is_pinned_and_nothing_else() -> None:
    """``cd jarvis_daemon/remediation/runbooks && sha256sum *.yaml > SHA256SUMS``, once a change was looked at."""
    assert files.pinned() == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PATHS}
    assert {path.name for path in files.SHIPPED.iterdir()} == {path.name for path in PATHS} | {files.SUMS}


def test_they_are_conservative() -> None:
    for runbook in map(shipped, PATHS):
        for step in runbook.steps:
            tiers = {registry().get(name).base_tier for name in plan_tools(step)}
            if Tier.RED in tiers:
                assert step.approval == "always", runbook.name
            if runbook.scope == "report":
                assert step.optional or step.tool == "plan_restore", runbook.name
        if runbook.scope != "report":
            assert runbook.when, f"{runbook.name} has no precondition of its own"
            assert runbook.cool_down_min[0] >= 10


def test_the_list_of_tools_that_touch_a_whole_node_names_real_ones() -> None:
    assert all(name in registry() for name in NODE_LEVEL)


# --- filled from what the conditions tell ---------------------------------------------------------------

NODES = {n.id: n for n in (
    Node(id="node:pve", name="pve", status="online"), Node(id="node:agent", name="agent", status="offline"),
)}  # fmt: skip
GUESTS = {g.id: g for g in (
    Guest(id="guest:100", vmid=100, name="management", kind="vm", node="pve", status="running"),
    Guest(id="guest:101", vmid=101, name="nextcloud", kind="ct", node="pve", status="stopped"),
)}  # fmt: skip
STORAGES = {s.id: s for s in (
    Storage(id="storage:pve/local", name="local", node="pve", type="dir"),
    Storage(id="storage:pve/tank", name="tank", node="pve", type="zfspool"),
    Storage(id="storage:externalhdd", name="externalhdd", type="cifs", shared=True),
)}  # fmt: skip
TASK = {"node": "pve", "upid": UPID, "type": "vzdump", "started_at": NOW - 50_000}
FULL = {"percent": 97.1, "used_bytes": 97, "total_bytes": 100, "node": "pve"}
FAULTS: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    # id: (condition, target, evidence, the runbooks that answer it)
    "a container guest": (
        "guest-crashed", "guest:101",
        {"node": "pve", "last_running_at": NOW, "seen_at": NOW, "memory_share": None}, ["guest-crashed"],
    ),
    "a guest that runs again": ("guest-crashed", "guest:100", {"node": "pve"}, []),
    "memory": (
        "guest-out-of-memory", "guest:100", {"node": "pve", "percent": 99.0, "used_bytes": 1},
        ["guest-out-of-memory"],
    ),
    "a node": (
        "node-unreachable", "node:agent", {"node": "agent", "last_seen_at": NOW, "guests": []},
        ["node-down-for-long", "node-unreachable"],
    ),
    "a node that is online and mute": ("node-unreachable", "node:pve", {"node": "pve", "guests": []}, []),
    "a service": (
        "service-down", "service:pve/smbd", {"node": "pve", "unit": "smbd", "state": "failed"}, ["service-down"],
    ),
    "a service that was stopped": (
        "service-down", "service:pve/smbd", {"node": "pve", "unit": "smbd", "state": "inactive"}, [],
    ),
    "local": ("storage-high", "storage:pve/local", FULL, ["storage-high"]),
    "another storage of a node": ("storage-high", "storage:pve/tank", FULL, ["storage-high-report"]),
    "a shared storage": (
        "storage-high", "storage:externalhdd", {**FULL, "node": None}, ["storage-high-report"],
    ),
    "a root file system": ("storage-high", "node:pve", FULL, ["root-disk-high"]),
    "a Docker container": (
        "docker-container-unhealthy", "container:management/grafana",
        {"node": "pve", "host": "management", "container": "grafana", "health": "unhealthy", "status": "Up",
         "since_at": NOW},
        ["docker-container-unhealthy"],
    ),
    "a Docker container in a loop": (
        "docker-container-unhealthy", "container:management/grafana",
        {"node": "pve", "host": "management", "container": "grafana", "health": "restarting", "status": "Re",
         "since_at": NOW},
        ["docker-container-looping"],
    ),
    "a stuck backup": ("task-stuck", UPID, TASK, ["stuck-backup"]),
    "another stuck task": ("task-stuck", UPID, {**TASK, "type": "qmigrate"}, []),
    "a failed backup of a guest": (
        "backup-failed", "guest:101", {**TASK, "exit_text": "no space", "ended_at": NOW}, ["failed-backup"],
    ),
    "a failed backup job": (
        "backup-failed", "node:pve", {**TASK, "exit_text": "no space", "ended_at": NOW}, ["failed-backup"],
    ),
    "replication": (
        "replication-failed", "guest:101",
        {"node": "pve", "job": "101-0", "to": "agent", "fail_count": 2, "error": "no route", "last_sync_at": None},
        ["failed-replication"],
    ),
    "a disk": (
        "disk-failing", "disk:pve/sda",
        {"node": "pve", "disk": "/dev/sda", "model": "WD", "serial": "1", "health": "FAILED", "wearout_pct": None,
         "size_bytes": 1},
        ["disk-failing"],
    ),
    "heat": ("temperature-high", "node:pve", {"node": "pve", "celsius": 84.0}, ["high-temperature"]),
    "great heat": (
        "temperature-high", "node:pve!", {"node": "pve", "celsius": 95.0},
        ["high-temperature", "high-temperature-migrate"],
    ),
}  # fmt: skip


def answering(condition: str, target: str, evidence: dict[str, Any], age_s: float) -> list[tuple[Runbook, Case]]:
    """The shipped runbooks whose preconditions hold; a ``!`` behind the target makes it critical."""
    incident = Incident(
        id="7", condition=condition, target=target.rstrip("!"), evidence=evidence, observed_at=NOW - age_s,
        severity="critical" if target.endswith("!") else "error",
    )  # fmt: skip
    some = case(incident=incident, age_s=age_s, nodes=NODES, guests=GUESTS, storages=STORAGES)
    return [
        (runbook, some)
        for runbook in map(shipped, PATHS)
        if runbook.condition == condition and all(plan.holds(one, some).verdict == "pass" for one in runbook.when)
    ]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_each_fault_is_answered_and_every_call_is_one_that_the_tool_takes(
    fault: tuple[str, str, dict[str, Any], list[str]],
) -> None:
    condition, target, evidence, wanted = fault
    found = answering(condition, target, evidence, 7200)
    assert [runbook.name for runbook, _ in found] == wanted
    for runbook, some in found:
        taken = [s for s in runbook.steps if all(plan.holds(one, some).verdict == "pass" for one in s.when)]
        assert taken
        for step in taken:
            spec = registry().get(plan.tool_of(step, some))
            args = plan.fill(step.args, some, spec.args)
            assert msgspec.convert(args, spec.args)
            assert "not known" not in plan.say(step, some)
        said = plan.tell(runbook.escalate.say, some)
        assert "{" not in said


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_evidence_of_these_tests_is_what_the_condition_tells(
    fault: tuple[str, str, dict[str, Any], list[str]],
) -> None:
    """Read from the source of the conditions: a key that is renamed there is missed here."""
    condition, _, evidence, _ = fault
    assert set(evidence) <= evidence_keys()[condition]


def test_every_key_of_evidence_in_a_runbook_is_told_by_its_condition() -> None:
    for path in PATHS:
        runbook = shipped(path)
        named = {p for text in texts(msgspec.to_builtins(runbook)) for p in (*braces.paths(text), text)}
        keys = {p.split(".")[2] for p in named if p.startswith("incident.evidence.") and " " not in p}
        assert keys <= evidence_keys()[runbook.condition], path.name


def texts(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    below = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [text for one in below for text in texts(one)]


def evidence_keys() -> dict[str, set[str]]:
    """Condition -> every key of a dictionary that is written in the module that judges it, or in its helper."""
    assert cluster.__file__ is not None
    folder = Path(cluster.__file__).with_name("conditions")
    keys: dict[str, set[str]] = {}
    modules = {path.stem: ast.parse(path.read_text()) for path in folder.glob("*.py")}
    literals = {
        name: {
            key.value
            for node in ast.walk(tree) if isinstance(node, ast.Dict)
            for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
        for name, tree in modules.items()
    }  # fmt: skip
    for condition, function in JUDGES.items():
        module = function.__module__.rpartition(".")[2]
        keys[condition] = literals[module] | (literals["tasks"] if module == "backups" else set())
    return keys


def test_a_lost_node_is_to_be_woken_at_once_and_planned_around_after_half_an_hour() -> None:
    """Its first three minutes are HA's: the guardrail holds it, and the story says so."""
    at = ("node-unreachable", "node:agent", {"node": "agent"})
    assert [[r.name for r, _ in answering(*at, age)] for age in (0, 1799, 1800)] == [
        ["node-unreachable"], ["node-unreachable"], ["node-down-for-long", "node-unreachable"],
    ]  # fmt: skip
