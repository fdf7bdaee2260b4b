"""Runs commands in this process, against a real front door."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jarvis_cli.main import run
from tests.unit.cli.parlour import ServedParlour
from tests.unit.cli.served import Served, in_home


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Jarvis = Callable[..., Said]


@pytest.fixture(scope="session")
def shared_served() -> Iterator[Served]:
    """One front door for the tests that only read."""
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    with Served(in_home(folder)) as served:
        yield served
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """A front door of this test's own, for those that change something."""
    with Served(in_home(home)) as served:
        yield served


@pytest.fixture
def parlour(served: Served) -> Iterator[ServedParlour]:
    """That front door with a conversation behind it."""
    found = ServedParlour(served)
    served.do(found.start())
    yield found
    served.do(found.stop())


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("JARVIS_NO_AUTOSTART", "1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def jarvis(capsys: pytest.CaptureFixture[str]) -> Jarvis:
    """Run one command line; JARVIS_HOME says against whom."""

    def said(*arguments: str) -> Said:
        capsys.readouterr()
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return said


@pytest.fixture
def reading(shared_served: Served, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch) -> Jarvis:
    """The same, against the shared front door."""
    home = shared_served.places.runtime_dir.parent.parent  # run/demo
    monkeypatch.setenv("JARVIS_HOME", str(home))
    return jarvis
