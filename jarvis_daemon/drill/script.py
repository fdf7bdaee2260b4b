"""What happens in a drill and when: drawn beforehand from the seed, so that the same seed tells the same story."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError

MINUTE: Final = 60.0
JUST_AFTER_S: Final = 60.5
"""Right behind a poll and a reading, so that the way from the fault to its repair is the longest."""
ANSWERED_BY: Final[Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]]] = {
    "guest-crashed": (("guest-crash", {}),),
    "node-unreachable": (("node-down", {}),),
    "node-down-for-long": (("node-down", {"wakes": False}),),
    "service-down": (("service-crash", {}),),
    "storage-high": (("vzdump-orphan", {}),),
    "storage-high-report": (("disk-fill", {}),),
    "docker-container-unhealthy": (("container-unhealthy", {}),),
    "guest-out-of-memory": (("guest-leak", {}),),
    "failed-backup": (("backup-fail", {}),),
    "failed-replication": (("replication-fail", {}),),
    "stuck-backup": (("backup-stuck", {}),),
    "disk-failing": (("disk-failing", {}),),
    "high-temperature": (("overheat", {}),),
    "high-temperature-migrate": (("overheat", {}),),
}
"""Runbook -> the faults that it answers."""
TARGETS: Final[dict[str, str]] = {"storage-high-report": "externalhdd", "guest-crashed": "pihole"}
_FAULTS: Final[tuple[tuple[str, int], ...]] = (
    ("guest-crash", 10), ("service-crash", 4), ("container-unhealthy", 4), ("node-down", 3), ("vzdump-orphan", 2),
    ("guest-leak", 2), ("quorum-loss", 1), ("node-frozen", 1), ("ssh-refused", 1), ("api-truncated", 1),
    ("disk-failing", 1), ("backup-fail", 1), ("overheat", 1),
)  # fmt: skip
"""Name and weight."""
_LASTS: Final[Mapping[str, float]] = {
    "quorum-loss": 5.0, "node-frozen": 4.0, "ssh-refused": 6.0, "api-truncated": 3.0, "guest-leak": 8.0,
    "disk-failing": 20.0, "overheat": 7.0, "backup-fail": 10.0, "node-down": 25.0,
}  # fmt: skip
"""Minutes after which somebody mends what nothing else does."""
_TARGETS: Final[dict[str, str]] = {
    "guest-crash": "guest", "guest-leak": "running", "backup-fail": "running", "service-crash": "service",
    "container-unhealthy": "container", "node-down": "node", "node-frozen": "node", "ssh-refused": "node",
    "api-truncated": "node", "vzdump-orphan": "node", "disk-failing": "node", "overheat": "node",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """``at``: seconds after the start. ``what``: fault, heal, person, kill."""

    at: float
    what: str
    name: str
    target: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


def at_random(seed: int, minutes: float, lab: Mapping[str, Any], truth: Mapping[str, Any]) -> list[Event]:
    """Something every few minutes, a person now and then, the kill switch once in a while."""
    draw, found = random.Random(seed), list[Event]()  # noqa: S311  (a drill is no secret)
    last = max(1.0, minutes - min(10.0, minutes / 4))
    at = draw.uniform(1.0, 2.0)
    while at < last:
        chance = draw.random()
        if chance < 0.78:
            found += _fault(draw, at, lab, truth)
        elif chance < 0.93:
            found.append(_person(draw, at, truth))
        else:
            found.append(Event(at * MINUTE, "kill", "engaged"))
            found.append(Event((at + draw.uniform(3.0, 6.0)) * MINUTE, "kill", "released"))
        at += draw.uniform(1.5, 6.0)
    return sorted(found, key=lambda event: event.at)


def for_runbook(name: str) -> list[Event]:
    """One fault that this runbook answers. Raises ``not_found``."""
    if name not in ANSWERED_BY:
        known = ", ".join(ANSWERED_BY)
        raise JarvisError("not_found", f"No fault is known that {name[:60]} answers", why=f"there is {known}")
    return [
        Event(JUST_AFTER_S, "fault", fault, TARGETS.get(name, ""), params) for fault, params in ANSWERED_BY[name]
    ]


def power_cut(truth: Mapping[str, Any]) -> list[Event]:
    """Every node loses its power; they come back one by one, their guests as PVE's own ``onboot`` says."""
    names = list(truth["nodes"])
    down = [Event(120.0, "person", "power-off", name) for name in names]
    return down + [Event(600.0 + 120.0 * n, "person", "power-on", name) for n, name in enumerate(names)]


def _fault(draw: random.Random, at: float, lab: Mapping[str, Any], truth: Mapping[str, Any]) -> Iterator[Event]:
    names, weights = zip(*_FAULTS, strict=True)
    name = draw.choices(names, weights)[0]
    target = draw.choice(_candidates(_TARGETS.get(name, ""), lab, truth) or [""])
    params: dict[str, Any] = {}
    if name == "node-down":
        params = {"wakes": draw.random() < 0.7}
    elif name == "container-unhealthy":
        params = {"stays": draw.random() < 0.2}
    yield Event(at * MINUTE, "fault", name, target, params)
    if name in _LASTS:
        yield Event((at + _LASTS[name]) * MINUTE, "heal", name, target)


def _person(draw: random.Random, at: float, truth: Mapping[str, Any]) -> Event:
    guests = [g["name"] for g in truth["guests"].values() if not g["template"] and g["ha"] is None]
    return Event(at * MINUTE, "person", draw.choice(["stop", "start", "lock", "unlock"]), draw.choice(guests))


def _candidates(kind: str, lab: Mapping[str, Any], truth: Mapping[str, Any]) -> list[str]:
    if kind in {"guest", "running"}:
        return [g["name"] for g in truth["guests"].values() if g["state"] == "running"]
    if kind == "service":
        return [f"{node}/{unit}" for node, units in lab["services"].items() for unit in units]
    if kind == "container":
        return list(lab.get("containers") or [])
    others = [name for name in truth["nodes"] if name != lab["runs_on"]]  # whose fall nobody would be left to tell
    return others if kind == "node" else []
