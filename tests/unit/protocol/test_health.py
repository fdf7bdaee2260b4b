"""One judgement from state: what is healthy, degraded, critical."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.protocol.health import assess, entity_freshness, source_freshness

NOW = 1000.0


def state(**changes: Any) -> dict[str, dict[str, dict[str, Any]]]:
    base: dict[str, dict[str, dict[str, Any]]] = {
        "clusters": {"c": {"name": "homelab", "quorate": True, "standalone": False}},
        "nodes": {"n": {"name": "pve", "status": "online"}},
        "sources": {"s": {"what": "resources", "ok_at": NOW - 5, "stale_after_s": 60}},
        "incidents": {},
    }
    return base | changes


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "healthy"),
        ({"incidents": {"1": {"status": "closed", "severity": "critical", "title": "over"}}}, "healthy"),
        ({"incidents": {"1": {"status": "open", "severity": "warning", "title": "warm"}}}, "degraded"),
        ({"incidents": {"1": {"status": "open", "severity": "critical", "title": "bad"}}}, "critical"),
        ({"nodes": {"n": {"name": "pve", "status": "offline"}}}, "degraded"),
        ({"nodes": {"n": {"name": "pve", "status": "unknown"}}}, "degraded"),
        ({"clusters": {"c": {"name": "homelab", "quorate": False}}}, "critical"),
        ({"clusters": {"c": {"name": "one", "quorate": False, "standalone": True}}}, "healthy"),
        ({"clusters": {"c": {"name": "one", "quorate": None, "standalone": True}}}, "healthy"),
        ({"clusters": {"c": {"name": "homelab", "problem": "The token is wrong"}}}, "critical"),
        ({"clusters": {}}, "degraded"),
        ({"health": {"d": {"store_error": None}}}, "healthy"),
        ({"health": {"d": {"store_error": "nothing can be saved: disk full"}}}, "degraded"),
        ({"sources": {"s": {"what": "resources", "ok_at": NOW - 100, "stale_after_s": 60}}}, "degraded"),
        ({"sources": {"s": {"what": "resources", "ok_at": None}}}, "degraded"),
    ],
)
def test_levels(changes: dict[str, Any], level: str) -> None:
    found, reasons = assess(state(**changes), NOW)
    assert found == level
    assert bool(reasons) == (level != "healthy")


def test_what_follows_from_the_problem_of_a_cluster_is_no_second_reason() -> None:
    old = {"s": {"what": "resources", "cluster": "homelab", "ok_at": NOW - 100, "stale_after_s": 60}}
    clusters = {"c": {"name": "homelab", "cluster": "homelab", "problem": "The token is wrong"}}
    assert assess(state(clusters=clusters, sources=old), NOW) == ("critical", ["The token is wrong"])
    old["s"]["cluster"] = "other"
    assert len(assess(state(clusters=clusters, sources=old), NOW)[1]) == 2


@pytest.mark.parametrize(
    ("age", "freshness"), [(0, "fresh"), (60, "fresh"), (61, "stale"), (300, "stale"), (301, "unknown")]
)
def test_a_source_ages(age: float, freshness: str) -> None:
    assert source_freshness({"ok_at": NOW - age, "stale_after_s": 60}, NOW) == freshness


def test_an_entity_is_as_fresh_as_its_source_unless_it_says_otherwise() -> None:
    there = state()
    assert entity_freshness({"source": "s"}, there, NOW) == "fresh"
    assert entity_freshness({"source": "s", "freshness": "unknown"}, there, NOW) == "unknown"
    assert entity_freshness({"source": "gone"}, there, NOW) == "unknown"
