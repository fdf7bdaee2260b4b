"""Questions about one guest: how it is, where, since when. A guest of a dead node is never called running."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.nodes import missing, state_of, unseen
from jarvis_daemon.assistant.answers.view import View, gravest
from jarvis_daemon.assistant.answers.words import (
    capital,
    listing,
    moment,
    percent,
    safe,
    sentences,
    size,
    turned,
)
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Guest

KIND = {"vm": "VM", "ct": "container"}


def ident(guest: Guest) -> str:
    """Name and vmid, since two may have one name."""
    return f"{safe(guest.name, 80) or 'guest'} ({guest.vmid})"


def lookup(asked: Asked, what: str) -> Guest | Answer:
    guest = asked.view.guest(asked.value("guest"))
    if guest is not None:
        return guest
    return unseen(asked, f"{what} {asked.said('guest')}") or missing(asked, "guest")


def believed(view: View, guest: Guest) -> str:
    """``running``, ``stopped``, … as far as it may be believed now; empty where nobody can say."""
    if guest.status == "unknown" or not view.fresh(guest):
        return ""
    node = view.node(guest.node)
    if node is not None and (node.status != "online" or not view.fresh(node)):
        return ""
    return guest.status


def unknown_words(view: View, guest: Guest) -> str:
    """Why nobody can say how a guest is: its node, and when it was last seen."""
    node = view.node(guest.node)
    if node is not None and (node.status != "online" or view.old(node)):
        return f"its node {safe(guest.node, 80)} is {state_of(view, node)}"
    seen = f"; it was last seen {span(view.now - guest.last_seen_at)} ago" if guest.last_seen_at else ""
    return f"nothing of now is known of it{seen}"


@question
async def status_guest(asked: Asked) -> Answer:
    guest = lookup(asked, "the state of")
    if isinstance(guest, Answer):
        return guest
    view, name, ill = asked.view, asked.view.called(guest), asked.view.about(guest.id)
    status, facts = believed(view, guest), {"guest": guest.name, "vmid": guest.vmid, "status": guest.status}
    told = f"{safe(ill[0].title)} ({ill[0].severity})" if ill else ""
    if not status:
        why = unknown_words(view, guest)
        return Answer(
            sentences([f"How {name} is nobody can say now: {why}", told]),
            facts=facts,
            grave=True,
            ways=(sentences([f"The state of {name} is unknown: {why}", told]),),
        )
    where = f"on {safe(guest.node, 80)}"
    figures = load(guest) if status == "running" else ""
    head = f"{name} is {status} {where}{', ' + figures if figures else ''}"
    lines = [f"{KIND[guest.kind]} {guest.vmid}"]
    if guest.started_at and status == "running":
        lines.append(f"Up for {span(asked.now - guest.started_at)}")
    if guest.lock:
        lines.append(f"Locked: {safe(guest.lock, 40)}")
    if guest.tags:
        lines.append(f"Tags: {listing(safe(tag, 40) for tag in guest.tags)}")
    if guest.ha_state:
        lines.append(f"High availability: {safe(guest.ha_state, 40)}")
    lines += [f"{safe(i.title)}: `jarvis incident show {i.id}`" for i in ill]
    return Answer(
        sentences([head, told]),
        tuple(lines),
        facts,
        grave=gravest(ill),
        tainted=bool(ill or guest.tags),
        ways=(
            sentences([f"{name}: {status} {where}{', ' + figures if figures else ''}", told]),
            sentences([f"{capital(where)} {name} is {status}{', ' + figures if figures else ''}", told]),
        ),
        asides=("Not a murmur from it{sir}.",)
        if status == "running" and not ill and (guest.cpu or 0) < 0.05
        else (),
    )


def load(guest: Guest) -> str:
    told = [f"CPU {percent(guest.cpu)}"] if guest.cpu is not None else []
    if guest.memory_used_bytes is not None and guest.memory_total_bytes:
        told.append(f"memory {percent(guest.memory_used_bytes / guest.memory_total_bytes)}")
    return ", ".join(told)


@question
async def is_guest_down(asked: Asked) -> Answer:
    return turned(await is_guest_running(asked))


@question
async def is_guest_running(asked: Asked) -> Answer:
    guest = lookup(asked, "whether it runs:")
    if isinstance(guest, Answer):
        return guest
    view, name, ill = asked.view, asked.view.called(guest), asked.view.about(guest.id)
    status, where = believed(view, guest), f"on {safe(guest.node, 80)}"
    facts = {"guest": guest.name, "vmid": guest.vmid, "status": guest.status}
    more = f"But {safe(ill[0].title)}" if ill else ""
    if not status:
        why = unknown_words(view, guest)
        return Answer(
            f"I cannot tell whether {name} runs: {why}",
            facts=facts,
            grave=True,
            ways=(f"Whether {name} runs nobody can say now: {why}",),
        )
    if status == "running":
        return Answer(
            sentences([f"Yes, {name} runs {where}", more]),
            facts=facts,
            grave=gravest(ill),
            tainted=bool(ill),
            ways=(
                sentences([f"It does: {name} runs {where}", more]),
                sentences([f"{name} runs {where}, yes", more]),
            ),
        )
    return Answer(
        f"No, {name} is {status} {where}",
        facts=facts,
        grave=gravest(ill),
        ways=(f"It is not running: {name} is {status} {where}", f"{name} is {status} {where}, so no"),
    )


@question
async def guest_since(asked: Asked) -> Answer:
    guest = lookup(asked, "since when it is so:")
    if isinstance(guest, Answer):
        return guest
    view, name, facts = asked.view, asked.view.called(guest), {"guest": guest.name, "vmid": guest.vmid}
    status = believed(view, guest)
    if not status:
        why = unknown_words(view, guest)
        return Answer(
            f"Since when {name} is as it is nobody can say: {why}",
            facts=facts,
            grave=True,
            ways=(f"That is not known of {name}: {why}",),
        )
    if status == "running" and guest.started_at is not None:
        up, since = span(asked.now - guest.started_at), moment(asked.now, guest.started_at)
        return Answer(
            f"{name} has been up for {up}, since {since.removeprefix('on ')}",
            facts=facts,
            grave=gravest(view.about(guest.id)),
            ways=(f"{name}: up for {up}, since {since.removeprefix('on ')}", f"For {up}: {name} started {since}"),
        )
    if status == "running":
        return Answer(
            f"{name} runs, but since when is not told", facts=facts, ways=(f"{name} runs; its start is not known",)
        )
    ended = await _stopped_at(asked, guest)
    if ended is None:
        return Answer(
            f"{name} is {status}; since when I do not know",
            facts=facts,
            ways=(f"{name} is {status}, and has been since before my notes begin",),
        )
    gone, when = span(asked.now - ended), moment(asked.now, ended)
    return Answer(
        f"{name} has been {status} for {gone}, since {when.removeprefix('on ')}",
        facts=facts,
        ways=(f"{name}: {status} for {gone}, since {when.removeprefix('on ')}",),
    )


async def _stopped_at(asked: Asked, guest: Guest) -> float | None:
    """By the feed's last word about it, or by the task that stopped it."""
    stops = {"qmstop", "vzstop", "qmshutdown", "vzshutdown", "qmsuspend", "vzsuspend"}
    known = [
        t.ended_at
        for t in asked.view.tasks
        if t.target == str(guest.vmid)
        and t.type in stops
        and t.status in {"ok", "warnings"}
        and t.ended_at is not None
    ]
    known += [
        float(at)
        for i in asked.view.about(guest.id)
        if i.condition == "guest-crashed" and isinstance(at := i.evidence.get("seen_at"), int | float)
    ]
    return max(known, default=None)


