"""``admin doctor``: everything that can be checked without a running daemon, and the redacted report.

A check is ``{"id", "title", "status": ok|warn|fail, "detail", "fix"}``; what cannot be checked because of an
earlier failure is left out.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jarvis_daemon import settings
from jarvis_daemon.admin import checks_cluster, checks_local
from jarvis_daemon.admin.bundle import write_bundle
from jarvis_daemon.admin.check import Check, failed, ok
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, places


def doctor(given: dict[str, Any]) -> dict[str, Any]:
    """``{"checks": [...], "bundle"}``. ``given``: ``bundle`` (a path to write the report to), ``client`` (what the
    CLI found out, checks included, for the report) and ``autonomy`` (the level that a running daemon told)."""
    where = places()
    loaded, checks = _config(where)
    checks += checks_local.secrets(where, loaded.settings if loaded else None)
    checks += checks_local.disk(where)
    checks += checks_local.programs()
    if loaded and loaded.settings.cluster is not None:
        level = int(given.get("autonomy", loaded.settings.autonomy.level) or 2)
        checks += asyncio.run(checks_cluster.run(loaded.settings.cluster, where, level=level))
    answer: dict[str, Any] = {"checks": checks, "bundle": None}
    if given.get("bundle"):
        path = Path(str(given["bundle"]))
        write_bundle(path, where, loaded, checks, given.get("client") or {})
        answer["bundle"] = str(path)
    return answer


def _config(where: Places) -> tuple[settings.Loaded | None, list[Check]]:
    from jarvis_daemon.admin.check import warned
    from jarvis_daemon.admin.config import warnings

    try:
        loaded = settings.load(where)
    except JarvisError as error:
        return None, [failed("config", "Settings", error.sentence(), error.next)]
    found: list[Check] = []
    if where.demo:
        found.append(ok("config", "Settings", "no cluster is configured; the simulated homelab is watched"))
    else:
        found.append(ok("config", "Settings", str(where.config_file)))
    found += [warned("config", "Settings", text, "`jarvis config show --origin`.") for text in warnings(loaded)]
    return loaded, found
