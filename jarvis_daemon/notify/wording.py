"""What people read: subject and body of a message, and of a digest. Facts first; nothing from outside gets through
unclean."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.incidents import rows as incident_rows
from jarvis_daemon.notify.channel import Parcel
from jarvis_daemon.notify.choice import QUIET, REPORT
from jarvis_daemon.notify.outbox import Row
from jarvis_daemon.notify.routes import ESCALATED, LOOK_BACK, RANK
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.redact import safe_line
from jarvis_daemon.store.database import Database

SUBJECT_MAX: Final = 120
SENTENCE_MAX: Final = 80
WIDTH: Final = 76
STORY_MAX: Final = 60
LISTED_MAX: Final = 500
BODY_MAX: Final = 200_000
_COMMAND: Final = re.compile(r"`[^`]{1,60}`")
_GLUE: Final = "\ue000"
"""A character that stands nowhere else (private use): a blank at which no line ends."""
_UNREAL: Final = "SIMULATED: nothing of this is real.\n\n"
_SIGNATURE: Final = "\n\n-- \n"
_ENDING: Final = {
    "repaired": "repaired", "refused": "left alone", "recommended": "a repair is recommended",
    "failed": "the repair failed", "escalated": "a person is needed", "reported": "looked into",
    "cancelled": "the repair was called off", "asking": "a repair waits for your word",
}  # fmt: skip
_HEADING: Final = {
    "critical": "CRITICAL", "error": "ERRORS", "warning": "WARNINGS", "ok": "SETTLED", "info": "FOR INFORMATION",
}  # fmt: skip
_NEXT: Final = {
    "repair.asking": "`jarvis approvals` shows what waits, `jarvis approve ID` lets it run.",
    "repair.recommended": "`jarvis history` has the whole story; `jarvis runbook run` does it.",
    ESCALATED: "`jarvis history` has each step and each guardrail's verdict.",
    "kill": "`jarvis unkill` lets Jarvis act again.",
    "notify.failed": "`jarvis notify test` tries it, `jarvis notify log` shows what waits.",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """How this house is called in what it says."""

    cluster: str
    simulated: bool = False

    def subject(self, text: str) -> str:
        """One line behind the name of the house."""
        house = f"{self.cluster}, SIMULATED" if self.simulated else self.cluster
        return f"[Jarvis {clean(house, limit=60)}] {safe_line(text, limit=SUBJECT_MAX)}"

    def message(self, db: Database, event: FeedEvent) -> tuple[str, str]:
        """Subject and body of what a feed event tells. Read in the caller's transaction."""
        number = str(event.data.get("incident") or "")
        kept = incident_rows.read_incident(db, number) if number else None
        title = kept.incident.title if kept is not None else ""
        facts = [("When", stamp(event.at)), ("Severity", event.severity)]
        if event.target:
            facts.append(("Target", safe_line(event.target, limit=200)))
        if event.data.get("runbook"):
            facts.append(("Runbook", clean(str(event.data["runbook"]), limit=80)))
        if number:
            shown = clean(number, limit=20)
            facts.append(("Incident", f"{shown}; `jarvis incident show {shown}`"))
        parts = [fold(_safe(event.text)), "\n".join(f"{name + ':':<10}{value}" for name, value in facts)]
        if event.kind == ESCALATED and number:
            parts.append(_story(db, event, number))
        released = event.kind == "kill" and event.data.get("engaged") is False
        if (hint := _NEXT.get(event.kind)) is not None and not released:
            parts.append(fold(hint))
        return self.subject(_about(event, title)), self.signed("\n\n".join(part for part in parts if part))

    def plainly(self, event: FeedEvent) -> tuple[str, str]:
        """As ``message``, of the event's text only."""
        text = _safe(event.text)
        return self.subject(_first_sentence(text)), self.signed(fold(text))

    def signed(self, body: str) -> str:
        """A body with its end; SIMULATED where a person could take it for real."""
        head = _UNREAL if self.simulated else ""
        return f"{head}{body}{_SIGNATURE}Jarvis, who looks after {clean(self.cluster, limit=60)}\n"

    def parcel(self, lot: Sequence[Row], batch: str) -> Parcel:
        """What goes out for one row, or a digest of several; made of rows and batch only, so it never changes."""
        key, _, why = batch.partition("|")
        gravest = max((row.severity for row in lot), key=lambda severity: RANK.get(severity, 0))
        if len(lot) == 1:
            (row,) = lot
            return Parcel(key, row.subject, row.body, gravest, row.incident)
        counts = _counts(lot)
        told = ", ".join(f"{count} {word}" for word, count in counts)
        subject = self.subject(f"{len(lot)} messages: {told}")
        return Parcel(key, subject, self.signed(_digest(lot, _why(why))), gravest)


def batch_of(lot: Sequence[Row], down_since: float | None) -> str:
    """What a parcel of these rows is called: its key, and behind ``|`` why it is a digest. ``down_since``: since
    when the channel was away."""
    if len(lot) == 1:
        return str(lot[0].id)
    if down_since is not None:
        why = f"down:{down_since:.0f}"
    elif any(row.held == QUIET for row in lot):
        why = "quiet"
    else:
        why = "waited" if any(row.held for row in lot) else "storm"
    return f"{lot[0].id}-{lot[-1].id}-{len(lot)}|{why}"


