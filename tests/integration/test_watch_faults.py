"""The watch on a simulated homelab: each fault is seen as state, becomes an incident, is told, and settles."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .watch_house import SimulatedHomelab, Watched, settings_for


@pytest.fixture(scope="module")
def lab() -> Iterator[SimulatedHomelab]:
    with tempfile.TemporaryDirectory(prefix="jw") as folder:
        lab = SimulatedHomelab(Path(folder))
        yield lab
        lab.stop()


@pytest.fixture
async def watched(lab: SimulatedHomelab, tmp_path: Path) -> AsyncIterator[Watched]:
    lab.heal()
    watched = await Watched(settings_for(lab), tmp_path).start()
    await watched.first_picture()
    await watched.until(lambda: not watched.cluster.problem and all(
        n.status == "online" and n.freshness is None and n.temperature_c for n in watched.nodes.values()
    ) and len(watched.nodes) == 4)  # fmt: skip
    yield watched
    lab.heal()
    await watched.stop()


async def test_a_healthy_homelab_is_seen_whole(watched: Watched) -> None:
    assert sorted(n.name for n in watched.nodes.values()) == ["Home", "agent", "agent1", "pve"]
    assert len(watched.guests) == 18
    assert watched.guests["guest:9000"].template
    assert watched.guests["guest:104"].status == "stopped"
    assert watched.guests["guest:108"].ha_state == "started"
    assert watched.cluster.quorate is True
    assert watched.cluster.quorum_needed == 3
    assert watched.storages["storage:externalhdd"].nodes == ["Home", "agent", "agent1", "pve"]
    assert watched.storages["storage:pve/tank"].used_bytes
    assert watched.nodes["node:agent1"].temperature_c
    assert watched.nodes["node:Home"].kernel
    await watched.until(lambda: any(text.startswith("All well: 4 nodes online") for text in watched.told))
    await watched.until(lambda: any(text.startswith("Storages: ") for text in watched.told))


@dataclass(frozen=True)
class Case:
    """A fault, and what a person sees of it."""

    fault: str
    target: str | None
    condition: str
    incident: str
    """Id of what the incident is about."""
    says: str
    """What its title has."""
    params: dict[str, Any]


GRAFANA = "container:management/grafana"
CASES = [
    Case("node-down", "pve", "node-unreachable", "node:pve", "pve does not answer", {}),
    Case("node-frozen", "agent1", "node-unreachable", "node:agent1", "online but does not answer", {}),
    Case("api-595", "agent", "node-unreachable", "node:agent", "online but does not answer", {}),
    Case("guest-crash", "plex", "guest-crashed", "guest:103", "plex has stopped by itself", {}),
    Case("guest-leak", "gitea", "guest-out-of-memory", "guest:107", "gitea is out of memory", {"seconds": 1.0}),
    Case("disk-fill", "externalhdd", "storage-high", "storage:externalhdd", "nearly full", {"seconds": 1.0}),
    Case("overheat", "agent1", "temperature-high", "node:agent1", "agent1 runs hot", {"seconds": 1.0}),
    Case("quorum-loss", None, "quorum-lost", "cluster:homelab", "has lost its quorum", {}),
    Case("api-403", "VM.Audit", "permission-missing", "cluster:homelab", "may not see everything", {}),
    Case("token-revoked", None, "cluster-unwatchable", "cluster:homelab", "cannot be watched", {}),
    Case("api-truncated", "*", "cluster-unwatchable", "cluster:homelab", "cannot be watched", {}),
    Case("tls-change", "*", "cluster-unwatchable", "cluster:homelab", "cannot be watched", {}),
    Case("api-slow", "*", "cluster-unwatchable", "cluster:homelab", "cannot be watched", {"seconds": 4.0}),
    Case("tls-change", "agent", "endpoint-failing", "", "shows another certificate", {}),
    Case("replication-fail", None, "replication-failed", "", "The replication of", {}),
    Case("service-crash", "Home/llama-server", "service-down", "service:Home/llama-server", "does not run on", {}),
    Case("clock-skew", "agent", "clock-skew", "node:agent", "The clock of agent is wrong", {"seconds": 90.0}),
    Case("container-unhealthy", "grafana", "docker-container-unhealthy", GRAFANA, "grafana on management is", {}),
    Case("disk-failing", "pve", "disk-failing", "disk:pve/nvme0n1", "The disk /dev/nvme0n1 of pve fails", {}),
    Case("backup-stuck", "gitea", "task-stuck", "", "Backup of gitea does not end", {}),
    Case("vzdump-orphan", "pve", "storage-high", "storage:pve/local", "local on pve is nearly full", {}),
    Case("ssh-refused", "pve", "sensors-failing", "node:pve", "cannot be read by SSH", {}),
]


QUICK = {
    "node-down", "guest-crash", "quorum-loss", "api-403", "disk-fill", "clock-skew", "container-unhealthy",
    "disk-failing", "vzdump-orphan",
}  # fmt: skip
"""The others take their time by design: breakers, retries with pauses, ramps."""
PARAMS = [
    pytest.param(case, marks=[] if case.fault in QUICK else [pytest.mark.slow], id=f"{case.fault}-{case.target}")
    for case in CASES
]


@pytest.mark.parametrize("case", PARAMS)
async def test_a_fault_is_seen_told_and_settles(watched: Watched, lab: SimulatedHomelab, case: Case) -> None:
    lab.fault(case.fault, case.target, **case.params)
    incident = await watched.until(lambda: watched.open_on(case.condition, case.incident or None))
    assert case.says in incident.title
    await watched.until(lambda: any(text.startswith(incident.title) for text in watched.told))
    lab.heal()
    await watched.until(lambda: watched.open_on(case.condition, case.incident or None) is None, 25)
    await watched.until(lambda: incident.id in closed(watched))


def closed(watched: Watched) -> set[str]:
    """Incidents whose end was told."""
    return {e.data["incident"] for e in watched.feed.topic.recent(0) or [] if e.kind == "incident.closed"}
