"""From what a person says to what is meant, and back; and what a higher level would have done."""

from __future__ import annotations

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Check, Guest, Repair
from jarvis_daemon.remediation.preview import would_have
from jarvis_daemon.remediation.targets import call_name, entity_id, incident_at
from tests.unit.remediation.books import case
from tests.unit.remediation.test_guardrails import make
from tests.unit.remediation.ward import kept

FACTS = case().facts


@pytest.mark.parametrize(
    ("ref", "entity"),
    [
        ("pihole", "guest:105"), ("105", "guest:105"), (" guest:105 ", "guest:105"), ("agent", "node:agent"),
        ("local", "storage:agent/local"), ("agent/local", "storage:agent/local"),
        ("service:agent/cron", "service:agent/cron"), ("container:nas/grafana", "container:nas/grafana"),
    ],
)  # fmt: skip
def test_what_is_meant(ref: str, entity: str) -> None:
    assert entity_id(FACTS, ref) == entity


def test_two_of_one_name_are_not_guessed_and_a_near_one_is_named() -> None:
    twin = Guest(id="guest:205", vmid=205, name="pihole")
    two = case(guests=dict(FACTS.guests) | {twin.id: twin})
    with pytest.raises(JarvisError) as caught:
        entity_id(two.facts, "pihole")
    assert (caught.value.code, caught.value.why) == ("ambiguous", "guest:105, guest:205")
    with pytest.raises(JarvisError) as caught:
        entity_id(FACTS, "pihol")
    assert (caught.value.code, caught.value.why) == ("not_found", "did you mean pihole?")
    assert call_name(two) == "guest:105"
    assert call_name(case()) == "pihole"


def test_a_command_that_is_told_names_what_the_command_understands() -> None:
    service = make(incident={"target": "service:agent/cron", "condition": "service-down"})
    assert call_name(service) == "service:agent/cron"
    assert entity_id(service.facts, call_name(service)) == service.incident.target


def test_the_open_incident_or_one_as_if_it_were_seen_now() -> None:
    seen = make()
    assert incident_at(seen.facts, kept(), "pihole") is seen.incident
    made = incident_at(FACTS, kept(), "pihole")
    assert (made.id, made.target, made.evidence["node"], made.observed_at) == ("", "guest:105", "agent", FACTS.now)
    service = incident_at(FACTS, kept(condition="service-down"), "service:agent/cron")
    assert (service.evidence["node"], service.evidence["unit"]) == ("agent", "cron")


PASS, HOLD = Check(guardrail="lock"), Check(guardrail="lock", verdict="hold")


@pytest.mark.parametrize(
    ("story", "level", "counts"),
    [
        ({"checks": [PASS]}, 3, True), ({"checks": [PASS]}, 2, False), ({"checks": [PASS, HOLD]}, 3, False),
        ({"checks": []}, 3, False), ({"checks": [PASS], "attempt": 1}, 3, False),
        ({"checks": [PASS], "by": "operator:cli"}, 3, False), ({"checks": [PASS], "level": 3}, 4, False),
    ],
)  # fmt: skip
def test_what_only_the_level_held_back(story: dict[str, object], level: int, counts: bool) -> None:
    one = Repair(id="1", **({"level": 2} | story))  # type: ignore[arg-type]
    assert would_have([one], level) == ([one] if counts else [])
