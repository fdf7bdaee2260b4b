"""All that is remembered as one page of Markdown, and what an edited page would change.

    <!-- jarvis memory 1, up to 57, exported 2027-01-15 08:00 -->
    ## lasting
    ### preference
    - [12] 2027-01-10 prefers short answers
    ## episodic
    ### incident
    - [31, tainted] 2027-01-14 `guest:105` …

A line is one memory. Its text may be changed, it may be moved below another heading, or deleted, which forgets it;
a line without number is new. Dates are for reading. What came after the page was exported (above ``up to``) is left
alone. Incidents and summaries are records: they may be forgotten, not reworded.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from jarvis_daemon.assistant.memory.statement import SUBJECT_MAX, TEXT_MAX, Redact, subject_of, tidy, why_not
from jarvis_daemon.assistant.memory.when import moment
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryItem, MemoryKind, MemoryTier

PAGE_MAX: Final = 768 * 1024
"""Characters; a frame to the daemon holds 1 MiB."""
LINE_MAX: Final = 4 * (TEXT_MAX + SUBJECT_MAX)
FAULTS_MAX: Final = 10
TIERS: Final[tuple[MemoryTier, ...]] = ("lasting", "episodic", "conversation")
"""On the page; what is only of a session is not."""
KINDS: Final[tuple[MemoryKind, ...]] = get_args(MemoryKind)
RECORDS: Final = frozenset({"incident", "summary"})
_HEAD: Final = re.compile(r"<!-- jarvis memory 1, up to (\d{1,18}), exported [\d :-]{1,20} -->")
_KNOWN: Final = re.compile(r"- \[(\d{1,18})(, tainted)?\] (?:\d{4}-\d\d-\d\d(?: |$))?(?:`([^`]*)` )?(.*)")
_ADDED: Final = re.compile(r"[-*] +(?:`([^`]*)` )?(.*)")
_NUMBERED: Final = re.compile(r"[-*]\s*\[")
_INTRO: Final = (
    "Edit the lines, delete some to have them forgotten, add new ones as `- text` below a heading, then",
    "`jarvis memory import FILE`: it shows what would change and asks.",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One memory as a page has it. ``id`` None: a new one."""

    number: int
    """Of the line, from 1."""
    id: int | None
    tier: MemoryTier
    kind: MemoryKind
    subject: str
    text: str
    tainted: bool = False


@dataclass(frozen=True)
class Diff:
    """What an import would do. ``lines`` is shown; ``sha256`` names these changes of this memory by this page."""

    added: tuple[Line, ...] = ()
    changed: tuple[Line, ...] = ()
    forgotten: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def empty(self) -> bool:
        return not (self.added or self.changed or self.forgotten)


# --- to the page -------------------------------------------------------------------------------------------


def shown(items: Iterable[MemoryItem]) -> list[MemoryItem]:
    """Those that the page has, in its order: by tier and kind, the oldest first."""
    there = [one for one in items if one.tier in TIERS and one.superseded_by is None]
    return sorted(there, key=lambda one: (TIERS.index(one.tier), KINDS.index(one.kind), one.id))


def render(items: Iterable[MemoryItem], up_to: int, now: float) -> str:
    """The page. ``up_to``: the highest number ever given."""
    head = f"<!-- jarvis memory 1, up to {up_to}, exported {moment(now)} -->"
    out = ["# What Jarvis remembers", "", *_INTRO, "", head]
    tier = kind = ""
    for one in shown(items):
        if one.tier != tier:
            tier, kind = one.tier, ""
            out += ["", f"## {tier}"]
        if one.kind != kind:
            kind = one.kind
            out += ["", f"### {kind}", ""]
        out.append(_line(one))
    return "\n".join(out) + "\n"


def _line(one: MemoryItem) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(one.happened_at))
    mark = f"{one.id}, tainted" if one.trust == "tainted" else str(one.id)
    about = f"`{one.subject}` " if one.subject or one.text.startswith("`") else ""
    return f"- [{mark}] {day} {about}{one.text}"


