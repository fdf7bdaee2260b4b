"""The guardrails, in the order in which they are asked. Pure functions of a ``Case``; for each, a test breaks it.

The same tuple is asked in the engine's round, before each step, and by the gate when it judges the call, the last
time right before the intent. *hold* ends by itself; *ask* wants a person's word; *refuse* holds while the fact
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from msgspec.structs import replace as replace_in

from jarvis_daemon.protocol.state import Check, CheckVerdict, Guest, Source, Task
from jarvis_daemon.remediation.facts import Case
from jarvis_daemon.remediation.runbook import tools_of
from jarvis_daemon.remediation.words import span

Guardrail = Callable[[Case], Check]
HANDS_OFF: Final = "no-jarvis"
STOPS: Final = frozenset({
    "qmstop", "vzstop", "qmshutdown", "vzshutdown", "qmreboot", "vzreboot", "qmsuspend", "vzsuspend", "qmdestroy",
    "vzdestroy", "hastop", "stopall", "suspendall",
})  # fmt: skip
ENDS_DOWN: Final = STOPS - {"qmreboot", "vzreboot", "stopall", "suspendall"}
STARTS: Final = frozenset({"qmstart", "vzstart", "qmresume", "vzresume", "hastart"})
LOOKING: Final = frozenset({"vncproxy", "vncshell", "termproxy", "spiceproxy", "spiceshell", "vzdump", "aptupdate"})
"""Tasks that a person, or the cluster's schedule, starts without taking a target in hand."""
NODE_TAKERS: Final = frozenset({"shutdown_node", "reboot_node"})
STOP_SLACK_S: Final = 30.0
FUTURE_S: Final = 5.0
"""A fact may be so far in the future; more is a clock that jumped."""


def kill_switch(case: Case) -> Check:
    if case.facts.killed:
        reason = f" ({case.facts.kill_reason})" if case.facts.kill_reason else ""
        return _say("kill switch", "refuse", f"The kill switch is engaged{reason}.")
    return _say("kill switch", "pass", "The kill switch is not engaged.")


def quorum(case: Case) -> Check:
    """Quorate, and a second endpoint agrees. A standalone node has no quorum to lose."""
    cluster = case.facts.cluster
    if cluster.problem is not None:
        return _say("quorum", "refuse", f"The cluster cannot be watched: {cluster.problem}.")
    if cluster.standalone:
        return _say("quorum", "pass", "A standalone node has no quorum to lose.")
    if cluster.quorate is None:
        return _say("quorum", "hold", "It is not known whether the cluster is quorate.")
    if not cluster.quorate:
        return _say("quorum", "refuse", "The cluster has no quorum.")
    if case.second is None:
        return _say("quorum", "pass", "The cluster is quorate; a second endpoint is asked right before the act.")
    if case.facts.mono - case.second.at > case.facts.limits.second_look_s:
        return _say("quorum", "hold", "What the second endpoint said is too old.")
    if case.second.opinion == "disagrees":
        why = case.second.why.rstrip(".") or "no reason given"
        return _say("quorum", "refuse", f"A second endpoint disagrees: {why}.")
    if case.second.opinion == "none":
        return _say("quorum", "refuse", "No second endpoint answers to confirm it.")
    return _say("quorum", "pass", "The cluster is quorate, and a second endpoint agrees.")


def nodes_unreachable(case: Case) -> Check:
    """Two nodes at once: rather the observer is cut off, or the power is out."""
    down = sorted(node.name for node in case.facts.nodes.values() if node.status != "online")
    mute = {i.target.partition(":")[2] for i in case.facts.incidents.values() if i.condition == "node-unreachable"}
    names = sorted({*down, *mute})
    if len(names) >= case.facts.limits.nodes_unreachable:
        return _say("nodes", "refuse", f"{len(names)} nodes cannot be reached: {', '.join(names[:6])}.")
    return _say("nodes", "pass", f"{names[0]} cannot be reached." if names else "Every node answers.")


def target_exists(case: Case) -> Check:
    """An empty target set must never mean all."""
    kind = case.incident.target.partition(":")[0]
    there = {
        "guest": case.facts.guests.get(case.incident.target), "node": case.facts.nodes.get(case.incident.target),
        "storage": case.storage,
    }.get(kind, case.node or case.guest)  # fmt: skip
    if not case.incident.target or there is None:
        return _say("target", "refuse", f"There is nothing known by the name {case.incident.target or '(none)'}.")
    return _say("target", "pass", f"{case.name} is known.")


