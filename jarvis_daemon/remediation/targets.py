"""From what a person says to an entity: ``pihole``, ``105``, ``node:pve``, ``service:Home/smbd``."""

from __future__ import annotations

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Incident
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation.facts import Case, Facts
from jarvis_daemon.remediation.runbook import Kept


def entity_id(facts: Facts, ref: str) -> str:
    """The id of what is meant. Raises ``not_found``, or ``ambiguous`` where two go by the name."""
    ref = ref.strip()
    known = [*facts.guests, *facts.nodes, *facts.storages]
    if ref in known or ref.partition(":")[0] in {"service", "container", "disk"}:
        return ref
    found = {g.id for g in facts.guests.values() if ref in {g.name, str(g.vmid)}}
    found |= {n.id for n in facts.nodes.values() if n.name == ref}
    found |= {s.id for s in facts.storages.values() if ref in {s.name, s.id.partition(":")[2]}}
    if len(found) == 1:
        return found.pop()
    if found:
        raise JarvisError(
            "ambiguous", f"{clean(ref, limit=60)!r} is the name of several", why=", ".join(sorted(found)[:8]),
            next="Name one of these.",
        )  # fmt: skip
    import difflib

    names = [*(g.name for g in facts.guests.values()), *(n.name for n in facts.nodes.values())]
    near = difflib.get_close_matches(ref, names, n=2)
    raise JarvisError(
        "not_found", f"Nothing here is called {clean(ref, limit=60)!r}",
        why=f"did you mean {' or '.join(near)}?" if near else "",
        next="`jarvis guest list` and `jarvis node list`.",
    )  # fmt: skip


def call_name(case: Case) -> str:
    """The target as ``entity_id`` understands it, the shorter the better."""
    try:
        return case.name if entity_id(case.facts, case.name) == case.incident.target else case.incident.target
    except JarvisError:
        return case.incident.target


def incident_at(facts: Facts, kept: Kept, ref: str) -> Incident:
    """The open incident of the runbook's condition at the target, else one without a number, as if seen now."""
    target, condition = entity_id(facts, ref), kept.runbook.condition
    for incident in facts.incidents.values():
        if incident.condition == condition and incident.target == target:
            return incident
    kind, _, rest = target.partition(":")
    guest, storage = facts.guests.get(target), facts.storages.get(target)
    node = guest.node if guest else storage.node if storage else rest.partition("/")[0]
    evidence: dict[str, object] = {"node": node}
    if kind in {"service", "container"}:
        host, _, name = rest.partition("/")
        evidence |= {"unit": name, "container": name, "host": host}
    name = guest.name if guest else rest
    return Incident(
        id="", cluster=facts.cluster.name, condition=condition, target=target, severity="warning",
        title=f"{name or target}, by hand", evidence=evidence, observed_at=facts.now, opened_at=facts.now,
    )  # fmt: skip
