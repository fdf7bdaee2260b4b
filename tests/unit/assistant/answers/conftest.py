from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.assistant.answers.salon import Salon
from tests.unit.assistant.answers.salon import salon as open_salon


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def salon(tmp_path: Path) -> AsyncIterator[Salon]:
    async with open_salon(tmp_path) as made:
        yield made


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Salon]:
    """Nothing has answered yet."""
    async with open_salon(tmp_path, filled=False) as made:
        yield made
