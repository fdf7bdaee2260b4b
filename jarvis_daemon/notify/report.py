"""The daily report: what happened, what was repaired, what needs a person. Facts first; no jest while something is
grave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from jarvis_daemon.notify.updates import NodeUpdates
from jarvis_daemon.notify.wording import Words, fold
from jarvis_daemon.protocol.messages import DailyReportResult
from jarvis_daemon.protocol.state import Approval, Autonomy, FeedEvent, Incident, KillSwitchState, Task
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import safe_line

LISTED_MAX: Final = 20
GROWTH_TOLD: Final = 0.005
"""A storage that changed by less (share of its size) in a week is not listed."""
BACKUP_CONDITIONS: Final = frozenset({"backup-failed", "backup-missing", "replication-failed"})
GRAVE: Final = frozenset({"error", "critical"})
_LEVELS: Final = {
    0: "L0, I observe", 1: "L1, I alert", 2: "L2, I recommend", 3: "L3, I act and report", 4: "L4, I act silently",
}  # fmt: skip
_WORDS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_ENDS: Final = {
    "repaired": "repaired", "reported": "looked into", "recommended": "recommended", "refused": "left alone",
    "failed": "failed", "escalated": "handed to you", "cancelled": "called off", "asking": "asked for your word",
}  # fmt: skip


@dataclass(frozen=True)
class Growth:
    """A storage's share in use, 0..1; None where nothing is known of that time."""

    name: str
    now: float
    day_ago: float | None = None
    week_ago: float | None = None
    month_ago: float | None = None
    """30 days."""
    oldest: float | None = None
    """The oldest that is kept; for where history does not reach back to a week or a month."""
    oldest_days: float = 0.0


@dataclass(frozen=True)
class Findings:
    """Everything the report speaks of. Times are Unix seconds; events and incidents are the oldest first."""

    now: float
    since: float
    opened: list[Incident] = field(default_factory=list)
    closed: list[Incident] = field(default_factory=list)
    open: list[Incident] = field(default_factory=list)
    repairs: list[FeedEvent] = field(default_factory=list)
    escalated: frozenset[str] = frozenset()
    """Numbers of open incidents whose repair was handed to a person."""
    growth: list[Growth] = field(default_factory=list)
    backups: list[Task] = field(default_factory=list)
    """Backup tasks of the time, as far as the list of tasks reaches back (about a day), the oldest first."""
    names: Mapping[str, str] = field(default_factory=dict)
    """vmid -> name, for tasks."""
    updates: list[NodeUpdates] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    channels_down: dict[str, str] = field(default_factory=dict)
    standing: str = ""
    """How the cluster stands now, in a sentence."""
    blind: str = ""
    """Why the cluster is not seen now; empty while it is."""
    autonomy: Autonomy | None = None
    kill: KillSwitchState | None = None
    audit_head: str = ""
    skipped: list[str] = field(default_factory=list)
    """What could not be read, a sentence each."""


def write(found: Findings, words: Words) -> DailyReportResult:
    """Subject, text, and the same facts by section."""
    needs = _needs(found)
    sections = {
        "needs you": needs,
        "happened": _happened(found),
        "repairs": _repairs(found),
        "backups": _backups(found),
        "storage": _storage(found),
        "updates": _updates(found),
        "standing": _standing(found),
    }
    subject = words.subject(f"Daily report: {_verdict(found, needs)}")
    parts = [_opening(found, needs)]
    for heading, lines in sections.items():
        parts.append("\n".join([heading.upper(), *(fold(line, "  - ", "    ") for line in lines)]))
    parts.append(_farewell(found, needs))
    return DailyReportResult(subject=subject, text=words.signed("\n\n".join(parts)), sections=sections)


def _is_grave(found: Findings) -> bool:
    return any(incident.severity in GRAVE for incident in found.open) or bool(found.escalated)


def _verdict(found: Findings, needs: Sequence[str]) -> str:
    if needs:
        return f"{_count(len(needs), 'matter')} for you"
    if found.blind:
        return "the cluster is not seen"
    if found.open:
        return f"{_count(len(found.open), 'fault')} open, nothing for you to do"
    return "all is well"


