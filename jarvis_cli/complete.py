"""Completion of live names: 100 ms at most, from a cache of 10 s, and nothing when the daemon is down."""

from __future__ import annotations

import json
import os
import tempfile
import time
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import places

BUDGET_S: Final = 0.1
CACHE_S: Final = 10.0


def names(kind: str) -> list[tuple[str, str]]:
    """``(name, help)`` of guests, nodes, storages, incidents, approvals, runbooks, conditions or tools."""
    cached = _cached()
    if cached is None:
        cached = _ask()
    return [(str(name), str(help_)) for name, help_ in cached.get(kind, [])]


def guests(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("guests") if item[0].startswith(incomplete)]


def nodes(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("nodes") if item[0].startswith(incomplete)]


def storages(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("storages") if item[0].startswith(incomplete)]


def incidents(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("incidents") if item[0].startswith(incomplete)]


def tools(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("tools") if item[0].startswith(incomplete)]


def approvals(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("approvals") if item[0].startswith(incomplete)]


def runbooks(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("runbooks") if item[0].startswith(incomplete)]


def conditions(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    return [item for item in names("conditions") if item[0].startswith(incomplete)]


def targets(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    """Guests and nodes."""
    return [*guests(ctx, args, incomplete), *nodes(ctx, args, incomplete)]


def levels(ctx: Any, args: list[str], incomplete: str) -> list[Any]:
    from jarvis_cli.levels import LEVELS

    return [(str(n), level.word) for n, level in enumerate(LEVELS) if str(n).startswith(incomplete)]


def _cached() -> dict[str, list[Any]] | None:
    path = places().runtime_dir / "names.json"
    try:
        if time.time() - path.stat().st_mtime > CACHE_S:
            return None
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _ask() -> dict[str, list[Any]]:
    from jarvis_cli.session import connect
    from jarvis_cli.state import picture

    try:
        with connect(places().socket, BUDGET_S) as link:
            state = picture(link, "cluster", "incidents", wait_s=0).state
            known = link.call("tool.list", {})["tools"]
            books = _runbooks(link)
    except (JarvisError, OSError, ValueError):
        return {}
    guests_ = sorted(state.get("guests", {}).values(), key=lambda g: int(g.get("vmid") or 0))
    found: dict[str, list[Any]] = {
        "guests": [
            *([g["name"], f"{g.get('vmid')} {g.get('kind')} on {g.get('node')}"] for g in guests_ if g.get("name")),
            *([str(g.get("vmid")), str(g.get("name"))] for g in guests_),
        ],
        "nodes": [[n.get("name"), n.get("status")] for n in state.get("nodes", {}).values()],
        "storages": [
            [str(s.get("id", "")).removeprefix("storage:"), s.get("type")]
            for s in state.get("storages", {}).values()
        ],
        "incidents": [
            [i.get("id"), i.get("title")] for i in state.get("incidents", {}).values() if i.get("status") == "open"
        ],
        "runbooks": [[b.get("name"), b.get("about")] for b in books],
        "conditions": sorted({(str(b.get("condition")), "") for b in books if b.get("condition")}),
        "tools": [[t["name"], str(t["description"]).partition("\n")[0]] for t in known],
        "approvals": [
            [a.get("id"), a.get("summary")]
            for a in state.get("approvals", {}).values()
            if a.get("status") == "pending"
        ],
    }
    _keep(found)
    return found


def _runbooks(link: Any) -> list[dict[str, Any]]:
    """None of a daemon that has none."""
    try:
        return list(link.call("runbook.list", {})["runbooks"])
    except JarvisError as error:
        if error.code != "method_not_found":
            raise
        return []


def _keep(found: dict[str, list[Any]]) -> None:
    folder = places().runtime_dir
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".names.")
        with os.fdopen(handle, "w") as file:
            json.dump(found, file)
        os.replace(name, folder / "names.json")
    except OSError:
        return
