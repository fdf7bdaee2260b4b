"""Staying attached across restarts of the daemon. Standard library only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from jarvis_cli.session import Session
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

BACKOFF_FIRST_S: Final = 0.25
BACKOFF_FACTOR: Final = 1.7
BACKOFF_MAX_S: Final = 10.0
_pause = threading.Event()
"""Never set: its wait is an interruptible pause between two attempts to attach."""


def again(run: Session, attached: Callable[[PlainClient], None], *, patient: bool = False) -> None:
    """Run ``attached`` on a session, and on the next one when the daemon went away, until it returns.

    A daemon that cannot be reached at first raises ``daemon_unreachable``, unless ``patient``.
    """
    pause, lost = BACKOFF_FIRST_S, False
    while True:
        try:
            with run.link() as link:
                if lost:
                    run.out.note("The daemon is back.")
                lost, patient, pause = False, True, BACKOFF_FIRST_S
                attached(link)
                return
        except JarvisError as error:
            if error.code not in {"daemon_unreachable", "timed_out"} or not patient:
                raise
            if not lost:
                run.out.note(f"The daemon went away ({error.why or error.what}); waiting for it …")
            lost = True
            _pause.wait(pause)
            pause = min(BACKOFF_MAX_S, pause * BACKOFF_FACTOR)
