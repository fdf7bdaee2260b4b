"""``admin runbook-check FILE``: every mistake of a runbook with its line, without a daemon.

The tools are those of this version; those of foreign MCP servers are known to a running daemon only.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, places
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import files, plan, reading
from jarvis_daemon.remediation.shelf import FOLDER
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry


def check(given: dict[str, Any]) -> dict[str, Any]:
    """``{"file", "ok", "name", "sha256", "about", "condition", "scope", "steps", "problems", "note"}``.

    ``given``: ``file``. A problem is that of ``reading.told``. Raises ``not_found``, ``config_invalid``.
    """
    if not (name := str(given.get("file") or "")):
        raise JarvisError("invalid_params", "No file is named", next="`jarvis runbook check FILE`.")
    path, where = Path(name).expanduser(), places()
    own = where.config_dir / FOLDER
    mine = path.parent.resolve() == own.resolve()
    file = files.read_own(path, own) if mine and path.exists() else files.read_any(path)
    runbook, mistakes = reading.look(file.text, asyncio.run(known_tools(where)))
    answer: dict[str, Any] = {
        "file": clean(str(path), limit=300), "ok": not mistakes, "name": clean(path.stem, limit=60),
        "sha256": file.sha256, "about": "", "condition": "", "scope": "", "steps": [], "note": "",
        "problems": [reading.told(one) for one in mistakes],
    }  # fmt: skip
    if runbook is not None:
        shipped = (files.SHIPPED / f"{runbook.name}.yaml").exists() and path.resolve().parent != files.SHIPPED
        answer |= {
            "name": runbook.name, "about": clean(runbook.about), "condition": runbook.condition,
            "scope": runbook.scope, "steps": [clean(line) for line in plan.lines(runbook)],
            "note": f"In {own} it takes the place of the shipped one." if shipped else "",
        }  # fmt: skip
    return answer


async def known_tools(where: Places) -> Registry:
    """The tools that a runbook may name, as the daemon registers them; nothing is started or connected."""
    settings = Settings(cluster=ClusterSettings(
        name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", tls="insecure",  # noqa: S106
    ))  # fmt: skip
    clock, bus, store = SystemClock(), Bus(), Store(where.database)
    feed = Feed(store, bus, clock)
    incidents = Incidents(store, bus, feed, clock, settings)
    registry = Registry()
    room = ClusterRoom(settings, where, bus, store, feed, incidents, clock)
    room.register_tools(registry)
    register_incident_tools(registry, incidents)
    await room.scene.px.close()
    return registry
