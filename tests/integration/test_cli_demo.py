"""The verbs of demo, simulator and daemon as a person uses them, on the whole thing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jarvis_daemon.protocol.launch import is_locked
from tests.integration.house import House


@pytest.fixture
def house() -> Iterator[House]:
    """A home of its own; the demo is started by the first command."""
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    house = House(folder)
    yield house
    house.close()
    shutil.rmtree(folder, ignore_errors=True)
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def test_a_demo_from_start_to_end(house: House) -> None:
    begun = house.jarvis("demo", "--no-hud")
    assert begun.returncode == 0, begun.stderr
    assert "quorate 4/4" in begun.stdout
    assert "SIMULATED" in begun.stdout
    assert "4 nodes, 18 guests" in begun.stderr

    status = json.loads(house.jarvis("status", "--json").stdout)
    assert status["simulated"] is True
    assert {node["name"] for node in status["nodes"]} == {"Home", "pve", "agent1", "agent"}
    assert len(status["guests"]) == 18

    assert house.jarvis("sim", "speed", "20").returncode == 0
    assert house.jarvis("sim", "speed").stdout == "20\n"
    wrong = house.jarvis("sim", "fault", "node-dwn", "pve")
    assert wrong.returncode == 6
    assert "did you mean node-down" in wrong.stderr
    assert house.jarvis("sim", "fault", "node-down", "pvee").returncode == 2
    assert house.jarvis("sim", "fault", "node-down", "pve").returncode == 0
    assert "node-down on pve" in house.jarvis("sim", "status").stdout
    house.until(lambda s: any(i["status"] == "open" for i in s["incidents"].values()), "an incident")
    ill = house.jarvis("status", "-o", "json")
    document = json.loads(ill.stdout)
    assert ill.returncode in {10, 11}
    assert {g["status"] for g in document["guests"] if g["node"] == "pve" and not g["template"]} == {"unknown"}
    assert house.jarvis("incident", "ack", "pve").returncode == 0

    assert "node-down on pve" in house.jarvis("sim", "heal").stderr
    house.until(lambda s: all(i["status"] == "closed" for i in s["incidents"].values()), "all closed")
    again = house.jarvis("demo", "--no-hud", "--nodes", "8")
    assert again.returncode == 1
    assert "runs already" in again.stderr
    assert house.jarvis("guest", "show", "plex").returncode == 0
    assert house.jarvis("task", "list").returncode == 0
    a_mistake_in_the_settings_costs_no_watch(house)
    one_that_hangs_is_told_and_ended(house)
    stop_and_start(house)


def a_mistake_in_the_settings_costs_no_watch(house: House) -> None:
    before = house.pid()
    house.places.config_file.write_text("[demo]\npoll_intervall_s = 5\n")
    refused = house.jarvis("daemon", "restart")
    house.places.config_file.unlink()
    assert refused.returncode == 2
    assert "did you mean `demo.poll_interval_s`" in refused.stderr
    assert house.pid() == before


def one_that_hangs_is_told_and_ended(house: House) -> None:
    before = house.pid()
    os.kill(before, signal.SIGSTOP)
    started = house.jarvis("daemon", "start", "--timeout", "1")
    assert started.returncode == 7
    assert "accepts but does not answer" in started.stderr
    assert "restart --force" in started.stderr
    assert house.jarvis("daemon", "restart", "--force", "--timeout", "1").returncode == 0
    assert house.pid() != before


def stop_and_start(house: House) -> None:
    """`stop` leaves its mark, `start` takes it away; in between nothing starts by itself."""
    assert json.loads(house.jarvis("daemon", "status", "--json").stdout)["running"] is True
    log = house.jarvis("daemon", "logs", "-o", "jsonl")
    assert any(json.loads(line)["message"] == "started" for line in log.stdout.splitlines())
    assert stat.S_IMODE(house.places.log_file.stat().st_mode) == 0o600
    assert house.jarvis("daemon", "stop").stderr == "The daemon has stopped.\n"
    assert not is_locked(house.places.lock_file)
    down = house.jarvis("status")
    assert down.returncode == 3
    assert "it was stopped with `jarvis daemon stop`" in down.stderr
    assert house.jarvis("daemon", "status").returncode == 3
    assert house.jarvis("daemon", "stop").returncode == 0
    begun = house.jarvis("daemon", "start", "-q")
    assert (begun.returncode, begun.stderr) == (0, "")
    assert house.jarvis("daemon", "start").stderr == "The daemon runs already.\n"
    pid = house.pid()
    assert house.jarvis("daemon", "restart").returncode == 0
    assert house.pid() != pid


def test_a_scaled_demo_by_one_command(house: House) -> None:
    assert house.jarvis("demo", "--no-hud", "--nodes", "8", "--guests", "60", "--speed", "5").returncode == 0
    status = json.loads(house.jarvis("status", "--json").stdout)
    assert (len(status["nodes"]), len(status["guests"])) == (8, 60)
    assert house.jarvis("sim", "speed").stdout == "5\n"


def test_the_first_command_starts_the_daemon_and_says_so(house: House) -> None:
    forbidden = house.jarvis("status", JARVIS_NO_AUTOSTART="1")
    assert forbidden.returncode == 3
    assert "JARVIS_NO_AUTOSTART forbids starting it" in forbidden.stderr
    first = house.jarvis("status")
    assert first.returncode == 0, first.stderr
    assert first.stderr == "Starting the daemon …\n"
    assert "4 of 4 online" in first.stdout
    assert house.jarvis("status").stderr == ""


def test_a_hung_daemon_is_ended_only_when_asked(house: House) -> None:
    assert house.jarvis("daemon", "start").returncode == 0
    pid = house.pid()
    os.kill(pid, signal.SIGSTOP)
    polite = house.jarvis("daemon", "stop", "--timeout", "1s")
    assert polite.returncode == 7
    assert "`jarvis daemon stop --force`" in polite.stderr
    os.kill(pid, 0)
    assert house.jarvis("daemon", "stop", "--force", "--timeout", "1s").returncode == 0
    assert not is_locked(house.places.lock_file)


def test_the_demo_stays_away_from_a_configured_cluster(house: House) -> None:
    (house.home / "config.toml").write_text("[cluster]\n")
    for line in (["demo", "--no-hud"], ["sim", "faults"]):
        said = house.jarvis(*line)
        assert said.returncode == 2
        assert str(house.home / "config.toml") in said.stderr
    for line in (["status"], ["daemon", "start"]):
        broken = house.jarvis(*line)
        assert broken.returncode == 2
        assert "The setting cluster.endpoints is not usable" in broken.stderr
        assert "next: Mend the file, then `jarvis config check`." in broken.stderr


def test_a_home_that_cannot_be_made(house: House) -> None:
    said = house.jarvis("status", JARVIS_HOME="/proc/nope")
    assert said.returncode == 2
    assert "next: Set JARVIS_HOME to a folder that you may write." in said.stderr
    assert "next: Set JARVIS_HOME" in house.jarvis("status", JARVIS_HOME=f"/tmp/{'a' * 120}").stderr