def template(case: Case) -> Check:
    if (guest := _itself(case)) is not None and guest.template:
        return _say("template", "refuse", f"{case.name} is a template.")
    return _say("template", "pass", "It is no template.")


def lock(case: Case) -> Check:
    if (guest := case.guest) is not None and guest.lock:
        return _say("lock", "hold", f"{guest.name or guest.id} is locked ({guest.lock}).")
    return _say("lock", "pass", "It is not locked.")


def busy(case: Case) -> Check:
    task = next((t for t in _tasks(case) if t.status == "running"), None)
    if task is not None:
        return _say("busy", "hold", f"{task.type} runs on {case.name}.")
    return _say("busy", "pass", "No task runs on it.")


def ha(case: Case) -> Check:
    """PVE's own HA first: its guests are its own, and after a node's loss it gets its time to fence and recover."""
    guest = _itself(case)
    if guest is not None and guest.ha_state and guest.ha_state != "ignored":
        return _say("ha", "refuse", f"{case.name} is managed by HA ({guest.ha_state}); it is HA's to repair.")
    patience = case.facts.limits.ha_patience_s
    lost = case.node is None or case.node.status != "online"
    if case.runbook.scope == "node" and lost:
        left = patience - case.past.age_s
        if left > 0:
            return _say("ha", "hold", f"PVE's HA is left alone for {span(patience)} first; {span(left)} to go.")
    return _say("ha", "pass", "It is not HA's.")


def backup(case: Case) -> Check:
    if case.facts.in_window:
        return _say("backup", "hold", "It is the time of the backups.")
    node = case.node
    running = next(
        (
            t for t in case.facts.tasks.values()
            if t.type == "vzdump" and t.status == "running" and node is not None and t.node == node.name
        ),
        None,
    )  # fmt: skip
    if running is not None:
        return _say("backup", "hold", f"A backup runs on {running.node}.")
    return _say("backup", "pass", "No backup runs there.")


def silenced(case: Case) -> Check:
    incident, now = case.incident, case.facts.now
    if incident.silenced_until is not None and incident.silenced_until > now:
        return _say("silence", "refuse", "It is silenced, or in a maintenance window.")
    lies_on = [one.id for one in (case.guest, case.node) if one is not None]
    for silence in case.facts.silences.values():
        if not silence.maintenance or not silence.starts_at <= now < silence.ends_at:
            continue
        if any(fnmatchcase(name, silence.target) for name in (incident.target, *lies_on)):
            return _say("silence", "refuse", f"Maintenance on {silence.target} by {silence.by}: {silence.reason}.")
    return _say("silence", "pass", "Nothing is silenced, no maintenance.")


def person(case: Case) -> Check:
    """Who was stopped by somebody stays stopped; where somebody is at work, nobody else lays hands on."""
    if (stop := stop_task(case)) is not None:
        return _say("person", "refuse", f"{case.name} was stopped by {stop.user or 'somebody'} ({stop.type}).")
    quiet = case.facts.limits.person_quiet_s
    for task in _tasks(case):
        ended = task.ended_at or case.facts.now
        if ours(task, case.facts.our_user) or task.type in LOOKING:
            continue
        if case.facts.now - ended < quiet:
            return _say("person", "hold", f"{task.user} has just worked on {case.name} ({task.type}).")
    return _say("person", "pass", "Nobody stopped it, nobody works on it.")


def protected(case: Case) -> Check:
    """By the settings' list, by the tag ``no-jarvis``, or because it carries Jarvis itself."""
    names = _names(case)
    for entry in case.facts.protected:
        if entry.strip() in names:
            return _say("protected", "refuse", f"{case.name} is protected ({entry.strip()}).")
    if (guest := case.guest) is not None and HANDS_OFF in guest.tags:
        return _say("protected", "refuse", f"{guest.name} is tagged {HANDS_OFF}.")
    carries = case.facts.runs_on.casefold()
    kind = case.incident.target.partition(":")[0]
    if carries and kind in {"guest", "node"} and carries in {name.casefold() for name in names}:
        return _say("protected", "refuse", f"{case.name} carries Jarvis itself.")
    return _say("protected", "pass", "It is not protected.")


