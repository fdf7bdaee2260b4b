"""Nodes as machines: do they answer, is their clock right, do their services run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jarvis_daemon.cluster.conditions.picture import Muteness, Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.settings import ConditionSettings

MUTE_AFTER: Final = 2
"""Calls in a row that a node has to leave unanswered."""
SENSORS_AFTER_S: Final = 60.0
RUNS: Final = frozenset({"active", "activating", "reloading", "refreshing"})


def unreachable(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Offline by the cluster's own word; or online by that word, and mute when it is asked itself."""
    if not picture.is_fresh("resources"):
        return
    found.cover("node-unreachable")
    source = picture.source("resources")
    seen_at = source.ok_at if source else None
    for node in picture.nodes.values():
        mute = picture.mute.get(node.name)
        if node.status == "offline":
            _report_node(picture, found, node, None, seen_at)
        elif node.status == "online" and mute is not None and mute.failures >= MUTE_AFTER:
            _report_node(picture, found, node, mute, None)
        elif node.status == "unknown":
            found.skip("node-unreachable", node.id)


def _report_node(picture: Picture, found: Round, node: Node, mute: Muteness | None, seen_at: float | None) -> None:
    guests = [g.name or g.id for g in picture.guests.values() if g.node == node.name and not g.template]
    on_it = f" {len(guests)} guests are on it." if guests else ""
    evidence: dict[str, Any] = {"node": node.name, "last_seen_at": node.last_seen_at, "guests": guests[:50]}
    if mute is not None:
        evidence |= {"mute_since_at": mute.since_at, "failures": mute.failures, "error": mute.error}
        title, detail = f"{node.name} is online but does not answer", f"{mute.error}.{on_it}"
    else:
        title, detail = f"{node.name} does not answer", f"The cluster calls it offline.{on_it}"
    found.report(
        "node-unreachable", node.id, "error", title, detail, evidence=evidence, seen_at=seen_at,
        settled=f"{node.name} answers again",
    )  # fmt: skip


def clock_skew(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """All nodes off by the same amount: then it is this machine that is wrong."""
    found.cover("clock-skew")
    limit, back = settings.clock_skew_warning_s, settings.clock_skew_warning_s / 2
    known: list[tuple[Node, float]] = []
    for node in _judgeable(picture, found, "clock-skew", "clock"):
        if node.clock_skew_s is None:
            found.skip("clock-skew", node.id)
        else:
            known.append((node, node.clock_skew_s))
    here = picture.cluster.id
    if not known:
        found.skip("clock-skew", here)
    values = sorted(skew for _, skew in known)
    if len(values) > 1 and values[-1] - values[0] < limit and found.level(
        ("clock-skew", here), min(abs(values[0]), abs(values[-1])), [(limit, "warning")], back
    ):  # fmt: skip
        found.report(
            "clock-skew", here, "warning", "The clock of this machine is wrong",
            f"It differs from that of all {len(values)} nodes by {abs(values[0]):.0f} s.",
            evidence={"skew_s": round(values[0], 1)}, settled="The clock of this machine agrees with the nodes",
        )  # fmt: skip
        return
    for node, skew in known:
        if found.level(("clock-skew", node.id), abs(skew), [(limit, "warning")], back):
            way = "ahead" if skew > 0 else "behind"
            found.report(
                "clock-skew", node.id, "warning", f"The clock of {node.name} is wrong",
                f"It is {abs(skew):.0f} s {way}. Certificates, tokens and the cluster itself rely on it.",
                evidence={"node": node.name, "skew_s": round(skew, 1)},
                settled=f"The clock of {node.name} is right again",
            )  # fmt: skip


def certificates(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """By the last known date of expiry; that date does not age."""
    found.cover("certificate-expiring")
    for node in picture.nodes.values():
        if node.certificate_expires_at is None:
            found.skip("certificate-expiring", node.id)
            continue
        left_s = node.certificate_expires_at - picture.now
        if left_s >= settings.certificate_warning_days * 86400:
            continue
        gone = left_s <= 0
        what = f"The certificate of {node.name}"
        found.report(
            "certificate-expiring", node.id, "error" if gone else "warning",
            f"{what} has expired" if gone else f"{what} expires soon",
            f"{'Since' if gone else 'In'} {span(abs(left_s))}. `pvenode cert` on the node renews it.",
            evidence={"node": node.name, "expires_at": node.certificate_expires_at},
            settled=f"{what} is renewed",
        )  # fmt: skip


def services(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Units listed in ``conditions.services``, as the node's own systemd told by SSH."""
    found.cover("service-down")
    readable = {node.name for node in _judgeable(picture, found, "service-down", "sensors")}
    for name, listed in settings.services.items():
        source = picture.source("sensors", name)
        for unit in listed:
            target = f"service:{name}/{unit}"
            state = picture.units.get(name, {}).get(unit) if name in readable else None
            if state is None or state == "unknown":
                found.skip("service-down", target)
            elif state not in RUNS:
                found.report(
                    "service-down", target, "error", f"{unit} does not run on {name}",
                    f"systemd calls it {state}.", evidence={"node": name, "unit": unit, "state": state},
                    settled=f"{unit} runs again on {name}", seen_at=source.ok_at if source else None,
                )  # fmt: skip


def sensors(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """A node that is online, and that SSH does not get into: temperatures and services are unknown there."""
    if not picture.is_fresh("resources"):
        return
    found.cover("sensors-failing")
    for node in picture.nodes.values():
        source = picture.source("sensors", node.name)
        if source is None or source.polled_at is None or node.status != "online":
            found.skip("sensors-failing", node.id)
            continue
        key = ("sensors-failing", node.id)
        if found.lasting(key, source.error is not None, min(SENSORS_AFTER_S, 2 * source.interval_s), picture.mono):
            found.report(
                "sensors-failing", node.id, "warning", f"{node.name} cannot be read by SSH",
                f"{source.error}. Temperatures and services there are unknown.",
                evidence={"node": node.name, "error": source.error},
                settled=f"{node.name} can be read by SSH again",
            )  # fmt: skip


def _judgeable(picture: Picture, found: Round, condition: str, what: str) -> Iterator[Node]:
    """Nodes that are online and whose source ``what`` is fresh; of the others nothing is judged."""
    trusted = picture.is_fresh("resources")
    for node in picture.nodes.values():
        if trusted and node.status == "online" and picture.is_fresh(what, node.name):
            yield node
        else:
            found.skip(condition, node.id)
