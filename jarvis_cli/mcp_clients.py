"""How the common MCP clients want to be told of a server: over a process of theirs (stdio) or over HTTP."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places

CLIENTS: Final = {
    "claude-desktop": "claude_desktop_config.json (Settings, Developer, Edit Config)",
    "claude-code": "a shell in the project, once",
    "cursor": "~/.cursor/mcp.json",
    "vscode": ".vscode/mcp.json of the workspace",
    "generic": "the settings of the client",
}
"""name -> where its configuration goes"""


@dataclass(frozen=True)
class Configuration:
    """``text`` goes to standard output, ``notes`` to standard error."""

    text: str
    notes: list[str] = field(default_factory=list)


def over_stdio(client: str, command: tuple[list[str], dict[str, str]]) -> Configuration:
    """The client starts ``command`` (argv and environment) and talks to it."""
    (program, *arguments), environ = command
    notes = [f"This goes into {CLIENTS[client]}."]
    if client == "claude-code":
        given = "".join(f" -e {shlex.quote(f'{name}={value}')}" for name, value in environ.items())
        return Configuration(f"claude mcp add jarvis{given} -- {shlex.join([program, *arguments])}", notes)
    entry: dict[str, Any] = {"command": program, "args": arguments} | ({"env": environ} if environ else {})
    return Configuration(_document(client, {"type": "stdio", **entry} if client == "vscode" else entry), notes)


def over_http(client: str, url: str, places: Places) -> Configuration:
    """The client calls ``url`` with the token, which is read where it is used and never printed.

    Raises ``invalid_params`` for a client that cannot.
    """
    file = str(places.mcp_token)
    notes = [f"This goes into {CLIENTS[client]}.", *_missing(places)]
    if client == "claude-code":
        header = f'--header "Authorization: Bearer $(cat {shlex.quote(file)})"'
        return Configuration(f"claude mcp add --transport http jarvis {url} {header}", notes)
    if client == "vscode":
        secret = {"type": "promptString", "id": "jarvis-token", "description": f"Token in {file}", "password": True}
        entry = {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${input:jarvis-token}"}}
        return Configuration(_json({"inputs": [secret], "servers": {"jarvis": entry}}), notes)
    if client == "claude-desktop":
        raise JarvisError(
            "invalid_params", "Claude Desktop is configured with a command, not with an address",
            next="Run `jarvis mcp config claude-desktop` without --http.",
        )  # fmt: skip
    entry = {"url": url, "headers": {"Authorization": "Bearer ${env:JARVIS_MCP_TOKEN}"}}
    notes.append(f'Before the client starts: export JARVIS_MCP_TOKEN="$(cat {shlex.quote(file)})"')
    return Configuration(_json({"mcpServers": {"jarvis": {"type": "http", **entry}}}), notes)


def _document(client: str, entry: dict[str, Any]) -> str:
    return _json({"servers" if client == "vscode" else "mcpServers": {"jarvis": entry}})


def _missing(places: Places) -> list[str]:
    if places.mcp_token.exists():
        return []
    return ["There is no token yet: run `jarvis mcp token`, and set front.enabled = true."]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
