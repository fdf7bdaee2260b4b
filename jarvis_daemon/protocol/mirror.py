"""A client's copy of state topics, built from snapshots and deltas. Standard library only.

The copy holds plain dicts: ``mirror.state["cluster"]["nodes"]["node:pve"]["cpu"]``.
"""

from __future__ import annotations

from typing import Any


class Gap(Exception):
    """A delta did not follow the last one: the client has to ask for a snapshot again."""


class Mirror:
    """Plain dicts by topic, collection and id. ``seq`` by topic is what the copy stands at."""

    def __init__(self) -> None:
        self.state: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
        self.seq: dict[str, int] = {}

    def snapshot(self, topic: str, seq: int, state: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.state[topic] = state
        self.seq[topic] = seq

    def delta(self, topic: str, seq: int, set_: dict[str, dict[str, Any]], del_: list[str]) -> None:
        """Merge one delta. ``seq`` may jump (deltas are merged for slow clients) but never go back.

        Raises ``Gap`` for a topic of which no snapshot came, or when ``seq`` goes back.
        """
        if topic not in self.state or seq < self.seq[topic]:
            raise Gap(topic)
        collections = self.state[topic]
        for path in del_:
            collection, _, entity_id = path.partition("/")
            collections.get(collection, {}).pop(entity_id, None)
        for path, fields in set_.items():
            collection, _, entity_id = path.partition("/")
            collections.setdefault(collection, {}).setdefault(entity_id, {}).update(fields)
        self.seq[topic] = seq

    def merged(self, *topics: str) -> dict[str, dict[str, dict[str, Any]]]:
        """The collections of several topics side by side: what ``health.assess`` takes."""
        out: dict[str, dict[str, dict[str, Any]]] = {}
        for topic in topics or tuple(self.state):
            out.update(self.state.get(topic, {}))
        return out
