"""The systemd units: as systemd itself reads them, and what installing them does and says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jarvis_cli import units
from tests.unit.cli.conftest import Jarvis


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("kind", ["user", "system"])
def test_systemd_finds_nothing_to_say(tmp_path: Path, kind: str) -> None:
    """systemd-analyze prints what it does not know and exits with 0 all the same: only silence is good."""
    unit = tmp_path / "jarvis.service"
    verify = ["systemd-analyze", "--man=no", "verify", str(unit)]  # whether man is here is not the unit's matter
    unit.write_text(units.render(kind))
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(units.render(kind).replace("WatchdogSec", "WatchdogSek"))
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert "WatchdogSek" in done.stderr


@pytest.mark.parametrize("kind", ["user", "system"])
def test_units_hold_what_the_daemon_relies_on(kind: str) -> None:
    unit = units.render(kind)
    for line in (
        "Type=notify",
        "Restart=on-failure",
        "RuntimeDirectory=jarvis",
        "WatchdogSec=30",
        "NoNewPrivileges=yes",
    ):
        assert line in unit.splitlines()
    assert f"ExecStart={sys.executable} -m jarvis_daemon" in unit
    assert ("LoadCredential=pve-token:/etc/jarvis/pve-token" in unit) == (kind == "system")


def test_an_interpreter_with_odd_characters_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/my venv/100%/python")
    assert 'ExecStart="/opt/my venv/100%%/python" -m jarvis_daemon' in units.render("user")


def test_install_writes_the_unit_and_tells_of_linger(
    jarvis: Jarvis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "me")
    said = jarvis("daemon", "install")
    unit = tmp_path / "config/systemd/user/jarvis.service"
    assert said.code == 0
    assert unit.read_text() == units.render("user")
    assert "sudo loginctl enable-linger me" in said.err
    assert "systemctl --user enable --now jarvis" in said.err
    assert jarvis("daemon", "uninstall").code == 0
    assert not unit.exists()


def test_install_refuses_what_could_not_work(jarvis: Jarvis, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "JARVIS_HOME" in jarvis("daemon", "install").err
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = jarvis("daemon", "install", "--system")
    assert said.code == 5
    assert "next: sudo jarvis daemon install --system" in said.err


def test_print_only_shows(jarvis: Jarvis, home: Path) -> None:
    assert jarvis("daemon", "install", "--print").out == units.render("user")
    assert jarvis("daemon", "install", "--system", "--print").out == units.render("system")
