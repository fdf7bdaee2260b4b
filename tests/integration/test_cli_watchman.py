"""The watchman from the command line, on the whole thing: daemon, engine and simulated homelab as processes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import House
from tests.integration.terminal import Terminal

OWN = """\
name: reboot-the-bridge
about: Restart the bridge, after a look at its log.
condition: docker-container-unhealthy
scope: guest
steps:
  - tool: restart_docker_container
    args: {node: "{target.host}", container: "{target.unit}"}
    say: restart {target.unit} on {target.host}
escalate: {say: It does not stay up.}
"""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One homelab at twenty times its speed for all of this file."""
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    house = House(folder, NO_COLOR="1", TZ="UTC")
    assert house.jarvis("demo", "--no-hud", "--speed", "20").returncode == 0
    yield house
    house.close()
    shutil.rmtree(folder, ignore_errors=True)
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def there(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Before each test the developer's variables go; those of this house come back."""
    monkeypatch.setenv("JARVIS_HOME", str(house.home))
    yield
    house.heal()


def document(house: House, *words: str) -> Any:
    return json.loads(house.jarvis(*words, "--json").stdout)


def story(house: House, target: str, ended: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The newest story of a target, once it is as wanted."""

    def newest(state: dict[str, Any]) -> dict[str, Any] | None:
        found = [r for r in state.get("repairs", {}).values() if r["target_name"] == target]
        last = max(found, key=lambda r: int(r["id"]), default=None)
        return last if last is not None and ended(last) else None

    return dict(house.until(newest, f"the story of {target}", timeout_s=60))


def test_a_crash_is_repaired_and_its_story_told(house: House) -> None:
    assert "● healthy" in house.jarvis("status").stdout
    house.fault("guest-crash", "pihole")
    told = story(house, "pihole", lambda r: r["status"] == "repaired")
    assert (told["runbook"], told["level"], told["by"], told["attempt"]) == ("guest-crashed", 3, "watchman", 1)
    assert [step["outcome"] for step in told["steps"]] == ["verified"]
    assert len(told["samples"]) >= 2
    shown = house.jarvis("history", "--incident", told["incident"]).stdout
    for line in ("✔ pihole  repaired in", "saw  ", "decided  ", "did  ", "verified  ", "1 story: 1 repaired."):
        assert line in shown
    assert "REPAIRS" in house.jarvis("incident", "show", told["incident"]).stdout
    assert "autonomy L3 · 1 repaired" in house.jarvis("status").stdout


def test_a_protected_guest_is_left_alone_and_every_verdict_printed(house: House) -> None:
    house.fault("guest-crash", "opnsense")
    told = story(house, "opnsense", lambda r: r["status"] == "refused" and r["incident"])
    assert told["steps"] == []
    shown = house.jarvis("history", "--incident", told["incident"]).stdout
    assert "▲ opnsense  refused, left alone" in shown
    assert "opnsense is protected" in shown
    for words in (("--incident", told["incident"]), ("opnsense",)):
        tried = house.jarvis("runbook", "test", "guest-crashed", *words)
        assert tried.returncode == 5, tried.stderr
        rows = [line.split() for line in tried.stdout.splitlines() if line.startswith("  ✔") or "✖ refuse" in line]
        assert rows[2][2:4] == ["kill", "switch"]
        assert "✖ refuse  protected" in tried.stdout
        assert "STEPS" in tried.stdout
    assert document(house, "runbook", "test", "guest-crashed", "--incident", told["incident"])["replayed"] is True


def test_levels_are_raised_with_a_look_back_and_lowered_at_once(house: House) -> None:
    lowered = house.jarvis("autonomy", "set", "2")
    assert (lowered.returncode, lowered.stderr) == (0, "")
    assert "undo: jarvis autonomy set 3" in lowered.stdout
    house.fault("guest-crash", "plex")
    story(house, "plex", lambda r: r["status"] == "recommended")
    would = house.jarvis("autonomy", "preview", "3").stdout
    assert "plex  recommended to you" in would
    refused = house.jarvis("autonomy", "set", "3")
    assert refused.returncode == 2
    assert "nobody can answer here" in refused.stderr
    plan = house.jarvis("autonomy", "set", "3", "--dry-run")
    assert "RED" in plan.stdout
    assert "plex" in plan.stdout
    me = Terminal("autonomy", "set", "3")
    me.answer("Go on? [y/N]:", "y")
    assert me.end() == 0, me.seen
    assert story(house, "plex", lambda r: r["status"] == "repaired")["level"] == 3
    own = house.jarvis("autonomy", "set", "1", "--target", "plex")
    assert own.returncode == 0, own.stderr
    assert document(house, "autonomy", "show")["targets"] == {"guest:103": 1}
    assert house.jarvis("autonomy", "unset", "--target", "plex", "--yes").returncode == 0
    assert document(house, "autonomy", "show")["targets"] == {}


def test_one_of_ones_own_is_trusted_by_its_name_and_loses_it_by_an_edit(house: House) -> None:
    listed = document(house, "runbook", "list")["runbooks"]
    assert all(info["trusted"] and info["problem"] is None for info in listed)
    folder = house.places.config_dir / "runbooks"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / "reboot-the-bridge.yaml"
    file.write_text(OWN)
    file.chmod(0o600)
    assert house.jarvis("runbook", "check", str(file)).returncode == 0
    assert "▲ not trusted" in house.jarvis("runbook", "show", "reboot-the-bridge").stdout
    assert house.jarvis("runbook", "trust", "reboot-the-bridge").returncode == 2
    me = Terminal("runbook", "trust", "reboot-the-bridge")
    me.answer("Type reboot-the-bridge to go on:", "reboot-the-bridge")
    assert me.end() == 0, me.seen
    assert "restart_docker_container" in me.seen
    assert "✔ trusted" in house.jarvis("runbook", "show", "reboot-the-bridge").stdout
    file.write_text(OWN.replace("after a look", "without a look"))
    assert "▲ not trusted" in house.jarvis("runbook", "show", "reboot-the-bridge").stdout
    file.unlink()
    assert house.jarvis("runbook", "show", "reboot-the-bridge").returncode == 6


def test_run_by_hand_refuses_what_runs_already(house: House) -> None:
    said = house.jarvis("runbook", "run", "guest-crashed", "gitea", "--yes")
    assert said.returncode != 0
    assert "guest.status is running; it has to be stopped" in said.stderr
    assert document(house, "runbook", "test", "service-down", "Home/smbd")["target"] == "service:Home/smbd"


@pytest.mark.slow
def test_a_drill_of_its_own_homelab_breaks_no_guardrail(house: House) -> None:
    before = {repair["id"] for repair in document(house, "history")["repairs"]}
    done = house.jarvis("drill", "--runbook", "guest-crashed", "--minutes", "5", "--seed", "7", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["violations"], report["open"]) == ([], [])
    assert [fault["name"] for fault in report["faults"]] == ["guest-crash"]
    assert [repair["status"] for repair in report["repaired"]] == ["repaired"]
    assert report["repaired"][0]["target_name"] == report["faults"][0]["target"]
    unknown = house.jarvis("drill", "--runbook", "nope")
    assert (unknown.returncode, unknown.stdout) == (6, "")
    told = document(house, "history")["repairs"]
    drilled = report["repaired"][0]["target_name"]
    assert not [r for r in told if r["id"] not in before and r["target_name"] == drilled]
