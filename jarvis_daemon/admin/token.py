"""``admin setup commands``: the `pveum` lines that make a token with the least privileges."""

from __future__ import annotations

import re
from typing import Any, Final

from jarvis_daemon.cluster.calls import OPTIONAL_PRIVILEGES, TOKEN_PRIVILEGES, needed_privileges
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES, ACT_ROLE
from jarvis_daemon.cluster.shapes import parse_version
from jarvis_daemon.protocol.errors import JarvisError

ROLE: Final = "JarvisDaemon"
TOKEN_ID: Final = "jarvis@pve!daemon"  # noqa: S105  a name, no secret
NEWEST: Final = "9.1"
_TOKEN: Final = re.compile(r"(?P<user>[^\s:/!@'\"]+@[A-Za-z][A-Za-z0-9._-]+)!(?P<name>[A-Za-z][A-Za-z0-9._-]+)")


def split_token_id(token_id: str) -> tuple[str, str]:
    """``user@realm!name`` as (user@realm, name). Raises ``invalid_params``."""
    match = _TOKEN.fullmatch(token_id)
    if match is None:
        raise JarvisError(
            "invalid_params", f"{token_id!r} is no token id", why="it looks like user@realm!name",
            next=f"As in {TOKEN_ID}.",
        )  # fmt: skip
    return match["user"], match["name"]


def commands(given: dict[str, Any]) -> dict[str, Any]:
    """``{"token_id", "role", "privileges", "commands", "act", "notes"}`` for the shell of any node, as root.

    ``act`` (``role``, ``privileges``, ``commands``) is what lets it act too, by a role of its own beside the first.

    User and token get the role, each by an ACL of its own: with privilege separation a token may do what both
    may do.
    """
    token_id = str(given.get("token_id") or TOKEN_ID)
    version = parse_version(str(given.get("version") or NEWEST))
    user, name = split_token_id(token_id)
    privileges = list(dict.fromkeys(privilege for privilege, _ in needed_privileges(version)))
    if not version.at_least("9.0"):  # VM.Monitor reaches far more than addresses: left to the person
        privileges = [p for p in privileges if p not in OPTIONAL_PRIVILEGES]
    lines = [
        f'pveum role add {ROLE} --privs "{" ".join(privileges)}"',
        f"pveum user add {user} --comment Jarvis",
        f"pveum acl modify / --users {user} --roles {ROLE}",
        f"pveum user token add {user} {name} --privsep 1",
        f"pveum acl modify / --tokens '{user}!{name}' --roles {ROLE}",
    ]
    return {
        "token_id": token_id,
        "role": ROLE,
        "privileges": privileges,
        "commands": lines,
        "act": _act(user, name, [p.name for p in ACT_PRIVILEGES if p.asked_by(version)]),
        "notes": _notes(version.at_least("9.0")),
    }


def _act(user: str, name: str, privileges: list[str]) -> dict[str, Any]:
    lines = [
        f'pveum role add {ACT_ROLE} --privs "{" ".join(privileges)}"',
        f"pveum acl modify / --users {user} --roles {ACT_ROLE}",
        f"pveum acl modify / --tokens '{user}!{name}' --roles {ACT_ROLE}",
    ]
    return {"role": ACT_ROLE, "privileges": privileges, "commands": lines}


def _notes(newest: bool) -> list[str]:
    notes = ["The fourth line prints the secret once: keep it at hand."]
    old = next((p.name for p in TOKEN_PRIVILEGES if p.until == "9.0"), None)
    if newest and old:
        notes.append(
            "Proxmox VE 8 and older do not know VM.GuestAgent.Audit: leave it out there. Without it the addresses "
            f"of VMs stay unknown ({old} would show them there, and may do much more)."
        )
    return notes
