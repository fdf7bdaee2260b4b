"""How a story speaks: durations, moments, and the sentences of each ending. The fact first, always."""

from __future__ import annotations

import time

from jarvis_daemon.incidents.lines import span as span  # the same words for a duration everywhere
from jarvis_daemon.protocol.state import Check, Repair
from jarvis_daemon.remediation import evidence

FOUND_LINES = 6
"""Of a read's result, in the story."""
OPENERS = frozenset({"A", "An", "It", "Maintenance", "No", "Nobody", "The", "There", "This", "What"})
"""Words that begin a guardrail's sentence, and are no names."""
DID = {"denied": "asked", "expired": "asked", "refused": "tried", "failed": "tried", "cancelled": "tried"}
"""Of a step that was not done, by its outcome."""
LEVELS = ("observe", "alert", "recommend", "act and report", "act silently")


def moment(at: float) -> str:
    """``02:14:05``, in the daemon's local time."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def why_not(checks: list[Check]) -> str:
    """The first of the gravest verdicts, as one sentence; empty where nothing speaks against it."""
    for verdict in ("refuse", "hold", "ask"):
        for check in checks:
            if check.verdict == verdict:
                return check.text
    return ""


def inside(sentence: str) -> str:
    """A sentence as it stands behind a colon: small, unless it begins with a name."""
    first = sentence.partition(" ")[0]
    return sentence[:1].lower() + sentence[1:] if first in OPENERS else sentence


def spoken(repair: Repair) -> str:
    """The target as a person calls it: ``pihole``, ``smbd on pve``."""
    kind, _, rest = repair.target.partition(":")
    host, _, unit = rest.partition("/")
    lies_on = kind in {"service", "container", "disk", "storage"} and unit
    return f"{unit} on {host}" if lies_on else repair.target_name


def story(repair: Repair) -> str:
    """The whole of it: saw, decided, did, verified, each with its time; of what was left alone, only why."""
    if repair.decided_at is None and not repair.steps:
        return repair.text
    parts = [f"{moment(repair.seen_at)} saw: {repair.seen.rstrip('.')}."]
    if repair.decided_at is not None and repair.decided:
        parts.append(f"{moment(repair.decided_at)} decided: {repair.decided.rstrip('.')}.")
    for step in repair.steps:
        when = moment(step.ended_at or step.began_at)
        outcome = f" ({step.outcome})" if step.outcome not in {"", "verified", "done"} else ""
        found = "; ".join(evidence.lines(step.result)[:FOUND_LINES]) if repair.status != "repaired" else ""
        did = DID.get(step.outcome, "did")
        parts.append(f"{when} {did}: {step.text.rstrip('.')}{outcome}{': ' + found if found else ''}.")
    if repair.samples:
        at = " and ".join(dict.fromkeys(moment(one) for one in repair.samples[-2:]))
        parts.append(f"{at} verified by two fresh readings.")
    return " ".join([repair.text, *parts]).strip()
