"""Every fault of the simulated homelab, through whole processes: what a person reads in `jarvis status`, in the
incident and in the feed, and that all of it settles after `jarvis sim heal`.

The daemon and the simulator are the ones a person starts; the CLI is run as a person runs it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import QUICK, House

Status = dict[str, Any]
ALONE = {"JARVIS_REMEDIATION__ENABLED": "false"}
"""Each fault shall last until it is healed by hand: the watchman has walks of its own."""
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults-walk")]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        home = Path(tempfile.mkdtemp(prefix="jv-"))
        for name, value in ({"JARVIS_HOME": str(home), "JARVIS_DEMO__SPEED": "10"} | ALONE | QUICK).items():
            patch.setenv(name, value)
        house = House(home)
        house.start()
        yield house
        house.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def same_environment(house: House, clean_environ: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's daemon needs its variables although each test starts with a clean environment."""
    for name, value in ({"JARVIS_HOME": str(house.home)} | QUICK).items():
        monkeypatch.setenv(name, value)


def nodes(status: Status) -> dict[str, str]:
    return {n["name"]: n["status"] for n in status["nodes"]}


def guests(status: Status) -> dict[str, str]:
    return {g["name"]: g["status"] for g in status["guests"]}


def on(status: Status, node: str) -> set[str]:
    return {g["status"] for g in status["guests"] if g["node"] == node}


def storage(status: Status, house: House, name: str) -> float:
    found = json.loads(house.jarvis("storage", "list", "-o", "json").stdout)["storages"]
    (one,) = [s for s in found if s["name"] == name and s["node"] in (None, "pve")]
    return float(one["used_bytes"]) / float(one["total_bytes"])


def node(status: Status, name: str) -> dict[str, Any]:
    (found,) = [n for n in status["nodes"] if n["name"] == name]
    return dict(found)


def problem(status: Status) -> str:
    return status["clusters"][0]["problem"] or ""


@dataclass(frozen=True)
class Walk:
    """One fault. ``shows``: what `jarvis status -o json` must say while it lasts."""

    fault: str
    target: str | None
    condition: str
    title: str
    exit_codes: set[int]
    shows: Callable[[Status, House], bool]
    params: dict[str, Any] = field(default_factory=dict)


WALKS = [
    Walk("node-down", "pve", "node-unreachable", "pve does not answer", {10},
         lambda s, h: nodes(s)["pve"] == "offline" and on(s, "pve") == {"unknown"}),
    Walk("node-frozen", "agent1", "node-unreachable", "agent1", {10, 11},
         lambda s, h: "agent1" in str(s["reasons"])),
    Walk("guest-crash", "plex", "guest-crashed", "plex", {10}, lambda s, h: guests(s)["plex"] == "stopped"),
    Walk("guest-leak", "gitea", "guest-out-of-memory", "gitea", {10},
         lambda s, h: [g for g in s["guests"] if g["name"] == "gitea"
                       and g["memory_used_bytes"] > 0.98 * g["memory_total_bytes"]] != [], {"seconds": 1.0}),
    Walk("disk-fill", "externalhdd", "storage-high", "externalhdd", {11},
         lambda s, h: storage(s, h, "externalhdd") > 0.95, {"seconds": 1.0}),
    Walk("overheat", "agent1", "temperature-high", "agent1", {11},
         lambda s, h: node(s, "agent1")["temperature_c"] > 92, {"seconds": 1.0}),
    Walk("quorum-loss", None, "quorum-lost", "quorum", {11}, lambda s, h: s["quorum"]["quorate"] is False),
    Walk("api-403", "VM.Audit", "permission-missing", "may not see everything", {10},
         lambda s, h: "VM.Audit" in str(s["clusters"][0]["missing_privileges"])
         and len(s["guests"]) == 18 and "running" not in guests(s).values()),
    Walk("api-595", "agent", "node-unreachable", "agent", {10}, lambda s, h: "agent" in str(s["reasons"])),
    Walk("api-slow", "*", "cluster-unwatchable", "cannot be watched", {11},
         lambda s, h: problem(s) != "", {"seconds": 15.0}),
    Walk("api-truncated", "*", "cluster-unwatchable", "cannot be watched", {11}, lambda s, h: "half" in problem(s)),
    Walk("tls-change", "*", "cluster-unwatchable", "cannot be watched", {11},
         lambda s, h: "certificate" in problem(s)),
    Walk("token-revoked", None, "cluster-unwatchable", "cannot be watched", {11},
         lambda s, h: "token" in problem(s)),
    Walk("backup-fail", "nextcloud", "backup-failed", "nextcloud", {10}, lambda s, h: True),
    Walk("replication-fail", None, "replication-failed", "replication", {10}, lambda s, h: True),
    Walk("service-crash", "Home/llama-server", "service-down", "llama-server", {10}, lambda s, h: True),
    Walk("clock-skew", "agent", "clock-skew", "clock of agent", {10},
         lambda s, h: abs(node(s, "agent")["clock_skew_s"]) > 5, {"seconds": 90.0}),
    Walk("container-unhealthy", "grafana", "docker-container-unhealthy", "grafana on management is unhealthy", {10},
         lambda s, h: "(unhealthy)" in h.jarvis("docker", "list", "management").stdout),
    Walk("disk-failing", "pve", "disk-failing", "The disk /dev/nvme0n1 of pve fails", {10},
         lambda s, h: "FAILED!" in h.jarvis("tool", "call", "get_disk_health", "node=pve").stdout),
    Walk("backup-stuck", "gitea", "task-stuck", "Backup of gitea does not end", {10},
         lambda s, h: "vzdump" in h.jarvis("task", "list").stdout),
    Walk("vzdump-orphan", "agent1", "storage-high", "local on agent1 is nearly full", {11},
         lambda s, h: "vzdump" in h.jarvis("tool", "call", "get_disk_usage", "node=agent1").stdout),
    Walk("ssh-refused", "pve", "sensors-failing", "pve", {10}, lambda s, h: "pve" in str(s["reasons"])),
]  # fmt: skip
"""Of backup, replication and service a status has no field of their own: there the incident is what shows."""