def votes(case: Case) -> Check:
    """Never below the votes that quorum needs, not by a node that is taken down either."""
    cluster = case.facts.cluster
    if cluster.standalone:
        return _say("votes", "pass", "A standalone node has no votes to lose.")
    online = sum(node.status == "online" for node in case.facts.nodes.values())
    needed = cluster.quorum_needed
    if needed is None:
        return _say("votes", "hold", "It is not known how many votes quorum needs.")
    takes = sum(tool in NODE_TAKERS for step in case.runbook.steps for tool in tools_of(step))
    if online - takes < needed:
        would = f", and it would take {takes}" if takes else ""
        return _say("votes", "refuse", f"{online} of {needed} needed votes are there{would}.")
    return _say("votes", "pass", f"{online} votes are there, {needed} are needed.")


def attempts(case: Case) -> Check:
    most = min(case.facts.limits.attempts, case.runbook.attempts)
    if not case.by_hand and case.past.attempts >= most:
        return _say("attempts", "refuse", f"It was tried {case.past.attempts} times; now it is a person's.")
    return _say("attempts", "pass", f"{case.past.attempts} of {most} attempts were made.")


def flapping(case: Case) -> Check:
    """What comes and goes by itself is not mended by acting once more."""
    limit, window = case.facts.limits.flapping_openings, case.facts.limits.flapping_window_s
    if not case.by_hand and case.past.openings >= limit:
        return _say("flapping", "refuse", f"It came {case.past.openings} times within {span(window)}: it flaps.")
    return _say("flapping", "pass", "It does not flap.")


def cool_down(case: Case) -> Check:
    left = cooling_s(case)
    if not case.by_hand and left > 0:
        return _say("cool-down", "hold", f"Attempt {case.past.attempts + 1} comes in {span(left)}.")
    return _say("cool-down", "pass", "No cool-down holds.")


def blast_radius(case: Case) -> Check:
    limits, past = case.facts.limits, case.past
    if past.running_here:
        return _say("blast radius", "hold", f"A repair of {case.name} is under way.")
    if past.running_nodes >= limits.nodes_at_once:
        return _say("blast radius", "hold", "A repair of a node is under way, or asked for; everything else waits.")
    if case.runbook.scope == "node" and past.running_guests:
        return _say("blast radius", "hold", f"{_repairs(past.running_guests)} under way; a node goes alone.")
    if case.runbook.scope == "guest" and past.running_guests >= limits.guests_at_once:
        return _say("blast radius", "hold", f"{_repairs(past.running_guests)} under way already.")
    if case.by_hand:
        return _say("blast radius", "pass", "A person asked for it.")
    if past.acts_hour >= limits.acts_per_hour:
        return _say("blast radius", "ask", f"{past.acts_hour} repairs within an hour; more are asked for.")
    if past.acts_day >= limits.acts_per_day:
        return _say("blast radius", "ask", f"{past.acts_day} repairs within a day; more are asked for.")
    return _say("blast radius", "pass", f"{past.acts_hour} repairs within an hour, {past.acts_day} within a day.")


def evidence_fresh(case: Case) -> Check:
    """Missing or old data neither shows a fault nor allows an act."""
    entity = case.facts.guests.get(case.incident.target) or case.facts.nodes.get(case.incident.target)
    if case.incident.target.startswith("guest:") and getattr(entity, "status", "unknown") == "unknown":
        return _say("evidence", "hold", f"What {case.name} does is not known now.")
    if entity is not None and getattr(entity, "freshness", None) in {"stale", "unknown"} and not (
        case.incident.target.startswith("node:")
    ):  # fmt: skip
        return _say("evidence", "hold", f"What is known of {case.name} is old.")
    source = evidence_source(case)
    if source is None or source.ok_at is None:
        return _say("evidence", "hold", f"{case.name} was never looked at.")
    age = case.facts.now - source.ok_at
    if not -FUTURE_S <= age <= max(case.facts.limits.fresh_s, 2 * source.interval_s):
        when = f"{span(age)} old" if age > 0 else "from the future: a clock has jumped"
        return _say("evidence", "hold", f"What is known of {case.name} is {when}.")
    return _say("evidence", "pass", f"It was seen {span(max(0.0, age))} ago.")


GUARDRAILS: Final[tuple[Guardrail, ...]] = (
    kill_switch, quorum, nodes_unreachable, template, lock, busy, ha, backup, silenced, person, protected, votes,
    attempts, flapping, cool_down, blast_radius, target_exists, evidence_fresh,
)  # fmt: skip
"""In the order in which they are asked, and told."""
OF_THE_TARGET: Final[tuple[Guardrail, ...]] = (template, lock, ha, silenced, person, protected)
"""What explains why a guest that stopped is left alone, where nothing was opened for it."""
HANDS_OVER: Final = frozenset({"attempts", "flapping"})
"""A refusal by these is final for the incident: a person is told once, and asked for help."""


