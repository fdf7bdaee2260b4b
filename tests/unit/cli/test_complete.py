"""Completion of live names: quick, cached, silent when nothing answers."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import pytest

from jarvis_cli import complete
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served


def test_names_of_guests_and_nodes(served: Served) -> None:
    assert [name for name, _ in complete.guests(None, [], "pl")] == ["plex", "plex"]
    assert [name for name, _ in complete.guests(None, [], "10")] == ["100", "101", "103", "104", "105"]
    assert [name for name, _ in complete.nodes(None, [], "ag")] == ["agent1", "agent"]
    assert [name for name, _ in complete.storages(None, [], "t")] == []
    assert complete.tools(None, [], "look") == [("look_around", "Looks around.")]
    assert complete.approvals(None, [], "") == []
    assert ("1", "pve does not answer") in complete.incidents(None, [], "")
    assert complete.runbooks(None, [], "zig") == [("zigbee", "Restarts the Zigbee bridge.")]
    assert complete.conditions(None, [], "disk") == [("disk-failing", "")]
    assert [name for name, _ in complete.targets(None, [], "ag")] == ["agent1", "agent"]
    assert complete.levels(None, [], "3") == [("3", "act and report")]


def test_answers_are_kept_for_ten_seconds_and_by_us_alone(served: Served) -> None:
    complete.names("guests")
    kept = served.places.runtime_dir / "names.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    served.do(served.server.stop())
    assert complete.guests(None, [], "pih") != []
    old = time.time() - complete.CACHE_S - 1
    os.utime(kept, (old, old))
    assert complete.guests(None, [], "pih") == []
    served.do(served._serve())


def test_nothing_and_no_noise_without_a_daemon(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete.guests(None, [], "") == []
    assert capsys.readouterr() == ("", "")


def test_a_daemon_that_never_answers_costs_a_tenth_of_a_second(home: Path) -> None:
    path = home / "run/demo/jarvisd.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        began = time.monotonic()
        assert complete.guests(None, [], "") == []
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_call_us_back(jarvis: Jarvis, home: Path, shell: str) -> None:
    said = jarvis("completion", shell)
    assert said.code == 0
    assert "_JARVIS_COMPLETE" in said.out
