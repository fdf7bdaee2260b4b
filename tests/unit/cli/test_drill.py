"""`jarvis drill`: a child's progress and report, told well; its end is ours, whatever way it takes."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jarvis_cli.child import Child
from jarvis_daemon.protocol.errors import JarvisError
from tests.golden import homelab, watch
from tests.unit.cli.conftest import Jarvis

REPORT: dict[str, Any] = {
    "seed": 7, "minutes": 60.0,
    "faults": [{"at": watch.CRASH, "name": "guest-crash", "target": "guest:105"},
               {"at": watch.CRASH + 3600, "name": "guest-crash\x1b[2J", "target": None}],
    "repaired": [msgspec.to_builtins(watch.REPAIRED)], "refused": [msgspec.to_builtins(watch.REFUSED)],
    "escalated": [], "asked": [],
    "open": [{"id": "3", "title": "dev-sandbox stopped", "severity": "error", "status": "open",
              "opened_at": homelab.NOW - 60}],
    "violations": [],
}  # fmt: skip


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A process that says what the daemon's code would; ``told`` is called with the lines it is to say."""
    script = tmp_path / "python"

    def told(*lines: object, then: str = "", stderr: str = "") -> Path:
        said = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / "said").write_text(said + "\n" if said else "")
        (tmp_path / "stderr").write_text(stderr)
        folder = tmp_path
        script.write_text(
            f'#!/bin/sh\necho "$@" > {folder}/arguments\necho $$ > {folder}/pid\ncat {folder}/said\n'
            f"cat {folder}/stderr >&2\n{then}\n"
        )
        script.chmod(0o755)
        return folder

    monkeypatch.setattr("jarvis_cli.child.sys.executable", str(script))
    return told


def test_what_was_broken_repaired_and_refused(child: Any, jarvis: Jarvis, home: Path) -> None:
    folder = child({"progress": "10 of 60 minutes"}, {"report": REPORT})
    said = jarvis("drill", "--seed", "7", "--runbook", "guest-crashed", "--power-cut")
    assert (said.code, said.err) == (0, "")
    assert (folder / "arguments").read_text().split() == [
        "-m", "jarvis_daemon", "admin", "drill", "--minutes", "60", "--seed", "7", "--runbook", "guest-crashed",
        "--power-cut", "--json",
    ]  # fmt: skip
    for told in ("BROKEN  2 faults in 60 simulated minutes", "02:00:00  guest-crash  guest:105", "REPAIRED  1",
                 "✔ pihole  repaired in 22 s", "ASKED FOR  none", "LEFT ALONE  1", "dev-sandbox is locked (backup)",
                 "STILL OPEN  1", "✔ 2 faults: 1 repaired, 1 refused.",
                 "No act went against a guardrail. Seed 7."):  # fmt: skip
        assert told in said.out
    assert "\x1b" not in said.out


def test_the_report_as_a_document(child: Any, jarvis: Jarvis, home: Path) -> None:
    child({"report": REPORT})
    found = json.loads(jarvis("drill", "-o", "json").out)
    assert found["repaired"][0]["steps"][0]["outcome"] == "verified"
    assert found["faults"][0]["at"] == "2027-01-15T02:00:00.000Z"
    assert set(REPORT) < set(found)


def test_progress_is_for_a_person_only(
    child: Any, jarvis: Jarvis, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child({"progress": "guest-crash on \x1b[2Jpihole"}, {"report": REPORT})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "guest-crash on pihole" in jarvis("drill").err
    assert jarvis("drill", "-q").err == ""


def test_an_act_against_a_guardrail_is_a_failure(child: Any, jarvis: Jarvis, home: Path) -> None:
    child({"report": REPORT | {"violations": ["12:00 postgres was started, which is HA's"]}})
    said = jarvis("drill")
    assert said.code == 1
    assert "✖ 12:00 postgres was started, which is HA's" in said.out
    assert "1 act went against a guardrail. Seed 7 breaks the same again." in said.out
    assert json.loads(jarvis("drill", "--json").out)["violations"] != []


def test_its_error_is_ours(child: Any, jarvis: Jarvis, home: Path) -> None:
    error = JarvisError("not_found", "There is no runbook 'x'", why="did you mean y?", next="Look.")
    child({"progress": "begins"}, {"error": error.to_wire()})
    said = jarvis("drill", "--runbook", "x")
    assert (said.code, said.out) == (6, "")
    assert "There is no runbook 'x': did you mean y?" in said.err


def test_one_that_breaks_is_told_by_its_last_words(child: Any, jarvis: Jarvis, home: Path) -> None:
    child("no JSON", stderr="Traceback\nMemoryError: no more\n", then="exit 3")
    said = jarvis("drill")
    assert said.code == 1
    assert "The daemon's `admin drill` failed: MemoryError: no more" in said.err
    child(then="exit 3")
    assert "exit code 3" in jarvis("drill").err


def test_it_ends_with_us(child: Any) -> None:
    folder = child({"progress": "begins"}, then="exec sleep 600")

    def interrupted() -> None:
        with Child("drill") as running:
            next(running.progress())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    pid = int((folder / "pid").read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
    pytest.fail("it runs still")