def ask_all(case: Case) -> list[Check]:
    """Every guardrail's verdict; one that fails itself refuses."""
    checks = []
    for guardrail in GUARDRAILS:
        try:
            checks.append(guardrail(case))
        except Exception as error:  # fail closed
            name = guardrail.__name__.replace("_", " ")
            checks.append(_say(name, "refuse", f"This could not be judged ({type(error).__name__})."))
    return checks


def ask_of_host(case: Case, guest: Guest) -> list[Check]:
    """As ``ask_all``, of the guest that something ill lies on, where that guest itself is to be touched."""
    host = replace(case, incident=replace_in(case.incident, target=guest.id))
    return [guardrail(host) for guardrail in (*OF_THE_TARGET, evidence_fresh)]


def stop_task(case: Case) -> Task | None:
    """The task by which somebody stopped the target since it was last seen running.

    Moments of tasks are of the nodes' clocks, ``last_running_at`` is of ours, and either may be wrong. So a guest
    whose newest power task is a stop counts as stopped by it, whatever the clocks say.
    """
    ran_at = case.incident.evidence.get("last_running_at")
    if not isinstance(ran_at, int | float):
        return None
    tasks = _tasks(case)
    found = next((t for t in tasks if t.type in STOPS and t.started_at >= ran_at - STOP_SLACK_S), None)
    if found is not None:
        return found
    newest = next((t for t in tasks if t.type in ENDS_DOWN | STARTS and t.status != "failed"), None)
    return newest if newest is not None and newest.type in ENDS_DOWN else None


def ours(task: Task, our_user: str) -> bool:
    """Whether a task was started with our token. ``our_user``: the token's id, ``USER@REALM!NAME``.

    Lists of PVE may leave the token out, the UPID never does. A person of a PAM account works under the very name
    of a token of theirs; so a bare name is ours only where nobody logs in by it.
    """
    user, _, token = our_user.partition("!")
    parts = task.id.split(":")
    told = parts[7] if "!" not in task.user and len(parts) > 7 else task.user
    if "!" in told and token:
        return told == our_user
    return bool(user) and told.partition("!")[0] == user and not (token and user.endswith("@pam"))


def cooling_s(case: Case) -> float:
    """Seconds until the next attempt may be made; 0 when it may."""
    past = case.past
    if past.attempts == 0 or past.last_act_age_s is None:
        return 0.0
    steps = case.runbook.cool_down_min
    wait = 60.0 * steps[min(past.attempts, len(steps)) - 1] * case.facts.limits.cool_down_factor
    return max(0.0, wait - past.last_act_age_s)


def evidence_source(case: Case) -> Source | None:
    """The source that tells of the target's fault."""
    kind, _, rest = case.incident.target.partition(":")
    prefix = f"source:{case.facts.cluster.name}/"
    host = rest.partition("/")[0]
    asked = {"service": f"sensors/{host}", "container": f"docker/{host}", "disk": f"disks/{host}"}
    return case.facts.sources.get(prefix + asked.get(kind, "resources"))


def _itself(case: Case) -> Guest | None:
    return case.facts.guests.get(case.incident.target)


def _tasks(case: Case) -> list[Task]:
    """Tasks on the target, the newest first."""
    guest = case.guest
    if guest is None:
        return []
    mine = [t for t in case.facts.tasks.values() if t.target == str(guest.vmid)]
    return sorted(mine, key=lambda t: t.started_at, reverse=True)


def _names(case: Case) -> set[str]:
    """All by which the target, or what it lies on, may be protected."""
    incident = case.incident.target
    names = {incident, incident.partition(":")[2], case.name}
    if (guest := case.guest) is not None:
        names |= {guest.id, guest.name, str(guest.vmid), *(f"tag:{tag}" for tag in guest.tags)}
    elif (node := case.node) is not None:
        names |= {node.id, node.name}
    return names


def _repairs(count: int) -> str:
    return "1 repair is" if count == 1 else f"{count} repairs are"


def _say(guardrail: str, verdict: CheckVerdict, text: str) -> Check:
    return Check(guardrail=guardrail, verdict=verdict, text=text)
