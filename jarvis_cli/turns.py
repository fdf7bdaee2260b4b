"""One turn of a conversation, heard to its end whatever becomes of the link. Standard library only.

Each event of a turn has a number. After a lost link the turn is followed from the last number that was heard, so no
piece of the answer is lost and none told twice.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from jarvis_cli.follow import BACKOFF_FACTOR, BACKOFF_FIRST_S, BACKOFF_MAX_S
from jarvis_cli.session import Session
from jarvis_cli.shapes import Entity
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

SILENCE_S: Final = 60.0
"""The daemon pings more often than that: one that is silent for so long hangs."""
PATIENCE_S: Final = 20.0
"""How long a daemon that went away in the middle of an answer is waited for."""
STOP_S: Final = 10.0
"""How long a turn that was cancelled may take to say so."""
TEXT_MAX_BYTES: Final = 900_000
"""A frame to the daemon holds 1 MiB."""
LOST: Final = frozenset({"daemon_unreachable", "timed_out"})
_pause = threading.Event()
"""Never set: its wait is an interruptible pause between two attempts to attach."""

Hear = Callable[[Entity], None]


class Turn:
    """``id`` and ``seq`` (the number of the last event) are 0 until the daemon has told them."""

    def __init__(self, run: Session, hear: Hear) -> None:
        self.run = run
        self.id = self.seq = 0
        self.session = ""
        self.simulated = False
        self._hear = hear
        self._asked: dict[str, Any] = {}

    def say(self, text: str, *, session: str | None, backend: str = "auto") -> Entity:
        """Say ``text``; the reply. Raises ``invalid_params`` for what is too much at once, and what the daemon
        raises; ``daemon_unreachable`` when it does not come back."""
        size = len(text.encode(errors="replace"))
        if size > TEXT_MAX_BYTES:
            raise JarvisError(
                "invalid_params", "That is too much to be said at once", why=f"{size:,} bytes, at most "
                f"{TEXT_MAX_BYTES:,}", next="Say what is to be looked at, and where it lies.",
            )  # fmt: skip
        self._asked = {"text": text, "session": session, "backend": backend, "key": os.urandom(12).hex()}
        return self._through("chat.send", self._asked)

    def confirm(self, call: str, *, approve: bool, typed: str | None = None, pin: str | None = None) -> Entity:
        """Answer a call that asks; the reply as it is then."""
        given = {"turn": self.id, "call": call, "approve": approve, "typed": typed, "pin": pin}
        return self._through("chat.confirm", {name: value for name, value in given.items() if value is not None})

    def cancel(self) -> Entity:
        """Stop it; the reply with what was said until then."""
        with self.run.links() as links:
            if not self.id:
                with links() as link:  # the same key again attaches, and tells which turn it is
                    next((part for part in link.stream("chat.send", self._asked) if self._take(part)), None)
            with links() as link:
                link.call("chat.cancel", {"turn": self.id})
            with links() as link:
                link.settimeout(STOP_S)
                return self._hear_out(link, "chat.follow", {"turn": self.id, "after": self.seq})

    def _through(self, method: str, params: dict[str, Any]) -> Entity:
        request, attached, pause = (method, params), False, BACKOFF_FIRST_S
        until = 0.0
        while True:
            try:
                with self.run.link(role="operator") as link:
                    if until:
                        self.run.out.note("The daemon is back.")
                    attached, until, pause = True, 0.0, BACKOFF_FIRST_S
                    link.settimeout(max(self.run.timeout_s, SILENCE_S))
                    return self._hear_out(link, *request)
            except JarvisError as error:
                if not attached or error.code not in LOST:
                    raise
                now = time.monotonic()
                if not until:
                    until = now + PATIENCE_S
                    self.run.out.note(f"The daemon went away ({error.why or error.what}); waiting for it …")
                elif now > until:
                    raise _gone(error) from None
            if self.id:
                request = ("chat.follow", {"turn": self.id, "after": self.seq})
            _pause.wait(pause)
            pause = min(BACKOFF_MAX_S, pause * BACKOFF_FACTOR)

    def _hear_out(self, link: PlainClient, method: str, params: dict[str, Any]) -> Entity:
        self.simulated = bool(link.welcome.get("simulated"))
        reply: Entity = {}
        for reply in link.stream(method, params):
            self._take(reply)
        self.id = int(reply.get("turn") or self.id)
        self.session = str(reply.get("session") or self.session)
        self.seq = max(self.seq, int(reply.get("seq") or 0))
        return reply

    def _take(self, part: Entity) -> bool:
        """An event; False for one that was heard before, and for a reply."""
        seq = int(part.get("seq") or 0)
        if "kind" not in part or seq <= self.seq:
            return False
        data = part.get("data") or {}
        self.seq = seq
        self.id = int(data.get("turn") or self.id)
        self.session = str(data.get("session") or self.session)
        self._hear(part)
        return True


def _gone(error: JarvisError) -> JarvisError:
    return JarvisError(
        error.code, "The daemon went away in the middle of the answer", why=f"it did not come back: {error.what}",
        next="`jarvis daemon start`; then `jarvis chat show last` has what was said.",
    )  # fmt: skip
