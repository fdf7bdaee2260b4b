"""Questions about Jarvis: who he is, what he understands, what he costs, what he remembers; and the courtesies."""

from __future__ import annotations

import time
from typing import Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question, unread
from jarvis_daemon.assistant.answers.guests import believed
from jarvis_daemon.assistant.answers.house import matters, standing, told
from jarvis_daemon.assistant.answers.view import gravest
from jarvis_daemon.assistant.answers.words import (
    DAY_S,
    capital,
    count,
    counted,
    is_are,
    listing,
    moment,
    percent,
    safe,
    sentences,
    size,
)
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import (
    CostResult,
    CostShow,
    MemoryListResult,
    MemorySearch,
    ModelsResult,
    ModelsShow,
)

HELP_MAX: Final = 24


@question
async def who_are_you(asked: Asked) -> Answer:
    return Answer(
        (
            "I am Jarvis, the butler of this homelab: I watch the cluster, tell you what "
            "is wrong, and do what you allow me"
        ),
        ("What changes anything goes through one gate, and into an audit that you can read.",),
        ways=(
            "Jarvis, at your service: I watch the cluster, tell you what is wrong, and do what you allow me",
            "They call me Jarvis. I watch the cluster, tell you what is wrong, and do what you allow me",
        ),
        asides=("The silver I leave to others{sir}.",),
    )


@question
async def help(asked: Asked) -> Answer:  # noqa: A001
    """What may be said."""
    sentences_of = [] if asked.help is None else asked.help(str(asked.value("room") or "") or None)
    if not sentences_of:
        return Answer(
            'You may say things like "status", "how hot is pve", "restart plex" or "what happened last night"',
            plain=True,
            ways=('For instance: "status", "how hot is pve", "restart plex", "what happened last night"',),
        )
    shown = [safe(one, 120) for one in sentences_of]
    first = listing((f'"{one}"' for one in _spread(shown, 4)), 4)
    more = [
        f"and {len(shown) - HELP_MAX} more; ask what you may say about guests, nodes, incidents, repairs, memory"
    ]
    return Answer(
        f"You may say things like {first}",
        (*_spread(shown, HELP_MAX), *(more if len(shown) > HELP_MAX else [])),
        plain=True,
        ways=(f"For instance {first}", f"I understand sentences such as {first}"),
    )


