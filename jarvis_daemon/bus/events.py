"""An event topic: numbered without holes, kept in the store, the newest also in a ring.

The ring is what sessions read from; who is further behind than the ring has *lagged* and asks the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from jarvis_daemon.protocol.messages import EVENT_QUEUE_MAX
from jarvis_daemon.protocol.state import FeedEvent

Reader = Callable[[int | None, int | None, float | None, int], Awaitable[list[FeedEvent]]]
"""(after, before, since_at, limit) -> events, oldest first"""


class EventTopic:
    """``last_seq`` is the number of the newest published event; 0 when there is none."""

    def __init__(self, name: str, read: Reader, *, ring: int = EVENT_QUEUE_MAX) -> None:
        self.name = name
        self.last_seq = 0
        self._read = read
        self._ring: deque[FeedEvent] = deque(maxlen=ring)
        self._listeners: list[Callable[[FeedEvent], None]] = []

    def publish(self, event: FeedEvent) -> None:
        """Tell listeners of an event that is already in the store."""
        if self.last_seq and event.seq <= self.last_seq:
            # two writers may finish in either order; the ring is kept sorted by dropping the disorder
            self._ring = deque(sorted([*self._ring, event], key=lambda e: e.seq), maxlen=self._ring.maxlen)
        else:
            self._ring.append(event)
        self.last_seq = max(self.last_seq, event.seq)
        for listener in tuple(self._listeners):
            listener(event)

    def recent(self, after: int) -> list[FeedEvent] | None:
        """Events after ``after`` from the ring, or None when the ring does not reach back so far."""
        if after >= self.last_seq:
            return []
        if not self._ring or self._ring[0].seq > after + 1:
            return None
        return [event for event in self._ring if event.seq > after]

    async def history(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        since_at: float | None = None,
        limit: int = 200,
    ) -> list[FeedEvent]:
        """Events from the store, oldest first."""
        return await self._read(after, before, since_at, limit)

    def listen(self, callback: Callable[[FeedEvent], None]) -> Callable[[], None]:
        """Call ``callback`` for each event, at once and in the loop; returns what ends it."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)
