"""One judgement from a copy of state, for the CLI's exit code and the HUD's header alike. Standard library.

critical: quorum is lost, the cluster cannot be watched at all, or an open incident is critical
degraded: any other open incident, a node that is not online, a source that is not fresh, or a daemon that
          can save nothing (it opens no incident then)
healthy:  nothing of that, and something is known

Acknowledged and silenced incidents still count: they are known, not gone.
"""

from __future__ import annotations

from typing import Any, Final, Literal

Level = Literal["healthy", "degraded", "critical"]
EXIT_CODE: Final[dict[str, int]] = {"healthy": 0, "degraded": 10, "critical": 11}
UNKNOWN_AFTER_S: Final = 300.0
"""PVE itself forgets a node's guests after five minutes."""

_PICTURE: Final = {"resources": "what the cluster runs", "status": "who belongs to the cluster"}
"""The sources that tell of the whole cluster, in words."""

State = dict[str, dict[str, dict[str, Any]]]


def source_freshness(source: dict[str, Any], now: float) -> str:
    """``fresh`` ``stale`` ``unknown``: the age of what a source told, by the daemon's clock."""
    ok_at = source.get("ok_at")
    if ok_at is None:
        return "unknown"
    age = now - ok_at
    stale_after = source.get("stale_after_s") or 60.0
    if age <= stale_after:
        return "fresh"
    return "stale" if age <= max(UNKNOWN_AFTER_S, stale_after) else "unknown"


def entity_freshness(entity: dict[str, Any], state: State, now: float) -> str:
    """An entity's own freshness where set, else that of its source."""
    own = entity.get("freshness")
    if own:
        return str(own)
    source = state.get("sources", {}).get(entity.get("source") or "")
    return source_freshness(source, now) if source else "unknown"


def assess(state: State, now: float) -> tuple[Level, list[str]]:
    """The level and its reasons, the gravest first. ``state`` has the collections of ``cluster``, ``incidents`` and
    ``health``; ``now`` is Unix seconds on the daemon's clock."""
    critical: list[str] = []
    degraded: list[str] = []
    clusters = state.get("clusters", {})
    explained = {cluster.get("cluster") for cluster in clusters.values() if cluster.get("problem")}
    for cluster in clusters.values():
        if cluster.get("problem"):
            critical.append(str(cluster["problem"]))
        if cluster.get("quorate") is False and not cluster.get("standalone"):
            critical.append(f"{cluster.get('name')}: quorum lost")
    if not clusters:
        degraded.append("nothing is known of the cluster yet")
    for incident in state.get("incidents", {}).values():
        if incident.get("status") == "open":
            (critical if incident.get("severity") == "critical" else degraded).append(str(incident.get("title")))
    for node in state.get("nodes", {}).values():
        if node.get("status") != "online":
            degraded.append(f"{node.get('name')} is {node.get('status')}")
    for source in state.get("sources", {}).values():
        if source.get("what") not in _PICTURE or source.get("cluster") in explained:
            continue  # that they are old follows from the problem
        if source_freshness(source, now) != "fresh":
            what = _PICTURE[str(source.get("what"))]
            degraded.append(f"{what} is {source_freshness(source, now)}")
    for daemon in state.get("health", {}).values():
        if daemon.get("store_error"):
            degraded.append(str(daemon["store_error"]))
    level: Level = "critical" if critical else "degraded" if degraded else "healthy"
    return level, critical + degraded
