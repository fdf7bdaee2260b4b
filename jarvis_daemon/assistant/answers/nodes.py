"""Questions about nodes: how they are, how hot, how busy, since when."""

from __future__ import annotations

from collections.abc import Callable

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.view import View, gravest
from jarvis_daemon.assistant.answers.words import (
    capital,
    count,
    counted,
    degrees,
    is_are,
    listing,
    moment,
    percent,
    safe,
    sentence,
    sentences,
    size,
    turned,
)
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Incident, Node


def unseen(asked: Asked, what: str) -> Answer | None:
    """The honest answer while nothing of the cluster is known now and there is not even an old picture."""
    if asked.view.nodes:
        return None
    why = asked.view.blind or "it has not answered yet"
    return Answer(
        f"I cannot tell {what}: I do not see the cluster, {why}",
        grave=True,
        ways=(f"{capital(what)} I cannot tell. I do not see the cluster: {why}",),
    )


def missing(asked: Asked, kind: str) -> Answer:
    said = asked.said(kind)
    return Answer(
        f"I know of no {kind} called {said}", plain=True, ways=(f"There is no {kind} {said} that I know of",)
    )


def blind_note(view: View) -> str:
    """A sentence to be put behind facts that are not of now; empty while they are."""
    return f"I do not see the cluster at present: {view.blind}" if view.blind and view.nodes else ""


def state_of(view: View, node: Node) -> str:
    """``online``, ``offline``, ``online by its last word, last seen 12 min ago``."""
    old = view.old(node)
    if node.status == "offline":
        seen = f", last seen {span(view.now - node.last_seen_at)} ago" if node.last_seen_at else ""
        return f"offline{seen}"
    if node.status == "unknown":
        return f"in an unknown state{', ' + old if old else ''}"
    return f"not to be seen now: {old}, and was online then" if old else "online"


@question
async def status_node(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"how {asked.said('node')} is") or missing(asked, "node")
    view, name = asked.view, safe(node.name, 80)
    state, ill = state_of(view, node), view.about(node.id)
    seen = node.status == "online" and view.fresh(node)
    figures = load_words(view, node) if seen else ""
    text = sentences([f"{name} is {state}{', ' + figures if figures else ''}", _ills(ill)])
    guests = [g for g in view.guests if g.node == node.name]
    run = sum(g.status == "running" for g in guests)
    lines = (
        [f"{count(run, 'guest')} of {len(guests)} {'run' if run != 1 else 'runs'} on it"] if seen and guests else []
    )
    if guests and not seen:
        lines.append(f"{count(len(guests), 'guest')} {is_are(len(guests))} on it; how they are nobody can say now")
    if node.started_at and seen:
        lines.append(f"Up for {span(asked.now - node.started_at)}")
    if node.pve_version:
        lines.append(
            f"PVE {safe(node.pve_version, 40)}{', kernel ' + safe(node.kernel, 60) if node.kernel else ''}"
        )
    lines += [f"{safe(i.title)} ({i.severity}): `jarvis incident show {i.id}`" for i in ill]
    return Answer(
        text,
        tuple(lines),
        {"node": node.name, "status": node.status},
        grave=not seen or gravest(ill),
        tainted=bool(ill),
        ways=(
            sentences(
                [
                    f"{capital(state)} is what {name} is" if not figures else f"{name}: {state}, {figures}",
                    _ills(ill),
                ]
            ),
        ),
    )


def load_words(view: View, node: Node) -> str:
    """``CPU 31 %, memory 74 %, 58 °C``: what is known of a node that is online."""
    told = [f"CPU {percent(node.cpu)}"] if node.cpu is not None else []
    if node.memory_used_bytes is not None and node.memory_total_bytes:
        told.append(f"memory {percent(node.memory_used_bytes / node.memory_total_bytes)}")
    celsius, age = view.temperature(node)
    if celsius is not None and not age:
        told.append(degrees(celsius))
    if not told and not node.stats_visible:
        return "its figures hidden from my token"
    return ", ".join(told)


def _ills(found: list[Incident]) -> str:
    if not found:
        return ""
    return (
        f"{counted(len(found), 'incident')} {is_are(len(found))} open on it: "
        f"{listing(safe(i.title) for i in found[:3])}"
    )


