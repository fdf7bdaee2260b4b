"""pvestatd and pmxcfs: what a node publishes every few seconds, and what each other node still holds of it.

A sample older than ``max_age_s`` (pmxcfs: 300) is dropped: then a guest is ``{id, vmid, node, type, status:
"unknown"}``, a storage has no sizes, and an offline node is ``{id, node, type, status}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sample:
    """What one node published at ``at`` (elapsed real seconds)."""

    at: float
    node: dict[str, Any]
    guests: dict[int, dict[str, Any]]
    storages: dict[str, tuple[int, int]]
    """(used, total) by storage."""


class Replicas:
    """Every node's copy of every node's last sample."""

    def __init__(self, max_age_s: float) -> None:
        self.max_age_s = max_age_s
        self._held: dict[str, dict[str, Sample]] = {}

    def deliver(self, sample: Sample, sender: str, members: set[str]) -> None:
        for receiver in members:
            self._held.setdefault(receiver, {})[sender] = sample

    def forget(self, receiver: str) -> None:
        """A node that boots starts with nothing."""
        self._held.pop(receiver, None)

    def of(self, receiver: str, sender: str, now: float) -> Sample | None:
        """The copy that ``receiver`` holds of ``sender``, None when there is none or it is too old."""
        sample = self._held.get(receiver, {}).get(sender)
        return sample if sample is not None and now - sample.at <= self.max_age_s else None
