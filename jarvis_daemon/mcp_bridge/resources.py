"""What an MCP client can read without calling a tool: the cluster, its incidents, the feed, a guest. All JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp import types
from mcp.shared.exceptions import MCPError

from jarvis_daemon.mcp_bridge.upstream import Upstream
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import assess, entity_freshness
from jarvis_daemon.protocol.text import clean

JSON: Final = "application/json"
FEED_LINES: Final = 100
SETTLE_S: Final = 15.0
_GUEST: Final = re.compile(r"jarvis://guests/([0-9]{1,9})")
_GUEST_FIELDS: Final = ("id", "vmid", "name", "kind", "status", "node", "tags", "cpu", "memory_bytes")

LIST: Final = [
    types.Resource(
        uri="jarvis://cluster/status", name="cluster_status", title="Cluster status", mime_type=JSON,
        description="Health with its reasons, nodes, guests and storages as last seen, each with its freshness.",
    ),
    types.Resource(
        uri="jarvis://incidents", name="incidents", title="Incidents", mime_type=JSON,
        description="Open incidents and what is being done about them.",
    ),
    types.Resource(
        uri="jarvis://feed", name="feed", title="Feed", mime_type=JSON,
        description=f"What happened lately: the last {FEED_LINES} events, oldest first.",
    ),
]  # fmt: skip
TEMPLATES: Final = [
    types.ResourceTemplate(
        uri_template="jarvis://guests/{vmid}", name="guest", title="Guest", mime_type=JSON,
        description="One VM or container by vmid: state, configuration, snapshots, addresses.",
    ),
]  # fmt: skip


async def read(upstream: Upstream, uri: str) -> types.ReadResourceResult:
    """Raises ``MCPError`` (invalid parameters) for an address that leads nowhere, ``JarvisError``."""
    found: Any
    if (reader := _READERS.get(uri)) is not None:
        found = await reader(upstream)
    elif (match := _GUEST.fullmatch(uri)) is not None:
        found = await _guest(upstream, match[1])
    else:
        found = None
    if found is None:
        why = f"There is no resource {clean(uri, limit=120)!r}"
        raise MCPError(types.INVALID_PARAMS, why, data={"uri": uri})
    text = json.dumps(found, ensure_ascii=False)
    # names, notes and log lines are text from outside
    contents = types.TextResourceContents(uri=uri, mime_type=JSON, text=text, _meta={"jarvis/tainted": True})
    return types.ReadResourceResult(contents=[contents])


async def _state(upstream: Upstream, *topics: str) -> tuple[dict[str, Any], float]:
    answer = await upstream.call("state.get", {"topics": list(topics), "wait_s": SETTLE_S}, timeout_s=SETTLE_S + 10)
    state = {name: entities for topic in answer["topics"].values() for name, entities in topic["state"].items()}
    return state, float(answer["now"])


async def _status(upstream: Upstream) -> dict[str, Any]:
    state, now = await _state(upstream, "cluster", "incidents")
    level, reasons = assess(state, now)

    def rows(collection: str) -> list[dict[str, Any]]:
        entities = state.get(collection, {}).values()
        return [entity | {"freshness": entity_freshness(entity, state, now)} for entity in entities]

    guests = [{key: guest.get(key) for key in (*_GUEST_FIELDS, "freshness")} for guest in rows("guests")]
    return {
        "now": now, "simulated": bool(upstream.link.welcome.get("simulated")), "level": level, "reasons": reasons,
        "clusters": list(state.get("clusters", {}).values()), "nodes": rows("nodes"), "guests": guests,
        "storages": rows("storages"),
    }  # fmt: skip


async def _incidents(upstream: Upstream) -> dict[str, Any]:
    state, now = await _state(upstream, "incidents")
    return {"now": now, "incidents": list(state.get("incidents", {}).values())}


async def _feed(upstream: Upstream) -> dict[str, Any]:
    answer = await upstream.call("history", {"topic": "feed", "limit": FEED_LINES})
    return {"events": answer["events"], "last_seq": answer["last_seq"]}


async def _guest(upstream: Upstream, vmid: str) -> dict[str, Any] | None:
    state, now = await _state(upstream, "cluster")
    found = [guest for guest in state.get("guests", {}).values() if str(guest.get("vmid")) == vmid]
    if not found:
        return None
    guest = found[0] | {"freshness": entity_freshness(found[0], state, now)}
    try:
        more = await upstream.call("guest.describe", {"id": found[0]["id"]})
    except JarvisError as error:
        return {"now": now, "guest": guest, "description": None, "why": error.sentence()}
    return {"now": now, "guest": guest, "description": more}


_READERS: Final[dict[str, Callable[[Upstream], Awaitable[dict[str, Any]]]]] = {
    "jarvis://cluster/status": _status,
    "jarvis://incidents": _incidents,
    "jarvis://feed": _feed,
}