def _spread(texts: list[str], most: int) -> list[str]:
    """Up to ``most`` of them, from all over the list: neighbours are alike."""
    return [texts[i * len(texts) // most] for i in range(most)] if len(texts) > most else texts


def _hour(asked: Asked) -> int:
    return time.localtime(asked.now).tm_hour


@question
async def hello(asked: Asked) -> Answer:
    hour = _hour(asked)
    part = "Good morning" if 4 <= hour < 12 else "Good afternoon" if 12 <= hour < 18 else "Good evening"
    return _greeted(asked, part)


@question
async def good_morning(asked: Asked) -> Answer:
    return _greeted(asked, "Good morning")


@question
async def good_night(asked: Asked) -> Answer:
    return _greeted(asked, "Good night")


def _greeted(asked: Asked, word: str) -> Answer:
    """A greeting hides nothing: what is open is said with it."""
    view = asked.view
    more = [capital(one) for one in matters(view)]
    if view.blind:
        now = f"I do not see the cluster: {view.blind}"
    elif view.incidents:
        now = (
            f"{counted(len(view.incidents), 'incident')} {is_are(len(view.incidents))} open: {told(view.incidents)}"
        )
    else:
        now = "I keep watch, and no incident is open" if word == "Good night" else "No incident is open"
    bad = bool(view.blind or view.incidents or more)
    return Answer(
        sentences([f"{word}{{sir}}", now, *more]),
        grave=bad,
        tainted=bool(view.incidents),
        plain=True,
        ways=(
            sentences([f"{word} to you{{sir}}", now, *more]),
            sentences([f"{word}{{sir}}, at your service", now, *more]),
        ),
        asides=() if bad else ("I shall try not to wake you{sir}.",) if word == "Good night" else (),
    )


@question
async def thanks(asked: Asked) -> Answer:
    return Answer(
        "Not at all{sir}",
        plain=True,
        ways=("My pleasure{sir}", "You are most welcome{sir}", "Think nothing of it{sir}"),
    )


@question
async def goodbye(asked: Asked) -> Answer:
    return Answer(
        "Until next time{sir}. I keep watch",
        plain=True,
        ways=("Very good{sir}. I keep watch", "As you wish{sir}; I keep watch"),
    )


@question
async def how_are_you(asked: Asked) -> Answer:
    """By figures, as everything."""
    health, view = asked.view.health, asked.view
    if health is None:
        return Answer(
            "Well enough to answer; more I do not know of myself yet", ways=("I answer, and more I cannot say yet",)
        )
    if health.store_error:
        return Answer(
            f"Not well: nothing can be saved ({safe(health.store_error)})",
            grave=True,
            ways=(f"Poorly: my store fails ({safe(health.store_error)})",),
        )
    figures = [f"up for {span(asked.now - health.started_at)}"]
    figures += [f"{size(health.rss_bytes)} of memory"] if health.rss_bytes is not None else []
    figures += [f"{percent(health.cpu)} of a core"] if health.cpu is not None else []
    blind = f"But I do not see the cluster: {view.blind}" if view.blind else ""
    return Answer(
        sentences([f"In good order: {', '.join(figures)}", blind]),
        grave=bool(blind or gravest(view.incidents)),
        ways=(sentences([f"I run as I should: {', '.join(figures)}", blind]),),
        asides=("It is good of you to ask{sir}.",),
    )


@question
async def version(asked: Asked) -> Answer:
    health = asked.view.health
    if health is None:
        return Answer("Which version of me runs I do not know yet", ways=("My version is not known yet",))
    up = span(asked.now - health.started_at)
    return Answer(
        f"I am Jarvis {safe(health.version, 40)}, up for {up}",
        ways=(
            f"Version {safe(health.version, 40)}, up for {up}",
            f"Jarvis {safe(health.version, 40)}; I have been running for {up}",
        ),
    )


@question
async def uptime_self(asked: Asked) -> Answer:
    health = asked.view.health
    if health is None:
        return Answer("Since when I run I do not know", ways=("My own start is not known",))
    return Answer(
        (
            f"I have been running for {span(asked.now - health.started_at)}, since "
            f"{moment(asked.now, health.started_at).removeprefix('at ').removeprefix('on ')}"
        ),
        ways=(f"For {span(asked.now - health.started_at)}: I began {moment(asked.now, health.started_at)}",),
        asides=("Without a day off, I might add{sir}.",) if asked.now - health.started_at > 7 * DAY_S else (),
    )


@question
async def what_time(asked: Asked) -> Answer:
    here = time.localtime(asked.now)
    return Answer(
        f"It is {time.strftime('%H:%M', here)}",
        (time.strftime("%A %d %B %Y", here),),
        ways=(
            f"{time.strftime('%H:%M', here)}, by the clock of this machine",
            f"By my clock it is {time.strftime('%H:%M', here)}",
        ),
    )


@question
async def cost(asked: Asked) -> Answer:
    """What models cost, today and this month."""
    try:
        spent = await asked.ask("cost.show", CostShow(days=31.0))
    except JarvisError as error:
        if error.code == "method_not_found":
            return Answer(
                "Nothing: no cloud model is asked here", ways=("Nothing at all: no cloud model is set up",)
            )
        return unread("What models cost", error)
    if not isinstance(spent, CostResult):
        return Answer("What models cost is not known", grave=True)
    today, month = f"${spent.today_usd:.2f}", f"${spent.month_usd:.2f}"
    cap = f"The day may cost ${spent.daily_cap_usd:.2f}, the month ${spent.monthly_cap_usd:.2f}"
    lines = tuple(
        f"{row.day} {safe(row.model, 80)}: {count(row.calls, 'call')}, ${row.usd:.4f}" for row in spent.rows[-10:]
    )
    return Answer(
        f"{today} today and {month} this month",
        (cap, *lines),
        {"today_usd": spent.today_usd},
        ways=(f"Models cost {today} today, {month} this month", f"Today {today}; the month stands at {month}"),
        asides=("A bargain, if I may say so{sir}.",) if spent.today_usd == 0 else (),
    )


@question
async def models(asked: Asked) -> Answer:
    try:
        found = await asked.ask("models.show", ModelsShow())
    except JarvisError:
        return Answer(
            "No language model is set up; what I understand, I understand by myself",
            ways=("None: no language model is set up, and I do without",),
        )
    used = [m for m in (found.models if isinstance(found, ModelsResult) else []) if m.enabled]
    if not used:
        return Answer(
            "No language model is set up; what I understand, I understand by myself",
            ways=("None: I understand what I understand without a model",),
            asides=("Common sense has sufficed so far{sir}.",),
        )
    told_of = listing(
        f"{safe(m.model, 80)} ({m.name}{'' if m.healthy else ', not usable now: ' + safe(m.why)})" for m in used
    )
    return Answer(
        f"{counted(len(used), 'model')} {is_are(len(used))} set up: {told_of}",
        grave=not any(m.healthy for m in used),
        ways=(f"Set up {is_are(len(used))} {told_of}",),
    )


@question
async def remembers(asked: Asked) -> Answer:
    """What is remembered of something that is named."""
    slot = next((name for name in ("text", "word", "guest", "node", "storage", "topic") if name in asked.slots), "")
    if not slot:
        return Answer("Of what? Name it, and I shall tell what I remember", plain=True)
    value = str(asked.value(slot))
    entity = asked.view.name(value) if slot in {"guest", "node", "storage"} else ""
    about = entity or safe(asked.slots[slot].said, 120)
    try:
        found = await asked.ask("memory.search", MemorySearch(query=about, limit=8))
    except JarvisError as error:
        if error.code != "method_not_found":
            return unread(f"What I remember of {about}", error)
        return Answer(
            f"I remember nothing of {about}: nothing is kept here",
            ways=(f"Of {about} I have no memory: nothing is kept here",),
        )
    memories = [
        m for m in (found.memories if isinstance(found, MemoryListResult) else []) if m.superseded_by is None
    ]
    if not memories:
        return Answer(
            f"I remember nothing of {about}",
            ways=(f"Of {about} I have no memory", f"Nothing of {about} comes to mind"),
        )
    first = memories[0]
    return Answer(
        f"{capital(moment(asked.now, first.happened_at))}: {safe(first.text, 600)}",
        tuple(f"{capital(moment(asked.now, m.happened_at))}: {safe(m.text, 600)}" for m in memories[1:]),
        {"memories": len(memories)},
        tainted=any(m.trust == "tainted" for m in memories),
        grave=first.kind == "incident",
        ways=(
            f"I remember, from {moment(asked.now, first.happened_at).removeprefix('at ').removeprefix('on ')}: "
            f"{safe(first.text, 600)}",
        ),
    )


@question
async def joke(asked: Asked) -> Answer:
    """Only while nothing is wrong, and made of figures that are true."""
    view = asked.view
    if view.blind or view.incidents:
        return Answer(
            "Not while something is wrong",
            grave=True,
            ways=("I should rather not, while something is wrong",),
            lines=(standing(view),) if view.nodes else (),
        )
    idle = [g for g in view.guests if believed(view, g) == "running" and (g.cpu or 0.0) < 0.01]
    if idle:
        return Answer(
            (
                f"{counted(len(idle), 'guest')} {is_are(len(idle))} running and doing next to "
                "nothing. One calls it high availability"
            ),
            plain=True,
            tainted=True,
        )
    return Answer(
        "I would tell you one about UDP, but I could not be sure that it arrived",
        plain=True,
        ways=("There are two hard things in a homelab: cache invalidation, naming guests, and off-by-one errors",),
    )