@question
async def node_temperature(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"how hot {asked.said('node')} is") or missing(asked, "node")
    name, (celsius, age) = safe(node.name, 80), asked.view.temperature(node)
    hot = any(i.condition == "temperature-high" for i in asked.view.about(node.id))
    if celsius is None:
        why = "no sensor of it is read" if node.status == "online" else f"it is {state_of(asked.view, node)}"
        return Answer(
            f"How hot {name} is I do not know: {why}",
            facts={"node": node.name},
            grave=True,
            ways=(f"The temperature of {name} is not known to me: {why}",),
        )
    lines = tuple(
        f"{safe(sensor, 60)}: {degrees(value)}"
        for sensor, value in sorted(node.temperatures.items(), key=lambda one: -one[1])[:6]
    )
    facts = {"node": node.name, "celsius": celsius}
    if age:
        return Answer(
            f"{name} was at {degrees(celsius)}, but that reading is {age}; how hot it is now I do not know",
            (),
            facts,
            grave=True,
            ways=(f"The last reading of {name} says {degrees(celsius)}. It is {age}, so of now I know nothing",),
        )
    aside = () if hot or celsius > 70 else ("Nothing to open a window for{sir}.",)
    return Answer(
        f"{name} is at {degrees(celsius)}",
        lines,
        facts,
        grave=hot,
        asides=aside,
        ways=(f"{degrees(celsius)} on {name}", f"The CPU of {name} reads {degrees(celsius)}"),
    )


@question
async def hottest(asked: Asked) -> Answer:
    return await _by_heat(asked, highest=True)


@question
async def coolest(asked: Asked) -> Answer:
    return await _by_heat(asked, highest=False)


async def _by_heat(asked: Asked, *, highest: bool) -> Answer:
    word = "hottest" if highest else "coolest"
    if (none := unseen(asked, f"which node is the {word}")) is not None:
        return none
    rows = [(node, *asked.view.temperature(node)) for node in asked.view.nodes]
    known = [(node, celsius) for node, celsius, age in rows if celsius is not None and not age]
    silent = [safe(node.name, 80) for node, celsius, age in rows if celsius is None or age]
    if not known:
        return Answer(
            f"Which node is the {word} I do not know: no temperature of now is known",
            grave=True,
            ways=(f"No node tells its temperature now, so the {word} is not known",),
        )
    known.sort(key=lambda one: -one[1] if highest else one[1])
    node, celsius = known[0]
    name = safe(node.name, 80)
    rest = f"; of {listing(silent)} no temperature of now is known" if silent else ""
    lines = tuple(f"{safe(other.name, 80)}: {degrees(value)}" for other, value in known[1:])
    hot = any(i.condition == "temperature-high" for i in asked.view.about(node.id))
    return Answer(
        f"{name} is the {word}, at {degrees(celsius)}{rest}",
        lines,
        {"node": node.name, "celsius": celsius},
        grave=hot,
        ways=(
            f"The {word} node is {name}: {degrees(celsius)}{rest}",
            f"That would be {name}, at {degrees(celsius)}{rest}",
        ),
        asides=() if hot or not highest else ("It is working for its keep{sir}.",),
    )


@question
async def temperatures(asked: Asked) -> Answer:
    if (none := unseen(asked, "how hot the nodes are")) is not None:
        return none
    told, hot = [], False
    for node in asked.view.nodes:
        celsius, age = asked.view.temperature(node)
        name = safe(node.name, 80)
        told.append(
            f"{name} not known" if celsius is None else f"{name} {degrees(celsius)}{f' ({age})' if age else ''}"
        )
        hot = hot or any(i.condition == "temperature-high" for i in asked.view.about(node.id))
    return Answer(f"Temperatures: {listing(told, 40)}", grave=hot, ways=(f"The nodes read: {listing(told, 40)}",))


@question
async def busiest_node(asked: Asked) -> Answer:
    return _ranked(asked, "busiest", "CPU {}", lambda node: node.cpu)


@question
async def most_free_memory(asked: Asked) -> Answer:
    """Which node has room."""
    if (none := unseen(asked, "which node has the most free memory")) is not None:
        return none
    known = [(node, _free(node)) for node in asked.view.nodes if node.status == "online" and asked.view.fresh(node)]
    rows = sorted(((node, free) for node, free in known if free is not None), key=lambda one: -one[1])
    if not rows:
        return Answer(
            "How much memory is free I do not know: no node tells its figures now",
            grave=True,
            ways=("No node tells its memory now, so I cannot compare them",),
        )
    node, free = rows[0]
    rest = _silent(asked.view, [node for node, _ in rows])
    return Answer(
        f"{safe(node.name, 80)} has the most free memory: {size(free)}{rest}",
        tuple(f"{safe(n.name, 80)}: {size(f)} free" for n, f in rows[1:]),
        {"node": node.name, "bytes": free},
        ways=(f"The most free memory, {size(free)}, is on {safe(node.name, 80)}{rest}",),
    )


def _free(node: Node) -> float | None:
    if node.memory_available_bytes is not None:
        return node.memory_available_bytes
    if node.memory_used_bytes is None or not node.memory_total_bytes:
        return None
    return node.memory_total_bytes - node.memory_used_bytes


