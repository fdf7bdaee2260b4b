"""``admin config pin``: the hash of the operator's pin, for ``[approvals] pin``."""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools.approvals import hash_pin

MIN_LENGTH: Final = 4


def pin(given: dict[str, Any]) -> dict[str, Any]:
    """``{"pin"}`` given, ``{"hash"}`` answered. Raises ``invalid_params`` for one that is too short."""
    wanted = str(given.get("pin") or "")
    if len(wanted) < MIN_LENGTH:
        raise JarvisError("invalid_params", f"A pin has at least {MIN_LENGTH} characters")
    return {"hash": hash_pin(wanted)}
