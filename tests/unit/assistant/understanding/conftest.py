"""One homelab for the whole of these tests: nothing in them changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.assistant.understanding.lab import Lab, lab


@pytest.fixture(scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """To be looked at only."""
    made = await lab(tmp_path_factory.mktemp("lab"))
    yield made
    await made.store.close()


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Lab]:
    """To be changed."""
    made = await lab(tmp_path)
    yield made
    await made.store.close()
