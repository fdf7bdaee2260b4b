"""The bus: one object that every room gets."""

from __future__ import annotations

from jarvis_daemon.bus.events import EventTopic
from jarvis_daemon.bus.services import Services
from jarvis_daemon.bus.state import StateTopic
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import STATE_TOPICS


class Bus(Services):
    """State topics exist from the start; an event topic is added by the room that keeps its events."""

    def __init__(self) -> None:
        super().__init__()
        self._states = {name: StateTopic(name) for name in STATE_TOPICS}
        self._events: dict[str, EventTopic] = {}

    def state(self, name: str) -> StateTopic:
        """A state topic of the contract. Raises ``unknown_topic``."""
        try:
            return self._states[name]
        except KeyError:
            raise JarvisError("unknown_topic", f"There is no state topic {name!r}") from None

    def add_events(self, topic: EventTopic) -> None:
        self._events[topic.name] = topic

    def events(self, name: str) -> EventTopic:
        """An event topic. Raises ``unknown_topic``."""
        try:
            return self._events[name]
        except KeyError:
            raise JarvisError("unknown_topic", f"There is no event topic {name!r}") from None

    def has_state(self, name: str) -> bool:
        return name in self._states

    def has_events(self, name: str) -> bool:
        return name in self._events