def _opening(found: Findings, needs: Sequence[str]) -> str:
    hour = time.localtime(found.now).tm_hour
    greeting = "Good morning" if 4 <= hour < 12 else "Good afternoon" if 12 <= hour < 18 else "Good evening"
    hours = (found.now - found.since) / 3600
    span = f"the last {hours:.0f} hours" if hours < 71 else f"the last {hours / 24:.0f} days"
    if needs:
        state = f"{_in_words(len(needs), 'matter')} {'wants' if len(needs) == 1 else 'want'} your attention."
    elif found.blind:
        state = "Whether all is well I cannot tell."
    elif found.open:
        verb = "is" if len(found.open) == 1 else "are"
        state = f"{_in_words(len(found.open), 'fault')} {verb} still open, of which you know."
    else:
        state = "All is well, and nothing wants your attention."
    blind = f" I do not see the cluster at present: {found.blind}." if found.blind else ""
    return fold(f"{greeting}. My report of {span}, if I may. {state}{blind}")


def _farewell(found: Findings, needs: Sequence[str]) -> str:
    if _is_grave(found) or needs or found.blind or found.open:
        return "At your service."
    if found.repairs or found.opened:
        return "Everything has been put back where it belongs. At your service."
    return "The house was so quiet that I dusted the logs. At your service."


def _needs(found: Findings) -> list[str]:
    lines = [
        f"{_title(incident)} ({incident.severity}, {_since(incident.opened_at)})"
        + ("; my repairs did not mend it" if incident.id in found.escalated else "")
        + f": `jarvis incident show {incident.id}`"
        for incident in found.open
        if (incident.acked_at is None or incident.id in found.escalated) and incident.silenced_until is None
    ]
    lines += [
        f"{_safe(approval.summary) or approval.tool} waits for your word: `jarvis approve {clean(approval.id)}`"
        for approval in found.approvals
    ]
    lines += [f"Messages by {name} do not get through: {why}" for name, why in sorted(found.channels_down.items())]
    if found.kill is not None and found.kill.engaged:
        lines.append("The kill switch is engaged, so I repair nothing: `jarvis unkill` releases it")
    return lines


def _happened(found: Findings) -> list[str]:
    head = f"{_count(len(found.opened), 'fault')} opened, {len(found.closed)} settled, {len(found.open)} open now"
    told = [
        f"{_at(incident.opened_at)} {_title(incident)} ({incident.severity}), "
        + ("still open" if incident.closed_at is None else f"settled {_at(incident.closed_at)}")
        for incident in found.opened
    ]
    return [head, *_some(told)]


def _repairs(found: Findings) -> list[str]:
    if not found.repairs:
        return ["Nothing was repaired, and nothing had to be"] if not found.opened else ["Nothing was repaired"]
    counted = Counter(event.kind.removeprefix("repair.") for event in found.repairs)
    head = ", ".join(f"{count} {_ENDS.get(end, end)}" for end, count in counted.most_common())
    return [head, *_some([f"{_at(event.at)} {_safe(event.text)}" for event in found.repairs])]


def _backups(found: Findings) -> list[str]:
    lines = [*_runs(found), *(_title(i) for i in found.open if i.condition in BACKUP_CONDITIONS)]
    mended = [i for i in found.closed if i.condition in BACKUP_CONDITIONS]
    if mended:
        lines.append(f"{_count(len(mended), 'fault')} of backups settled since")
    if not any(incident.condition in BACKUP_CONDITIONS for incident in found.open):
        lines.append("No fault of backups is open")
    return _some(lines)


def _runs(found: Findings) -> list[str]:
    """Backup tasks, counted; each that did not end well by itself."""
    if not found.backups:
        return []
    words = {"ok": "went well", "warnings": "ended with warnings", "failed": "failed", "running": "still running",
             "unknown": "of unknown end"}  # fmt: skip
    counted = Counter(words[task.status] for task in found.backups)
    told = ", ".join(f"{counted[word]} {word}" for word in words.values() if counted[word])
    bad = [task for task in found.backups if task.status in {"failed", "warnings", "unknown"}]
    return [f"{_count(len(found.backups), 'backup task')}: {told}", *(_run(found, task) for task in bad)]