def _ranked(asked: Asked, word: str, form: str, figure: Callable[[Node], float | None]) -> Answer:
    if (none := unseen(asked, f"which node is the {word}")) is not None:
        return none
    online = [n for n in asked.view.nodes if n.status == "online" and asked.view.fresh(n)]
    rows = sorted(((n, v) for n in online if (v := figure(n)) is not None), key=lambda one: -one[1])
    if not rows:
        return Answer(
            f"Which node is the {word} I do not know: no node tells its figures now",
            grave=True,
            ways=(f"No node tells its figures now, so the {word} is not known",),
        )
    node, share = rows[0]
    rest, told = _silent(asked.view, [n for n, _ in rows]), form.format(percent(share))
    return Answer(
        f"{safe(node.name, 80)} is the {word} node: {told}{rest}",
        tuple(f"{safe(n.name, 80)}: {form.format(percent(v))}" for n, v in rows[1:]),
        {"node": node.name, "share": share},
        ways=(f"The {word} node is {safe(node.name, 80)}, {told}{rest}",),
    )


def _silent(view: View, told: list[Node]) -> str:
    names = [safe(n.name, 80) for n in view.nodes if n not in told]
    return f"; of {listing(names)} no figures of now are known" if names else ""


@question
async def node_load(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"how busy {asked.said('node')} is") or missing(asked, "node")
    name = safe(node.name, 80)
    if node.status != "online" or not asked.view.fresh(node):
        return Answer(
            f"How busy {name} is I do not know: it is {state_of(asked.view, node)}",
            grave=True,
            facts={"node": node.name},
            ways=(f"No figures of {name} now: it is {state_of(asked.view, node)}",),
        )
    figures = load_words(asked.view, node)
    if not figures:
        return Answer(
            f"{name} is online, but tells no figures",
            facts={"node": node.name},
            ways=(f"No figures are told by {name}, though it is online",),
        )
    lines = []
    if node.memory_used_bytes is not None and node.memory_total_bytes:
        lines.append(f"Memory: {size(node.memory_used_bytes)} of {size(node.memory_total_bytes)}")
    if node.loadavg:
        lines.append(f"Load: {' '.join(f'{value:.2f}' for value in node.loadavg[:3])}")
    if node.rootfs_used_bytes is not None and node.rootfs_total_bytes:
        lines.append(f"Root file system: {percent(node.rootfs_used_bytes / node.rootfs_total_bytes)} full")
    return Answer(
        f"{name}: {figures}",
        tuple(lines),
        {"node": node.name},
        grave=gravest(asked.view.about(node.id)),
        ways=(f"As to {name}: {figures}", f"{name} stands at {figures}"),
    )


@question
async def node_since(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"since when {asked.said('node')} is up") or missing(asked, "node")
    name, facts = safe(node.name, 80), {"node": node.name}
    if node.status == "offline":
        if node.last_seen_at is None:
            return Answer(
                f"{name} is offline; I have not seen it online",
                facts=facts,
                grave=True,
                ways=(f"{name} is offline, and was so whenever I looked",),
            )
        gone = span(asked.now - node.last_seen_at)
        return Answer(
            f"{name} is offline, last seen {moment(asked.now, node.last_seen_at)}, {gone} ago",
            facts=facts,
            grave=True,
            ways=(f"{name} has been offline for {gone}, last seen {moment(asked.now, node.last_seen_at)}",),
        )
    if node.status != "online" or not asked.view.fresh(node) or node.started_at is None:
        why = (
            f"it is {state_of(asked.view, node)}"
            if node.status != "online" or asked.view.old(node)
            else "it does not tell"
        )
        return Answer(
            f"Since when {name} is up I do not know: {why}",
            facts=facts,
            grave=True,
            ways=(f"I do not know since when {name} is up: {why}",),
        )
    up, since = span(asked.now - node.started_at), moment(asked.now, node.started_at)
    return Answer(
        f"{name} has been up for {up}, since {since.removeprefix('on ')}",
        facts=facts,
        ways=(f"{name}: up for {up}, since {since.removeprefix('on ')}", f"For {up}: {name} came up {since}"),
    )


@question
async def is_node_down(asked: Asked) -> Answer:
    return turned(await is_node_up(asked))


@question
async def is_node_up(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"whether {asked.said('node')} is up") or missing(asked, "node")
    name, state = safe(node.name, 80), state_of(asked.view, node)
    facts = {"node": node.name, "status": node.status}
    if node.status == "online" and asked.view.fresh(node):
        ill = asked.view.about(node.id)
        mute = next((i for i in ill if i.condition == "node-unreachable"), None)
        if mute is not None:
            return Answer(
                f"In part: {safe(mute.title)}", facts=facts, grave=True, ways=(f"Hardly: {safe(mute.title)}",)
            )
        return Answer(f"Yes, {name} is online", facts=facts, grave=gravest(ill), ways=(f"It is: {name} is online",))
    if node.status == "offline":
        return Answer(f"No, {name} is {state}", facts=facts, grave=True, ways=(f"It is not: {name} is {state}",))
    return Answer(
        f"I cannot tell: {name} is {state}",
        facts=facts,
        grave=True,
        ways=(f"That I cannot tell. {name} is {state}",),
    )


