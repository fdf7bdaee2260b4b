"""The calls that the server itself answers: subscriptions, snapshots, history, dropping rights."""

from __future__ import annotations

import asyncio
from typing import Any

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import History, Role, StateGet, Subscribe, Subscribed, Unsubscribe
from jarvis_daemon.server.outbox import Outbox
from jarvis_daemon.server.roles import may_hear

WAIT_MAX_S = 60.0


def subscribe(bus: Bus, outbox: Outbox, params: Subscribe, boot_id: str, role: Role) -> Subscribed:
    """Subscribe to all topics or, when one is unknown (``unknown_topic``) or private (``forbidden``), to none."""
    for name in params.topics:
        _check_private(role, name)
        if not bus.has_state(name) and not bus.has_events(name):
            raise JarvisError("unknown_topic", f"There is no topic {name!r}")
    began_anew: list[str] = []
    same_boot = params.boot_id == boot_id
    for name in params.topics:
        since = params.since.get(name)
        if bus.has_state(name):
            outbox.subscribe_state(bus.state(name), params.max_hz, since if same_boot else None)
        else:
            topic = bus.events(name)
            if since is not None and since > topic.last_seq:
                began_anew.append(name)
                since = None
            outbox.subscribe_events(topic, since, params.history)
    return Subscribed(began_anew=began_anew)


def unsubscribe(outbox: Outbox, params: Unsubscribe) -> None:
    for name in params.topics:
        outbox.unsubscribe(name)


async def state_get(bus: Bus, clock: Clock, params: StateGet) -> dict[str, Any]:
    """Snapshots of the topics. Raises ``unknown_topic``."""
    topics = [bus.state(name) for name in params.topics]
    if params.wait_s > 0:
        try:
            async with asyncio.timeout(min(params.wait_s, WAIT_MAX_S)):
                for topic in topics:
                    await topic.settled.wait()
        except TimeoutError:
            pass  # the answer says that it is not settled
    return {
        "now": clock.now(),
        "topics": {t.name: {"seq": t.seq, "settled": t.settled.is_set(), "state": t.plain} for t in topics},
    }


async def history(bus: Bus, params: History, role: Role) -> dict[str, Any]:
    """Past events, oldest first. Raises ``unknown_topic``, ``forbidden``."""
    _check_private(role, params.topic)
    topic = bus.events(params.topic)
    events = await topic.history(
        after=params.after, before=params.before, since_at=params.since_at, limit=params.limit
    )
    return {"events": events, "last_seq": topic.last_seq}


def _check_private(role: Role, topic: str) -> None:
    if not may_hear(role, topic):
        raise JarvisError("forbidden", f"A session of role {role} may not hear {topic}")
