"""``admin setup ssh`` and ``login``: the host keys that nodes show, and whether our key opens them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from jarvis_daemon.admin.probe import cluster_settings
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.ssh_keys import HostKey, Target, fetch_host_key, pin_host_key, trusted_keys
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places

Shown = dict[str, Any]


def shown(given: dict[str, Any]) -> dict[str, Any]:
    """Fetch the host key of each of ``nodes`` (``{name: address}``), trusting none.

    ``{"nodes": [{"node", "host", "port", "algorithm", "fingerprint", "line", "pinned", "error"}]}``; ``pinned``
    is ``same`` ``changed`` or ``none``: what our own known_hosts says.
    """
    cluster = cluster_settings(given.get("cluster") or {})
    nodes = SshNodes(cluster, known_hosts=base_places().known_hosts, clock=SystemClock())
    wanted = {str(name): str(address or name) for name, address in (given.get("nodes") or {}).items()}
    targets = [nodes.target(name, address) for name, address in wanted.items()]
    return {"nodes": asyncio.run(_fetch_all(targets, cluster.ssh.timeout_s))}


async def _fetch_all(targets: list[Target], timeout_s: float) -> list[Shown]:
    return list(await asyncio.gather(*(_fetch(target, timeout_s) for target in targets)))


async def _fetch(target: Target, timeout_s: float) -> Shown:
    row: Shown = {"node": target.node, "host": target.host, "port": target.port}
    try:
        key = await fetch_host_key(target, timeout_s)
    except JarvisError as error:
        return {**row, "algorithm": None, "fingerprint": None, "line": None, "pinned": "none",
                "error": error.sentence()}  # fmt: skip
    return {
        **row, "algorithm": key.algorithm, "fingerprint": key.fingerprint, "line": key.line,
        "pinned": _pinned(target, key), "error": None,
    }  # fmt: skip


def _pinned(target: Target, key: HostKey) -> str:
    known = trusted_keys(base_places().known_hosts, target)
    if not known:
        return "none"
    return "same" if key.fingerprint in {str(k.get_fingerprint("sha256")) for k in known} else "changed"


def login(given: dict[str, Any]) -> dict[str, Any]:
    """Log in to each of ``host_keys`` (rows of ``shown`` that a person accepted) and take one reading.

    ``{"nodes": [{"node", "error", "temperature", "skew_s"}]}``
    """
    cluster = cluster_settings(given.get("cluster") or {})
    accepted = list(given.get("host_keys") or [])
    with tempfile.TemporaryDirectory(prefix="jarvis-") as folder:
        known_hosts = Path(folder) / "known_hosts"
        pin(known_hosts, accepted)
        return {"nodes": asyncio.run(_read_all(cluster, known_hosts, accepted))}


async def _read_all(cluster: Any, known_hosts: Path, accepted: list[Shown]) -> list[Shown]:
    ssh = SshNodes(cluster, known_hosts=known_hosts, clock=SystemClock())
    try:
        return list(await asyncio.gather(*(read_one(ssh, str(r["node"]), str(r["host"])) for r in accepted)))
    finally:
        await ssh.close()


async def read_one(ssh: SshNodes, node: str, address: str | None) -> Shown:
    try:
        reading = await ssh.read(node, address)
    except JarvisError as error:
        return {"node": node, "error": error.sentence(), "next": error.next, "temperature": False, "skew_s": None}
    return {
        "node": node, "error": None, "next": None, "temperature": reading.temperatures is not None,
        "skew_s": reading.clock_skew_s,
    }  # fmt: skip


def pin(known_hosts: Path, accepted: list[Shown]) -> None:
    """Trust the accepted keys from now on."""
    for row in accepted:
        target = Target(node=str(row["node"]), host=str(row["host"]), port=int(row["port"]))
        key = HostKey(algorithm=str(row["algorithm"]), fingerprint=str(row["fingerprint"]), line=str(row["line"]))
        pin_host_key(known_hosts, target, key)