@question
async def nodes_list(asked: Asked) -> Answer:
    if (none := unseen(asked, "how the nodes are")) is not None:
        return none
    view = asked.view
    online = [n for n in view.nodes if n.status == "online" and view.fresh(n)]
    rest = [n for n in view.nodes if n not in online]
    told = listing((safe(n.name, 80) for n in online), 40)
    others = "; ".join(f"{safe(n.name, 80)} is {state_of(view, n)}" for n in rest)
    if not online:
        why = f"I do not see the cluster: {view.blind}" if view.blind else others
        return Answer(
            f"No node is known to be online now; {why}",
            tuple(f"{safe(n.name, 80)} is {state_of(view, n)}" for n in rest),
            {"online": 0},
            grave=True,
            ways=(f"None for certain; {why}",),
        )
    head = f"{len(online)} of {len(view.nodes)} nodes {is_are(len(online))} online: {told}"
    return Answer(
        f"{head}{'; ' + others if others else ''}",
        facts={"online": len(online)},
        grave=bool(rest),
        ways=(
            (
                f"Online {is_are(len(online))} {told}, {len(online)} of "
                f"{len(view.nodes)}{'; ' + others if others else ''}"
            ),
        ),
        lines=tuple(f"{safe(n.name, 80)}: {load_words(view, n) or 'no figures'}" for n in online),
    )


@question
async def nodes_offline(asked: Asked) -> Answer:
    if (none := unseen(asked, "which nodes are down")) is not None:
        return none
    view = asked.view
    down = [n for n in view.nodes if n.status != "online" or not view.fresh(n)]
    if not down:
        number = len(view.nodes)
        return Answer(
            f"None: all {number} nodes are online" if number > 1 else "None: the one node is online",
            ways=(
                f"None: of {count(number, 'node')} not one is down",
                f"Not one of the {count(number, 'node')} is down",
            ),
        )
    told = "; ".join(f"{safe(n.name, 80)} is {state_of(view, n)}" for n in down)
    return Answer(told, grave=True, ways=(f"{counted(len(down), 'node')}: {told}",))


@question
async def node_certificate(asked: Asked) -> Answer:
    node = asked.view.node(asked.value("node"))
    if node is None:
        return unseen(asked, f"until when the certificate of {asked.said('node')} holds") or missing(asked, "node")
    name = safe(node.name, 80)
    if node.certificate_expires_at is None:
        return Answer(
            f"Until when the certificate of {name} holds I do not know",
            facts={"node": node.name},
            ways=(f"The certificate of {name} has not been read",),
        )
    left = node.certificate_expires_at - asked.now
    when = moment(asked.now, node.certificate_expires_at)
    if left <= 0:
        return Answer(
            f"The certificate of {name} has expired, {span(-left)} ago",
            facts={"node": node.name},
            grave=True,
            ways=(f"It has expired: that of {name}, {span(-left)} ago",),
        )
    return Answer(
        f"The certificate of {name} holds until {when.removeprefix('on ')}, for {span(left)}",
        facts={"node": node.name},
        ways=(f"Until {when.removeprefix('on ')}: the certificate of {name} has {span(left)} left",),
    )


@question
async def node_version(asked: Asked) -> Answer:
    """PVE's version, of one node or of all."""
    ref = asked.value("node")
    chosen = [asked.view.node(ref)] if ref is not None else list(asked.view.nodes)
    nodes = [n for n in chosen if n is not None]
    if not nodes:
        return unseen(asked, "which version runs") or missing(asked, "node")
    known = [n for n in nodes if n.pve_version]
    if not known:
        cluster = asked.view.cluster
        if cluster is not None and cluster.pve_version and ref is None:
            return Answer(
                f"The cluster answers as PVE {safe(cluster.pve_version, 40)}",
                ways=(f"PVE {safe(cluster.pve_version, 40)}, by the cluster's word",),
            )
        return Answer(
            "Which version of PVE runs there is not known", ways=("The version of PVE has not been read",)
        )
    told = listing((f"{safe(n.name, 80)} has PVE {safe(n.pve_version, 40)}" for n in known), 40)
    return Answer(
        sentence(told),
        lines=tuple(f"{safe(n.name, 80)}: kernel {safe(n.kernel, 60)}" for n in known if n.kernel),
        ways=(f"By version: {told}",),
    )
