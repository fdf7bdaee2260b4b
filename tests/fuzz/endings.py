"""What has to be true when faults have stopped and time has passed: nothing is left half done or unexplained."""

from __future__ import annotations

from collections.abc import Iterator

from jarvis_daemon.drill.bans import against, bans
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation import plan
from jarvis_daemon.remediation.facts import Case
from jarvis_daemon.remediation.runbook import Kept
from tests.fuzz.house import House
from tests.fuzz.small import PLAIN

FINAL = frozenset({"escalated", "reported", "recommended"})
STANDING = frozenset({"refused", "holding"})
ENDED = frozenset({"repaired", "failed", "escalated", "cancelled", "over", "reported", "recommended"})
RULE = {
    "kill switch": "kill switch", "quorum": "quorum", "nodes": "nodes", "template": "template", "lock": "lock",
    "busy": "busy", "ha": "ha", "backup": "backup", "silence": "silence", "person": "person",
    "protected": "protected",
}  # fmt: skip
"""Guardrail, as it calls itself -> the ban that makes it true."""


def unsettled(house: House) -> list[str]:
    """Why it is not at rest yet; empty when it is."""
    found = [f"{run.kept.runbook.name} on {run.incident.target} is under way" for run in house.engine.under_way()]
    stories = house.stories
    for incident in house.open:
        for kept in house.watchman.shelf.for_condition(incident.condition):
            if (why := _unanswered(house, incident, kept, stories)) is not None:
                found.append(f"{incident.condition} of {incident.target} ({kept.runbook.name}): {why}")
    return found


def _unanswered(house: House, incident: Incident, kept: Kept, stories: list[Repair]) -> str | None:
    case = Case(house.engine._look(), incident, kept, house.engine.ledger.past(incident))
    if any(plan.holds(one, case).verdict != "pass" for one in kept.runbook.when):
        return None
    mine = [s for s in stories if (s.incident, s.runbook) == (incident.id, kept.runbook.name)]
    if not mine:
        return "no story tells of it"
    last = mine[-1]
    if last.status in FINAL or (last.status == "cancelled" and house.said.killed):
        return None
    if last.status == "cancelled" and any(step.outcome == "denied" for step in last.steps):
        return None
    if last.status in STANDING:
        return untrue(house, last)
    if last.status in {"failed", "cancelled"} and house.said.killed:
        return None  # the switch keeps it from going on
    if last.status in {"failed", "cancelled", "repaired"}:
        return f"it ended {last.status} and nothing came after"
    return f"it is {last.status}"


def untrue(house: House, story: Repair) -> str | None:
    """Why the reason that a story gives for leaving it alone is not, or no longer, true."""
    check = next((c for c in story.checks if c.verdict == "refuse"), None)
    check = check or next((c for c in story.checks if c.verdict == "hold"), None)
    if check is None:
        return f"it is {story.status} without a reason"
    truth, said = house.witness.look()
    rules = {rule for rule, _ in against(story.target, bans(truth, said), truth)}
    if RULE.get(check.guardrail) in rules:
        return None
    online = [node for node in truth["nodes"].values() if node["online"]]
    reachable = [node for node in online if not node["frozen"]]
    if check.guardrail == "nodes" and len(truth["nodes"]) - len(reachable) >= 2:
        return None
    if check.guardrail == "quorum" and (len(reachable) < 2 or house.blind):
        return None
    if check.guardrail == "quorum" and any(n["partition"] for n in truth["nodes"].values()):
        return None  # the endpoints that answer do not agree
    if check.guardrail == "person" and house.jumped:
        return None  # by our clock that task has hardly ended: a wrong clock makes it more patient
    if check.guardrail == "evidence" and house.age(story.target) > 60:
        return None
    if check.guardrail in {"evidence", "votes"} and (len(reachable) < len(truth["nodes"]) or house.blind):
        return None
    return f"it is {story.status} by {check.guardrail} ({check.text}), and that is not so"


def faults_of(house: House) -> Iterator[str]:
    """What is wrong with the records, whatever happened."""
    db = house.db
    for (call,) in db.execute(
        "select call_id from audit a where kind = 'intent' and not exists (select 1 from audit b where "
        "b.call_id = a.call_id and b.kind in ('outcome', 'open_intent'))"
    ).fetchall():
        yield f"the intent {call} has no outcome"
    steps = db.execute("select count(*) from audit where kind = 'step'").fetchone()[0]
    if len(house.writes) > steps:
        yield f"{len(house.writes)} writes reached the cluster, {steps} steps are in the audit"
    for story in house.stories:
        acted = any(step.outcome in {"verified", "contradicted", "unverified"} for step in story.steps)
        scope = house.witness.scopes.get(story.runbook, "guest")
        if acted and scope != "report" and story.status not in ENDED:
            yield f"story {story.id} ({story.target}) acted, and is still {story.status}"
        if story.status == "repaired":
            yield from _unproven(house, story)
        if not story.text:
            yield f"story {story.id} says nothing"


def unnoticed(house: House) -> Iterator[str]:
    """Plain guests that lie still, that nobody stopped, and of which nothing is open.

    Left out: what nobody could have seen (a daemon that was away, a clock or an endpoint that was wrong, a guest
    that was on its way to another node).
    """
    if house.lives > 1 or house.jumped or house.misled:
        return
    ill = {incident.target for incident in house.open}
    for guest in house.world.guests.values():
        node = house.world.nodes[guest.node]
        if guest.spec.name not in PLAIN or guest.running or not node.online or node.frozen or node.partition:
            continue  # not ours to repair, or not to be seen
        if guest.vmid in {*house.stopped, *house.moved} or f"guest:{guest.vmid}" in ill or guest.lock:
            continue
        if any(node.history for node in house.world.nodes.values()):
            continue  # a node was off: whether it would have started its guest is PVE's affair
        yield f"{guest.spec.name} lies still on {guest.node}, nobody stopped it, and no incident is open"


def _unproven(house: House, story: Repair) -> Iterator[str]:
    samples = story.samples[-2:]
    if len(set(samples)) < 2:
        yield f"story {story.id} says repaired after {len(set(samples))} samples"
    acts = [step.began_at for step in story.steps if step.outcome not in {"refused", "done"}]
    if not house.jumped and acts and samples and min(samples) <= max(acts):
        yield f"story {story.id} says repaired by a sample from before its act"
