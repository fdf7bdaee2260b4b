"""From the feed into the outbox: by number, with a cursor in the store, so that a kill loses nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from jarvis_daemon.notify import outbox
from jarvis_daemon.notify.channel import Route
from jarvis_daemon.notify.routes import is_wanted
from jarvis_daemon.notify.wording import Words
from jarvis_daemon.store.database import Database
from jarvis_daemon.store.feed import last_seq, read_events

_log = logging.getLogger("jarvis.notify")
AT_ONCE: Final = 200


def begin(db: Database, *, anyone: bool) -> bool:
    """Set the cursor behind what happened so far, where there is none yet. True when it is set for the first time,
    or again after a time in which nobody was told."""
    if not anyone:
        outbox.remember(db, outbox.CURSOR, None)
        return False
    if outbox.remembered(db, outbox.CURSOR) is not None:
        return False
    outbox.remember(db, outbox.CURSOR, last_seq(db))
    return True


def follow(db: Database, routes: Mapping[str, Route], words: Words, now: float) -> int:
    """Queue what the next events tell, and move the cursor; how many events there were. One transaction."""
    cursor = int(outbox.remembered(db, outbox.CURSOR) or 0)
    events = read_events(db, cursor, None, None, AT_ONCE)
    for event in events:
        wanted = [name for name, route in routes.items() if is_wanted(db, name, route, event)]
        if not wanted:
            continue
        try:
            subject, body = words.message(db, event)
        except Exception:  # a damaged row must not keep anybody from being told of this, or of what comes after
            _log.exception("not worded", extra={"data": {"event": event.seq, "kind": event.kind}})
            subject, body = words.plainly(event)
        for name in wanted:
            outbox.insert(
                db, name, f"feed:{event.seq}", kind=event.kind, severity=event.severity, subject=subject, body=body,
                now=now,
            )  # fmt: skip
    if events:
        outbox.remember(db, outbox.CURSOR, events[-1].seq)
    return len(events)
