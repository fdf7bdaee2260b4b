"""What a channel is: something that takes a parcel, or says why not.

NotTaken                    has ``how`` and a ``JarvisError``
  down                      nothing was taken, and nothing else will be now: the server is away, or refuses us
  rejected                  this parcel is not wanted; another one may be
  unknown                   the link broke after the last byte: it may have arrived
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import AppriseSettings, EmailSettings

Route = EmailSettings | AppriseSettings


@dataclass(frozen=True)
class Parcel:
    """One mail, or one push: a message, or a digest of several.

    ``key`` is the same each time this parcel is tried; ``thread`` the number of the incident it is about.
    """

    key: str
    subject: str
    body: str
    severity: str = "info"
    thread: str | None = None


class NotTaken(Exception):
    """Why a parcel did not go; ``how`` says what that means for it and for the others."""

    def __init__(self, how: Literal["down", "rejected", "unknown"], error: JarvisError) -> None:
        super().__init__(error.sentence())
        self.how = how
        self.error = error


class Channel(Protocol):
    """``name`` is what settings call it; ``route`` says what it is told."""

    name: str

    @property
    def route(self) -> Route: ...

    async def send(self, parcel: Parcel) -> str:
        """Hand it over. Answers what is to be known of it, mostly nothing. Raises ``NotTaken``."""
        ...
