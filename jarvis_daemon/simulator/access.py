"""API tokens, ACL and privileges, with PVE's texts.

A token's rights are given by path; the entry nearest to the asked path holds. A fault can withdraw a
privilege from everybody, at and below a path.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from jarvis_daemon.simulator.errors import Refused

DAEMON_TOKEN: Final = "jarvis@pve!daemon"  # noqa: S105  (an id, not a secret)
DAEMON_PRIVILEGES: Final = frozenset({
    "Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.Audit", "Mapping.Audit", "Pool.Audit", "SDN.Audit",
    "SDN.Use", "Sys.Audit", "Sys.Console", "Sys.Modify", "Sys.PowerMgmt", "VM.Allocate", "VM.Audit", "VM.Backup",
    "VM.Clone", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory", "VM.Config.Options", "VM.GuestAgent.Audit",
    "VM.Migrate", "VM.PowerMgmt", "VM.Snapshot", "VM.Snapshot.Rollback",
})  # fmt: skip
TOP_PATHS: Final = (
    "/", "/access", "/access/groups", "/access/realm", "/mapping", "/nodes", "/pool", "/sdn", "/storage", "/vms",
)  # fmt: skip


@dataclass
class Token:
    """``id`` as ``user@realm!name``."""

    id: str
    secret: str
    acl: dict[str, frozenset[str]] = field(default_factory=dict)


class Access:
    """Who may do what."""

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}
        self.revoked: set[str] = set()
        self.withdrawn: set[tuple[str, str]] = set()
        """(privilege, path) that nobody has at or below the path."""
        self.version = 0

    def add(self, token_id: str, secret: str, acl: dict[str, frozenset[str]] | None = None) -> Token:
        """A new token; without ``acl`` it has what the daemon needs, everywhere."""
        token = Token(token_id, secret, acl if acl is not None else {"/": DAEMON_PRIVILEGES})
        self.tokens[token_id] = token
        self.version += 1
        return token

    def authenticate(self, header: str | None) -> Token:
        """The token of an ``Authorization`` header. Raises Refused 401 with PVE's texts."""
        scheme, _, value = (header or "").partition("=")
        if scheme != "PVEAPIToken" or not value:
            raise Refused(401, "No ticket")
        token_id, _, secret = value.partition("=")
        user, _, name = token_id.partition("!")
        token = self.tokens.get(token_id)
        if token is None and not any(known.partition("!")[0] == user for known in self.tokens):
            raise Refused(401, f"no such user ('{user}')")
        if token is None or token_id in self.revoked:
            raise Refused(401, f"no such token '{name}' for user '{user}'")
        if not hmac.compare_digest(secret.encode(), token.secret.encode()):
            raise Refused(401, "invalid token value!")
        return token

    def privileges(self, token: Token, path: str) -> frozenset[str]:
        """What ``token`` may at ``path``."""
        granted = frozenset[str]()
        for candidate in _upwards(path):
            if candidate in token.acl:
                granted = token.acl[candidate]
                break
        gone = {privilege for privilege, below in self.withdrawn if _is_at_or_below(path, below)}
        return granted - gone

    def has(self, token: Token, path: str, privilege: str) -> bool:
        return privilege in self.privileges(token, path)

    def require(self, token: Token, path: str, privileges: tuple[str, ...], *, any_of: bool = False) -> None:
        """Raises Refused 403 as PVE words it."""
        held = [privilege in self.privileges(token, path) for privilege in privileges]
        if not (any(held) if any_of else all(held)):
            raise Refused(403, f"Permission check failed ({path}, {'|'.join(privileges)})")

    def table(self, token: Token, path: str | None = None) -> dict[str, dict[str, int]]:
        """``GET /access/permissions``: privileges by path, each with whether it propagates."""
        paths = [path] if path is not None else sorted({*TOP_PATHS, *token.acl})
        rows = {at: dict.fromkeys(sorted(self.privileges(token, at)), 1) for at in paths}
        return rows if path is not None else {at: row for at, row in rows.items() if row}


def _upwards(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _is_at_or_below(path: str, below: str) -> bool:
    return below == "/" or path == below or path.startswith(below + "/")
