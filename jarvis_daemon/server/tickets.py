"""One-time tickets by which a process of the daemon's own proves who it is."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.messages import Role

TICKET_LIFE_S: Final = 60.0


@dataclass(frozen=True)
class Ticket:
    worker: str
    role: Role
    expires: float


class Tickets:
    """Only hashes are kept; a ticket is gone with its first use, good or late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Ticket] = {}

    def issue(self, worker: str, role: Role = "worker") -> str:
        """A ticket for ``worker``, good once and for a minute."""
        self._sweep()
        ticket = secrets.token_urlsafe(32)
        self._open[_digest(ticket)] = Ticket(worker, role, self._clock.monotonic() + TICKET_LIFE_S)
        return ticket

    def redeem(self, ticket: str | None, role: Role) -> str | None:
        """The worker's name, or None for a ticket that is unknown, used, late or for another role."""
        found = self._open.pop(_digest(ticket or ""), None)
        if found is None or found.role != role or found.expires < self._clock.monotonic():
            return None
        return found.worker

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        self._open = {key: ticket for key, ticket in self._open.items() if ticket.expires >= now}


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
