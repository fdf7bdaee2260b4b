"""A homelab for all of these tests, and one for each that changes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.assistant.understanding.lab import Lab, lab


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """To be looked at only."""
    made = asyncio.run(lab(tmp_path_factory.mktemp("lab")))
    yield made
    asyncio.run(made.store.close())


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Lab]:
    """To be changed."""
    made = await lab(tmp_path)
    yield made
    await made.store.close()
