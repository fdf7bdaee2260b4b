"""The cluster as a whole: membership and quorum, HA, permissions, version."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes.values import (
    Dropped,
    Row,
    drop,
    flag,
    integer,
    mapping,
    maybe,
    name,
    rows,
    text,
)


class Member(msgspec.Struct, kw_only=True):
    """A node of ``/cluster/status``."""

    name: str
    online: bool | None = None
    """None where the reply does not say."""
    local: bool = False
    """True for the node that answered."""
    ip: str | None = None
    nodeid: int | None = None


class StatusReply(msgspec.Struct, kw_only=True):
    """``/cluster/status``, the view of the node that was asked."""

    name: str | None = None
    standalone: bool = True
    """No cluster row: a single node, which has no quorum to lose."""
    quorate: bool | None = None
    """None on a standalone node."""
    nodes_total: int | None = None
    """Nodes of the cluster's configuration; for a homelab, one vote each."""
    config_version: int | None = None
    members: list[Member] = []

    @property
    def nodes_online(self) -> int:
        """Members that are said to be online; the answering node is one for certain."""
        return sum(1 for member in self.members if member.online or (member.online is None and member.local))


def parse_status(data: Any, dropped: Dropped | None = None) -> StatusReply:
    reply = StatusReply(members=[])
    for row in rows(data, "the cluster's status", dropped):
        if row.get("type") == "cluster":
            reply.standalone = False
            reply.name = text(row.get("name"))
            reply.quorate = maybe(row.get("quorate"))
            reply.nodes_total = integer(row.get("nodes"))
            reply.config_version = integer(row.get("version"))
        elif row.get("type") == "node":
            _member(row, reply.members, dropped)
    if reply.nodes_total is None:
        reply.nodes_total = len(reply.members) or None
    return reply


def _member(row: Row, members: list[Member], dropped: Dropped | None) -> None:
    node = name(row.get("name"))
    if node is None:
        drop(dropped, "member without a name")
        return
    online = maybe(row.get("online"))
    members.append(
        Member(
            name=node,
            online=online,
            local=flag(row.get("local")),
            ip=text(row.get("ip")),
            nodeid=integer(row.get("nodeid")),
        )
    )


class HaReply(msgspec.Struct, kw_only=True):
    """``/cluster/ha/status/current``. States are PVE's words; new ones pass through as they are."""

    quorate: bool | None = None
    master: str | None = None
    nodes: dict[str, str] = {}
    """Node to the state of its resource manager: ``active`` ``idle`` ``maintenance mode``
    ``old timestamp - dead?`` …"""
    guests: dict[int, str] = {}
    """vmid to state: ``started`` ``stopped`` ``fence`` ``recovery`` ``migrate`` ``freeze`` ``error`` …"""
    guest_nodes: dict[int, str] = {}
    """vmid to the node that HA places it on."""


_IN_BRACKETS: Final = re.compile(r"\(([^,)]*)")
_SERVICE: Final = re.compile(r"(?:service:)?(?:vm|ct):(\d+)$")


def parse_ha(data: Any, dropped: Dropped | None = None) -> HaReply:
    reply = HaReply(nodes={}, guests={}, guest_nodes={})
    for row in rows(data, "the HA status", dropped):
        kind, node = row.get("type"), name(row.get("node"))
        if kind == "quorum":
            said = maybe(row.get("quorate"))
            reply.quorate = said if said is not None else reply.quorate
        elif kind == "master":
            reply.master = node
        elif kind == "lrm" and node is not None:
            status = text(row.get("status")) or "unknown"
            inside = _IN_BRACKETS.search(status)
            reply.nodes[node] = inside.group(1).strip() if inside else status
        elif kind == "service":
            _ha_guest(row, node, reply, dropped)
    return reply


