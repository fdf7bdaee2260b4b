"""Stories of repairs for people: saw, decided, did, verified, with times; or why nothing was done.

Standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from jarvis_cli.cells import fit, fold, pad, width
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, Tone
from jarvis_cli.values import clock, span
from jarvis_daemon.protocol.text import clean

RESULT_LINES: Final = 16
"""Of the evidence that a step gathered, where all of it is shown."""


class Mark(NamedTuple):
    """How a status is told: glyph, colour, word; ``counted`` is the word in a sum."""

    glyph: str
    tone: Tone
    word: str
    counted: str


MARKS: Final[dict[str, Mark]] = {
    "repaired": Mark("✔", "good", "repaired", "repaired"),
    "escalated": Mark("✖", "bad", "handed over to you", "handed over"),
    "failed": Mark("✖", "bad", "tried, not mended", "tried, not mended"),
    "asking": Mark("▲", "warn", "waits for your word", "waiting for your word"),
    "acting": Mark("◌", "light", "under way", "under way"),
    "verifying": Mark("◌", "light", "done, being verified", "being verified"),
    "refused": Mark("▲", "warn", "refused, left alone", "refused"),
    "holding": Mark("◌", "warn", "held back", "held back"),
    "recommended": Mark("▲", "warn", "recommended to you", "recommended"),
    "reported": Mark("·", "light", "reported", "reported"),
    "cancelled": Mark("▲", "warn", "called off", "called off"),
    "over": Mark("✔", "faint", "over before I acted", "over by themselves"),
}
"""In the order in which they are counted."""
VERDICTS: Final[dict[str, tuple[str, Tone]]] = {
    "pass": ("✔", "good"), "hold": ("◌", "warn"), "ask": ("▲", "warn"), "refuse": ("✖", "bad"),
}  # fmt: skip
_OUTCOMES: Final[dict[str, tuple[str, Tone]]] = {
    "": ("◌", "light"), "verified": ("✔", "good"), "done": ("✔", "good"), "unverified": ("▲", "warn"),
    "refused": ("▲", "warn"),
    "awaiting": ("◌", "warn"), "cancelled": ("▲", "warn"), "planned": ("·", "plain"),
}  # fmt: skip
_DID: Final = {"denied": "asked", "expired": "asked", "refused": "tried", "failed": "tried", "cancelled": "tried"}
_STANDING: Final = frozenset({"refused", "holding", "recommended", "asking"})
_STOPPED: Final = _STANDING | {"escalated"}
_TOLD_AT_THE_END: Final = frozenset({"escalated", "failed", "cancelled", "over", "reported"})
LABEL: Final = 10


def mark(repair: Entity) -> Mark:
    """How its status is told; one of a newer daemon by its own word."""
    status = str(repair.get("status"))
    return MARKS.get(status) or Mark("·", "plain", clean(status), clean(status))


def happened_at(repair: Entity) -> float:
    return float(repair.get("seen_at") or repair.get("decided_at") or 0.0)


def in_order(repairs: Sequence[Entity]) -> list[Entity]:
    """The oldest first."""
    return sorted(repairs, key=lambda r: (happened_at(r), len(str(r.get("id"))), str(r.get("id"))))


def counts(repairs: Sequence[Entity]) -> str:
    """``2 repaired, 1 refused, 1 handed over``; empty for none."""
    found = Counter(mark(repair).counted for repair in repairs)
    order = [known.counted for known in MARKS.values()]
    words = sorted(found, key=lambda word: order.index(word) if word in order else len(order))
    return ", ".join(f"{found[word]} {word}" for word in words)


def lines(repair: Entity, look: Look, now: float, *, full: bool = False, hints: bool = True) -> Iterator[str]:
    """One story as a block; ``full``: with the evidence that its steps gathered; ``hints``: with the command that
    goes on from there."""
    yield _head(repair, look, now)
    rows = [(label, clock(at, now) or "", text, tone) for label, at, text, tone in rows_of(repair, now)]
    stamp = max((width(at) for _, at, _, _ in rows), default=0) + 2  # the date of another day is longer than a time
    for label, at, text, tone in rows:
        yield from _row(label, pad(at, stamp), text, tone, look)
    if full:
        for step in repair.get("steps") or []:
            yield from _evidence(step, look)
    elif hints and repair.get("status") == "reported" and repair.get("incident"):
        told = f"`jarvis incident show {repair['incident']}` has what was read"
        yield from _row("next", " " * stamp, told, "faint", look)


def _head(repair: Entity, look: Look, now: float) -> str:
    told = mark(repair)
    name = clean(str(repair.get("target_name") or repair.get("target") or "?"))
    word = told.word
    if repair.get("status") == "repaired" and repair.get("ended_at"):
        word += f" in {span(round(repair['ended_at'] - happened_at(repair)))}"
    attempt = repair.get("attempt") or 0
    by = str(repair.get("by") or "watchman")
    condition, runbook = str(repair.get("condition") or ""), str(repair.get("runbook") or "")
    tail = [
        condition, f"runbook {runbook}" if runbook not in {"", condition} else "",
        f"L{repair.get('level')}", f"attempt {attempt}" if attempt > 1 else "",
        f"by {by}" if by != "watchman" else "", f"incident {repair['incident']}" if repair.get("incident") else "",
    ]  # fmt: skip
    at, glyph = clock(happened_at(repair) or None, now) or "-", look.glyphs(told.glyph)
    rest = look.glyphs(" · ").join(clean(part) for part in tail if part)
    if look.width is not None:
        rest = fit(rest, max(0, look.width - width(f"{at}  {glyph} {name}  {word}  ")), ellipsis=look.glyphs("…"))
    head = f"{look.paint(at, 'faint')}  {look.paint(glyph, told.tone)} {look.paint(name, 'bold')}"
    return f"{head}  {look.paint(word, told.tone)}  {look.paint(rest, 'faint')}".rstrip()


def rows_of(repair: Entity, now: float) -> Iterator[tuple[str, float | None, str, Tone]]:
    """Label, time and text of each line, in the order in which it went."""
    seen = str(repair.get("seen") or "")
    if seen:
        yield "saw", repair.get("seen_at"), seen, "plain"
    decided, text = str(repair.get("decided") or ""), str(repair.get("text") or "")
    text = text.removeprefix(seen.rstrip(".")).lstrip(".: ") or text
    standing = repair.get("status") in _STANDING
    if not decided and standing:  # nothing was done, so that what is said of it is what was decided
        decided, text = text, ""
    if decided:
        yield "decided", repair.get("decided_at"), decided, "plain"
    label = "why not"
    for check in _against(repair):
        against = str(check.get("text") or check.get("verdict"))
        if against.rstrip(".").casefold() not in f"{decided} {text}".casefold():
            glyph, tone = VERDICTS.get(str(check.get("verdict")), ("·", "plain"))
            yield label, None, f"{glyph} {check.get('guardrail')}: {against}", tone
        label = "also"
    for step in repair.get("steps") or []:
        if step.get("outcome") or repair.get("status") != "asking":  # what is asked for has not begun
            yield _DID.get(str(step.get("outcome")), "did"), step.get("began_at"), *_step(step)
    if samples := repair.get("samples") or []:
        times = ", ".join(clock(at, now) or "-" for at in samples)
        many = f"{len(samples)} fresh samples show it mended" if len(samples) > 1 else "1 of 2 fresh samples"
        yield "verified", samples[-1], f"{many} ({times})" if len(samples) > 1 else many, "good"
    if text and (repair.get("status") in _TOLD_AT_THE_END or standing) and text.rstrip(".") not in decided:
        yield "asks" if standing else "so", repair.get("ended_at"), text, mark(repair).tone
    if repair.get("status") == "asking" and repair.get("approval_id"):
        yield "next", None, f"`jarvis approve {repair['approval_id']}` lets it go on", "light"
    elif (next_at := repair.get("next_at") or 0.0) > now and not _ended_well(repair):
        yield "next", next_at, "looked at again", "faint"


def _against(repair: Entity) -> list[Entity]:
    """The verdicts that kept it from acting; of one that went on, they are of the past."""
    if repair.get("status") not in _STOPPED:
        return []
    return [check for check in repair.get("checks") or [] if check.get("verdict") != "pass"]


def _ended_well(repair: Entity) -> bool:
    return repair.get("status") in {"repaired", "over", "reported", "cancelled", "escalated"}


def _step(step: Entity) -> tuple[str, Tone]:
    outcome = str(step.get("outcome") or "")
    glyph, tone = _OUTCOMES.get(outcome, ("✖", "bad"))
    began, ended = step.get("began_at"), step.get("ended_at")
    took = f", {span(ended - began)}" if began and ended and ended - began >= 1 else ""
    tool = str(step.get("tool") or "")
    text = str(step.get("text") or tool)
    return f"{glyph} {text.rstrip('.')}: {outcome or 'runs'}{took}", "plain" if tone == "good" else tone


def _row(label: str, at: str, text: str, tone: Tone, look: Look) -> Iterator[str]:
    """One row; what does not fit goes on under its text."""
    indent = 4 + LABEL + width(at)
    room = None if look.width is None else max(20, look.width - indent)
    first, *rest = fold(look.glyphs(clean(text, limit=1000)), room)
    yield " " * 4 + look.paint(pad(label, LABEL) + at, "faint") + look.paint(first, tone)
    yield from (" " * indent + look.paint(line, tone) for line in rest)


def _evidence(step: dict[str, Any], look: Look) -> Iterator[str]:
    from jarvis_cli.outcome import result_lines

    if not step.get("result"):
        return
    yield ""
    yield "    " + look.paint(clean(str(step.get("text") or step.get("tool"))), "light")
    narrow = Look(look.colors, look.unicode, None if look.width is None else max(20, look.width - 6))
    found = [line.rstrip() for line in result_lines(step["result"], narrow)]
    yield from (f"      {line}".rstrip() for line in found[:RESULT_LINES])
    if len(found) > RESULT_LINES:
        yield look.paint(f"      and {len(found) - RESULT_LINES} lines more: -o json has all of it", "faint")