def stamp(at: float) -> str:
    """Local time in full."""
    return time.strftime("%A %d %B %Y, %H:%M:%S", time.localtime(at))


def short(at: float) -> str:
    """Local time within a few days."""
    return time.strftime("%a %H:%M:%S", time.localtime(at))


def _about(event: FeedEvent, title: str) -> str:
    """The subject's words: what it is about, and how it stands."""
    known = title or _first_sentence(_safe(event.text))
    kind, _, word = event.kind.partition(".")
    if kind == "repair":
        return f"{known}, {_ENDING.get(word, word)}"
    if event.kind == "incident.closed":
        return f"{known}, settled"
    if event.kind == "incident.graver":
        return f"{known}, now {event.severity}"
    return known


def _first_sentence(text: str) -> str:
    """Of a long one only what stands before its colon: what comes after is why."""
    head, stop, _ = text.partition(". ")
    head = head if stop else text.rstrip(".")
    return head if len(head) <= SENTENCE_MAX else head.partition(": ")[0]


def _story(db: Database, event: FeedEvent, number: str) -> str:
    """The lines of the feed about an incident, up to this one, oldest first."""
    found = db.execute(
        "select at, text from feed where seq > ? and seq <= ? and json_extract(data, '$.incident') = ? "
        "order by seq desc limit ?",
        [event.seq - LOOK_BACK, event.seq, number, STORY_MAX],
    ).fetchall()
    lines = [_item(short(at), _safe(text)) for at, text in reversed(found)]
    return "\n".join(["The story of the incident:", *lines])


def _digest(lot: Sequence[Row], why: str) -> str:
    """What waits for a person first and in full; the rest by severity, and within by age."""
    reports = [row for row in lot if row.kind == REPORT]
    needed = [row for row in lot if row.kind == ESCALATED]
    news = [row for row in lot if row.kind not in {REPORT, ESCALATED}]
    parts = [fold(why)]
    if needed:
        parts.append(f"A PERSON IS NEEDED ({len(needed)})")
        parts += [textwrap.indent(_bare(row.body), "  ") for row in needed]
    left = LISTED_MAX
    for severity, heading in _HEADING.items():
        group = [row for row in news if row.severity == severity]
        if not group:
            continue
        shown, left = group[:left], max(0, left - len(group))
        lines = [_item(short(row.created_at), _gist(row)) for row in shown]
        if len(shown) < len(group):
            lines.append(f"  and {len(group) - len(shown)} more: `jarvis notify log`")
        parts.append("\n".join([f"{heading} ({len(group)})", *lines]))
    parts += [f"The report of {stamp(row.created_at)}:\n\n{_bare(row.body)}" for row in reports]
    text = "\n\n".join(parts)
    return text if len(text) <= BODY_MAX else text[:BODY_MAX] + "\n… the rest: `jarvis notify log`"


def _gist(row: Row) -> str:
    """What the message says, without its list of facts."""
    subject = row.subject.partition("] ")[2] or row.subject
    return " ".join(_bare(row.body).partition("\n\n")[0].split()) or subject


def _bare(body: str) -> str:
    """What ``signed`` was given."""
    return body.removeprefix(_UNREAL).partition(_SIGNATURE)[0]


def _why(why: str) -> str:
    if why.startswith("down:"):
        since = stamp(float(why.removeprefix("down:")))
        return f"This could not be sent since {since}, and is told now. The gravest first:"
    if why == "quiet":
        return "This waited for the end of the quiet hours. The gravest first:"
    reason = "This had to wait." if why == "waited" else "Much happened within a minute."
    return f"{reason} The gravest first:"


def _counts(lot: Sequence[Row]) -> list[tuple[str, int]]:
    words = {
        "critical": ("critical", "critical"), "error": ("error", "errors"), "warning": ("warning", "warnings"),
        "ok": ("settled", "settled"), "info": ("for information", "for information"),
    }  # fmt: skip
    needed = sum(row.kind == ESCALATED for row in lot)
    rest = [row.severity for row in lot if row.kind != ESCALATED]
    counted = [(words[severity][rest.count(severity) > 1], rest.count(severity)) for severity in _HEADING]
    return [(word, count) for word, count in [("for a person", needed), *counted] if count]


def _safe(text: str) -> str:
    return safe_line(text, limit=4000)


def fold(text: str, first: str = "", rest: str = "") -> str:
    """A paragraph in lines of ``WIDTH``; a command between backquotes stays in one piece: it will be copied."""
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _GLUE), text)
    folded = textwrap.fill(
        whole, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return folded.replace(_GLUE, " ")


def _item(when: str, text: str) -> str:
    return fold(text, f"  {when}  ", " " * (len(when) + 4))


def cut(text: str, limit: int) -> str:
    """A text for a service that takes short ones only; what was left out is said."""
    text = clean_block(text, limit=BODY_MAX)
    tail = "\n… `jarvis notify log` has the rest"
    return text if len(text) <= limit else text[: limit - len(tail)] + tail
