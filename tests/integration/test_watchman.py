"""The watchman as a person meets it: daemon and simulated homelab as processes, at the simulated homelab's level 3.

Detected, repaired and verified within so many polls, counted on the wire; and for each reason to leave it alone: no
act in the audit, and a line in the feed that says why.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import QUICK, House
from tests.integration.watch_person import Polls, acts, audit, by_person, polls, repairs_told, settled, tell

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("watchman")]
ENVIRON = {"JARVIS_DEMO__SPEED": "10"} | QUICK


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        home = Path(tempfile.mkdtemp(prefix="jv-"))
        for name, value in ({"JARVIS_HOME": str(home)} | ENVIRON).items():
            patch.setenv(name, value)
        house = House(home, **ENVIRON)
        house.start()
        yield house
        house.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def healthy(house: House, clean_environ: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ({"JARVIS_HOME": str(house.home)} | ENVIRON).items():
        monkeypatch.setenv(name, value)
    house.until(settled, "a healthy homelab to begin with", timeout_s=90)
    yield
    with house.client() as link:
        link.call("killswitch.set", {"engaged": False, "reason": ""})
    house.heal()


def test_a_guest_that_crashed_is_repaired_verified_and_told(house: House) -> None:
    """Done means 1: detected within 2 poll cycles, verified within 6, no approval."""
    counted = Polls(house)
    seen = counted.of("guest-crash", "pihole", "guests/guest:105")
    assert seen["detected"] <= 2, counted.told
    assert seen["verified"] <= 6, counted.told

    (line,) = [e for e in house.feed() if e["kind"] == "repair.repaired"]
    assert "pihole is mended" in line["text"]
    assert [row["kind"] for row in audit(house, "start_container")] == ["asked", "intent", "step", "outcome"]
    assert {row["principal"] for row in audit(house, "start_container")} == {"runbook:guest-crashed:None"}
    with house.client() as link:
        (story,) = link.call("repair.list", {"limit": 10})["repairs"]
    assert (story["status"], story["attempt"], story["by"]) == ("repaired", 1, "watchman")
    assert [s["outcome"] for s in story["steps"]] == ["verified"]
    assert {c["verdict"] for c in story["checks"]} == {"pass"}
    assert story["approval_id"] is None
    told = house.jarvis("history").stdout
    for word in ("pihole", "repaired", "saw", "decided", "did", "verified"):
        assert word in told


def open_of(state: dict[str, Any], condition: str) -> list[str]:
    found = state["incidents"].values()
    return [i["target"] for i in found if i["condition"] == condition and i["status"] == "open"]


def quorum(house: House) -> None:
    """pihole lies on the node that is out of touch: what it does cannot be seen, and its node's story says why."""
    house.fault("quorum-loss")
    house.until(lambda s: s["clusters"]["cluster:homelab"]["quorate"] is False, "no quorum")
    house.fault("guest-crash", "pihole")


def killed(house: House) -> None:
    with house.client() as link:
        link.call("killswitch.set", {"engaged": True, "reason": "work on the rack"})
    house.fault("guest-crash", "pihole")


def two_down(house: House) -> None:
    for node in ("pve", "agent1"):
        house.fault("node-down", node)
    house.until(lambda s: sum(n["status"] == "offline" for n in s["nodes"].values()) == 2, "two nodes down")
    house.fault("guest-crash", "pihole")


def two_mute(house: House) -> None:
    """They are in the cluster, and do not answer us: the votes are there."""
    (local,) = [n["name"] for n in house.state("cluster")["nodes"].values() if n["local"]]
    for node in [name for name in ("Home", "agent1", "pve") if name != local][:2]:
        house.fault("node-frozen", node)
    house.until(lambda s: len(open_of(s, "node-unreachable")) == 2, "two nodes that do not answer", timeout_s=60)
    house.fault("guest-crash", "pihole")


def maintenance(house: House) -> None:
    more = ("--for", "1h", "--reason", "new disk", "--maintenance")
    made = house.jarvis("incident", "silence", "--target", "pihole", *more)
    assert made.returncode == 0, made.stderr
    house.fault("guest-crash", "pihole")


def stopped(house: House) -> None:
    by_person(house, "/nodes/agent/lxc/105/status/stop")


def protected(house: House) -> None:
    house.fault("guest-crash", "opnsense")


@dataclass(frozen=True)
class Left:
    """One reason to leave it alone. ``says``: what the feed has to tell."""

    name: str
    breaks: Callable[[House], None]
    guest: str
    says: str


LEFT = [
    Left("quorum", quorum, "agent does not answer", "the cluster has no quorum."),
    Left("kill-switch", killed, "pihole", "the kill switch is engaged (work on the rack)."),
    Left("ha", lambda h: h.fault("guest-crash", "postgres"), "postgres", "is managed by HA"),
    Left("locked", lambda h: h.fault("guest-crash", "dev-sandbox"), "dev-sandbox", "is locked (backup)."),
    Left("protected", protected, "opnsense", "opnsense is protected (opnsense)."),
    Left("two-down", two_down, "pihole", "the cluster has no quorum."),
    Left("two-mute", two_mute, "pihole", "2 nodes cannot be reached: "),
    Left("maintenance", maintenance, "pihole", "maintenance"),
    Left("person", stopped, "pihole", "pihole was stopped by root@pam"),
]  # fmt: skip


@pytest.mark.parametrize("left", LEFT, ids=lambda one: one.name)
def test_it_is_left_alone_and_the_feed_says_why(house: House, left: Left) -> None:
    before, last = len(acts(house)), max((e["seq"] for e in house.feed()), default=0)
    left.breaks(house)
    tell(house, last, left.guest, left.says)
    polls(house, 6)
    assert acts(house)[before:] == []
    again = [e for e in repairs_told(house, last) if left.says in e["text"] and left.guest in e["text"]]
    assert len(again) == 1, "once"
    if left.name == "person":
        by_person(house, "/nodes/agent/lxc/105/status/start")
    for silence in house.state("incidents")["silences"]:
        with house.client() as link:
            link.call("incident.unsilence", {"id": silence})
