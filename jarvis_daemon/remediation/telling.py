"""The lines of the feed that tell a story: one when it begins, one that is the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jarvis_daemon.bus import Feed
from jarvis_daemon.bus.feed import FeedSeverity
from jarvis_daemon.protocol.state import FeedEvent, Repair
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import safe_line
from jarvis_daemon.remediation.words import story

SEVERITIES: Final[dict[str, FeedSeverity]] = {
    "repaired": "ok", "failed": "error", "escalated": "error", "refused": "warning", "recommended": "warning",
    "reported": "warning", "cancelled": "warning", "asking": "warning", "over": "info", "holding": "info",
    "acting": "info",
}  # fmt: skip
SILENT_LEVEL: Final = 4
NEVER_SILENT: Final = frozenset({"failed", "escalated", "asking", "reported"})
"""A person is needed, at whatever level."""
LINE_MAX: Final = 2000


def line(feed: Feed, repair: Repair, *, severity: FeedSeverity | None = None) -> FeedEvent:
    """What is told of a story as it stands now."""
    begun = repair.status in {"acting", "holding", "asking"}
    kind = "repair.begun" if repair.status == "acting" else f"repair.{repair.status}"
    text = repair.text if begun else story(repair)
    return feed.make(
        kind, safe_line(text, limit=LINE_MAX), severity=severity or SEVERITIES.get(repair.status, "info"),
        target=repair.target or None,
        data={
            "repair": repair.id, "incident": repair.incident, "condition": repair.condition,
            "runbook": repair.runbook, "status": repair.status, "level": repair.level,
            "silent": _is_silent(repair),
        },
    )  # fmt: skip


def together(feed: Feed, repairs: Sequence[Repair], why: str) -> FeedEvent:
    """One line for many that are held back for the same reason, or recommended by the same runbook."""
    names = ", ".join(r.target_name for r in repairs[:8])
    more = f" and {len(repairs) - 8} more" if len(repairs) > 8 else ""
    status = repairs[0].status
    text = f"I hold back on {len(repairs)} faults ({names}{more}). {why}"
    if status == "over":
        text = f"{len(repairs)} faults ({names}{more}) are over, and I did nothing."
    elif status == "recommended":
        how = f"`jarvis runbook run {repairs[0].runbook} NAME` does one."
        text = f"I would act on {len(repairs)} faults ({names}{more}). {how}"
    return feed.make(
        f"repair.{status}", clean(text, limit=LINE_MAX),
        severity=SEVERITIES.get(status, "info"),
        data={"incidents": [r.incident for r in repairs], "status": status, "silent": False},
    )  # fmt: skip


def _is_silent(repair: Repair) -> bool:
    """Done alone at L4: `jarvis history` tells of it, no message does."""
    alone = repair.level >= SILENT_LEVEL and repair.by == "watchman"
    return alone and repair.status not in NEVER_SILENT
