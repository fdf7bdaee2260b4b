"""The conditions, one by one: what raises each, with which gravity, what holds on to it, what is not judged."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.cluster.conditions import JUDGES, Backups, Judge, Muteness
from jarvis_daemon.cluster.conditions.windows import in_window
from jarvis_daemon.cluster.shapes import BackupJob, DiskRow, ReplicationJob

from .pictures import CLUSTER_SOURCES, GIB, NODE_SOURCES, NOW, SETTINGS, guest, ill, node, picture, storage, task


@pytest.fixture
def judge() -> Judge:
    return Judge(SETTINGS)


def test_a_healthy_cluster_has_no_fault_and_every_condition_is_judged(judge: Judge) -> None:
    found = judge.judge(picture(backups=Backups([], {}), replications={}))
    assert found.observations == []
    assert found.covered == set(JUDGES)


REPLICATION = ReplicationJob(id="103-0", vmid=103, source="pve", target="agent", fail_count=2, error="no route")
NIGHTLY = BackupJob(id="nightly", vmids=[103], storage="externalhdd")

RAISED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("cluster-unwatchable", "cluster:homelab", "critical", {"cluster": {"problem": "no endpoint answers"}}),
    ("endpoint-failing", "endpoint:https://a:8006", "warning",
     {"cluster": {"endpoints_failed": {"https://a:8006": "half a document"}}}),
    ("endpoint-failing", "endpoint:https://a:8006", "error",
     {"cluster": {"endpoints_failed": {"https://a:8006": "other"}}, "endpoints_untrusted": frozenset({"https://a:8006"})}),
    ("permission-missing", "cluster:homelab", "warning", {"cluster": {"missing_privileges": ["VM.Audit on /vms"]}}),
    ("quorum-lost", "cluster:homelab", "critical", {"cluster": {"quorate": False, "quorum_needed": 3}}),
    ("node-unreachable", "node:pve", "error", {"nodes": [node("pve", status="offline")]}),
    ("node-unreachable", "node:pve", "error", {"mute": {"pve": Muteness(2, NOW, "no answer")}}),
    ("memory-high", "node:pve", "warning", {"nodes": [node("pve", memory_used_bytes=28 * GIB)]}),
    ("memory-high", "node:pve", "critical", {"nodes": [node("pve", memory_used_bytes=31 * GIB)]}),
    ("temperature-high", "node:pve", "warning", {"nodes": [node("pve", temperature_c=81.0)]}),
    ("temperature-high", "node:pve", "critical", {"nodes": [node("pve", temperature_c=93.0)]}),
    ("clock-skew", "node:pve", "warning", {"nodes": [node("pve", clock_skew_s=-40.0), node("agent")]}),
    ("clock-skew", "cluster:homelab", "warning",
     {"nodes": [node("pve", clock_skew_s=40.0), node("agent", clock_skew_s=41.0)]}),
    ("certificate-expiring", "node:pve", "warning", {"nodes": [node("pve", certificate_expires_at=NOW + 86400)]}),
    ("certificate-expiring", "node:pve", "error", {"nodes": [node("pve", certificate_expires_at=NOW - 60)]}),
    ("service-down", "service:pve/smbd", "error", {"units": {"pve": {"smbd": "failed"}}}),
    ("storage-high", "storage:pve/local", "error", {"storages": [storage("local", used_bytes=91 * GIB)]}),
    ("storage-high", "storage:pve/local", "critical", {"storages": [storage("local", used_bytes=96 * GIB)]}),
    ("storage-high", "node:pve", "critical", {"nodes": [node("pve", rootfs_available_bytes=1_564_672)]}),
    ("task-failed", "guest:103", "warning", {"tasks": [task("vzstart", "103", status="failed", exit_text="no")]}),
    ("task-failed", "node:pve", "warning", {"tasks": [task("aptupdate", status="failed", exit_text="no")]}),
    ("task-stuck", task("vzdump", status="running", ended_at=None, started_at=NOW - 50000).id, "warning",
     {"tasks": [task("vzdump", status="running", ended_at=None, started_at=NOW - 50000)]}),
    ("backup-failed", "guest:103", "error", {"tasks": [task("vzdump", "103", status="failed", exit_text="full")]}),
    ("backup-failed", "node:pve", "error", {"tasks": [task("vzdump", status="failed", exit_text="job errors")]}),
    ("backup-missing", "guest:103", "warning", {"backups": Backups([NIGHTLY], {103: NOW - 9 * 86400})}),
    ("backup-missing", "guest:103", "warning", {"backups": Backups([NIGHTLY], {})}),
    ("replication-failed", "guest:103", "error", {"replications": {"pve": [REPLICATION]}}),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "target", "severity", "given"), RAISED)
def test_each_condition_is_raised(
    judge: Judge, condition: str, target: str, severity: str, given: dict[str, Any]
) -> None:
    shown = picture(**given)
    if condition == "replication-failed":
        shown.fresh |= {"source:homelab/replication/pve"}
    found = ill(judge, shown)
    assert found == {(condition, target): severity}


QUIET: list[dict[str, Any]] = [
    {"cluster": {"quorate": None, "standalone": True}},
    {"mute": {"pve": Muteness(1, NOW, "no answer")}},
    {"nodes": [node("pve", cpu=1.0)]},
    {"nodes": [node("pve", status="offline", memory_used_bytes=None, cpu=None)], "stale": ("resources",)},
    {"units": {"pve": {"smbd": "activating"}}},
    {"units": {"pve": {"smbd": "unknown"}}},
    {"storages": [storage("local", status="unknown", used_bytes=99 * GIB)]},
    {"storages": [storage("local", used_bytes=99 * GIB, freshness="unknown")]},
    {"nodes": [node("pve", rootfs_available_bytes=GIB)],
     "storages": [storage("local", total_bytes=90 * GIB, used_bytes=10 * GIB)]},
    {"tasks": [task("vncproxy", "103", status="failed", exit_text="connection timed out")]},
    {"tasks": [task("vzmigrate", "103", status="failed", exit_text="interrupted by signal")]},
    {"tasks": [task("vzstart", "103", status="failed", started_at=NOW - 90001, ended_at=NOW - 90000)]},
    {"tasks": [task("vzdump", status="warnings", exit_text="WARNINGS: 2")]},
    {"backups": Backups([NIGHTLY], {103: NOW - 7 * 86400})},
    {"backups": Backups([BackupJob(id="x", vmids=[103], enabled=False)], {})},
    {"backups": Backups([BackupJob(id="x", all=True, exclude=[103, 104])], {})},
    {"backups": Backups([NIGHTLY], {}), "stale": ("backups",)},
    {"replications": {"pve": [REPLICATION]}},
    {"cluster": {"endpoints_failed": {"https://192.168.1.74:8006": "no answer"}},
     "nodes": [node("pve", status="offline", ip="192.168.1.74")], "stale": ("resources",)},
    {"cluster": {"endpoints_failed": {"https://a:8006": "refused"}}, "endpoint_nodes": {"https://a:8006": "pve"},
     "nodes": [node("pve", status="offline")], "stale": ("resources",)},
]  # fmt: skip


@pytest.mark.parametrize("given", QUIET)
def test_what_is_no_fault_or_not_known_is_not_reported(judge: Judge, given: dict[str, Any]) -> None:
    assert ill(judge, picture(**given)) == {}


def test_a_later_success_mends_a_failure(judge: Judge) -> None:
    failed = task("vzstart", "103", status="failed", exit_text="no")
    assert ill(judge, picture(tasks=[failed]))
    assert ill(judge, picture(10, tasks=[])) == {("task-failed", "guest:103"): "warning"}  # PVE lists few tasks
    good = task("vzstart", "103", started_at=NOW, ended_at=NOW + 5)
    assert ill(judge, picture(20, tasks=[failed, good])) == {}
    assert ill(judge, picture(30, tasks=[failed, good])) == {}


@pytest.mark.parametrize(
    ("values", "severities"),
    [
        ([86, 84, 81, 80, 84, 86], ["warning", "warning", "warning", None, None, "warning"]),
        ([96, 94, 91, 89, 79], ["critical", "critical", "critical", "warning", None]),
        ([84.9, 85.1], [None, "warning"]),
    ],
)
def test_hysteresis_holds_a_step_until_five_points_below(
    judge: Judge, values: list[float], severities: list[str | None]
) -> None:
    seen = []
    for turn, percent in enumerate(values):
        shown = picture(10.0 * turn, nodes=[node("pve", memory_used_bytes=round(32 * GIB * percent / 100))])
        seen.append(ill(judge, shown).get(("memory-high", "node:pve")))
    assert seen == severities


def test_hysteresis_goes_on_after_a_restart() -> None:
    from jarvis_daemon.protocol.state import Incident

    judge = Judge(SETTINGS)
    judge.seed([Incident(id="1", condition="memory-high", target="node:pve", severity="warning")])
    assert ill(judge, picture(nodes=[node("pve", memory_used_bytes=round(32 * GIB * 0.82))]))


def test_a_busy_cpu_is_a_fault_only_when_it_stays_busy(judge: Judge) -> None:
    def at(second: float, cpu: float) -> bool:
        return ("cpu-high", "node:pve") in ill(judge, picture(second, nodes=[node("pve", cpu=cpu)]))

    assert [at(0, 0.99), at(30, 0.99), at(40, 0.5), at(50, 0.99), at(100, 0.99)] == [False] * 5
    assert at(111, 0.97)
    assert at(120, 0.92)  # hysteresis
    assert not at(130, 0.89)


def test_a_running_backup_explains_a_busy_cpu(judge: Judge) -> None:
    dump = task("vzdump", status="running", ended_at=None)
    for second in range(0, 200, 10):
        assert ill(judge, picture(second, nodes=[node("pve", cpu=1.0)], tasks=[dump])) == {}


def test_nothing_of_load_is_judged_in_a_backup_window(judge: Judge) -> None:
    hot = [node("pve", temperature_c=99.0, memory_used_bytes=32 * GIB)]
    found = judge.judge(picture(nodes=hot, in_window=True))
    assert found.observations == []
    assert not found.covered & {"memory-high", "cpu-high", "temperature-high", "guest-out-of-memory"}


def test_a_container_at_its_limit_is_out_of_memory_after_a_while(judge: Judge) -> None:
    full = [guest(103, "plex", memory_used_bytes=4 * GIB)]
    assert ill(judge, picture(0, guests=full)) == {}
    assert ill(judge, picture(31, guests=full)) == {("guest-out-of-memory", "guest:103"): "error"}


@pytest.mark.parametrize(("share", "severity"), [(0.99, "warning"), (1.02, None), (0.9, None)])
def test_the_memory_of_a_vm_is_judged_with_care(judge: Judge, share: float, severity: str | None) -> None:
    vm = [guest(110, "truenas", kind="vm", memory_used_bytes=round(4 * GIB * share))]
    ill(judge, picture(0, guests=vm))
    assert ill(judge, picture(60, guests=vm)).get(("guest-out-of-memory", "guest:110")) == severity


def test_one_blind_judge_does_not_blind_the_others(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(JUDGES, "memory-high", broken)
    found = judge.judge(picture(nodes=[node("pve", temperature_c=99.0)]))
    assert [o.condition for o in found.observations] == ["temperature-high"]
    assert "memory-high" not in found.covered


@pytest.mark.parametrize("source", [*CLUSTER_SOURCES, *NODE_SOURCES])
def test_a_stale_source_raises_nothing_that_rests_on_it(judge: Judge, source: str) -> None:
    """Whatever the faults: what a stale source told neither opens nor closes anything."""
    rests = {
        "resources": {"node-unreachable", "memory-high", "temperature-high", "storage-high", "service-down",
                      "clock-skew", "sensors-failing", "guest-crashed", "guest-out-of-memory"},
        "tasks": {"task-failed", "task-stuck", "backup-failed"}, "status": {"quorum-lost"},
        "permissions": {"permission-missing"}, "backups": {"backup-missing"},
        "replication": {"replication-failed"}, "sensors": {"temperature-high", "service-down"},
        "clock": {"clock-skew"}, "node": set(), "certificates": set(), "disks": {"disk-failing"},
    }[source]  # fmt: skip
    bad = picture(
        stale=(source,), cluster={"quorate": False, "missing_privileges": ["x"]},
        nodes=[node("pve", memory_used_bytes=32 * GIB, temperature_c=99.0, clock_skew_s=99.0), node("agent")],
        storages=[storage("local", used_bytes=99 * GIB)], units={"pve": {"smbd": "failed"}},
        tasks=[task("vzdump", "103", status="failed", exit_text="x")], backups=Backups([NIGHTLY], {}),
        replications={"pve": [REPLICATION]},
        disks={"pve": [DiskRow(device="/dev/sda", health="FAILED!")]},
    )  # fmt: skip
    assert not {condition for condition, _ in ill(judge, bad)} & rests


@pytest.mark.parametrize(
    ("windows", "clock", "inside"),
    [
        (["02:00-04:30"], "03:00", True), (["02:00-04:30"], "04:30", False), (["22:00-04:00"], "23:59", True),
        (["22:00-04:00"], "03:59", True), (["22:00-04:00"], "12:00", False), ([], "12:00", False),
    ],
)  # fmt: skip
def test_backup_windows_are_local_time_and_may_span_midnight(windows: list[str], clock: str, inside: bool) -> None:
    import time

    hours, minutes = clock.split(":")
    now = time.mktime((2026, 11, 20, int(hours), int(minutes), 0, 0, 0, -1))
    assert in_window(windows, now) is inside