def _ha_guest(row: Row, node: str | None, reply: HaReply, dropped: Dropped | None) -> None:
    match = _SERVICE.match(str(row.get("sid") or row.get("id") or ""))
    if match is None:
        drop(dropped, "HA service without a guest")
        return
    vmid = int(match.group(1))
    reply.guests[vmid] = name(row.get("state")) or name(row.get("crm_state")) or "unknown"
    if node is not None:
        reply.guest_nodes[vmid] = node


_ALWAYS_JUDGED: Final = frozenset({"/", "/access", "/nodes", "/pool", "/storage", "/vms"})


class Permissions(msgspec.Struct, kw_only=True):
    """``/access/permissions``: what the token may do, path by path."""

    paths: dict[str, dict[str, bool]] = {}
    """Path to privilege to "it is inherited below this path"."""

    def has(self, privilege: str, path: str) -> bool:
        """Whether ``privilege`` is held on ``path``: the nearest path that PVE lists decides.

        PVE judges the paths of ``_ALWAYS_JUDGED`` in every reply and leaves out those without any privilege.
        """
        here = path
        while True:
            if here in self.paths:
                held = self.paths[here]
                return privilege in held and (here == path or held[privilege])
            if here in _ALWAYS_JUDGED:
                return False
            here = here.rpartition("/")[0] or "/"

    def missing(self, needed: Iterable[tuple[str, str]]) -> list[str]:
        """Those of ``needed`` (privilege, path) that are not held, as ``VM.Audit on /vms``."""
        return [f"{privilege} on {path}" for privilege, path in needed if not self.has(privilege, path)]


def parse_permissions(data: Any) -> Permissions:
    """Raises ``cluster_unreachable`` when ``data`` is no object."""
    paths: dict[str, dict[str, bool]] = {}
    for path, held in mapping(data, "the token's permissions").items():
        if isinstance(held, dict):
            paths[str(path)] = {str(privilege): flag(propagate) for privilege, propagate in held.items()}
    return Permissions(paths=paths)


class Version(msgspec.Struct, kw_only=True, frozen=True):
    """A PVE version that compares: ``version.at_least("8.4")``."""

    text: str
    numbers: tuple[int, ...]

    def at_least(self, other: str) -> bool:
        wanted = _numbers(other)
        have = self.numbers + (0,) * max(0, len(wanted) - len(self.numbers))
        return have >= wanted


def parse_version(data: Any) -> Version:
    """From the reply of ``/version``, or from text such as ``pve-manager/9.1.2/9d436f37`` or ``6.2-4``.

    Raises ``cluster_unreachable`` when there is no number in it.
    """
    if isinstance(data, str):
        said, release = data, ""
    else:
        row = mapping(data, "the version")
        said, release = text(row.get("version")) or "", text(row.get("release")) or ""
    if "/" in said:
        said = said.split("/")[1]
    numbers = _numbers(said)
    if "." not in said and release and _numbers(release):  # 5.4 sends version "5.4", release "3"; 4 swapped them
        numbers = _numbers(f"{said}.{release}" if numbers else release)
    if not numbers:
        mapping(None, "the version")
    return Version(text=text(said) or release, numbers=numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("~")[0])[:4])


class TokenRow(msgspec.Struct, kw_only=True):
    """An API token of a user."""

    name: str
    privilege_separation: bool = True
    """True: a privilege must be granted to the user *and* to the token."""
    expires_at: float | None = None
    comment: str = ""


def parse_tokens(data: Any, dropped: Dropped | None = None) -> list[TokenRow]:
    """``/access/users/{userid}/token``."""
    found: list[TokenRow] = []
    for row in rows(data, "the API tokens", dropped):
        token = text(row.get("tokenid"))
        if token is None:
            drop(dropped, "token without a name")
            continue
        separated = maybe(row.get("privsep"))
        found.append(
            TokenRow(
                name=token,
                privilege_separation=True if separated is None else separated,
                expires_at=integer(row.get("expire")) or None,
                comment=text(row.get("comment")) or "",
            )
        )
    return found
