"""While the homelab is simulated, nothing leaves this machine."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from jarvis_daemon.protocol.errors import JarvisError

DIRECT: Final = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "gotify", "gotifys"})
"""Schemes of Apprise that connect to the host that the URL names, and to no other."""


def is_loopback(host: str) -> bool:
    """By its address, or the name ``localhost``; other names are not looked up."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def check_host(host: str, *, simulated: bool) -> None:
    """Raises ``forbidden`` for a server beyond this machine."""
    if simulated and not is_loopback(host):
        raise _forbidden(f"A mail server at {host}")


def check_url(url: str, *, simulated: bool) -> None:
    """Raises ``forbidden`` for an Apprise URL that may lead beyond this machine."""
    parts = urlsplit(url)
    direct = parts.scheme.lower() in DIRECT and "redirect" not in parts.query.lower()
    if simulated and not (direct and is_loopback(parts.hostname or "")):
        raise _forbidden(f"A service of Apprise ({parts.scheme.lower() or 'no scheme'}://…)")


def _forbidden(what: str) -> JarvisError:
    return JarvisError(
        "forbidden", f"{what} is not asked", why="this homelab is simulated, so nothing leaves this machine",
        next="Use a server on 127.0.0.1, or a real cluster: `jarvis setup`.",
    )  # fmt: skip
