"""``admin config``: every setting with its origin, secrets masked."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jarvis_daemon import settings
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.locate import Places, places

MASK: Final = "********"


def show(given: dict[str, Any]) -> dict[str, Any]:
    """``{"file", "values": [{"key", "value", "origin"}]}``; secrets are masked. Raises ``config_invalid``."""
    where = places()
    loaded = settings.load(where)
    tree = loaded.settings.model_dump(mode="json")
    cluster = loaded.settings.cluster
    if cluster is not None:
        tree["cluster"]["token_secret"] = MASK if cluster.token_secret else None
    tree["approvals"]["pin"] = MASK if loaded.settings.approvals.pin else None
    values = [
        {"key": key, "value": value, "origin": _origin(loaded.origins, key)}
        for key, value in _leaves(tree)
        if value is not None or loaded.origins.get(key, "default") != "default"
    ]
    return {"file": str(where.config_file), "values": values}


def check(given: dict[str, Any]) -> dict[str, Any]:
    """``{"file", "exists", "configured", "warnings"}``. Raises ``config_invalid``."""
    where = places()
    loaded = settings.load(where)
    if loaded.settings.cluster is not None:
        _try_out(loaded.settings.cluster, where)
    return {
        "file": str(where.config_file),
        "exists": where.config_file.exists(),
        "configured": loaded.settings.cluster is not None,
        "warnings": warnings(loaded),
    }


def _try_out(cluster: settings.ClusterSettings, where: Places) -> None:
    """Build what the daemon builds of them: addresses, certificates. Raises ``config_invalid``."""
    from jarvis_daemon.cluster.proxmox import Proxmox
    from jarvis_daemon.cluster.ssh import SshNodes

    clock = SystemClock()
    Proxmox(cluster, clock=clock, config_dir=where.config_dir)
    nodes = SshNodes(cluster, known_hosts=where.known_hosts, clock=clock)
    for name in cluster.ssh.hosts:
        nodes.target(name, None)


def warnings(loaded: settings.Loaded) -> list[str]:
    """What is allowed and yet unwise."""
    found: list[str] = []
    cluster = loaded.settings.cluster
    where = places()
    if where.config_file.exists() and stat.S_IMODE(where.config_file.stat().st_mode) & 0o022:
        found.append(f"{where.config_file} can be written by others; `chmod go-w` it.")
    if cluster is None:
        return found
    if cluster.tls == "insecure":
        found.append('cluster.tls is "insecure": the token goes to whoever answers at the endpoint.')
    if len(cluster.endpoints) == 1:
        found.append("Only one endpoint is named: when that node is down, nothing is seen.")
    if cluster.runs_on is None:
        found.append("cluster.runs_on is not set: what touches a whole node will be forbidden.")
    return found


def _origin(origins: Mapping[str, str], key: str) -> str:
    """The origin of a value, or of the table it stands in."""
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins.get(key, "default")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
