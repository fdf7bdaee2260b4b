"""Questions about the whole: how things stand, whether anything is wrong, quorum, what is seen, who is attached."""

from __future__ import annotations

from dataclasses import replace

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.guests import believed
from jarvis_daemon.assistant.answers.nodes import state_of, unseen
from jarvis_daemon.assistant.answers.view import View, gravest
from jarvis_daemon.assistant.answers.words import (
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
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import ClientInfo, Incident, Source


def told(incidents: list[Incident], most: int = 3) -> str:
    """``plex has stopped by itself (error) and …``"""
    head = [f"{safe(i.title)} ({i.severity})" for i in incidents[:most]]
    if len(incidents) > most:
        head.append(f"{len(incidents) - most} more")
    return listing(head, most + 1)


def matters(view: View) -> list[str]:
    """What waits for the person, beside incidents: approvals, the kill switch."""
    found = []
    if waiting := len(view.approvals):
        found.append(f"{count(waiting, 'call')} {'waits' if waiting == 1 else 'wait'} for your word")
    if view.kill is not None and view.kill.engaged:
        found.append("the kill switch is engaged, so nothing acts")
    return found


def standing(view: View) -> str:
    """``3 of 4 nodes are online, 17 of 19 guests run``, and of how many nobody can say."""
    online = sum(n.status == "online" and view.fresh(n) for n in view.nodes)
    run = sum(believed(view, g) == "running" for g in view.guests)
    unknown = sum(not believed(view, g) for g in view.guests)
    rest = f", of {unknown} nobody can say" if unknown else ""
    return (
        f"{online} of {count(len(view.nodes), 'node')} {is_are(online)} online, "
        f"{run} of {count(len(view.guests), 'guest')} {'runs' if run == 1 else 'run'}{rest}"
    )


@question
async def status_all(asked: Asked) -> Answer:
    if (none := unseen(asked, "how things stand")) is not None:
        return none
    view = asked.view
    lines = [
        f"{safe(i.title)} ({i.severity}, {ago(asked.now, i.opened_at)}): `jarvis incident show {i.id}`"
        for i in view.incidents[:10]
    ]
    lines += [f"{safe(n.name, 80)} is {state_of(view, n)}" for n in view.nodes if n.status != "online"]
    facts = {"incidents": len(view.incidents)}
    if view.blind:
        last = sentences(
            [f"I do not see the cluster at present: {view.blind}", f"By its last word {standing(view)}"]
        )
        return Answer(
            last,
            tuple(lines),
            facts,
            grave=True,
            tainted=bool(view.incidents),
            ways=(
                sentences(
                    [
                        f"How things stand now I cannot tell, for I do not see the cluster: {view.blind}",
                        f"When last seen: {standing(view)}",
                    ]
                ),
            ),
        )
    more = matters(view)
    if not view.incidents:
        quorum = _quorum_lost(view)
        head = f"No incident is open: {standing(view)}"
        text = sentences([head, capital(quorum), *(capital(one) for one in more)])
        quiet = not quorum and all(n.status == "online" for n in view.nodes) and not view.approvals
        return Answer(
            text,
            tuple(lines),
            facts,
            grave=not quiet,
            ways=(
                sentences(
                    [
                        f"{capital(standing(view))}, and no incident is open",
                        capital(quorum),
                        *(capital(one) for one in more),
                    ]
                ),
                sentences(
                    [
                        f"Nothing is reported: {standing(view)}, no incident is open",
                        capital(quorum),
                        *(capital(one) for one in more),
                    ]
                ),
            ),
            asides=("One could almost be bored{sir}.", "I took the liberty of dusting the logs{sir}.")
            if quiet and not more
            else (),
        )
    number = len(view.incidents)
    head = f"{counted(number, 'incident')} {is_are(number)} open: {told(view.incidents)}"
    text = sentences([head, capital(standing(view)), *(capital(one) for one in more)])
    return Answer(
        text,
        tuple(lines),
        facts,
        grave=gravest(view.incidents) or bool(more),
        tainted=True,
        ways=(
            sentences([f"{capital(standing(view))}", head, *(capital(one) for one in more)]),
            sentences(
                [
                    f"There {is_are(number)} {count(number, 'open incident')}: {told(view.incidents)}",
                    capital(standing(view)),
                    *(capital(one) for one in more),
                ]
            ),
        ),
    )


def _quorum_lost(view: View) -> str:
    cluster = view.cluster
    return (
        "the quorum is lost" if cluster is not None and cluster.quorate is False and not cluster.standalone else ""
    )


@question
async def is_all_well(asked: Asked) -> Answer:
    found = await is_anything_wrong(asked)
    if found.text.startswith("Yes: "):
        rest = found.text.removeprefix("Yes: ")
        return replace(found, text=f"No: {rest}", ways=(f"Not all: {rest}", f"Not quite: {rest}"))
    if found.grave:
        return found
    well = "no incident is open"
    return replace(found, text=f"Yes: {well}", ways=(f"All is well: {well}", f"It is: {well}"))


@question
async def is_anything_wrong(asked: Asked) -> Answer:
    view = asked.view
    if view.blind:
        kept = f"Open when last seen: {told(view.incidents)}" if view.incidents else ""
        return Answer(
            sentences([f"Yes: I do not see the cluster, {view.blind}", kept]),
            grave=True,
            tainted=bool(view.incidents),
            ways=(sentences([f"I cannot vouch for anything: the cluster is not seen, {view.blind}", kept]),),
        )
    more = matters(view)
    lines = tuple(f"{safe(i.detail)} `jarvis incident explain {i.id}`".strip() for i in view.incidents[:10])
    if view.incidents:
        number = len(view.incidents)
        return Answer(
            sentences([f"Yes: {told(view.incidents)}", *(capital(one) for one in more)]),
            lines,
            {"incidents": number},
            grave=gravest(view.incidents),
            tainted=True,
            ways=(
                sentences(
                    [
                        f"{counted(number, 'incident')} {is_are(number)} open: {told(view.incidents)}",
                        *(capital(one) for one in more),
                    ]
                ),
                sentences([f"There is: {told(view.incidents)}", *(capital(one) for one in more)]),
            ),
        )
    if more:
        return Answer(
            sentences([f"No incident is open, but {more[0]}", *(capital(one) for one in more[1:])]),
            grave=True,
            ways=(sentences([f"Not with the cluster; but {more[0]}", *(capital(one) for one in more[1:])]),),
        )
    down = [n for n in view.nodes if n.status != "online"]
    if down:
        return Answer(
            f"No incident is open yet, but {safe(down[0].name, 80)} is {state_of(view, down[0])}",
            grave=True,
            ways=(f"{safe(down[0].name, 80)} is {state_of(view, down[0])}, though no incident is open yet",),
        )
    return Answer(
        "Nothing that I can see: no incident is open",
        lines,
        {"incidents": 0},
        ways=("No: no incident is open", "No incident is open, and nothing waits for you"),
        asides=("I shall let you know should that change{sir}.", "It is almost disappointing{sir}."),
    )


@question
async def quorum(asked: Asked) -> Answer:
    cluster = asked.view.cluster
    if cluster is None:
        return unseen(asked, "whether quorum holds") or Answer("Whether quorum holds is not known", grave=True)
    if cluster.standalone:
        return Answer(
            f"{safe(cluster.name, 80)} is a single node: there is no quorum to lose",
            ways=("There is no quorum here: it is a single node",),
        )
    age = asked.view.source_age("status")
    votes = ""
    if cluster.nodes_online is not None and cluster.quorum_needed is not None:
        votes = (
            f"{cluster.nodes_online} of {cluster.nodes_total} nodes are in touch, "
            f"{cluster.quorum_needed} votes are needed"
        )
    note = f"That was {age}" if age.startswith("read") else ""
    if asked.view.blind or cluster.quorate is None or (age and not note):
        last = {True: "By its last word it held", False: "By its last word it was lost", None: ""}[cluster.quorate]
        return Answer(
            sentences(
                [f"Whether quorum holds now I do not know: {asked.view.blind or age or 'it is not told'}", last]
            ),
            grave=True,
            ways=(sentences(["Quorum is not known now", last]),),
        )
    if not cluster.quorate:
        return Answer(
            sentences(
                ["Quorum is lost", capital(votes), "What runs goes on; nothing can be started or changed", note]
            ),
            grave=True,
            ways=(sentences(["The cluster has lost its quorum", capital(votes), note]),),
        )
    spare = (
        ""
        if cluster.nodes_online is None or cluster.quorum_needed is None
        else (
            "one node more may fail"
            if cluster.nodes_online - cluster.quorum_needed == 1
            else "no further node may fail"
            if cluster.nodes_online == cluster.quorum_needed
            else f"{cluster.nodes_online - cluster.quorum_needed} nodes more may fail"
        )
    )
    tight = cluster.nodes_online is not None and cluster.nodes_online == cluster.quorum_needed
    return Answer(
        sentences([f"Quorum holds{': ' + votes if votes else ''}", capital(spare), note]),
        grave=tight,
        ways=(
            sentences([f"The cluster is quorate{': ' + votes if votes else ''}", capital(spare), note]),
            sentences([f"It does: quorum holds{', ' + votes if votes else ''}", capital(spare), note]),
        ),
    )


@question
async def cluster_seen(asked: Asked) -> Answer:
    """How fresh the picture is."""
    view = asked.view
    cluster = view.cluster
    sources = asked.bus.state("cluster").all("sources", Source).values()
    last = max((s.ok_at for s in sources if s.what == "resources" and s.ok_at is not None), default=None)
    if view.blind:
        return Answer(
            f"I do not see the cluster: {view.blind}",
            grave=True,
            ways=(f"Not at present: {view.blind}",),
            lines=tuple(
                f"{safe(url, 120)}: {safe(why)}"
                for url, why in (cluster.endpoints_failed if cluster else {}).items()
            ),
        )
    when = "just now" if last is None else ago(asked.now, last)
    failed = cluster.endpoints_failed if cluster is not None else {}
    rest = f"{counted(len(failed), 'endpoint')} {'does' if len(failed) == 1 else 'do'} not answer" if failed else ""
    return Answer(
        sentences([f"I see the cluster; it last answered {when}", capital(rest)]),
        tuple(f"{safe(url, 120)}: {safe(why)}" for url, why in failed.items()),
        grave=bool(failed),
        ways=(sentences([f"Its last answer came {when}", capital(rest)]),),
    )


@question
async def is_simulated(asked: Asked) -> Answer:
    cluster = asked.view.cluster
    if cluster is None:
        return Answer("I do not know yet: the cluster has not answered", ways=("The cluster has not answered yet",))
    if cluster.simulated or asked.simulated:
        return Answer(
            "This homelab is simulated: nothing of it is real, and nothing you order here touches a real machine",
            ways=("It is simulated, all of it: no real machine is touched",),
            asides=("It obeys all the better{sir}.",),
        )
    return Answer(
        (
            f"It is real: {safe(cluster.name, 80)} answers at "
            f"{safe(cluster.endpoint, 120) or 'an endpoint of its own'}"
        ),
        ways=(f"{safe(cluster.name, 80)} is real, and what you order is done",),
    )


@question
async def who_is_home(asked: Asked) -> Answer:
    """Topic ``presence`` has no people yet: no camera tells of any."""
    people = asked.bus.state("presence").plain.get("people", {})
    if not people:
        return Answer(
            "Who is home I do not know: no camera or presence sensor is connected to me",
            ways=(
                "I cannot see who is home; nothing that tells of people is connected to me",
                "That I do not know: I have no eyes in the house",
            ),
        )
    here = [safe(p.get("name"), 80) for p in people.values() if p.get("home") or p.get("status") == "home"]
    if not here:
        return Answer("Nobody is seen at home", tainted=True, ways=("I see nobody at home",))
    return Answer(
        f"{listing(here)} {is_are(len(here))} seen at home",
        tainted=True,
        ways=(f"At home {is_are(len(here))} {listing(here)}",),
    )


@question
async def clients(asked: Asked) -> Answer:
    """Who is attached to the daemon."""
    found = sorted(asked.bus.state("clients").all("clients", ClientInfo).values(), key=lambda c: c.connected_at)
    if not found:
        return Answer("Nobody else is attached that I know of", ways=("No client is attached that I know of",))
    names = listing(f"{safe(c.client, 60) or 'a client'} ({c.role})" for c in found)
    return Answer(
        f"{counted(len(found), 'client')} {is_are(len(found))} attached: {names}",
        tuple(
            (
                f"{safe(c.client, 60)}: {c.role}, since {moment(asked.now, c.connected_at)}, "
                f"{span(asked.now - c.connected_at)}"
            )
            for c in found
        ),
        ways=(f"Attached {is_are(len(found))} {names}",),
    )
