"""The command line's hands on the whole thing: daemon, gate and simulated homelab as processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from tests.integration.house import QUICK, House
from tests.integration.terminal import Terminal


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One homelab at twenty times its speed for all of this file; each test leaves it as it found it."""
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    house = House(folder, NO_COLOR="1")
    assert house.jarvis("demo", "--no-hud", "--speed", "20").returncode == 0
    yield house
    house.close()
    shutil.rmtree(folder, ignore_errors=True)
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each test the developer's variables go; those of this house come back."""
    monkeypatch.setenv("JARVIS_HOME", str(house.home))


def rows(house: House, **params: Any) -> list[dict[str, Any]]:
    """The audit, the oldest first."""
    with house.client() as link:
        return list(reversed(link.call("audit.list", {"limit": 1000, **params})["rows"]))


def guest(house: House, name: str) -> dict[str, Any]:
    return next(g for g in house.state("cluster")["guests"].values() if g["name"] == name)


def tasks_of(house: House, vmid: int) -> list[str]:
    return [t["id"] for t in house.state("tasks")["tasks"].values() if t["target"] == str(vmid)]


def test_a_reboot_returns_when_it_is_done_and_verified(house: House) -> None:
    started = guest(house, "plex")["started_at"]
    said = house.jarvis("guest", "reboot", "plex", "--yes")
    assert (said.returncode, said.stdout) == (0, "✔ plex has been rebooted.\n"), said.stderr
    assert "TASK OK" in said.stderr
    call = rows(house, tool="reboot_container")
    assert [row["kind"] for row in call] == ["asked", "approval", "intent", "step", "outcome"]
    assert len({row["call_id"] for row in call}) == 1
    assert call[-1]["data"]["outcome"] == "verified"
    house.until(lambda s: (s["guests"]["guest:103"]["started_at"] or 0) > started, "the reboot is seen")
    shown = house.jarvis("audit", "show", call[0]["call_id"])
    assert "plex has been rebooted." in shown.stdout


def test_a_dry_run_changes_nothing(house: House) -> None:
    before, tasks = rows(house), tasks_of(house, 103)
    for line in ("guest stop plex", "guest shutdown plex", "guest start jellyfin", "guest migrate plex pve"):
        said = house.jarvis(*line.split(), "--dry-run", "-o", "json")
        assert said.returncode in {0, 5}, said.stderr  # a plan may be refused for what it finds
        assert json.loads(said.stdout)["outcome"] in {"planned", "refused"}
    plan = json.loads(house.jarvis("guest", "stop", "plex", "--dry-run", "-o", "json").stdout)
    assert (plan["tier"], plan["needs"], plan["undo_command"]) == ("red", "confirm", "jarvis guest start 103")
    assert guest(house, "plex")["status"] == "running"
    assert tasks_of(house, 103) == tasks
    assert [row for row in rows(house)[len(before) :] if row["kind"] not in {"read", "refused"}] == []


def test_undo_is_a_command_that_works(house: House) -> None:
    down = json.loads(house.jarvis("guest", "shutdown", "plex", "-y", "-o", "json").stdout)
    assert down["outcome"] == "verified"
    back = house.jarvis(*down["undo_command"].split()[1:])
    assert (back.returncode, back.stdout.splitlines()[0]) == (0, "✔ plex runs."), back.stderr


def test_a_person_at_a_terminal_is_asked(house: House) -> None:
    me = Terminal("guest", "reboot", "103")
    me.answer("Go on? [y/N]:", "n")
    assert me.end() == 1
    assert "Would: Reboot plex." in me.seen
    assert rows(house, tool="reboot_container")[-1]["kind"] == "outcome", "the plan left no row"
    me = Terminal("guest", "reboot", "103")
    me.answer("Go on? [y/N]:", "y")
    assert me.end() == 0
    assert "plex has been rebooted." in me.seen


def test_a_refusal_says_why_and_is_written_down(house: House) -> None:
    said = house.jarvis("guest", "start", "plex")
    assert said.returncode == 5
    assert said.stderr.startswith("jarvis: plex runs already.")
    assert rows(house)[-1]["kind"] == "refused"


def test_kill_and_unkill(house: House) -> None:
    assert house.jarvis("kill", "a", "test").returncode == 0
    try:
        assert "KILLED" in house.jarvis("status").stdout.splitlines()[0]
        said = house.jarvis("guest", "reboot", "plex", "--yes")
        assert said.returncode == 5
        assert "The kill switch is engaged" in said.stderr
        assert house.jarvis("tool", "call", "get_cluster_status").returncode == 0
    finally:
        assert house.jarvis("unkill").returncode == 0
    assert "KILLED" not in house.jarvis("status").stdout
    assert [row["data"]["engaged"] for row in rows(house, tool="killswitch")][-2:] == [True, False]


