from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.remediation.ward import Ward


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """Open, at level 3, with one trusted runbook that starts what stopped."""
    made = Ward(tmp_path)
    await made.open()
    await made.poll()
    yield made
    await made.close()
