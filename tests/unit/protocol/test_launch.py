"""Autostart: who may be started, and what a person is told when it does not work."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from jarvis_daemon.protocol import launch
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import places


def test_autostart_is_forbidden_by_variable_and_by_marker(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = places()
    assert launch.autostart_allowed(here)
    here.stopped_marker.parent.mkdir(parents=True)
    here.stopped_marker.touch()
    with pytest.raises(JarvisError, match="does not run") as caught:
        launch.ensure_daemon(here)
    assert "jarvis daemon stop" in caught.value.why
    assert caught.value.exit_code == 3
    here.stopped_marker.unlink()
    monkeypatch.setenv("JARVIS_NO_AUTOSTART", "1")
    with pytest.raises(JarvisError) as caught:
        launch.ensure_daemon(here)
    assert "JARVIS_NO_AUTOSTART" in caught.value.why


def test_a_daemon_that_cannot_start_leaves_its_last_words(home: Path) -> None:
    (home / "config.toml").write_text("[cluster]\nendpoint = 'x'\n")
    with pytest.raises(JarvisError) as caught:
        launch.ensure_daemon(places())
    assert "did you mean `cluster.endpoints`" in caught.value.why


def test_the_lock_tells_a_living_daemon(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not launch.is_locked(path)
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    assert not launch.is_locked(path)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert launch.is_locked(path)
    os.close(handle)
    assert not launch.is_locked(path)
