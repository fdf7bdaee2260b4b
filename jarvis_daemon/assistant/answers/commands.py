"""The command that a person types for a tool call: its verb, or `jarvis tool call`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from jarvis_daemon.assistant.answers.words import safe

VERBS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "start_vm": ("guest start", ("guest",)),
    "start_container": ("guest start", ("guest",)),
    "shutdown_vm": ("guest shutdown", ("guest",)),
    "shutdown_container": ("guest shutdown", ("guest",)),
    "stop_vm": ("guest stop", ("guest",)),
    "stop_container": ("guest stop", ("guest",)),
    "reboot_vm": ("guest reboot", ("guest",)),
    "reboot_container": ("guest reboot", ("guest",)),
    "suspend_guest": ("guest suspend", ("guest",)),
    "resume_guest": ("guest resume", ("guest",)),
    "migrate_guest": ("guest migrate", ("guest", "node")),
    "run_backup": ("guest backup", ("guest",)),
    "create_snapshot": ("guest snapshot", ("guest", "name")),
    "delete_guest": ("guest delete", ("guest",)),
    "rollback_snapshot": ("guest rollback", ("guest", "name")),
    "wake_node": ("node wake", ("node",)),
    "drain_node": ("node drain", ("node",)),
    "reboot_node": ("node reboot", ("node",)),
    "shutdown_node": ("node shutdown", ("node",)),
    "run_runbook": ("runbook run", ("runbook", "target")),
    "acknowledge_incident": ("incident ack", ("incident",)),
    "set_autonomy": ("autonomy set", ("level",)),
}
"""Tool -> verb and the arguments it takes, in order; used where it says all of the call."""
PAIRS: Final = {
    "restart_service": ("service restart", "node", "service"),
    "get_service_status": ("service show", "node", "service"),
    "get_journal": ("service journal", "node", "service"),
    "restart_docker_container": ("docker restart", "node", "container"),
    "start_docker_container": ("docker start", "node", "container"),
    "stop_docker_container": ("docker stop", "node", "container"),
    "get_docker_logs": ("docker logs", "node", "container"),
}


def command_of(tool: str, args: Mapping[str, Any]) -> str:
    """``jarvis guest start 103``, ``jarvis tool call get_storage node=pve``."""
    given = {name: value for name, value in args.items() if value is not None}
    if tool == "apply_updates" and len(given) == 1:
        ((kind, value),) = given.items()
        return shlex.join(["jarvis", kind, "update", str(value)])
    if tool in PAIRS and given.keys() == set(PAIRS[tool][1:]):
        verb, place, name = PAIRS[tool]
        return shlex.join(["jarvis", *verb.split(), f"{given[place]}/{given[name]}"])
    if tool in VERBS and given.keys() == set(VERBS[tool][1]):
        verb, names = VERBS[tool]
        return shlex.join(["jarvis", *verb.split(), *(str(given[name]) for name in names)])
    return shlex.join(
        ["jarvis", "tool", "call", tool, *(f"{name}={_plain(value)}" for name, value in given.items())]
    )


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else safe(value, 200)
