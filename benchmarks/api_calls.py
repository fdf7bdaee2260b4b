"""PVE API calls a minute, counted at the simulator. Budget: 20 and 2 more a node, however many guests."""

from __future__ import annotations

from benchmarks.row import Row
from benchmarks.watching import LARGE, SMALL, observe


def run() -> list[Row]:
    rows = []
    for nodes, guests in (SMALL, LARGE):
        seen = observe(nodes, guests)
        rows.append(
            Row(
                f"PVE API calls, {nodes} nodes / {guests:,} guests", seen.calls_per_min, "a minute",
                budget=20 + 2 * nodes, baseline="counted by the simulator",
            )
        )  # fmt: skip
    return rows
