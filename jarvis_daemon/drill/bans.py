"""What forbids an act, read from what is really so: the simulator's truth, and what people have said.

Written without the guardrails and without looking at them: a mistake of theirs must not be repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Ban = tuple[str, str]
"""(rule, entity id or ``*``)"""
HANDS_OFF: Final = "no-jarvis"


@dataclass
class Said:
    """What people and settings say."""

    killed: bool = False
    silenced: set[str] = field(default_factory=set)
    """Entity ids under maintenance; ``*`` for everything."""
    protected: frozenset[str] = frozenset()
    """Names of guests and nodes, that of Jarvis's own carrier included."""
    stopped: set[str] = field(default_factory=set)
    """Ids of guests that a person stopped."""


def bans(truth: Mapping[str, Any], said: Said, *, most_down: int = 2) -> set[Ban]:
    """Everything that forbids something now; a guest that runs is *well*, which forbids only to start it."""
    found: set[Ban] = set()
    if said.killed:
        found.add(("kill switch", "*"))
    if not truth["quorate"]:
        found.add(("quorum", "*"))
    if sum(not node["online"] for node in truth["nodes"].values()) >= most_down:
        found.add(("nodes", "*"))
    found |= {("silence", target) for target in said.silenced}
    found |= {("person", guest) for guest in said.stopped}
    found |= {("protected", f"node:{name}") for name in truth["nodes"] if name in said.protected}
    found |= {("backup", f"node:{name}") for name in truth["backing_up"]}
    for vmid, guest in truth["guests"].items():
        if guest["state"] == "running":
            found.add(("well", f"guest:{vmid}"))
        found |= {(rule, f"guest:{vmid}") for rule in _of_guest(guest, said.protected)}
    return found


def _of_guest(guest: Mapping[str, Any], protected: frozenset[str]) -> set[str]:
    held = {
        "lock": bool(guest["lock"]), "template": bool(guest["template"]), "ha": guest["ha"] is not None,
        "protected": guest["name"] in protected or HANDS_OFF in guest["tags"],
        "busy": any(not _ours(user) for _, user in guest["tasks"]),
    }  # fmt: skip
    return {rule for rule, holds in held.items() if holds}


def _ours(user: str) -> bool:
    return user.startswith("jarvis@")


def touched(target: str, truth: Mapping[str, Any]) -> set[str]:
    """The ids at which an act on ``target`` lays hands: itself, the guest that hosts a container, its node."""
    kind, _, rest = target.partition(":")
    host = rest.partition("/")[0]
    ids = {"*", target}
    guest = next((v for v, g in truth["guests"].items() if kind == "container" and g["name"] == host), None)
    if kind == "guest":
        guest = rest
    if guest is not None and guest in truth["guests"]:
        ids |= {f"guest:{guest}", f"on:{truth['guests'][guest]['node']}"}
    elif host in truth["nodes"]:
        ids |= {f"on:{host}"} if kind != "node" else set()
    return ids


NODE_TOO: Final = frozenset({"silence", "backup"})
"""Rules about a node that hold for what lies on it."""


def against(target: str, now: set[Ban], truth: Mapping[str, Any]) -> set[Ban]:
    """Those of ``now`` that forbid an act on ``target``."""
    ids = touched(target, truth)
    below = {f"node:{one.removeprefix('on:')}" for one in ids if one.startswith("on:")}
    return {
        (rule, where) for rule, where in now if rule != "well"
        if where in ids or (where in below and rule in NODE_TOO) or (rule == "backup" and where == target)
    }  # fmt: skip