# --- from the page -----------------------------------------------------------------------------------------


@dataclass
class _Reading:
    up_to: int | None = None
    tier: MemoryTier | None = None
    kind: MemoryKind | None = None
    lines: list[Line] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)


def read(markdown: str) -> tuple[list[Line], int]:
    """The lines of a page, and up to which number it was exported. Raises ``invalid_params`` with line numbers."""
    if len(markdown) > PAGE_MAX:
        raise JarvisError(
            "invalid_params", "The page is too long",
            why=f"it has {len(markdown)} characters, at most {PAGE_MAX} are read", next="`jarvis memory export`.",
        )  # fmt: skip
    reading = _Reading()
    for number, raw in enumerate(markdown.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.rstrip()
        fault = _take(reading, number, line) if len(line) <= LINE_MAX else f"longer than {LINE_MAX} characters"
        if fault:
            reading.faults.append(f"line {number}: {fault}")
    if reading.faults:
        more = len(reading.faults) - FAULTS_MAX
        why = "; ".join(reading.faults[:FAULTS_MAX]) + (f"; and {more} more" if more > 0 else "")
        raise JarvisError("invalid_params", "The page cannot be read", why=why, next="Mend those lines.")
    if reading.up_to is None:
        raise JarvisError(
            "invalid_params", "The page has no line `<!-- jarvis memory 1, up to … -->`",
            why="without it nobody knows what it leaves out on purpose", next="`jarvis memory export` writes one.",
        )  # fmt: skip
    return reading.lines, reading.up_to


def _take(reading: _Reading, number: int, line: str) -> str:
    """One line into ``reading``; what is wrong with it, or an empty text."""
    if found := _HEAD.fullmatch(line):
        if reading.up_to is not None:
            return "a second line `<!-- jarvis memory`"
        reading.up_to = int(found[1])
        return ""
    if not line or line.startswith("# ") or line in _INTRO:
        return ""
    if line.startswith("## "):
        word = line[3:].strip()
        reading.tier, reading.kind = next((one for one in TIERS if one == word), None), None
        return "" if reading.tier else f"no tier {word[:40]!r}; there are {', '.join(TIERS)}"
    if line.startswith("### "):
        word = line[4:].strip()
        reading.kind = next((one for one in KINDS if one == word), None)
        return "" if reading.kind else f"no kind {word[:40]!r}; there are {', '.join(KINDS)}"
    if not line.startswith(("- ", "* ")):
        return f"neither a heading nor a memory: {line[:40]!r}"
    if reading.tier is None or reading.kind is None:
        return "it stands below no heading of a tier (##) and a kind (###)"
    return _memory(reading, number, line, reading.tier, reading.kind)


def _memory(reading: _Reading, number: int, line: str, tier: MemoryTier, kind: MemoryKind) -> str:
    known = _KNOWN.fullmatch(line)
    if known is None and _NUMBERED.match(line):
        return f"not a number in brackets: {line[:40]!r}; a new line has none"
    found = known or _ADDED.fullmatch(line)
    if found is None:
        return f"not a memory: {line[:40]!r}"
    subject, text = found[found.re.groups - 1] or "", found[found.re.groups]
    if not text.strip():
        return "it has no text; delete the whole line to forget it"
    if known is None:
        reading.lines.append(Line(number, None, tier, kind, subject, text))
        return ""
    identity = int(known[1])
    if identity in reading.seen:
        return f"[{identity}] stands in line {reading.seen[identity]} already"
    reading.seen[identity] = number
    reading.lines.append(Line(number, identity, tier, kind, subject, text, tainted=known[2] is not None))
    return ""


# --- what it would change ----------------------------------------------------------------------------------


def compare(markdown: str, items: Sequence[MemoryItem], redact: Redact) -> Diff:
    """What importing ``markdown`` would change of ``items`` (what is remembered now, what was replaced too).

    Raises ``invalid_params``, naming the lines, for a page that cannot be read or asks for what cannot be.
    """
    lines, up_to = read(markdown)
    here = {one.id: one for one in shown(items)}
    before = {one.superseded_by: one for one in items if one.superseded_by is not None}
    faults: list[str] = []
    added: list[Line] = []
    changed: list[Line] = []
    told: list[str] = []
    for line in lines:
        if line.id is None:
            new, fault = _new(line, redact)
        elif (old := here.get(line.id)) is None:
            new, fault = None, f"there is no memory {line.id}" + (" any more" if line.id <= up_to else "")
        else:
            new, fault, note = _edited(line, old, redact)
            told += [note] if note else []
        if fault:
            faults.append(f"line {line.number}: {fault}")
        elif new is not None:
            (added if new.id is None else changed).append(new)
    if faults:
        raise JarvisError(
            "invalid_params", "The page asks for what cannot be", why="; ".join(faults[:FAULTS_MAX]),
            next="Mend those lines, or begin anew with `jarvis memory export`.",
        )  # fmt: skip
    there = {line.id for line in lines}
    forgotten = tuple(number for number in here if number not in there and number <= up_to)
    told = [
        *(_gone(here[number], before.get(number)) for number in forgotten),
        *(f"~ [{one.id}] {_difference(here[one.id or 0], one)}" for one in changed),
        *(f"+ {one.tier} {one.kind}: {one.text}" for one in added),
        *told,
    ]
    return Diff(tuple(added), tuple(changed), forgotten, tuple(told), _name(told, here.values(), markdown))


def _gone(one: MemoryItem, replaced: MemoryItem | None) -> str:
    again = f" (then [{replaced.id}] holds again: {replaced.text})" if replaced is not None else ""
    return f"- [{one.id}] {one.text}{again}"


def _new(line: Line, redact: Redact) -> tuple[Line | None, str]:
    if line.kind in RECORDS:
        return None, f"a record of kind {line.kind} is not written by hand; put it below ### fact or ### event"
    text = tidy(line.text, redact)
    if why := why_not(text):
        return None, f"it is not kept: {why}"
    return Line(line.number, None, line.tier, line.kind, subject_of(line.subject, redact), text), ""


def _edited(line: Line, old: MemoryItem, redact: Redact) -> tuple[Line | None, str, str]:
    """(the change or None, what is wrong, what to tell)"""
    moved = (line.tier, line.kind) != (old.tier, old.kind)
    text = old.text if line.text == old.text else tidy(line.text, redact)
    subject = old.subject if line.subject == old.subject else subject_of(line.subject, redact)
    reworded = (text, subject) != (old.text, old.subject)
    if line.tainted != (old.trust == "tainted"):
        return None, f"whether [{old.id}] holds text from outside is not edited", ""
    if not moved and not reworded:
        return None, "", ""
    if old.kind in RECORDS:
        return None, "", f"= [{old.id}] is a record of what happened: it stays as it is"
    if line.kind in RECORDS:
        return None, f"a record of kind {line.kind} is not written by hand", ""
    if old.trust == "tainted" and (TIERS.index(line.tier) < TIERS.index(old.tier) or line.kind == "preference"):
        return None, f"[{old.id}] holds text from outside: it is not kept longer, and no preference", ""
    if reworded and (why := why_not(text)):
        return None, f"it is not kept: {why}", ""
    return Line(line.number, old.id, line.tier, line.kind, subject, text, line.tainted), "", ""


def _difference(old: MemoryItem, new: Line) -> str:
    parts = [] if old.text == new.text else [f"{old.text} → {new.text}"]
    if old.subject != new.subject:
        parts.append(f"about {old.subject or 'nothing'} → {new.subject or 'nothing'}")
    if (old.tier, old.kind) != (new.tier, new.kind):
        parts.append(f"{old.tier} {old.kind} → {new.tier} {new.kind}")
    return "; ".join(parts)


def _name(told: Sequence[str], here: Iterable[MemoryItem], markdown: str) -> str:
    rows = [[one.id, one.tier, one.kind, one.subject, one.text, one.trust] for one in here]
    return hashlib.sha256(json.dumps([list(told), rows, markdown]).encode()).hexdigest()
