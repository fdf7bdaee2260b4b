"""What a room reports of one fault in one round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.protocol.state import Severity

RANK: Final[dict[str, int]] = {"info": 0, "warning": 1, "error": 2, "critical": 3}
"""Severities by gravity."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One fault as it is seen now.

    ``title`` is one grave sentence without numbers that change ("pve does not answer"); ``detail`` explains;
    ``evidence`` is plain JSON: the numbers, ages and names behind it. ``settled`` is told when it is over.
    ``grace_s``: how long the incident stays open unannounced, seconds. ``seen_at``: when the fact was read (Unix
    seconds), where one reading may be reported in several rounds: it counts as one observation.
    """

    condition: str
    target: str
    severity: Severity
    title: str
    detail: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    grace_s: float = 60.0
    settled: str = ""
    seen_at: float | None = None
