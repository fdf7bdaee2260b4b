"""Which role may call what. A role that is missing from a method's row may not call it."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.protocol.messages import CALLS, Role

_READS: Final = frozenset({
    "subscribe", "unsubscribe", "state.get", "history", "metrics.history", "incident.list", "task.log",
    "guest.describe", "cancel", "drop", "tool.list", "tool.call", "killswitch.set",
    "runbook.list", "runbook.show", "runbook.test", "repair.list", "autonomy.preview", "notify.log", "report.daily",
    "incident.explain", "models.show",
})  # fmt: skip
_CHAT: Final = frozenset({"chat.send", "chat.confirm", "chat.follow", "chat.cancel", "chat.list", "chat.show"})
"""A conversation is the operator's: an agent has tools, not his words."""
PRIVATE_TOPICS: Final = frozenset({"chat"})
"""Event topics that are heard and looked up by those only who may take part."""
_WORKER: Final = frozenset({"worker.config", "worker.heartbeat", "stream.open", "stream.close", "cancel", "drop"})

ALLOWED: Final[dict[Role, frozenset[str]]] = {
    "operator": frozenset(CALLS) - {"hello", "worker.config", "worker.heartbeat"},
    "front": _READS | _CHAT | {"tool.wait", "stream.open", "stream.close", "worker.config", "worker.heartbeat"},
    "agent": _READS | {"tool.wait"},
    "viewer": _READS,
    "worker": _WORKER,
}
NEEDS_TICKET: Final[frozenset[Role]] = frozenset({"worker", "front"})


_BELOW: Final[dict[Role, frozenset[Role]]] = {
    "operator": frozenset({"operator", "agent", "viewer"}),
    "front": frozenset({"front", "agent", "viewer"}),
    "agent": frozenset({"agent", "viewer"}),
    "viewer": frozenset({"viewer"}),
    "worker": frozenset({"worker"}),
}


def may_hear(role: Role, topic: str) -> bool:
    """Whether a session may subscribe to a topic, and ask for its past."""
    return topic not in PRIVATE_TOPICS or "chat.send" in ALLOWED[role]


def may_drop(current: Role, wanted: Role) -> bool:
    """A session may only take a role below its own: rights are dropped, never gained. The table says it, for
    services and streams ask for roles too, not only the calls above."""
    return wanted in _BELOW[current]
