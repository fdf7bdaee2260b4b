"""Questions about all guests: how many run, what runs where, which is the biggest."""

from __future__ import annotations

from collections.abc import Callable

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.guests import KIND, believed, ident, load, unknown_words
from jarvis_daemon.assistant.answers.nodes import blind_note, missing, state_of, unseen
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.answers.words import (
    count,
    counted,
    is_are,
    listing,
    percent,
    safe,
    sentences,
    size,
)
from jarvis_daemon.protocol.state import Guest


@question
async def guests_on_node(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"what runs on {asked.said('node')}") or missing(asked, "node")
    view, name = asked.view, safe(node.name, 80)
    mine = [g for g in view.guests if g.node == node.name]
    if node.status != "online" or not view.fresh(node):
        told = (
            f"{count(len(mine), 'guest')} {is_are(len(mine))} on it: {listing(ident(g) for g in mine)}"
            if mine
            else ""
        )
        return Answer(
            sentences([f"What runs on {name} nobody can say now: it is {state_of(view, node)}", told]),
            facts={"node": node.name},
            grave=True,
            tainted=bool(mine),
            ways=(sentences([f"{name} is {state_of(view, node)}, so what runs there is not known", told]),),
        )
    run = [g for g in mine if believed(view, g) == "running"]
    rest = [g for g in mine if g not in run]
    lines = [_row(view, g) for g in mine]
    if not mine:
        return Answer(
            f"Nothing runs on {name}: it has no guests",
            facts={"node": node.name},
            ways=(f"{name} has no guests",),
            asides=("It keeps itself company{sir}.",),
        )
    others = f"; {count(len(rest), 'other')} {'does' if len(rest) == 1 else 'do'} not" if rest else ""
    told = listing(view.called(g) for g in run)
    if not run:
        return Answer(
            f"None of the {count(len(mine), 'guest')} on {name} runs",
            tuple(lines),
            {"node": node.name},
            tainted=True,
            ways=(f"{name} has {count(len(mine), 'guest')}, and none runs",),
        )
    return Answer(
        f"{count(len(run), 'guest')} {'runs' if len(run) == 1 else 'run'} on {name}: {told}{others}",
        tuple(lines),
        {"node": node.name, "running": len(run)},
        tainted=True,
        ways=(f"On {name}: {told}, {count(len(run), 'guest')} that {'runs' if len(run) == 1 else 'run'}{others}",),
    )


def _row(view: View, guest: Guest) -> str:
    status = believed(view, guest) or "unknown"
    figures = load(guest) if status == "running" else ""
    return f"{guest.vmid} {view.called(guest)}: {status}{', ' + figures if figures else ''}"


def _of_kind(asked: Asked) -> tuple[list[Guest], str]:
    """Guests of the kind that the sentence names, and what they are called."""
    kind = str(asked.value("kind") or "")
    if kind in {"vm", "ct"}:
        return [g for g in asked.view.guests if g.kind == kind], KIND[kind]
    return list(asked.view.guests), "guest"


@question
async def guests_running(asked: Asked) -> Answer:
    return _counted(asked, "running", "run", "runs")


@question
async def guests_stopped(asked: Asked) -> Answer:
    return _counted(asked, "stopped", "are stopped", "is stopped")


def _counted(asked: Asked, status: str, many: str, one: str) -> Answer:
    if (none := unseen(asked, f"which guests {many}")) is not None:
        return none
    view = asked.view
    of_kind, word = _of_kind(asked)
    found = [g for g in of_kind if believed(view, g) == status]
    unknown = [g for g in of_kind if not believed(view, g)]
    if of_kind and len(unknown) == len(of_kind):
        why = view.blind or unknown_words(view, unknown[0])
        return Answer(
            f"How many {word}s {many} nobody can say now: {why}",
            facts={"total": len(of_kind)},
            grave=True,
            ways=(f"Of none of the {count(len(of_kind), word)} can anybody say now: {why}",),
        )
    verb = one if len(found) in {0, 1} else many
    rest = f"; of {count(len(unknown), 'other')} nobody can say now" if unknown else ""
    names = listing(view.called(g) for g in found)
    head = f"{counted(len(found), word)} of {len(of_kind)} {verb}"
    few = f": {names}" if found and (len(found) <= 8 or status != "running") else ""
    return Answer(
        sentences([f"{head}{few}{rest}", blind_note(view)]),
        tuple(_row(view, g) for g in found[:40]),
        {"count": len(found), "total": len(of_kind)},
        grave=bool(unknown),
        tainted=bool(found),
        ways=(
            sentences(
                [f"By my count {len(found)} of {count(len(of_kind), word)} {verb}{few}{rest}", blind_note(view)]
            ),
            sentences([f"{len(found)} of {count(len(of_kind), word)} {verb}{few}{rest}", blind_note(view)]),
        ),
    )


