"""From a case to a decision: what each level, trust and the number of endpoints make of it."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.protocol.state import Autonomy, Cluster, Guest, Incident
from jarvis_daemon.remediation.decision import Verdict, ceiling, chosen_level, effective_level, judge
from jarvis_daemon.remediation.facts import Case, Facts
from jarvis_daemon.remediation.runbook import Step, When
from tests.unit.remediation.test_guardrails import cluster, make
from tests.unit.remediation.ward import kept

REPORT = [Step(tool="peek_guest", args={"guest": "{guest.vmid}"})]


def with_book(case: Case, **changes: Any) -> Case:
    trusted = bool(changes.pop("trusted", True))
    return Case(case.facts, case.incident, kept(trusted=trusted, **changes), case.past, by_hand=case.by_hand)


LEVELS: list[tuple[int, Verdict, str]] = [
    (0, "nothing", ""), (1, "nothing", ""), (2, "recommend", ""), (3, "act", "yellow"), (4, "act", "red"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "verdict", "alone"), LEVELS)
def test_what_each_level_makes_of_a_case_that_nothing_speaks_against(
    level: int, verdict: Verdict, alone: str
) -> None:
    found = judge(make(), level)
    assert (found.verdict, found.alone, found.level) == (verdict, alone, level)


@pytest.mark.parametrize(("level", "verdict"), [(0, "nothing"), (1, "nothing"), (2, "refuse"), (3, "refuse")])
def test_a_refusal_is_told_from_level_two_on(level: int, verdict: Verdict) -> None:
    assert judge(make(killed=True), level).verdict == verdict


def test_what_only_waits_is_recommended_at_level_two_with_what_it_waits_for() -> None:
    found = judge(make(guest={"lock": "backup"}), 2)
    assert found.verdict == "recommend"
    assert [c.guardrail for c in found.checks if c.verdict != "pass"] == ["lock"]


@pytest.mark.parametrize(("level", "verdict"), [(0, "nothing"), (1, "report"), (2, "report"), (4, "report")])
def test_a_report_touches_nothing_and_is_made_from_level_one_on(level: int, verdict: Verdict) -> None:
    case = with_book(make(killed=True), scope="report", steps=REPORT, trusted=False)
    assert judge(case, level).verdict == verdict


@pytest.mark.parametrize("level", [3, 4])
def test_what_is_not_trusted_only_recommends(level: int) -> None:
    found = judge(with_book(make(), trusted=False), level)
    assert (found.verdict, found.guardrail, found.alone) == ("recommend", "trust", "")


def test_preconditions_that_do_not_hold_are_nobody_s_news() -> None:
    case = with_book(make(), when=[When(fact="guest.status", equals="running")])
    found = judge(case, 4)
    assert (found.verdict, found.checks) == ("nothing", [])
    assert found.text == "guest.status is stopped; it has to be running."


def test_more_than_six_an_hour_are_asked_for_step_by_step() -> None:
    found = judge(make(past={"acts_hour": 6}), 4)
    assert (found.verdict, found.alone) == ("ask", "")


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_by_hand_the_level_and_trust_do_not_matter(level: int) -> None:
    case = make(by_hand=True)
    found = judge(with_book(case, trusted=False), level)
    assert (found.verdict, found.alone) == ("act", "red")


def autonomy(**more: Any) -> Autonomy:
    return Autonomy(id="autonomy:main", level=3, **more)


def test_the_level_of_the_target_then_of_the_condition_then_of_all() -> None:
    chosen = autonomy(conditions={"guest-crashed": 1}, targets={"guest:105": 4})
    assert chosen_level(chosen, "guest-crashed", "guest:105") == 4
    assert chosen_level(chosen, "guest-crashed", "guest:106") == 1
    assert chosen_level(chosen, "service-down", "service:Home/smbd") == 3


@pytest.mark.parametrize(
    ("seen", "most"),
    [
        (cluster(endpoints_total=2), 4), (cluster(endpoints_total=2, endpoints_failed={"a": "x"}), 2),
        (cluster(endpoints_total=1), 2), (cluster(endpoints_total=2, endpoints_failed={"a": "x", "b": "x"}), 2),
        (cluster(endpoints_total=None), 2), (cluster(endpoints_total=1, standalone=True), 4),
        (cluster(endpoints_total=3, endpoints_failed={"a": "x"}), 4),
    ],
)  # fmt: skip
def test_with_one_reachable_endpoint_nobody_can_confirm(seen: Cluster, most: int) -> None:
    found, why = ceiling(seen)
    assert found == most
    assert bool(why) == (most == 2)
    facts = Facts(0.0, 0.0, seen)
    assert effective_level(autonomy(), facts, "guest-crashed", "guest:105") == (min(3, most), why)
    low = Autonomy(id="autonomy:main", level=1)
    assert effective_level(low, facts, "guest-crashed", "guest:105") == (1, ""), "what was chosen lower stays"


@pytest.mark.parametrize(
    ("target", "level"),
    [
        ("storage:pve/local", 0), ("service:pve/smbd", 0), ("disk:pve/sda", 0), ("container:management/grafana", 1),
        ("container:pve/grafana", 0), ("service:Home/smbd", 3), ("storage:externalhdd", 3), ("service:pve/cron", 4),
    ],
)  # fmt: skip
def test_what_lies_on_a_machine_is_no_freer_than_it_unless_it_was_set_itself(target: str, level: int) -> None:
    facts = Facts(0.0, 0.0, cluster(), guests={"guest:100": Guest(id="guest:100", vmid=100, name="management")})
    chosen = Autonomy(id="autonomy:main", level=3, targets={"node:pve": 0, "guest:100": 1, "service:pve/cron": 4})
    assert effective_level(chosen, facts, "storage-high", target)[0] == level


def test_a_container_s_host_of_two_names_is_neither() -> None:
    both = {f"guest:{n}": Guest(id=f"guest:{n}", vmid=n, name="management") for n in (100, 101)}
    incident = Incident(id="1", condition="docker-container-unhealthy", target="container:management/grafana")
    assert Case(Facts(0.0, 0.0, cluster(), guests=both), incident, kept()).guest is None
    del both["guest:101"]
    assert Case(Facts(0.0, 0.0, cluster(), guests=both), incident, kept()).guest is both["guest:100"]