def test_an_agents_call_waits_runs_once_and_is_never_replayed(house: House) -> None:
    with house.client(role="agent") as agent:
        waiting = agent.call("tool.call", {"name": "reboot_container", "args": {"guest": "plex"}})
        assert (waiting["outcome"], waiting["needs"]) == ("awaiting", "approval")
        listed = json.loads(house.jarvis("approvals", "-o", "json").stdout)["approvals"]
        assert [a["id"] for a in listed] == [waiting["approval_id"]]
        begun = tasks_of(house, 103)
        with pytest.raises(JarvisError):
            agent.call("approval.answer", {"id": waiting["approval_id"], "approve": True})
        said = house.jarvis("approve", waiting["approval_id"])
        assert (said.returncode, said.stdout) == (0, "✔ plex has been rebooted.\n")
        assert agent.call("tool.wait", {"id": waiting["call_id"]})["outcome"] == "verified"
        replay = house.jarvis("approve", waiting["approval_id"])
        assert replay.returncode == 5
        assert "is approved already" in replay.stderr
        house.until(lambda s: len(tasks_of(house, 103)) > len(begun), "the task is seen")
        steps = [row for row in rows(house, call_id=waiting["call_id"]) if row["kind"] == "step"]
        assert len(steps) == 1
        denied = agent.call("tool.call", {"name": "stop_container", "args": {"guest": "plex"}})
        assert house.jarvis("deny", denied["approval_id"]).returncode == 0
        assert agent.call("tool.wait", {"id": denied["call_id"]})["outcome"] == "denied"


def test_following_approvals(house: House) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "jarvis_cli", "approvals", "-f", "-o", "jsonl"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with house.client(role="agent") as agent:
        waiting = agent.call("tool.call", {"name": "stop_container", "args": {"guest": "plex"}})
        first = json.loads(process.stdout.readline())
        assert (first["id"], first["status"]) == (waiting["approval_id"], "pending")
        assert house.jarvis("deny", waiting["approval_id"], "-q").returncode == 0
        second = json.loads(process.stdout.readline())
        assert (second["id"], second["status"]) == (waiting["approval_id"], "denied")
        assert house.jarvis("kill", "a", "reason", "-q").returncode == 0
        assert json.loads(process.stdout.readline())["killswitch"]["reason"] == "a reason"
        assert house.jarvis("unkill", "-q").returncode == 0
        assert json.loads(process.stdout.readline())["killswitch"]["engaged"] is False
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_the_picture_follows_an_act_at_once(house: House) -> None:
    """Not a beat later: here a beat takes a minute."""
    with tempfile.TemporaryDirectory(prefix="jv-") as folder:
        slow = House(Path(folder), JARVIS_DEMO__POLL_INTERVAL_S="60")
        try:
            assert slow.jarvis("demo", "--no-hud", "--speed", "20").returncode == 0
            assert slow.jarvis("guest", "migrate", "vaultwarden", "agent1", "--yes").returncode == 0
            slow.until(lambda s: s["guests"]["guest:102"]["node"] == "agent1", "it is seen there", timeout_s=10)
        finally:
            slow.close()
            os.environ.update({"JARVIS_HOME": str(house.home)} | QUICK)


def test_ctrl_c_ends_the_waiting_and_not_the_work(house: House) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "jarvis_cli", "guest", "backup", "paperless"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "vzdump 113" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The daemon goes on with it; `jarvis audit list` tells what became of it." in errors
    (call,) = {row["call_id"] for row in rows(house, tool="run_backup")}
    with house.client() as link:
        link.settimeout(90)
        assert link.call("tool.wait", {"id": call, "wait_s": 60})["outcome"] == "verified"


def test_the_audit_shows_a_changed_byte_and_a_tail_that_was_cut(house: House) -> None:
    """Last of this file: it breaks the audit of this house for good."""
    whole = house.jarvis("audit", "verify")
    assert whole.returncode == 0, whole.stderr
    head = json.loads(house.jarvis("audit", "verify", "-o", "json").stdout)["head"]
    assert house.jarvis("audit", "verify", "--head", head).returncode == 0
    exported = house.jarvis("audit", "export").stdout.splitlines()
    middle = json.loads(exported[len(exported) // 2])["id"]
    with sqlite3.connect(house.places.database) as db:
        (kept,) = db.execute("select target from audit where id = ?", [middle]).fetchone()
        db.execute("update audit set target = ? where id = ?", [f"{kept} ", middle])
    broken = house.jarvis("audit", "verify")
    assert broken.returncode == 1
    assert f"The audit is broken at row {middle}" in broken.stderr
    with sqlite3.connect(house.places.database) as db:
        db.execute("update audit set target = ? where id = ?", [kept, middle])
    assert house.jarvis("audit", "verify", "--head", head).returncode == 0
    with sqlite3.connect(house.places.database) as db:
        db.execute("delete from audit where id = (select max(id) from audit)")
        db.execute("update sqlite_sequence set seq = (select max(id) from audit) where name = 'audit'")
    assert house.jarvis("audit", "verify").returncode == 0, "a clean cut is only seen by its noted head"
    cut = house.jarvis("audit", "verify", "--head", head)
    assert cut.returncode == 1
    assert "its tail was cut" in cut.stderr