@question
async def guests_unknown(asked: Asked) -> Answer:
    if (none := unseen(asked, "how the guests are")) is not None:
        return none
    found = [g for g in asked.view.guests if not believed(asked.view, g)]
    if not found:
        return Answer(
            f"Of every guest I know how it is: all {len(asked.view.guests)}",
            ways=(f"None of the {count(len(asked.view.guests), 'guest')} is in an unknown state",),
        )
    told = listing(ident(g) for g in found)
    return Answer(
        f"Of {count(len(found), 'guest')} nobody can say now: {told}",
        grave=True,
        tainted=True,
        lines=tuple(f"{ident(g)}: {unknown_words(asked.view, g)}" for g in found[:20]),
        ways=(f"{counted(len(found), 'guest')} {is_are(len(found))} in an unknown state: {told}",),
    )


@question
async def guests_count(asked: Asked) -> Answer:
    if (none := unseen(asked, "how many guests there are")) is not None:
        return none
    guests = asked.view.guests
    vms = sum(g.kind == "vm" for g in guests)
    run = sum(believed(asked.view, g) == "running" for g in guests)
    unknown = sum(not believed(asked.view, g) for g in guests)
    parts = f"{count(vms, 'VM')} and {count(len(guests) - vms, 'container')}"
    state = f"{run} {'runs' if run == 1 else 'run'}" + (f", of {unknown} nobody can say now" if unknown else "")
    return Answer(
        sentences([f"{count(len(guests), 'guest')}: {parts}; {state}", blind_note(asked.view)]),
        lines=tuple(_row(asked.view, g) for g in guests[:60]),
        facts={"count": len(guests)},
        grave=bool(unknown),
        ways=(
            sentences(
                [f"There are {parts}, {count(len(guests), 'guest')} in all; {state}", blind_note(asked.view)]
            ),
        ),
    )


@question
async def guests_locked(asked: Asked) -> Answer:
    if (none := unseen(asked, "which guests are locked")) is not None:
        return none
    found = [g for g in asked.view.guests if g.lock]
    if not found:
        return Answer(
            "No guest is locked",
            ways=("None is locked",),
            grave=bool(asked.view.blind),
            lines=tuple(note for note in [blind_note(asked.view)] if note),
        )
    told = listing(f"{ident(g)}, by {safe(g.lock, 40)}" for g in found)
    return Answer(
        f"{counted(len(found), 'guest')} {is_are(len(found))} locked: {told}",
        tainted=True,
        ways=(f"Locked {is_are(len(found))} {told}",),
    )


@question
async def busiest_guest(asked: Asked) -> Answer:
    return _biggest(asked, "busiest", "", lambda g: g.cpu, lambda v: f"CPU {percent(v)}", running=True)


@question
async def biggest_guest_memory(asked: Asked) -> Answer:
    return _biggest(
        asked, "biggest", " in memory", lambda g: g.memory_used_bytes, lambda v: f"{size(v)} in use", running=True
    )


@question
async def biggest_guest_disk(asked: Asked) -> Answer:
    return _biggest(asked, "biggest", " on disk", lambda g: g.disk_total_bytes, lambda v: size(v), running=False)


def _biggest(
    asked: Asked, word: str, what: str, figure: Callable[[Guest], float | None], told: Callable[[float], str], *,
    running: bool,
) -> Answer:  # fmt: skip
    if (none := unseen(asked, f"which guest is the {word}{what}")) is not None:
        return none
    view = asked.view
    rows = [
        (g, value)
        for g in view.guests
        if (value := figure(g)) is not None and (not running or believed(view, g) == "running")
    ]
    rows.sort(key=lambda one: -one[1])
    if not rows:
        return Answer(
            f"Which guest is the {word}{what} I do not know: none tells its figures now",
            grave=True,
            ways=(f"No guest tells its figures now, so the {word}{what} is not known",),
        )
    unknown = [g for g in view.guests if running and not believed(view, g)]
    rest = f"; of {count(len(unknown), 'guest')} nothing of now is known" if unknown else ""
    guest, value = rows[0]
    return Answer(
        f"{view.called(guest)} is the {word} guest{what}: {told(value)}, on {safe(guest.node, 80)}{rest}",
        tuple(f"{ident(g)}: {told(v)}" for g, v in rows[1:5]),
        {"guest": guest.name, "vmid": guest.vmid},
        tainted=True,
        ways=(
            f"The {word} guest{what} is {view.called(guest)}, on {safe(guest.node, 80)}: {told(value)}{rest}",
            f"That would be {view.called(guest)} on {safe(guest.node, 80)}, {told(value)}{rest}",
        ),
    )


@question
async def guests_ha(asked: Asked) -> Answer:
    if (none := unseen(asked, "what high availability manages")) is not None:
        return none
    found = [g for g in asked.view.guests if g.ha_state]
    stale = asked.view.source_age("ha")
    note = f"That was {stale}" if stale and stale.startswith("read") else ""
    if not found:
        text = "High availability manages no guest that I know of"
        return Answer(sentences([text, note]), ways=(sentences(["No guest is under high availability", note]),))
    told = listing(f"{asked.view.called(g)} ({safe(g.ha_state, 40)})" for g in found)
    ill = any(g.ha_state not in {"started", "stopped", "ignored", "disabled"} for g in found)
    return Answer(
        sentences([f"High availability manages {count(len(found), 'guest')}: {told}", note]),
        grave=ill,
        tainted=True,
        ways=(
            sentences(
                [f"{counted(len(found), 'guest')} {is_are(len(found))} under high availability: {told}", note]
            ),
        ),
    )
