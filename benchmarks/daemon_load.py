"""CPU and memory of the daemon with one client attached, at both sizes."""

from __future__ import annotations

from benchmarks.row import Row
from benchmarks.watching import LARGE, SMALL, observe


def run() -> list[Row]:
    small, large = observe(*SMALL), observe(*LARGE)
    size = f"{small.nodes} nodes / {small.guests} guests"
    rows = [
        Row(
            f"daemon CPU, {size}", small.cpu_share * 100, "% of a core", 2, 1,
            f"one bare fetch and parse of the poll: {small.bare_ms:.1f} ms",
        ),
        Row(f"daemon memory, {size}", small.rss_mb, "MB", 110, 90),
    ]  # fmt: skip
    size = f"{large.nodes} nodes / {large.guests:,} guests"
    rows += [
        Row(
            f"poll to delta, {size}", large.poll_cpu_ms, "ms CPU", 150, 60,
            f"one bare fetch and parse of the poll: {large.bare_ms:.1f} ms",
        ),
        Row(f"daemon CPU, {size}", large.cpu_share * 100, "% of a core"),
        Row(f"daemon memory, {size}", large.rss_mb, "MB", 250),
    ]  # fmt: skip
    return rows
