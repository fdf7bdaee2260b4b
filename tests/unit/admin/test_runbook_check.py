"""`admin runbook-check FILE`: a process of its own answers, with or without mistakes, and starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.remediation.files import SHIPPED

SOUND = (SHIPPED / "guest-crashed.yaml").read_text()


def ask(home: Path, *words: str, given: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    run = subprocess.run(
        [sys.executable, "-m", "jarvis_daemon", "admin", "runbook-check", *words, "--json"],
        input=json.dumps(given or {}), capture_output=True, text=True, timeout=60, cwd=home,
        env=os.environ | {"JARVIS_HOME": str(home)},
    )  # fmt: skip
    assert run.stderr == ""
    return run.returncode, json.loads(run.stdout)


def test_a_sound_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SOUND)
    code, answer = ask(tmp_path, "mine.yaml")
    assert (code, answer["ok"], answer["problems"]) == (0, True, [])
    assert (answer["file"], answer["name"], answer["condition"]) == ("mine.yaml", "guest-crashed", "guest-crashed")
    assert answer["steps"] == ["start_vm or start_container (by guest.kind) guest={guest.vmid}"]
    assert answer["note"].endswith("it takes the place of the shipped one.")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.yaml"], "nothing was started or written"


def test_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SOUND.replace("attempts: 3", "atempts: 3"))
    code, answer = ask(tmp_path, given={"file": "bad.yaml"})
    line = SOUND.splitlines().index("attempts: 3") + 1
    assert (code, answer["ok"], answer["name"]) == (0, False, "bad")
    assert answer["problems"] == [{
        "line": line, "path": "atempts", "what": "this key is not known here", "hint": "did you mean `attempts`?",
        "text": "atempts: this key is not known here (did you mean `attempts`?)",
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code"), [(["none.yaml"], "not_found"), ([], "invalid_params"), (["a", "b"], "invalid_params")]
)
def test_no_file(tmp_path: Path, words: list[str], code: str) -> None:
    exit_code, answer = ask(tmp_path, *words)
    assert exit_code != 0
    assert answer["error"]["data"]["code"] == code
    assert answer["error"]["data"]["next"]


def test_an_own_one_that_others_may_write_is_refused_as_the_daemon_does(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "runbooks" / "mine.yaml"  # no cluster is configured
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(SOUND)
    path.chmod(0o666)
    exit_code, answer = ask(tmp_path, str(path))
    assert (exit_code, answer["error"]["data"]["code"]) == (2, "config_invalid")
    assert answer["error"]["message"] == f"{path} can be written by others"
    assert answer["error"]["data"]["next"] == f"Run `chmod go-w {path}`."
    path.chmod(0o600)
    assert ask(tmp_path, str(path))[1]["ok"]
