"""Questions about incidents: which are open, one of them, the last one, what is silenced."""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question, unread
from jarvis_daemon.assistant.answers.happened import heard, incidents, repairs
from jarvis_daemon.assistant.answers.view import GRAVE, gravest
from jarvis_daemon.assistant.answers.words import (
    ago,
    count,
    counted,
    is_are,
    listing,
    moment,
    safe,
    sentence,
    sentences,
)
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentList

LINES_MAX: Final = 12


@question
async def open_incidents(asked: Asked) -> Answer:
    view = asked.view
    chosen = str(asked.value("severity") or "")
    found = [i for i in view.incidents if not chosen or i.severity == chosen]
    word = f"{chosen} incident" if chosen else "incident"
    if not found:
        blind = f"But I do not see the cluster: {view.blind}" if view.blind else ""
        return Answer(
            sentences([f"No {word} is open", blind]),
            grave=bool(blind),
            facts={"incidents": 0},
            ways=(sentences([f"None: no {word} is open", blind]),),
            asides=("Let us not tempt fate{sir}.",),
        )
    titles = listing((f"{i.id}, {safe(i.title)}" for i in found), 4)
    return Answer(
        f"{counted(len(found), word)} {is_are(len(found))} open: {titles}",
        tuple(
            f"{i.id} {i.severity}, {ago(asked.now, i.opened_at)}: {safe(i.title)}. {safe(i.detail)}"
            for i in found[:20]
        ),
        {"incidents": len(found)},
        grave=gravest(found),
        tainted=True,
        ways=(f"There {is_are(len(found))} {count(len(found), f'open {word}')}: {titles}",),
    )


@question
async def show_incident(asked: Asked) -> Answer:
    number = str(asked.value("incident") or asked.value("number") or "")
    found = next((i for i in await incidents(asked) if i.id == number), None)
    if found is None:
        return Answer(
            f"There is no incident {safe(number, 20)} that I know of",
            plain=True,
            ways=(f"I know of no incident {safe(number, 20)}",),
        )
    state = (
        f"settled {moment(asked.now, found.closed_at)}, after {span(found.closed_at - found.opened_at)}"
        if found.closed_at
        else (f"open for {span(asked.now - found.opened_at)}")
    )
    lines = [sentence(safe(found.detail))] if found.detail else []
    if found.acked_by:
        lines.append(f"Noted by {safe(found.acked_by, 80)}")
    stories = [r for r in await repairs(asked, found.observed_at) if r.incident == number]
    lines += [f"{moment(asked.now, r.decided_at or r.seen_at)}: {safe(r.text or r.seen)}" for r in stories[:6]]
    lines.append(f"`jarvis incident explain {number}` tells why")
    return Answer(
        f"Incident {number} ({found.severity}): {safe(found.title)}, {state}",
        tuple(lines),
        {"incident": number},
        grave=found.severity in GRAVE,
        tainted=True,
        ways=(f"{safe(found.title)} is incident {number} ({found.severity}), {state}",),
    )


@question
async def last_incident(asked: Asked) -> Answer:
    found = [i for i in await incidents(asked) if heard(i)]
    if not found:
        return Answer("I have noted no incident so far", ways=("There has been none that I noted",))
    last = max(found, key=lambda i: i.opened_at)
    state = (
        "it is open still"
        if last.closed_at is None
        else f"it was over after {span(last.closed_at - last.opened_at)}"
    )
    return Answer(
        f"The last incident, {moment(asked.now, last.opened_at)}: {safe(last.title)} ({last.severity}); {state}",
        grave=last.status == "open" and last.severity in GRAVE,
        tainted=True,
        ways=(f"{safe(last.title)} ({last.severity}), {moment(asked.now, last.opened_at)}, was the last; {state}",),
    )


@question
async def silences(asked: Asked) -> Answer:
    try:
        told: dict[str, Any] = await asked.ask("incident.list", IncidentList(status="open", limit=1))
        found = told["silences"]
    except JarvisError as error:
        return unread("What is silenced", error)
    if not found:
        return Answer("Nothing is silenced", ways=("No silence holds now",))
    names = listing(
        (
            f"{safe(s['condition'], 60)} on {asked.view.name(str(s['target']))} until "
            f"{moment(asked.now, s['ends_at']).removeprefix('at ')}"
        )
        for s in found
    )
    return Answer(
        f"{counted(len(found), 'silence')} {'holds' if len(found) == 1 else 'hold'}: {names}",
        tuple(f"{s['id']}: {safe(s['reason'])}, by {safe(s['by'], 80)}" for s in found[:LINES_MAX]),
        tainted=True,
        ways=(f"Silenced {is_are(len(found))}: {names}",),
    )
