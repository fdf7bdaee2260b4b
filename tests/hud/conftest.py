"""What the HUD's tests share: a fixed zone of time, and pictures that lie in ``snapshots/`` under plain names."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_textual_snapshot
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

ELSEWHERE = re.compile(r',\s*url\("https?://[^"]*"\) format\("[^"]*"\)|<!--.*?-->\s*')
SNAPSHOTS = Path(__file__).parents[2] / "snapshots"


class Pictures(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]
    """``test_picture[overview-240x67]`` lies in ``snapshots/overview-240x67.svg``."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(SNAPSHOTS)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        found = re.search(r"\[(.+)\]$", test_location.snapshot_name)
        assert found, f"{test_location.snapshot_name} has no name in brackets for its picture"
        return found[1]

    def serialize(self, *args: Any, **kwargs: Any) -> str:
        """Without the addresses of fonts: a picture that is looked at asks nobody."""
        return str(ELSEWHERE.sub("", super().serialize(*args, **kwargs)))

    @classmethod
    def write_snapshot(cls, **kwargs: Any) -> None:
        """Without syrupy's warnings that a picture's name and folder do not name its test: they are not to."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().write_snapshot(**kwargs)


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", Pictures)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC; the terminal of the person who runs the tests says nothing."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "COLORTERM", "SSH_CONNECTION", "TEXTUAL_ANIMATIONS", "TEXTUAL_COLOR_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()
