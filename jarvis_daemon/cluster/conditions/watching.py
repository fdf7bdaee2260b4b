"""Whether the cluster can be watched at all: token, certificate, endpoints, privileges, quorum."""

from __future__ import annotations

from urllib.parse import urlsplit

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.settings import ConditionSettings


def unwatchable(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Judged always: nothing else is known while it holds."""
    found.cover("cluster-unwatchable")
    cluster = picture.cluster
    if cluster.problem is not None:
        found.report(
            "cluster-unwatchable", cluster.id, "critical", f"{cluster.name} cannot be watched",
            _sentences(cluster.problem, cluster.problem_next),
            evidence={"problem": cluster.problem, "endpoints_failed": dict(cluster.endpoints_failed)},
            settled=f"{cluster.name} can be watched again",
        )  # fmt: skip


def endpoints(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """An endpoint of a node that is known to be down is no news; all of them failing is another condition."""
    found.cover("endpoint-failing")
    cluster = picture.cluster
    for endpoint, error in cluster.endpoints_failed.items():
        target = f"endpoint:{endpoint}"
        node = _node_at(picture, endpoint)
        untrusted = endpoint in picture.endpoints_untrusted
        known = node is not None and (node.status == "offline" or node.name in picture.mute)
        if not untrusted and (cluster.problem is not None or known):
            found.skip("endpoint-failing", target)
            continue
        found.report(
            "endpoint-failing", target, "error" if untrusted else "warning",
            f"{endpoint} shows another certificate" if untrusted else f"{endpoint} does not answer as it should",
            _sentences(error, picture.endpoints_next.get(endpoint)),
            evidence={"endpoint": endpoint, "error": error, "node": node.name if node else None},
            settled=f"{endpoint} answers as it should",
        )  # fmt: skip


def _sentences(*parts: str | None) -> str:
    """One text; each part ends with a full stop."""
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)


def _node_at(picture: Picture, endpoint: str) -> Node | None:
    """The node behind an endpoint: as it once said itself, else by its address."""
    said = picture.nodes.get(f"node:{picture.endpoint_nodes.get(endpoint, '')}")
    host = urlsplit(endpoint).hostname
    return said or next((n for n in picture.nodes.values() if n.ip is not None and n.ip == host), None)


def permissions(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Judged while permissions are known."""
    if not picture.is_fresh("permissions"):
        return
    found.cover("permission-missing")
    missing = picture.cluster.missing_privileges
    if missing:
        found.report(
            "permission-missing", picture.cluster.id, "warning", "The token may not see everything",
            f"It lacks {', '.join(missing)}; what that hides is unknown. `jarvis setup` shows how to grant it.",
            evidence={"missing": list(missing)}, settled="The token may see everything again",
        )  # fmt: skip


def quorum(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """``quorate`` is False only where a second endpoint agreed, or none was left to ask (``monitor.py``)."""
    cluster = picture.cluster
    if not picture.is_fresh("status"):
        return
    found.cover("quorum-lost")
    if cluster.quorate is None and not cluster.standalone:
        found.skip("quorum-lost", cluster.id)
    elif cluster.quorate is False and not cluster.standalone:
        online, total = cluster.nodes_online, cluster.nodes_total
        found.report(
            "quorum-lost", cluster.id, "critical", f"{cluster.name} has lost its quorum",
            f"{online} of {total} nodes are in touch, {cluster.quorum_needed} are needed. "
            "What runs goes on; nothing can be started or changed.",
            evidence={"nodes_online": online, "nodes_total": total, "quorum_needed": cluster.quorum_needed},
            settled=f"{cluster.name} is quorate again",
        )  # fmt: skip
