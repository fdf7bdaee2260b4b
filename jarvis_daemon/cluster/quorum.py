"""Whether quorum is lost: one node's word is not enough, for it may be the one that is cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from jarvis_daemon.cluster.shapes import StatusReply

ALONE_POLLS: Final = 2
"""Polls in a row without any second opinion, after which the first one is believed."""

Opinion = Literal["agrees", "disagrees", "none"]


@dataclass(slots=True)
class Quorum:
    """``quorate`` is what may be believed; None while it is not known. A standalone node has none to lose."""

    quorate: bool | None = None
    standalone: bool = False
    needed: int | None = None
    expected: int | None = None
    _alone: int = 0

    def doubted(self, reply: StatusReply) -> bool:
        """Whether a second endpoint has to be asked about ``reply``."""
        return not reply.standalone and reply.quorate is False

    def take(self, reply: StatusReply, opinion: Opinion | None = None) -> None:
        """One poll. ``opinion``: what the second endpoint said, where the reply was doubted."""
        self.standalone = reply.standalone
        self.expected = None if reply.standalone else reply.nodes_total
        self.needed = None if self.expected is None else self.expected // 2 + 1
        if reply.standalone:
            self.quorate, self._alone = None, 0
        elif not self.doubted(reply):
            self.quorate, self._alone = reply.quorate, 0
        elif opinion == "agrees":
            self.quorate, self._alone = False, 0
        elif opinion == "disagrees":
            self.quorate, self._alone = True, 0
        else:
            self._alone += 1
            if self._alone >= ALONE_POLLS:
                self.quorate = False
