"""Endpoints as people write them, and the rule that a simulated cluster stays on this machine."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from jarvis_daemon.cluster.tls import normal_fingerprint
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings


def endpoint_url(text: str, *, loopback_only: bool = False) -> str:
    """``https://host:port`` without a path. Raises ``config_invalid``."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    try:
        host, port = parts.hostname, parts.port or 8006
    except ValueError:
        host, port = None, 0
    if parts.scheme != "https" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise JarvisError(
            "config_invalid",
            f"{text!r} is no usable endpoint",
            why="an address such as https://192.168.1.50:8006 is needed",
        )
    if loopback_only:
        require_loopback(host)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def require_loopback(host: str) -> None:
    """Raises ``config_invalid`` unless ``host`` is this machine: while simulated, nothing may leave it."""
    if not is_loopback(host):
        raise JarvisError(
            "config_invalid",
            f"The simulated cluster may only be asked on this machine, not at {host}",
            why="cluster.simulated is set",
            next="Remove `simulated` from the settings of a real cluster.",
        )


def is_loopback(host: str) -> bool:
    """Whether ``host`` can only be this machine; other names than localhost are not looked up, so False."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def trusted_in_words(settings: ClusterSettings, ca_file: Path | None) -> str:
    if settings.tls == "fingerprint":
        pinned = [normal_fingerprint(one) for one in settings.fingerprints]
        return pinned[0] if len(pinned) == 1 else f"one of the {len(pinned)} in cluster.fingerprints"
    if settings.tls == "verify":
        return f"one signed by {ca_file}" if ca_file else "one signed by a CA of this system"
    return "any"
