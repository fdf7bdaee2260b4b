"""Why something is wrong: the explanation of an incident, in one sentence and its lines."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.guests import believed, unknown_words
from jarvis_daemon.assistant.answers.happened import incidents
from jarvis_daemon.assistant.answers.nodes import missing, state_of, unseen
from jarvis_daemon.assistant.answers.results import Result, formatter
from jarvis_daemon.assistant.answers.storages import named as storage_named
from jarvis_daemon.assistant.answers.view import GRAVE
from jarvis_daemon.assistant.answers.words import count, moment, percent, safe, sentence, sentences
from jarvis_daemon.assistant.explain import convert
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import IncidentExplain, IncidentExplained
from jarvis_daemon.protocol.state import Incident


@question
async def explain_incident(asked: Asked) -> Answer:
    number = str(asked.value("incident") or asked.value("number") or "")
    if not number:
        return await why_anything(asked)
    return await _explained(asked, number)


@question
async def why_anything(asked: Asked) -> Answer:
    """The gravest incident that is open."""
    if not asked.view.incidents:
        blind = f"But I do not see the cluster: {asked.view.blind}" if asked.view.blind else ""
        return Answer(
            sentences(["No incident is open that I could explain", blind]),
            grave=bool(blind),
            ways=(sentences(["There is nothing to explain: no incident is open", blind]),),
        )
    return await _explained(asked, asked.view.incidents[0].id, len(asked.view.incidents) - 1)


@question
async def why_guest(asked: Asked) -> Answer:
    guest = asked.view.guest(asked.value("guest"))
    if guest is None:
        return unseen(asked, f"why {asked.said('guest')} is as it is") or missing(asked, "guest")
    status = believed(asked.view, guest)
    node = asked.view.node(guest.node)
    ill = asked.view.about(guest.id)
    if not ill and not status and node is not None:
        ill = [i for i in asked.view.about(node.id) if i.condition == "node-unreachable"]
    if ill:
        return await _explained(asked, ill[0].id)
    if not status:
        return Answer(
            f"How {asked.view.called(guest)} is nobody can say: {unknown_words(asked.view, guest)}",
            grave=True,
            facts={"guest": guest.name},
        )
    return await _past(
        asked,
        guest.id,
        asked.view.called(guest),
        f"{asked.view.called(guest)} is {status} on {safe(guest.node, 80)}",
    )


@question
async def why_node(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"why {asked.said('node')} is as it is") or missing(asked, "node")
    ill = asked.view.about(node.id)
    if ill:
        return await _explained(asked, ill[0].id)
    return await _past(
        asked, node.id, safe(node.name, 80), f"{safe(node.name, 80)} is {state_of(asked.view, node)}"
    )


@question
async def why_storage(asked: Asked) -> Answer:
    found = asked.view.storage(asked.value("storage"))
    if not found:
        return unseen(asked, f"why {asked.said('storage')} is as it is") or missing(asked, "storage")
    ill = [i for s in found for i in asked.view.about(s.id)]
    if ill:
        return await _explained(asked, ill[0].id)
    storage = found[0]
    share = (
        percent(storage.used_bytes / storage.total_bytes)
        if storage.used_bytes is not None and storage.total_bytes
        else ""
    )
    return await _past(
        asked,
        storage.id,
        storage_named(storage),
        f"{storage_named(storage)} is {share + ' full' if share else storage.status}",
    )


async def _past(asked: Asked, target: str, name: str, state: str) -> Answer:
    """Nothing is open: the last incident of it, where there was one in a week."""
    past = [
        i for i in await incidents(asked) if asked.view.touches(i, target) and asked.now - i.opened_at < 7 * 86400
    ]
    head = f"{state}, and no incident of it is open"
    if not past:
        return Answer(head, facts={"target": target}, ways=(f"I see no fault of {name}: {state}",))
    last = max(past, key=lambda i: i.opened_at)
    return Answer(
        sentences([head, f"The last one was {safe(last.title)}, {moment(asked.now, last.opened_at)}"]),
        (f"`jarvis incident explain {last.id}` tells why",),
        {"target": target},
        tainted=True,
        ways=(
            sentences(
                [
                    f"I see no fault of {name} now: {state}",
                    f"The last one was {safe(last.title)}, {moment(asked.now, last.opened_at)}",
                ]
            ),
        ),
    )


async def _explained(asked: Asked, number: str, more: int = 0) -> Answer:
    if asked.explainer is None:
        return Answer(f"Why incident {safe(number, 20)} is I cannot work out here", grave=True)
    try:
        told = await asked.explainer.explain(IncidentExplain(id=number), asked.principal)
    except JarvisError as error:
        why = error.sentence()
        return Answer(
            f"Incident {safe(number, 20)} I cannot explain: {why}",
            (error.next,) if error.next else (),
            grave=True,
            ways=(f"I cannot explain incident {safe(number, 20)}: {why}",),
        )
    known: list[Incident] = list(asked.view.incidents)
    severity = next((i.severity for i in known if i.id == told.id), "error")
    return _answer(told, grave=severity in GRAVE, more=more)


def _answer(told: IncidentExplained, *, grave: bool, more: int = 0) -> Answer:
    """The title, the likeliest cause where something speaks for it, and all the rest as lines."""
    best = next(
        (cause for cause in told.causes if cause.speaks_for and len(cause.speaks_for) > len(cause.against)), None
    )
    title = told.title.rstrip(".")
    if best is not None:
        reason = best.speaks_for[0].rstrip(".")
        cause = f"The likeliest cause by what was recorded: {_lower(best.text).rstrip('.')} ({reason})"
    else:
        cause = "What was recorded does not tell why"
    rest = f"{count(more, 'other incident')} {'is' if more == 1 else 'are'} open" if more else ""
    lines = ["Evidence:", *(f"  {line}" for line in told.evidence), "Likely causes:"]
    for one in told.causes:
        lines += [
            f"  {one.text}",
            *(f"    for: {s}" for s in one.speaks_for),
            *(f"    against: {s}" for s in one.against),
        ]
    lines.append("What could be done:")
    for advice in told.advice:
        tier = f" ({advice.tier})" if advice.tier else ""
        lines.append(f"  {sentence(advice.text)}{f' `{advice.command}`{tier}' if advice.command else ''}")
    return Answer(
        sentences([title, cause, rest]),
        tuple(lines),
        {"incident": told.id},
        grave=grave,
        tainted=True,
        ways=(sentences([f"Incident {told.id}: {title}", cause, rest]),),
    )


def _lower(text: str) -> str:
    """The beginning of a sentence of ours within another; names and abbreviations stay."""
    head = text.split(" ", 1)[0]
    return text if head.isupper() or any(c.isupper() for c in head[1:]) else f"{text[:1].lower()}{text[1:]}"


@formatter("explain_incident")
def explained(result: Result) -> Answer:
    return _answer(convert(result.data["explained"]), grave=True)
