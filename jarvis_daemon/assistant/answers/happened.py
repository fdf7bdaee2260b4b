"""Questions about the past: what happened, to whom, what was repaired; from feed, incidents, stories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from jarvis_daemon.assistant.answers import period as periods
from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.period import Period
from jarvis_daemon.assistant.answers.view import GRAVE, gravest
from jarvis_daemon.assistant.answers.words import (
    DAY_S,
    ago,
    capital,
    count,
    counted,
    is_are,
    listing,
    moment,
    safe,
    sentences,
)
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentList, RepairList, RepairListResult
from jarvis_daemon.protocol.state import FeedEvent, Incident, Repair

EVENTS_MAX: Final = 5000
LINES_MAX: Final = 12
UNDER_WAY: Final = frozenset({"acting", "verifying"})
CHATTER: Final = frozenset({"heartbeat", "storage.check"})
ENDED: Final = {
    "repaired": "mended",
    "failed": "tried and not mended",
    "escalated": "handed to you",
    "reported": "looked into",
    "cancelled": "called off",
    "over": "over before I acted",
    "refused": "left alone",
    "recommended": "recommended",
    "holding": "held back",
    "asking": "waiting for your word",
    "acting": "under way",
    "verifying": "being verified",
}
DONE: Final = frozenset({"repaired", "failed", "reported", "acting", "verifying", "escalated", "cancelled"})


async def events(asked: Asked, when: Period) -> tuple[list[FeedEvent], str]:
    """Lines of the feed, oldest first, without mere chatter; and why there are none where it cannot be read."""
    if not asked.bus.has_events("feed"):
        return [], "the feed is not kept here"
    try:
        found = await asked.bus.events("feed").history(since_at=when.since, limit=EVENTS_MAX)
    except JarvisError as error:
        return [], error.sentence()
    return [e for e in found if when.holds(e.at) and e.kind not in CHATTER], ""


async def incidents(asked: Asked) -> list[Incident]:
    """Closed ones too, the newest first; those of the topic where the store cannot be asked."""
    try:
        told = await asked.ask("incident.list", IncidentList(limit=1000))
        return msgspec.convert(told["incidents"], list[Incident])
    except (JarvisError, msgspec.ValidationError, KeyError):
        return list(asked.view.incidents)


async def repairs(asked: Asked, since: float) -> list[Repair]:
    try:
        told = await asked.ask("repair.list", RepairList(since_at=since, limit=500))
    except JarvisError:
        return [r for r in asked.view.repairs if r.seen_at >= since]
    return list(told.repairs) if isinstance(told, RepairListResult) else []


# --- what happened ------------------------------------------------------------------------------------------


@question
async def happened_last_night(asked: Asked) -> Answer:
    return await _happened(asked, periods.last_night(asked.now))


@question
async def happened_today(asked: Asked) -> Answer:
    return await _happened(asked, periods.today(asked.now))


@question
async def happened(asked: Asked) -> Answer:
    """Over a period that is named; without one over the last day."""
    value = asked.value("period") or asked.value("duration")
    return await _happened(asked, periods.meant(value, asked.now, periods.lasting(asked.now, DAY_S)))


async def _happened(asked: Asked, when: Period) -> Answer:
    told, why = await events(asked, when)
    if why:
        return Answer(
            f"What happened {when.said} I cannot read: {why}", grave=True, ways=(f"I cannot read the past: {why}",)
        )
    opened = [i for i in await incidents(asked) if when.holds(i.opened_at) and heard(i)]
    still = [i for i in opened if i.status == "open"]
    ends = [
        r for r in await repairs(asked, when.since) if r.status in DONE and when.holds(r.decided_at or r.seen_at)
    ]
    mended = [r for r in ends if r.status == "repaired"]
    lines = _lines(asked, told)
    if not opened and not ends:
        notable = [e for e in told if e.severity in {"warning", "error", "critical"}]
        if not told:
            return Answer(
                f"Nothing happened {when.said} that I noted",
                ways=(f"{capital(when.said)} nothing was noted",),
                asides=("A most uneventful time{sir}. I recommend it.",),
            )
        head = (
            f"No incident opened {when.said}; {count(len(told), 'line')} of the feed "
            f"{'tells' if len(told) == 1 else 'tell'} of it"
        )
        return Answer(
            head,
            lines,
            {"events": len(told)},
            grave=bool(notable),
            tainted=True,
            ways=(
                (
                    f"{capital(when.said)} no incident opened; there {is_are(len(told))} "
                    f"{count(len(told), 'line')} in the feed"
                ),
            ),
        )
    parts = [_counted(opened) if opened else "no incident opened"]
    parts += [_state_of(opened, still)] if opened else []
    parts += [_sum(ends)] if ends else []
    return Answer(
        sentences([f"{capital(when.said)} {parts[0]}", *parts[1:]]),
        lines,
        {"opened": len(opened), "mended": len(mended)},
        grave=gravest(opened) or bool(still),
        tainted=True,
        ways=(
            sentences([f"{capital(parts[0])}, {when.said}", *parts[1:]]),
            sentences([f"By my notes {parts[0]} {when.said}", *parts[1:]]),
        ),
    )


def _counted(opened: Sequence[Incident]) -> str:
    head = counted(len(opened), "incident")
    return f"{head[:1].lower()}{head[1:]} opened ({listing((safe(i.title) for i in opened), 4)})"


def _state_of(opened: Sequence[Incident], still: Sequence[Incident]) -> str:
    if not still:
        return "It is settled" if len(opened) == 1 else "All of them are settled"
    if len(opened) == 1:
        return "It is still open"
    if len(still) == len(opened):
        return "Both are still open" if len(still) == 2 else "All of them are still open"
    return f"{counted(len(still), 'of them', 'of them')} {is_are(len(still))} still open"


def heard(incident: Incident) -> bool:
    """Healed within its grace: nobody was told of it."""
    return incident.status == "open" or incident.announced_at is not None or incident.acked_at is not None


def _lines(asked: Asked, told: Sequence[FeedEvent]) -> tuple[str, ...]:
    shown = told[-LINES_MAX:]
    more = [f"and {count(len(told) - len(shown), 'line')} before: `jarvis feed`"] if len(told) > len(shown) else []
    return (*(f"{moment(asked.now, e.at)}: {safe(e.text)}" for e in shown), *more)


def _sum(ends: Sequence[Repair]) -> str:
    """``I mended plex; nas was handed to you``, of the last words of each story."""
    mended = [r for r in ends if r.status == "repaired"]
    parts = [f"I mended {listing(_name(r) for r in mended)}"] if mended else []
    for status in ("acting", "verifying", "reported", "failed", "escalated", "cancelled"):
        some = [r for r in ends if r.status == status]
        if some:
            was = "was" if len(some) == 1 else "were"
            verb = is_are(len(some)) if status in UNDER_WAY else was
            parts.append(f"{listing(_name(r) for r in some)} {verb} {ENDED[status]}")
    return "; ".join(parts)


def _name(repair: Repair) -> str:
    return safe(repair.target_name or repair.target, 80)


@question
async def happened_to(asked: Asked) -> Answer:
    """To a guest, a node or a storage, over a period that is named, or the last week."""
    target = next((str(asked.value(slot)) for slot in ("guest", "node", "storage") if asked.value(slot)), "")
    known = _entity(asked, target)
    if not known:
        return Answer(
            f"I know of nothing called {asked.said('guest', 'node', 'storage')}",
            plain=True,
            ways=(f"Nothing called {asked.said('guest', 'node', 'storage')} is known to me",),
        )
    value = asked.value("period") or asked.value("duration")
    when = periods.meant(value, asked.now, periods.lasting(asked.now, 7 * DAY_S))
    name = asked.view.name(known)
    told, why = await events(asked, when)
    if why:
        return Answer(
            f"What happened to {name} I cannot read: {why}", grave=True, ways=(f"I cannot read the past: {why}",)
        )
    mine = [e for e in told if e.target == known]
    opened = [i for i in await incidents(asked) if asked.view.touches(i, known) and when.holds(i.opened_at)]
    tasks = [t for t in asked.view.tasks if f"guest:{t.target}" == known and when.holds(t.started_at)]
    if not mine and not opened:
        rest = (
            f"; {count(len(tasks), 'task')} ran on it: {listing(safe(t.type, 40) for t in tasks[:4])}"
            if tasks
            else ""
        )
        return Answer(
            f"Nothing happened to {name} {when.said} that I noted{rest}",
            facts={"target": known},
            tainted=bool(tasks),
            ways=(f"Of {name} nothing was noted {when.said}{rest}",),
        )
    if opened:
        last = opened[0]
        ended = f"settled {moment(asked.now, last.closed_at)}" if last.closed_at else "still open"
        head = (
            f"{counted(len(opened), 'incident')} of {name} {when.said}; the last one: {safe(last.title)}, "
            f"{moment(asked.now, last.opened_at)}, {ended}"
        )
    else:
        last_event = mine[-1]
        head = f"The last of {name}, {moment(asked.now, last_event.at)}: {safe(last_event.text).rstrip('.')}"
    return Answer(
        head,
        _lines(asked, mine),
        {"target": known},
        grave=gravest(i for i in opened if i.status == "open"),
        tainted=True,
        ways=(f"As to {name}: {head[:1].lower()}{head[1:]}" if opened else head,),
    )


def _entity(asked: Asked, ref: str) -> str:
    view = asked.view
    if "guest" in asked.slots and (guest := view.guest(ref)) is not None:
        return guest.id
    if "node" in asked.slots and (node := view.node(ref)) is not None:
        return node.id
    if "storage" in asked.slots and len(found := view.storage(ref)) >= 1:
        return found[0].id
    return ""


@question
async def last_event(asked: Asked) -> Answer:
    told, why = await events(asked, periods.lasting(asked.now, 30 * DAY_S))
    if why or not told:
        return Answer(
            f"I cannot read the feed: {why}" if why else "Nothing has happened in the last 30 d that I noted",
            grave=bool(why),
            ways=("Of the last 30 d there is nothing in the feed",) if not why else (),
        )
    last = told[-1]
    return Answer(
        f"{ago(asked.now, last.at).capitalize()}: {safe(last.text)}".rstrip("."),
        _lines(asked, told[-6:-1]),
        grave=last.severity in GRAVE,
        tainted=True,
        ways=(f"The last line of the feed, {ago(asked.now, last.at)}: {safe(last.text)}".rstrip("."),),
    )


# --- what was done -------------------------------------------------------------------------------------------


@question
async def what_did_you_do(asked: Asked) -> Answer:
    """Repairs over a period that is named, or the last day; of one target where one is named."""
    value = asked.value("period") or asked.value("duration")
    when = periods.meant(value, asked.now, periods.lasting(asked.now, DAY_S))
    found = [r for r in await repairs(asked, when.since) if when.holds(r.decided_at or r.seen_at)]
    if any(asked.value(slot) for slot in ("guest", "node")):
        target = _entity(asked, str(asked.value("guest") or asked.value("node")))
        found = [r for r in found if r.target == target]
    did = [r for r in found if r.status in DONE and r.steps]
    left = [r for r in found if r not in did]
    lines = tuple(
        f"{moment(asked.now, r.decided_at or r.seen_at)}: {safe(r.text or r.seen)}"
        for r in (*did, *left)[:LINES_MAX]
    )
    others = f"{counted(len(left), 'fault')} I left alone or to you" if left else ""
    if not did:
        return Answer(
            sentences([f"I repaired nothing {when.said}", others]),
            lines,
            grave=bool(left),
            tainted=bool(left),
            ways=(
                sentences([f"Nothing {when.said}", others]),
                sentences([f"{capital(when.said)} I did nothing", others]),
            ),
            asides=() if left else ("There was nothing to do, which I consider a success{sir}.",),
        )
    bad = any(r.status in {"failed", "escalated"} for r in did)
    return Answer(
        sentences([f"{capital(when.said)}: {_sum(did)}", others]),
        lines,
        {"repairs": len(did)},
        tainted=True,
        grave=bad or any(r.severity in GRAVE and r.status != "repaired" for r in did),
        ways=(sentences([f"{_sum(did)}, {when.said}", others]),),
    )


@question
async def doing_now(asked: Asked) -> Answer:
    """What is under way: repairs and tasks."""
    under = [r for r in asked.view.repairs if r.status in {"acting", "verifying"}]
    tasks = [t for t in asked.view.tasks if t.status == "running"]
    waiting = len(asked.view.approvals)
    more = f"{counted(waiting, 'call')} {'waits' if waiting == 1 else 'wait'} for your word" if waiting else ""
    if under:
        names = listing(f"{_name(r)} ({ENDED[r.status]})" for r in under)
        return Answer(
            sentences([f"I am repairing {names}", more]),
            tuple(safe(r.text or r.decided) for r in under),
            grave=True,
            tainted=True,
            ways=(sentences([f"Under way: {names}", more]),),
        )
    if tasks:
        return Answer(
            sentences([f"I do nothing but watch; the cluster runs {count(len(tasks), 'task')}", more]),
            tainted=True,
            ways=(
                sentences(
                    [
                        (
                            f"Watching. {counted(len(tasks), 'task')} {'runs' if len(tasks) == 1 else 'run'} "
                            "on the cluster"
                        ),
                        more,
                    ]
                ),
            ),
        )
    return Answer(
        sentences(["I watch, and nothing else is under way", more]),
        ways=(sentences(["Nothing is under way; I watch", more]),),
        asides=("They also serve who only stand and wait{sir}.",),
    )


@question
async def left_to_me(asked: Asked) -> Answer:
    """What waits for a person: escalated repairs, approvals, open incidents nobody has taken note of."""
    handed = [
        r
        for r in asked.view.repairs
        if r.status in {"escalated", "recommended", "asking"} and _is_open(asked, r.incident)
    ]
    unheard = [i for i in asked.view.incidents if i.acked_at is None and i.silenced_until is None]
    calls = asked.view.approvals
    parts = []
    if calls:
        parts.append(
            f"{counted(len(calls), 'call')} {'waits' if len(calls) == 1 else 'wait'} for your word: "
            f"{listing((safe(a.summary or a.tool) for a in calls), 3)}"
        )
    if unheard:
        parts.append(
            f"{counted(len(unheard), 'incident')} {is_are(len(unheard))} open: "
            f"{listing((safe(i.title) for i in unheard), 4)}"
        )
    if handed:
        parts.append(f"{listing((_name(r) for r in handed), 4)} I could not mend alone")
    if asked.view.kill is not None and asked.view.kill.engaged:
        parts.append("The kill switch is engaged: `jarvis unkill` releases it")
    if not parts:
        blind = f"But I do not see the cluster: {asked.view.blind}" if asked.view.blind else ""
        return Answer(
            sentences(["Nothing waits for you", blind]),
            grave=bool(blind),
            ways=(sentences(["There is nothing that wants you", blind]),),
            asides=("You might consider a cup of tea{sir}.",),
        )
    lines = (
        *(f"`jarvis approve {safe(a.id, 40)}`: {safe(a.summary)}" for a in calls),
        *(f"`jarvis incident explain {i.id}`: {safe(i.title)}" for i in unheard[:LINES_MAX]),
    )
    return Answer(
        sentences(parts),
        lines,
        grave=True,
        tainted=True,
        ways=(sentences([f"For you: {parts[0][:1].lower()}{parts[0][1:]}", *parts[1:]]),),
    )


def _is_open(asked: Asked, number: str) -> bool:
    return any(i.id == number for i in asked.view.incidents)