def _run(found: Findings, task: Task) -> str:
    of = found.names.get(task.target) or (
        f"guest {clean(task.target, limit=20)}" if task.target else "several guests"
    )
    why = f": {_safe(task.exit_text)}" if task.exit_text else ""
    return f"{_at(task.ended_at or task.started_at)} {of} on {clean(task.node, limit=60)}{why}"


def _storage(found: Findings) -> list[str]:
    lines = []
    for one in sorted(found.growth, key=lambda growth: -growth.now):
        spans = [("a day", one.day_ago), ("7 days", one.week_ago), ("30 days", one.month_ago)]
        if one.month_ago is None and one.oldest_days >= (7.5 if one.week_ago is not None else 1.5):
            spans.append((f"{one.oldest_days:.0f} days, all that is kept", one.oldest))
        if not any(_change(one.now, before) for _, before in spans) and one.now < 0.8:
            continue
        told = [
            f"{_change(one.now, before) or 'unchanged'} in {span}" for span, before in spans if before is not None
        ]
        why = ", ".join(told) or "no older figures yet"
        lines.append(f"{one.name}: {one.now:.1%} full, {why}")
    return _some(lines) or (["Nothing has grown to speak of"] if found.growth else ["No figures yet"])


def _updates(found: Findings) -> list[str]:
    """Of the nodes, by their own package lists."""
    lines = [
        f"{clean(one.node, limit=60)}: {_count(one.count, 'update')}"
        + (f", {one.security} for security" if one.security else "") + (", with a new kernel" if one.reboot else "")
        for one in found.updates if one.count and not one.why
    ]  # fmt: skip
    none = [clean(one.node, limit=60) for one in found.updates if not one.count and not one.why]
    if none:
        lines.append(f"None for {', '.join(none)}")
    whys: dict[str, list[str]] = {}
    for one in found.updates:
        if one.why:
            whys.setdefault(_safe(one.why), []).append(clean(one.node, limit=60))
    lines += [f"Not known of {', '.join(nodes)}: {why}" for why, nodes in whys.items()]
    return _some(lines) or ["Not known: no node has been asked"]


def _change(now: float, before: float | None) -> str:
    if before is None or abs(now - before) < GROWTH_TOLD:
        return ""
    return f"{(now - before) * 100:+.1f} points"


def _standing(found: Findings) -> list[str]:
    lines = [found.standing] if found.standing else []
    if found.autonomy is not None:
        level = found.autonomy
        lines.append(f"Autonomy: {_LEVELS.get(level.effective, f'L{level.effective}')}")
        if level.effective != level.level:
            lines.append(f"Chosen was L{level.level}: {_safe(level.why)}")
    lines += found.skipped
    if found.audit_head:
        lines.append(f"The audit's head: {found.audit_head}; `jarvis audit verify --head` checks it")
    return lines


def _some(lines: list[str]) -> list[str]:
    if len(lines) <= LISTED_MAX:
        return lines
    return [*lines[:LISTED_MAX], f"and {len(lines) - LISTED_MAX} more: `jarvis feed --since 24h`"]


def _title(incident: Incident) -> str:
    return _safe(incident.title) or incident.condition


def _since(at: float) -> str:
    return f"since {time.strftime('%a %d %b %H:%M', time.localtime(at))}"


def _at(at: float) -> str:
    return time.strftime("%a %H:%M", time.localtime(at))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _in_words(n: int, noun: str) -> str:
    """At the head of a sentence a small number is a word."""
    number = _WORDS[n] if n < len(_WORDS) else str(n)
    return f"{number} {noun}" if n == 1 else f"{number} {noun}s"


def _safe(text: str) -> str:
    return safe_line(text, limit=600).rstrip(".")
