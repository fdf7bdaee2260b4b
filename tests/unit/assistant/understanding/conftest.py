"""A homelab for all of these tests, and one for each that changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.unit.assistant.understanding.lab import Lab, again, lab


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """To be looked at only."""
    made = asyncio.run(lab(tmp_path_factory.mktemp("lab")))
    yield made
    asyncio.run(made.store.close())


@pytest.fixture
def own(shared: Lab) -> Lab:
    """To be changed."""
    return again(shared)
