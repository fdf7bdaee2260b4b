"""Each guardrail: at its exact bound, as the only one against an act, and what would happen without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from jarvis_daemon.protocol.state import CheckVerdict, Cluster, Guest, Incident, Node, Silence, Source, Task
from jarvis_daemon.remediation import guardrails
from jarvis_daemon.remediation.decision import judge
from jarvis_daemon.remediation.facts import Case, Facts, Past, SecondLook
from jarvis_daemon.remediation.guardrails import GUARDRAILS, ask_all
from jarvis_daemon.remediation.runbook import Scope, Step
from tests.unit.remediation.ward import kept

NOW, MONO = 1_800_000_000.0, 5000.0
GUEST = Guest(
    id="guest:105", cluster="homelab", vmid=105, name="pihole", kind="ct", node="agent", status="stopped",
    tags=["dns"],
)  # fmt: skip


def nodes(**down: str) -> dict[str, Node]:
    """Four of them; ``nodes(pve="offline")``."""
    names = ("Home", "pve", "agent1", "agent")
    return {f"node:{n}": Node(id=f"node:{n}", name=n, status=down.get(n, "online")) for n in names}  # type: ignore[arg-type]


def source(age_s: float = 5.0, interval_s: float = 10.0, what: str = "resources") -> dict[str, Source]:
    one = Source(id=f"source:homelab/{what}", what=what, ok_at=NOW - age_s, interval_s=interval_s)
    return {one.id: one}


def cluster(**more: Any) -> Cluster:
    given: dict[str, Any] = {"quorate": True, "quorum_needed": 3, "votes_expected": 4, "endpoints_total": 2} | more
    return Cluster(id="cluster:homelab", cluster="homelab", name="homelab", **given)


def make(
    *, guest: dict[str, Any] | None = None, past: dict[str, Any] | None = None, scope: Scope = "guest",
    second: SecondLook | None = None, incident: dict[str, Any] | None = None, by_hand: bool = False,
    steps: list[Step] | None = None, **facts: Any,
) -> Case:  # fmt: skip
    """pihole stopped on agent, ten minutes ago; nothing speaks against starting it unless it is said."""
    stopped = msgspec.structs.replace(GUEST, **(guest or {}))
    opened = Incident(
        id="7", cluster="homelab", condition="guest-crashed", target="guest:105", severity="error",
        observed_at=NOW - 600, opened_at=NOW - 600, evidence={"node": "agent", "last_running_at": NOW - 610},
    )  # fmt: skip
    ill = msgspec.structs.replace(opened, **(incident or {}))
    given: dict[str, Any] = {
        "cluster": cluster(), "nodes": nodes(), "guests": {stopped.id: stopped}, "sources": source(),
        "incidents": {ill.id: ill}, "our_user": "jarvis@pve",
    } | facts  # fmt: skip
    book = kept(scope=scope, when=[], steps=steps or kept().runbook.steps)
    history = Past(**({"age_s": 600.0, "openings": 1} | (past or {})))
    return Case(Facts(NOW, MONO, **given), ill, book, history, second, by_hand)


def task(kind: str, *, user: str = "root@pam", ended_ago_s: float | None = 60.0, **more: Any) -> dict[str, Task]:
    given: dict[str, Any] = {
        "target": "105", "node": "agent", "started_at": NOW - (ended_ago_s or 0) - 1,
        "ended_at": None if ended_ago_s is None else NOW - ended_ago_s,
        "status": "running" if ended_ago_s is None else "ok",
    } | more  # fmt: skip
    return {"t": Task(id="t", type=kind, user=user, **given)}


def silence(**more: Any) -> dict[str, Silence]:
    given: dict[str, Any] = {
        "target": "guest:105", "by": "cli", "reason": "new disk", "starts_at": NOW - 10, "ends_at": NOW + 10,
        "maintenance": True,
    } | more  # fmt: skip
    return {"s": Silence(id="s", **given)}


def look(opinion: Any, age_s: float = 0.0) -> SecondLook:
    return SecondLook(opinion, MONO - age_s, "pve says no")


Lazy = Callable[[], Case]
WAKE = [Step(tool="wake_node", args={"node": "{node.name}"})]
OFF = [Step(tool="shutdown_node", args={"node": "{node.name}"})]
NODE_FAULT = {"target": "node:pve", "condition": "node-unreachable", "evidence": {}}
CASES: list[tuple[str, CheckVerdict, Lazy, str]] = [
    ("kill_switch", "refuse", lambda: make(killed=True, kill_reason="rack"), "kill switch is engaged (rack)"),
    ("quorum", "refuse", lambda: make(cluster=cluster(quorate=False)), "has no quorum"),
    ("quorum", "hold", lambda: make(cluster=cluster(quorate=None)), "not known whether"),
    ("quorum", "refuse", lambda: make(cluster=cluster(problem="401")), "cannot be watched: 401"),
    ("quorum", "refuse", lambda: make(second=look("disagrees")), "disagrees: pve says no"),
    ("quorum", "refuse", lambda: make(second=look("none")), "No second endpoint answers"),
    ("quorum", "hold", lambda: make(second=look("agrees", 30.1)), "too old"),
    ("nodes_unreachable", "refuse", lambda: make(nodes=nodes(pve="offline", Home="unknown"), cluster=cluster(
        quorum_needed=2)), "2 nodes cannot be reached: Home, pve"),
    ("template", "refuse", lambda: make(guest={"template": True}), "is a template"),
    ("lock", "hold", lambda: make(guest={"lock": "snapshot"}), "pihole is locked (snapshot)"),
    ("busy", "hold", lambda: make(tasks=task("vzmigrate", user="jarvis@pve", ended_ago_s=None)), "vzmigrate runs"),
    ("ha", "refuse", lambda: make(guest={"ha_state": "started"}), "managed by HA (started)"),
    ("ha", "hold", lambda: make(
        scope="node", steps=WAKE, past={"age_s": 179.0}, nodes=nodes(agent="offline")), "left alone for 3 min"),
    ("backup", "hold", lambda: make(in_window=True), "time of the backups"),
    ("backup", "hold", lambda: make(tasks=task("vzdump", ended_ago_s=None, target="103")), "backup runs on agent"),
    ("silenced", "refuse", lambda: make(incident={"silenced_until": NOW + 1}), "silenced"),
    ("silenced", "refuse", lambda: make(silences=silence()), "Maintenance on guest:105 by cli: new disk"),
    ("silenced", "refuse", lambda: make(silences=silence(target="node:agent")), "Maintenance on node:agent"),
    ("silenced", "refuse", lambda: make(silences=silence(target="*")), "Maintenance on *"),
    ("person", "refuse", lambda: make(tasks=task("vzshutdown", ended_ago_s=599)), "was stopped by root@pam"),
    ("person", "refuse", lambda: make(tasks=task("vzstop", user="jarvis@pve!daemon", ended_ago_s=599)),
     "was stopped by jarvis@pve!daemon"),
    ("person", "refuse", lambda: make(tasks=task("vzstop", ended_ago_s=90_000.0)), "was stopped by root@pam"),
    ("person", "hold", lambda: make(tasks=task("vzsnapshot", ended_ago_s=599.0)), "has just worked on pihole"),
    ("protected", "refuse", lambda: make(protected=("pihole",)), "is protected (pihole)"),
    ("protected", "refuse", lambda: make(protected=("105",)), "is protected (105)"),
    ("protected", "refuse", lambda: make(protected=("guest:105",)), "is protected (guest:105)"),
    ("protected", "refuse", lambda: make(protected=("tag:dns",)), "is protected (tag:dns)"),
    ("protected", "refuse", lambda: make(guest={"tags": ["no-jarvis"]}), "tagged no-jarvis"),
    ("protected", "refuse", lambda: make(runs_on="PiHole"), "carries Jarvis itself"),
    ("votes", "refuse", lambda: make(cluster=cluster(quorum_needed=5)), "4 of 5 needed votes"),
    ("votes", "hold", lambda: make(cluster=cluster(quorum_needed=None)), "not known how many votes"),
    ("votes", "refuse", lambda: make(scope="node", steps=OFF, nodes=nodes(pve="offline"), incident=NODE_FAULT),
     "3 of 3 needed votes are there, and it would take 1"),
    ("attempts", "refuse", lambda: make(past={"attempts": 3}), "tried 3 times"),
    ("flapping", "refuse", lambda: make(past={"openings": 3}), "It came 3 times within 60 min"),
    ("cool_down", "hold", lambda: make(past={"attempts": 1, "last_act_age_s": 599.0}), "Attempt 2 comes in 1 s"),
    ("cool_down", "hold", lambda: make(past={"attempts": 2, "last_act_age_s": 1799.0}), "Attempt 3 comes in 1 s"),
    ("blast_radius", "hold", lambda: make(past={"running_here": True}), "A repair of pihole is under way"),
    ("blast_radius", "hold", lambda: make(past={"running_guests": 2}), "2 repairs are under way"),
    ("blast_radius", "hold", lambda: make(past={"running_nodes": 1}), "A repair of a node is under way"),
    ("blast_radius", "hold", lambda: make(scope="node", steps=WAKE, past={"running_guests": 1}), "goes alone"),
    ("blast_radius", "ask", lambda: make(past={"acts_hour": 6}), "6 repairs within an hour"),
    ("blast_radius", "ask", lambda: make(past={"acts_day": 20}), "20 repairs within a day"),
    ("target_exists", "refuse", lambda: make(incident={"target": "", "evidence": {}}), "nothing known by the name"),
    ("target_exists", "refuse", lambda: make(incident={"target": "node:gone", "evidence": {}}), "node:gone"),
    ("evidence_fresh", "hold", lambda: make(guest={"status": "unknown"}), "is not known now"),
    ("evidence_fresh", "hold", lambda: make(guest={"freshness": "stale"}), "is old"),
    ("evidence_fresh", "hold", lambda: make(sources={}), "was never looked at"),
    ("evidence_fresh", "hold", lambda: make(sources=source(60.5)), "is 60 s old"),
    ("evidence_fresh", "hold", lambda: make(sources=source(-5.5)), "a clock has jumped"),
]  # fmt: skip
"""Guardrail, its verdict, the case in which it alone is against it, and what it says."""

PASSES: list[tuple[str, Lazy]] = [
    ("quorum", lambda: make(second=look("agrees", 30.0))),
    ("quorum", lambda: make(cluster=cluster(standalone=True, quorate=None, quorum_needed=None))),
    ("nodes_unreachable", lambda: make(nodes=nodes(pve="offline"))),
    ("ha", lambda: make(guest={"ha_state": "ignored"})),
    ("ha", lambda: make(scope="node", steps=WAKE, past={"age_s": 180.0}, nodes=nodes(agent="offline"))),
    ("ha", lambda: make(scope="node", steps=WAKE, past={"age_s": 1.0})),
    ("busy", lambda: make(tasks=task("vzsnapshot", ended_ago_s=601.0))),
    ("backup", lambda: make(tasks=task("vzdump", ended_ago_s=None, target="103", node="pve"))),
    ("silenced", lambda: make(incident={"silenced_until": NOW})),
    ("silenced", lambda: make(silences=silence(ends_at=NOW))),
    ("silenced", lambda: make(silences=silence(starts_at=NOW + 1))),
    ("silenced", lambda: make(silences=silence(target="guest:106"))),
    ("person", lambda: make(tasks=task("vzsnapshot", ended_ago_s=600.0))),
    ("person", lambda: make(tasks=task("vzsnapshot", user="jarvis@pve!daemon"))),
    ("person", lambda: make(tasks=task("vncproxy"))),
    ("person", lambda: make(tasks=task("vzreboot", ended_ago_s=1000.0))),
    (
        "person",
        lambda: make(
            tasks={
                "stop": task("vzstop", ended_ago_s=2000.0)["t"],
                "start": task("vzstart", ended_ago_s=1000.0)["t"],
            }
        ),
    ),
    ("protected", lambda: make(protected=("plex", "tag:prod", "node:agent"))),
    ("votes", lambda: make(scope="node", steps=OFF)),
    ("attempts", lambda: make(past={"attempts": 2, "last_act_age_s": 1800.0})),
    ("flapping", lambda: make(past={"openings": 2})),
    ("cool_down", lambda: make(past={"attempts": 1, "last_act_age_s": 600.0})),
    ("blast_radius", lambda: make(past={"running_guests": 1, "acts_hour": 5, "acts_day": 19})),
    ("evidence_fresh", lambda: make(sources=source(60.0))),
    ("evidence_fresh", lambda: make(sources=source(119.0, interval_s=60.0))),
    ("evidence_fresh", lambda: make(sources=source(-5.0))),
]


def name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(("guardrail", "verdict", "lazy", "says"), CASES, ids=name)
def test_it_alone_keeps_it_from_acting_and_without_it_it_would_act(
    guardrail: str, verdict: CheckVerdict, lazy: Lazy, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = lazy()
    against = [check for check in ask_all(case) if check.verdict != "pass"]
    assert [(c.guardrail, c.verdict) for c in against] == [(against[0].guardrail, verdict)]
    assert says in against[0].text
    assert against[0].text.endswith(".")
    expected = {"refuse": "hand_over" if guardrail in guardrails.HANDS_OVER else "refuse"}.get(verdict, verdict)
    assert judge(case, 3).verdict == judge(case, 4).verdict == expected
    without = tuple(one for one in GUARDRAILS if one.__name__ != guardrail)
    assert len(without) == len(GUARDRAILS) - 1
    monkeypatch.setattr(guardrails, "GUARDRAILS", without)
    assert judge(case, 3).verdict == "act", "nothing else would have stopped it"


@pytest.mark.parametrize(("guardrail", "lazy"), PASSES, ids=name)
def test_just_within_its_bound_it_lets_pass(guardrail: str, lazy: Lazy) -> None:
    assert judge(lazy(), 3).verdict == "act", [c for c in ask_all(lazy()) if c.verdict != "pass"]


def test_every_guardrail_has_a_case_that_breaks_it() -> None:
    assert {c[0] for c in CASES} == {one.__name__ for one in GUARDRAILS}


def test_they_are_asked_in_the_order_of_the_issue() -> None:
    assert [one.__name__ for one in GUARDRAILS] == [
        "kill_switch", "quorum", "nodes_unreachable", "template", "lock", "busy", "ha", "backup", "silenced",
        "person", "protected", "votes", "attempts", "flapping", "cool_down", "blast_radius", "target_exists",
        "evidence_fresh",
    ]  # fmt: skip


def test_of_several_the_first_of_the_gravest_is_named() -> None:
    case = make(guest={"lock": "backup"}, cluster=cluster(quorate=False), protected=("pihole",))
    found = judge(case, 3)
    assert (found.verdict, found.guardrail) == ("refuse", "quorum")
    case = make(guest={"lock": "backup"}, past={"acts_hour": 6})
    assert (judge(case, 3).verdict, judge(case, 3).guardrail) == ("hold", "lock")


@pytest.mark.parametrize("place", range(len(GUARDRAILS)), ids=[one.__name__ for one in GUARDRAILS])
def test_one_that_fails_itself_refuses(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(case: Case) -> Any:
        raise ZeroDivisionError

    torn.__name__ = GUARDRAILS[place].__name__
    monkeypatch.setattr(guardrails, "GUARDRAILS", (*GUARDRAILS[:place], torn, *GUARDRAILS[place + 1 :]))
    found = judge(make(), 4)
    assert found.verdict in {"refuse", "hand_over"}
    assert found.text == "This could not be judged (ZeroDivisionError)."
    assert found.guardrail == torn.__name__.replace("_", " ")


def test_facts_of_a_wrong_kind_refuse_and_do_not_raise() -> None:
    case = make(incident={"silenced_until": "soon"})
    assert judge(case, 3).verdict == "refuse"


def test_by_hand_attempts_cool_down_flapping_and_counts_do_not_bind() -> None:
    past = {"attempts": 9, "last_act_age_s": 1.0, "openings": 9, "acts_hour": 99, "acts_day": 99}
    assert judge(make(by_hand=True, past=past), 2).verdict == "act"
    assert judge(make(by_hand=True, past=past | {"running_guests": 2}), 2).verdict == "hold"
    for number, (_, verdict, lazy, _) in enumerate(CASES):
        case = replace(lazy(), by_hand=True)
        if CASES[number][0] not in {"attempts", "flapping", "cool_down"} and verdict != "ask":
            assert judge(case, 3).verdict in {"refuse", "hold"}, CASES[number][0]


def test_what_lies_on_a_protected_guest_is_protected_too() -> None:
    host = msgspec.structs.replace(GUEST, name="management", tags=["no-jarvis"], status="running")
    case = make(
        guests={host.id: host}, sources=source(what="docker/management"),
        incident={"target": "container:management/grafana", "evidence": {}},
    )  # fmt: skip
    assert judge(case, 3).guardrail == "protected"
    case = make(
        guests={host.id: msgspec.structs.replace(host, tags=[])}, sources=source(what="docker/management"),
        incident={"target": "container:management/grafana", "evidence": {}},
    )  # fmt: skip
    assert judge(case, 3).verdict == "act"


def test_a_tighter_limit_binds_sooner() -> None:
    limits = Facts(NOW, MONO, cluster()).limits
    tight = replace(limits, attempts=1, acts_per_hour=0, guests_at_once=1, cool_down_factor=2.0)
    assert judge(make(limits=tight), 3).verdict == "ask"
    assert judge(make(limits=tight, past={"attempts": 1}), 3).verdict == "hand_over"
    assert judge(make(limits=tight, past={"running_guests": 1}), 3).verdict == "hold"
    slow = replace(limits, cool_down_factor=2.0)
    assert judge(make(limits=slow, past={"attempts": 1, "last_act_age_s": 1199.0}), 3).verdict == "hold"
    assert judge(make(limits=slow, past={"attempts": 1, "last_act_age_s": 1200.0}), 3).verdict == "act"
