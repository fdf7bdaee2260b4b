"""Tasks, UPIDs, logs, backups and replication."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jarvis_daemon.cluster.shapes import (
    parse_backup_jobs,
    parse_backup_volumes,
    parse_replication,
    parse_task_log,
    parse_task_status,
    parse_tasks,
    parse_upid,
)

UPID = "UPID:pve:002CE248:15D28C02:687868CB:vzdump:104:root@pam:"


class TestUpid:
    def test_the_three_numbers_are_hex(self) -> None:
        upid = parse_upid(UPID)
        assert upid is not None
        assert (upid.node, upid.pid, upid.pstart, upid.started_at) == ("pve", 2941512, 366119938, 1752721611.0)
        assert (upid.type, upid.target, upid.user) == ("vzdump", "104", "root@pam")

    def test_the_id_may_be_empty_and_the_user_a_token(self) -> None:
        upid = parse_upid("UPID:pve:00000001:00000002:687868CB:aptupdate::jarvis@pve!daemon:")
        assert upid is not None
        assert (upid.target, upid.user) == ("", "jarvis@pve!daemon")

    @pytest.mark.parametrize(
        "text",
        [None, 5, "", "UPID:", UPID[:-1], UPID + "x", UPID.replace("002CE248", "xyz"), "UPID:a b:1:2:3:t:i:u:"],
    )
    def test_anything_else_is_none(self, text: Any) -> None:
        assert parse_upid(text) is None


def task(**changes: Any) -> dict[str, Any]:
    return {
        "upid": UPID,
        "node": "pve",
        "type": "vzdump",
        "id": "104",
        "user": "root@pam",
        "starttime": 1752721611,
        "endtime": 1752721700,
        "status": "OK",
        "pid": 1,
        "pstart": 2,
    } | changes


class TestTasks:
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("OK", "ok"),
            ("WARNINGS: 3", "warnings"),
            ("WARNINGS: many", "failed"),
            ("connection timed out", "failed"),
            ("job errors", "failed"),
            ("interrupted by signal", "failed"),
            ("command 'x' failed: exit code 1", "failed"),
            ("ok", "failed"),
            ("unexpected status", "unknown"),
        ],
    )
    def test_only_OK_is_success(self, text: str, status: str) -> None:
        [one] = parse_tasks([task(status=text)], "homelab")
        assert (one.status, one.exit_text) == (status, text)

    def test_a_running_task_has_no_end_and_no_status(self) -> None:
        row = task()
        del row["endtime"], row["status"]
        [one] = parse_tasks([row], "homelab")
        assert (one.status, one.ended_at, one.exit_text) == ("running", None, None)

    def test_or_the_status_RUNNING_with_saved_0(self) -> None:
        row = task(status="RUNNING", saved="0")
        del row["endtime"]
        [one] = parse_tasks([row], "homelab")
        assert (one.status, one.ended_at, one.exit_text) == ("running", None, None)

    def test_an_ended_task_without_a_text_is_unknown_not_ok(self) -> None:
        [one] = parse_tasks([task(status=None)], "homelab")
        assert one.status == "unknown"

    def test_a_row_of_nothing_but_the_upid_is_enough(self) -> None:
        [one] = parse_tasks([{"upid": UPID}], "homelab")
        assert (one.node, one.type, one.target, one.user) == ("pve", "vzdump", "104", "root@pam")
        assert one.started_at == 1752721611.0

    def test_pid_may_be_null_or_text(self) -> None:
        assert len(parse_tasks([task(pid=None), task(pid="6153", pstart=None)], "homelab")) == 2

    def test_exit_texts_lose_escapes(self) -> None:
        [one] = parse_tasks([task(status="\x1b[2Jfailed\x07")], "homelab")
        assert one.exit_text == "failed"

    def test_a_row_without_a_upid_is_dropped(self) -> None:
        dropped: Counter[str] = Counter()
        assert len(parse_tasks([task(), {"node": "pve"}, task(upid="UPID:bad")], "homelab", dropped)) == 1
        assert dropped == {"task without a valid UPID": 2}


class TestTaskStatus:
    """There ``status`` is running or stopped, and ``exitstatus`` the text."""

    def test_running(self) -> None:
        one = parse_task_status(task(status="running"), "homelab")
        assert one is not None
        assert (one.status, one.exit_text) == ("running", None)

    @pytest.mark.parametrize(("text", "status"), [("OK", "ok"), ("WARNINGS: 1", "warnings"), ("boom", "failed")])
    def test_stopped(self, text: str, status: str) -> None:
        one = parse_task_status(task(status="stopped", exitstatus=text), "homelab")
        assert one is not None
        assert (one.status, one.exit_text) == (status, text)

    def test_stopped_without_a_text_is_not_success(self) -> None:
        one = parse_task_status(task(status="stopped"), "homelab")
        assert one is not None
        assert one.status == "unknown"

    def test_the_text_stopped_is_no_exit_text(self) -> None:
        one = parse_task_status({"upid": UPID, "status": "stopped", "exitstatus": "OK"}, "homelab")
        assert one is not None
        assert one.exit_text == "OK"


class TestLog:
    def test_the_sentinel_is_an_empty_log(self) -> None:
        assert parse_task_log([{"n": 1, "t": "no content"}]) == []

    def test_the_same_words_among_others_are_a_line(self) -> None:
        assert len(parse_task_log([{"n": 1, "t": "no content"}, {"n": 2, "t": "x"}])) == 2

    def test_lines_come_in_order_and_clean(self) -> None:
        lines = parse_task_log(
            [{"n": 3, "t": ""}, {"n": 1, "t": "a\b\tb\x1b[0K"}, {"n": "2", "t": "50%\r100%"}, {"t": "no number"}]
        )
        assert [(line.n, line.text) for line in lines] == [(1, "a  b"), (2, "50% 100%"), (3, "")]


class TestBackups:
    def test_a_job_of_today(self) -> None:
        [job] = parse_backup_jobs(
            [
                {
                    "id": "nightly",
                    "vmid": "101,102,107",
                    "schedule": "02:30",
                    "enabled": 1,
                    "storage": "externalhdd",
                    "next-run": 1800000000,
                    "mode": "snapshot",
                }
            ]
        )
        assert (job.id, job.vmids, job.storage, job.schedule) == (
            "nightly",
            [101, 102, 107],
            "externalhdd",
            "02:30",
        )
        assert (job.enabled, job.all, job.next_run_at) == (True, False, 1800000000.0)

    def test_a_job_for_all_with_exceptions_and_one_of_before_7_1(self) -> None:
        every, old = parse_backup_jobs(
            [{"id": "a", "all": 1, "exclude": "105"}, {"id": "b", "starttime": "01:00", "dow": "sat", "vmid": 100}]
        )
        assert (every.all, every.exclude, every.enabled) == (True, [105], True)
        assert (old.schedule, old.vmids) == ("sat 01:00", [100])

    def test_a_job_that_is_off(self) -> None:
        assert parse_backup_jobs([{"id": "a", "enabled": "0"}])[0].enabled is False

    def test_volumes_newest_first_and_only_backups(self) -> None:
        volumes = parse_backup_volumes(
            [
                {
                    "volid": "nas:backup/vzdump-lxc-101-2026_11_17-02_30_00.tar.zst",
                    "ctime": 10,
                    "content": "backup",
                    "size": 5,
                    "format": "tar.zst",
                    "vmid": "101",
                },
                {
                    "volid": "nas:backup/vzdump-qemu-110-2026_11_18-02_30_00.vma.zst",
                    "ctime": 20,
                    "content": "backup",
                },
                {
                    "volid": "pbs:backup/ct/104/2026-11-18T01:30:00Z",
                    "ctime": 15,
                    "content": "backup",
                    "protected": 1,
                    "verification": {"state": "failed", "upid": "x"},
                    "notes": "keep",
                },
                {"volid": "nas:iso/debian.iso", "ctime": 30, "content": "iso"},
            ]
        )
        assert [(volume.vmid, volume.at) for volume in volumes] == [(110, 20.0), (104, 15.0), (101, 10.0)]
        assert (volumes[1].verified, volumes[1].protected, volumes[1].notes) == (False, True, "keep")
        assert (volumes[2].verified, volumes[2].size_bytes) == (None, 5)

    def test_a_backup_of_nobody_knows_whom_is_dropped(self) -> None:
        dropped: Counter[str] = Counter()
        assert (
            parse_backup_volumes([{"volid": "nas:backup/strange.tar", "ctime": 1, "content": "backup"}], dropped)
            == []
        )
        assert sum(dropped.values()) == 1


FAILING = {
    "id": "108-0",
    "guest": 108,
    "source": "Home",
    "target": "pve",
    "schedule": "*/15",
    "type": "local",
    "last_sync": 1800000000,
    "last_try": 1800000900,
    "next_sync": 1800001800,
    "duration": 4.2,
    "fail_count": 2,
    "error": "ssh: connect\x1b[0m failed",
}


class TestReplication:
    def test_state_of_a_failing_job(self) -> None:
        [job] = parse_replication([FAILING])
        assert (job.id, job.vmid, job.fail_count, job.error) == ("108-0", 108, 2, "ssh: connect failed")
        assert (job.last_sync_at, job.last_try_at, job.duration_s) == (1800000000.0, 1800000900.0, 4.2)

    def test_configuration_has_no_state(self) -> None:
        [job] = parse_replication([{"id": "108-0", "guest": "108", "target": "pve", "disable": 1}])
        assert (job.disabled, job.last_sync_at, job.fail_count, job.error) == (True, None, 0, None)

    def test_never_synced_is_not_1970(self) -> None:
        assert parse_replication([{"id": "108-0", "last_sync": 0}])[0].last_sync_at is None

    def test_one_object_alone(self) -> None:
        assert parse_replication(FAILING)[0].vmid == 108
