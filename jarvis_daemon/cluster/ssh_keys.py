"""Host keys: what is pinned, what was shown, and the one function that pins.

The file has OpenSSH's known_hosts format, so ``ssh -o UserKnownHostsFile=…`` reads it too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jarvis_daemon.paths import write_private
from jarvis_daemon.protocol.errors import JarvisError

if TYPE_CHECKING:
    import asyncssh


@dataclass(frozen=True, slots=True)
class Target:
    """Where a node is reached by SSH."""

    node: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def pattern(self) -> str:
        """As known_hosts writes it: ``host``, or ``[host]:port`` where the port is not 22."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host key that a node shows: ``fingerprint`` as ``ssh-keygen -l`` prints it (``SHA256:…``)."""

    algorithm: str
    fingerprint: str
    line: str
    """``ssh-ed25519 AAAA…``, ready for ``pin_host_key``."""


def trusted_keys(known_hosts: Path, target: Target) -> list[asyncssh.SSHKey]:
    """The keys pinned for ``target``. Raises ``config_invalid`` when the file cannot be read."""
    import asyncssh

    if not known_hosts.exists():
        return []
    try:
        matched = asyncssh.match_known_hosts(known_hosts.read_bytes(), target.host, "", target.port)
    except (OSError, ValueError) as error:
        raise JarvisError(
            "config_invalid",
            f"The file of pinned host keys {known_hosts} cannot be used",
            why=str(error),
            next="Mend or remove it, then run `jarvis setup`.",
        ) from None
    revoked = list(matched[2])
    return [key for key in matched[0] if key not in revoked]


def make_client(target: Target) -> Any:
    """An asyncssh client that refuses every host key which is not pinned, and keeps what it saw."""
    import asyncssh

    class Client(asyncssh.SSHClient):
        seen: asyncssh.SSHKey | None = None

        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            self.seen = key
            return False

    return Client()


async def host_key_error(
    target: Target, trusted: Sequence[asyncssh.SSHKey], seen: asyncssh.SSHKey | None, why: str
) -> JarvisError:
    """``cluster_untrusted`` with the key seen and, where one was pinned, that one too."""
    shown = _described(seen) if seen is not None else await _look(target)
    if shown is None:
        return JarvisError(
            "cluster_unreachable", f"The node {target.node} cannot be reached by SSH at {target}", why=why,
            data={"node": target.node},
        )  # fmt: skip
    data: dict[str, Any] = {
        "node": target.node,
        "host": target.host,
        "port": target.port,
        "seen": shown.fingerprint,
    }
    if not trusted:
        return JarvisError(
            "cluster_untrusted",
            f"The SSH host key of {target.node} ({target}) is not known",
            why=f"seen {shown.fingerprint}, none is pinned",
            next="`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the node must show the same; "
            "then run `jarvis setup`.",
            data=data,
        )
    expected = " or ".join(_described(key).fingerprint for key in trusted)
    return JarvisError(
        "cluster_untrusted",
        f"The SSH host key of {target.node} ({target}) has changed",
        why=f"expected {expected}, seen {shown.fingerprint}",
        next="Only if the node was set up anew: compare the key on the node, then `jarvis setup`.",
        data=data | {"expected": expected},
    )


async def fetch_host_key(target: Target, timeout_s: float = 5.0) -> HostKey:
    """The key that ``target`` shows now, trusted or not. Raises ``cluster_unreachable``."""
    try:
        async with asyncio.timeout(timeout_s):
            shown = await _look(target)
    except TimeoutError:
        shown = None
    if shown is None:
        raise JarvisError(
            "cluster_unreachable", f"The node {target.node} shows no SSH host key at {target}",
            data={"node": target.node},
        )  # fmt: skip
    return shown


def pin_host_key(known_hosts: Path, target: Target, key: HostKey) -> None:
    """Trust ``key``, and it alone, for ``target`` from now on: only after a person compared the fingerprint."""
    kept: list[str] = []
    if known_hosts.exists():
        lines = known_hosts.read_text().splitlines()
        kept = [line for line in lines if line.strip() and line.split()[0] != target.pattern]
    write_private(known_hosts, "\n".join([*kept, f"{target.pattern} {key.line}"]) + "\n")


async def _look(target: Target) -> HostKey | None:
    import asyncssh

    try:
        key = await asyncssh.get_server_host_key(target.host, target.port, config=None)
    except (asyncssh.Error, OSError):
        return None
    return None if key is None else _described(key)


def _described(key: asyncssh.SSHKey) -> HostKey:
    words = key.export_public_key("openssh").decode().split()
    return HostKey(algorithm=words[0], fingerprint=str(key.get_fingerprint("sha256")), line=" ".join(words[:2]))
