"""The house of the tools about guests: one for all cases of a file."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.guest_house import GuestHouse, guest_house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[GuestHouse]:
    with tempfile.TemporaryDirectory(prefix="jv-", ignore_cleanup_errors=True) as folder:
        async with guest_house(Path(folder)) as made:
            yield made
