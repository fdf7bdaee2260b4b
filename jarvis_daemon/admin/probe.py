"""``admin setup test``: ask the cluster with the given token what setup wants to know. Reads only."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pydantic

from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.calls import OPTIONAL_PRIVILEGES, needed_privileges
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.shapes import parse_permissions, parse_resources, parse_status, parse_version
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.settings import ClusterSettings


def test(given: dict[str, Any]) -> dict[str, Any]:
    """Ask each endpoint of ``cluster`` (settings, with ``token_secret``).

    ``{"endpoints": [{"endpoint", "error", "took_s"}], "version", "name", "quorate", "nodes": [{"name", "ip",
    "online"}], "guests": [names], "missing": [privileges], "missing_optional": […], "missing_act": […], "acts"}``;
    ``missing_act`` are those that acting takes, ``acts`` whether any of them is held. Raises the first endpoint's
    error when none answers, ``config_invalid`` for unusable settings.
    """
    cluster = cluster_settings(given.get("cluster") or {})
    return asyncio.run(_test(cluster))


def cluster_settings(given: dict[str, Any]) -> ClusterSettings:
    """Settings from what setup collected. Raises ``config_invalid``."""
    try:
        return ClusterSettings.model_validate(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise JarvisError("config_invalid", f"cluster.{key} is not usable", why=first["msg"]) from None


async def _test(cluster: ClusterSettings) -> dict[str, Any]:
    endpoints: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    first: JarvisError | None = None
    for url in cluster.endpoints:
        began = time.monotonic()
        error: JarvisError | None = None
        try:
            found = await ask_endpoint(cluster, url)
            answer = answer or found
        except JarvisError as raised:
            error, first = raised, first or raised
        took_s = round(time.monotonic() - began, 3)
        endpoints.append({"endpoint": url, "error": error.to_wire() if error else None, "took_s": took_s})
    if not answer and first is not None:
        raise first
    return {"endpoints": endpoints, **answer}


async def ask_endpoint(cluster: ClusterSettings, url: str) -> dict[str, Any]:
    """What one endpoint tells: see ``test``. Raises as ``Proxmox.call``."""
    alone = cluster.model_copy(update={"endpoints": [url]})
    proxmox = Proxmox(alone, clock=SystemClock(), config_dir=base_places().config_dir)
    try:
        version = parse_version(await proxmox.call("version"))
        held = parse_permissions(await proxmox.call("permissions"))
        missing = held.missing(needed_privileges(version))
        optional = [item for item in missing if item.split(" ")[0] in OPTIONAL_PRIVILEGES]
        missing = [item for item in missing if item not in optional]
        acting = [(privilege.name, privilege.path) for privilege in ACT_PRIVILEGES if privilege.asked_by(version)]
        missing_act = held.missing(acting)
        answer: dict[str, Any] = {
            "version": version.text, "missing": missing, "missing_optional": optional,
            "missing_act": missing_act, "acts": len(missing_act) < len(acting),
            "name": None, "quorate": None, "nodes": [], "guests": [],
        }  # fmt: skip
        resources = parse_resources(await proxmox.call("cluster_resources"))
        answer["guests"] = [guest.name for guest in resources.guests if guest.name]
        answer["nodes"] = [{"name": node.name, "ip": None, "online": None} for node in resources.nodes]
        if held.has("Sys.Audit", "/"):
            status = parse_status(await proxmox.call("cluster_status"))
            answer |= {"name": status.name, "quorate": status.quorate}
            answer["nodes"] = [
                {"name": member.name, "ip": member.ip, "online": member.online} for member in status.members
            ]
        return answer
    finally:
        await proxmox.close()