def status(house: House) -> tuple[int, Status]:
    run = house.jarvis("status", "-o", "json")
    assert run.returncode in {0, 10, 11}, run.stderr
    document: Status = json.loads(run.stdout)
    assert document["simulated"] is True
    return run.returncode, document


@pytest.mark.parametrize("walk", WALKS, ids=lambda w: f"{w.fault}-{w.target or 'any'}")
def test_what_a_person_sees(house: House, walk: Walk) -> None:
    house.heal()  # what a failed walk before this one left broken
    house.until(settled, "a healthy homelab to begin with", timeout_s=90)
    house.fault(walk.fault, walk.target, **walk.params)
    incident = house.until(lambda s: opened(s, walk), f"an incident {walk.condition}", timeout_s=120)
    house.until(lambda s: s["incidents"][incident["id"]]["announced_at"], "the announcement")
    if walk.exit_codes == {11}:  # a value may pass the lower threshold first
        house.until(lambda s: s["incidents"][incident["id"]]["severity"] == "critical", "the gravest degree")
    assert walk.title in incident["title"]

    code, seen = status(house)
    assert code in walk.exit_codes, seen["reasons"]
    assert incident["title"] in str(seen["incidents"])
    assert walk.shows(seen, house), seen["reasons"]
    table = house.jarvis("status").stdout
    assert incident["title"] in table
    assert "SIMULATED" in table

    feed = house.jarvis("feed", "-n", "50").stdout
    assert incident["title"] in feed

    house.heal()
    house.until(
        lambda s: s["incidents"].get(incident["id"], {}).get("status") == "closed", "it closes", timeout_s=90
    )
    told = [e for e in house.feed() if e["data"].get("incident") == incident["id"]]
    assert [e["kind"] for e in told if e["kind"] in {"incident.opened", "incident.closed"}] == [
        "incident.opened", "incident.closed",
    ]  # fmt: skip


def opened(state: dict[str, Any], walk: Walk) -> dict[str, Any] | None:
    found = [i for i in state["incidents"].values() if i["condition"] == walk.condition and i["status"] == "open"]
    return found[0] if found else None


def settled(state: dict[str, Any]) -> bool:
    return (
        len(state["nodes"]) == 4
        and all(n["status"] == "online" and not n["freshness"] for n in state["nodes"].values())
        and not [i for i in state["incidents"].values() if i["status"] == "open"]
        and len([g for g in state["guests"].values() if g["status"] == "running"]) == 15
    )


def test_every_fault_of_the_simulator_is_walked(house: House) -> None:
    known = {fault["name"] for fault in house.sim("faults")["faults"]}
    assert known == {walk.fault for walk in WALKS}
