"""What a session still has to be told. A slow client costs one merged delta a topic and a cursor, no more.

State: changes merge into one pending delta a topic. Changes of anything but numbers go out at once, numbers at
most ``max_hz`` times a second. Events: the topic's ring is the queue, the outbox only a cursor into it; whoever
falls off the ring is told ``lagged`` and asks again, and is then served from the store page by page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from jarvis_daemon.bus import EventTopic, StateDelta, StateTopic
from jarvis_daemon.protocol.messages import Delta, Event, Lagged, Snapshot
from jarvis_daemon.server.frames import encode_delta, encode_note

PAGE: Final = 500
FRAME_ENTITIES: Final = 8000
"""Entities a frame: well under 16 MiB at 0.7 KB each. What is more goes as further deltas."""
HZ_MIN, HZ_MAX = 0.05, 30.0


class _State:
    """Pending change of one state topic."""

    def __init__(self, topic: StateTopic, interval_s: float) -> None:
        self.topic = topic
        self.interval_s = interval_s
        self.snapshot = True
        self.urgent = True
        self.only: StateDelta | None = None
        self.set: dict[str, dict[str, Any]] = {}
        self.delete: dict[str, None] = {}
        self.sent_at = -1e9
        self.sent_seq = 0
        self.ended = False
        self.stop: Callable[[], None] = lambda: None

    def end(self) -> None:
        self.ended = True
        self.stop()

    def merge(self, delta: StateDelta) -> None:
        self.urgent = self.urgent or delta.urgent
        if self.snapshot:
            return  # it will hold this change
        if self.only is None and not self.set and not self.delete:
            self.only = delta
            return
        if self.only is not None:
            first, self.only = self.only, None
            self._merge(first)
        self._merge(delta)

    def _merge(self, delta: StateDelta) -> None:
        for path in delta.delete:
            self.set.pop(path, None)
            self.delete[path] = None
        for path, fields in delta.set.items():
            known = self.set.get(path)
            self.set[path] = dict(fields) if known is None else known | fields

    @property
    def waiting(self) -> bool:
        return self.snapshot or self.only is not None or bool(self.set or self.delete)

    def take(self) -> list[bytes]:
        """The frames that bring a client up to date. Only the last one bears the topic's ``seq``: who loses the
        link between two of them has nothing to resume from that would leave a hole."""
        topic, only = self.topic, self.only
        if self.snapshot:
            frames = self._whole()
        elif only is not None and len(only.set) <= FRAME_ENTITIES:
            frames = [encode_delta(only)]
        else:
            changed, gone = (self.set, list(self.delete)) if only is None else (only.set, only.delete)
            frames = self._deltas(changed, gone)
        self.snapshot = self.urgent = False
        self.only, self.set, self.delete = None, {}, {}
        self.sent_seq = topic.seq
        return frames

    def _whole(self) -> list[bytes]:
        topic = self.topic
        if sum(map(len, topic.plain.values())) <= FRAME_ENTITIES:
            return [encode_note("snapshot", Snapshot(topic=topic.name, seq=topic.seq, state=topic.plain))]
        empty = Snapshot(topic=topic.name, seq=0, state={collection: {} for collection in topic.plain})
        everything = {
            f"{c}/{key}": entity for c, entities in topic.plain.items() for key, entity in entities.items()
        }
        self.sent_seq = 0
        return [encode_note("snapshot", empty), *self._deltas(everything, [])]

    def _deltas(self, changed: dict[str, dict[str, Any]], gone: list[str]) -> list[bytes]:
        name, paths = self.topic.name, list(changed)
        frames: list[bytes] = []
        for at in range(0, max(1, len(paths)), FRAME_ENTITIES):
            last = at + FRAME_ENTITIES >= len(paths)
            part = {path: changed[path] for path in paths[at : at + FRAME_ENTITIES]}
            seq = self.topic.seq if last else self.sent_seq
            frames.append(encode_note("delta", Delta(topic=name, seq=seq, set=part, delete=[] if at else gone)))
        return frames


class _Events:
    """Cursor into one event topic."""

    def __init__(self, topic: EventTopic, cursor: int, *, from_store: bool) -> None:
        self.topic = topic
        self.cursor = cursor
        self.from_store = from_store
        self.lagged = self.ended = False
        self.stop: Callable[[], None] = lambda: None

    def end(self) -> None:
        self.ended = True
        self.stop()

    async def frames(self) -> AsyncIterator[bytes]:
        """What there is after the cursor."""
        while self._behind():
            events = self.topic.recent(self.cursor)
            if events is None and self.from_store:
                events = await self.topic.history(after=self.cursor, limit=PAGE)
                if not events:
                    return
            elif events is None:
                self.lagged = True
                yield encode_note("lagged", Lagged(topic=self.topic.name))
                return
            for event in events[:PAGE]:
                if self.ended:
                    return
                self.cursor = event.seq
                yield encode_note("event", Event(topic=self.topic.name, event=event))
        self.from_store = False

    def _behind(self) -> bool:
        return not (self.lagged or self.ended) and self.cursor < self.topic.last_seq


class Outbox:
    """``frames`` yields what is due, for ever; the session's writer sends it and thereby sets the pace."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._events: dict[str, _Events] = {}
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def subscribe_state(self, topic: StateTopic, max_hz: float, since: int | None) -> None:
        """Begin with the deltas after ``since`` where the topic still has them, else with a snapshot."""
        self.unsubscribe(topic.name)
        state = _State(topic, 1.0 / min(max(max_hz, HZ_MIN), HZ_MAX))
        missed = topic.since(since) if since is not None else None
        if missed is not None:
            state.snapshot = False
            for delta in missed:
                state.merge(delta)
        self._states[topic.name] = state
        state.sent_seq = since or 0
        state.stop = topic.listen(lambda delta: self._on_delta(state, delta))
        self._wake.set()

    def subscribe_events(self, topic: EventTopic, since: int | None, history: int) -> None:
        """Begin after ``since``, or with the last ``history`` events."""
        self.unsubscribe(topic.name)
        cursor = max(0, topic.last_seq - max(0, history)) if since is None else since
        events = _Events(topic, cursor, from_store=True)
        self._events[topic.name] = events
        events.stop = topic.listen(lambda event: self._wake.set())
        self._wake.set()

    def unsubscribe(self, name: str) -> None:
        for table in (self._states, self._events):
            if (entry := table.pop(name, None)) is not None:
                entry.end()

    def close(self) -> None:
        for name in [*self._states, *self._events]:
            self.unsubscribe(name)
        if self._timer is not None:
            self._timer.cancel()

    @property
    def pending(self) -> int:
        """How many topics wait to be sent."""
        return sum(state.waiting for state in self._states.values())

    async def frames(self) -> AsyncIterator[bytes]:
        """Frames in the order they are due; waits when nothing is."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            # a subscription may end, or begin anew, while one of its frames goes out
            for state in list(self._states.values()):
                if state.ended or not state.waiting:
                    continue
                if state.urgent or loop.time() >= state.sent_at + state.interval_s:
                    state.sent_at = loop.time()
                    for frame in state.take():
                        if not state.ended:
                            yield frame
                else:
                    self._wake_at(state.sent_at + state.interval_s)
            for events in list(self._events.values()):
                async for frame in events.frames():
                    yield frame

    def _on_delta(self, state: _State, delta: StateDelta) -> None:
        state.merge(delta)
        self._wake.set()

    def _wake_at(self, when: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None and not self._timer.cancelled() and loop.time() < self._timer.when() <= when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._wake.set)
