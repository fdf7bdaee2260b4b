"""One repair under way: what the engine and whoever carries it out both hold."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation.decision import Decision
from jarvis_daemon.remediation.facts import SecondLook
from jarvis_daemon.remediation.ledger import Attempt
from jarvis_daemon.remediation.runbook import Kept

Key = tuple[str, str]
"""(number of the incident, or the target where a person runs it without one; name of the runbook)"""


@dataclass
class Run:
    """From the reservation to the end. Times are monotonic."""

    incident: Incident
    kept: Kept
    decision: Decision
    attempt: Attempt
    story: Repair
    by_hand: bool = False
    agreed: str = "yellow"
    """By hand: the gravest tier that whoever asked for it has agreed to, as ``Principal.alone``."""
    again: bool = False
    """It was begun before, and something spoke against it: what it is about to do has been told."""
    second: SecondLook | None = None
    verifying: bool = False
    deadline: float = 0.0
    """Of the verification."""
    sampled_at: float | None = None
    """The source's own time of the last sample that was judged."""
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    """One story may be begun more than once; a call of an earlier time is not this one's."""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> Key:
        return self.incident.id or self.incident.target, self.kept.runbook.name

    @property
    def session(self) -> str:
        """Of the principal that its steps go through the gate as."""
        return f"repair:{self.story.id}:{self.token}"
