"""What the shells do wrong on purpose: kept in the world, obeyed on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Wire:
    """``*`` stands for every endpoint."""

    slow_s: dict[str, float] = field(default_factory=dict)
    """Seconds that an answer of an endpoint is held back."""
    truncated: set[str] = field(default_factory=set)
    """Endpoints whose answers end in the middle of the document."""

    def delay_of(self, node: str) -> float:
        return max(self.slow_s.get(node, 0.0), self.slow_s.get("*", 0.0))

    def cuts(self, node: str) -> bool:
        return node in self.truncated or "*" in self.truncated