@question
async def where_guest(asked: Asked) -> Answer:
    guest = lookup(asked, "where it is:")
    if isinstance(guest, Answer):
        return guest
    name, node = asked.view.called(guest), safe(guest.node, 80) or "an unknown node"
    status, facts = believed(asked.view, guest), {"guest": guest.name, "vmid": guest.vmid, "node": guest.node}
    if not status:
        why = unknown_words(asked.view, guest)
        return Answer(
            f"{name} belongs to {node}; whether it runs nobody can say: {why}",
            facts=facts,
            grave=True,
            ways=(f"On {node} is where {name} lies. How it is nobody can say: {why}",),
        )
    if status == "running":
        return Answer(
            f"{name} runs on {node}", facts=facts, ways=(f"On {node}: there {name} runs", f"{node} carries {name}")
        )
    return Answer(f"{name} is on {node}, {status}", facts=facts, ways=(f"On {node}, {status}: {name}",))


@question
async def guest_load(asked: Asked) -> Answer:
    guest = lookup(asked, "how busy it is:")
    if isinstance(guest, Answer):
        return guest
    view, name, facts = asked.view, asked.view.called(guest), {"guest": guest.name, "vmid": guest.vmid}
    status = believed(view, guest)
    if not status:
        return Answer(
            f"How busy {name} is nobody can say now: {unknown_words(view, guest)}",
            facts=facts,
            grave=True,
            ways=(f"No figures of {name} now: {unknown_words(view, guest)}",),
        )
    lines = []
    if guest.memory_total_bytes:
        lines.append(f"Memory: {size(guest.memory_used_bytes)} of {size(guest.memory_total_bytes)}")
    if guest.disk_total_bytes:
        used = f"{size(guest.disk_used_bytes)} of " if guest.disk_used_bytes is not None else ""
        lines.append(f"Disk: {used}{size(guest.disk_total_bytes)}{'' if used else '; how full PVE does not know'}")
    if guest.cpu_count:
        lines.append(f"{guest.cpu_count:g} CPUs")
    if status != "running":
        return Answer(
            f"{name} is {status}, so it uses nothing", tuple(lines), facts, ways=(f"Nothing: {name} is {status}",)
        )
    figures = load(guest) or "no figures are told"
    return Answer(
        f"{name}: {figures}",
        tuple(lines),
        facts,
        grave=gravest(view.about(guest.id)),
        ways=(f"{name} stands at {figures}", f"As to {name}: {figures}"),
    )
