"""./run without a terminal: the status table, and an exit code that says whether it could be shown."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Checkout:
    """The real script beside stand-ins for bootstrap, Python and jarvis that log what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "run", folder / "run")
        (folder / "scripts").mkdir()
        (folder / ".venv" / "bin").mkdir(parents=True)
        self._tool("scripts/bootstrap", 'echo bootstrap >>"$LOG"')
        self._tool(".venv/bin/python", "exit ${DEMO:-0}")
        self._tool(
            ".venv/bin/jarvis",
            'echo "jarvis $*" >>"$LOG"; echo table; [ "$1" = status ] && exit ${STATUS:-0}; exit 0',
        )

    def _tool(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / name).chmod(0o755)

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "run"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "LOG": str(self.folder / "log"), **environ}, timeout=30, check=False,
        )  # fmt: skip

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize(("status", "code"), [("0", 0), ("10", 0), ("11", 0), ("1", 1), ("3", 3), ("7", 7)])
def test_a_picture_that_was_shown_is_a_success_whatever_it_shows(
    checkout: Checkout, status: str, code: int
) -> None:
    run = checkout.run(STATUS=status)
    assert run.returncode == code
    assert run.stdout == "table\n"


def test_on_a_configured_cluster_no_demo_is_started(checkout: Checkout) -> None:
    checkout.run()
    assert checkout.log == ["bootstrap", "jarvis status"]


def test_where_none_is_configured_the_demo_is_started_first(checkout: Checkout) -> None:
    assert checkout.run(DEMO="1").stdout == "table\n"
    assert checkout.log == ["bootstrap", "jarvis demo --no-hud", "jarvis status"]


def test_arguments_go_to_jarvis(checkout: Checkout) -> None:
    checkout.run("guest", "show", "code-server 2")
    assert checkout.log == ["bootstrap", "jarvis guest show code-server 2"]


def test_it_stops_when_the_setting_up_fails(checkout: Checkout) -> None:
    checkout._tool("scripts/bootstrap", "exit 1")
    assert checkout.run().returncode == 1
    assert not (checkout.folder / "log").exists()
