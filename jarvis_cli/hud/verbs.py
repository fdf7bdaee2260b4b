"""The acting words: which tool each stands for, on which key, and what it has to be told.

A word exists as far as the daemon offers its tool: without it there is no key, no command, no entry in the palette.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from jarvis_cli.hud.states import Entity
from jarvis_cli.verbs import command_line

Tools = Mapping[str, Mapping[str, Any]]
"""What ``tool.list`` told, by name."""
Want = Literal["", "node", "snapshot"]


class Verb(NamedTuple):
    """``vm`` ``ct`` ``node`` name the tool for each kind of target. ``want`` is what a person is asked for before
    the plan; ``states`` are the words of a guest's state in which the palette offers it; ``graver`` is the word
    that the confirm screen offers in its place."""

    word: str
    key: str
    about: str
    vm: str = ""
    ct: str = ""
    node: str = ""
    want: Want = ""
    states: frozenset[str] = frozenset({"run", "stop", "paused", "suspended"})
    graver: str = ""


_RUNS: Final = frozenset({"run", "paused", "suspended"})
VERBS: Final = {
    verb.word: verb
    for verb in (
        Verb("start", "S", "start a guest", "start_vm", "start_container", states=frozenset({"stop"})),
        Verb("shutdown", "X", "ask a guest to shut down", "shutdown_vm", "shutdown_container", states=_RUNS,
             graver="stop"),
        Verb("stop", "", "pull a guest's plug", "stop_vm", "stop_container", states=_RUNS),
        Verb("reboot", "R", "reboot a guest", "reboot_vm", "reboot_container", states=_RUNS),
        Verb("migrate", "M", "move a guest: `:migrate plex pve`", "migrate_guest", "migrate_guest", want="node"),
        Verb("backup", "B", "back a guest up now", "run_backup", "run_backup"),
        Verb("snapshot", "n", "snapshot a guest: `:snapshot plex NAME`", "create_snapshot", "create_snapshot",
             want="snapshot"),
        Verb("delete", "ctrl+d", "delete a guest for ever", "delete_guest", "delete_guest",
             states=frozenset({"stop", "template"})),
        Verb("wake", "W", "wake a node", node="wake_node"),
        Verb("drain", "", "empty a node of its guests", node="drain_node"),
    )
}  # fmt: skip
TOOLS: Final = frozenset(name for verb in VERBS.values() for name in (verb.vm, verb.ct, verb.node) if name)
_TOLD: Final = {"node": "node", "snapshot": "name"}
"""What is wanted -> the tool's argument."""


class Wish(NamedTuple):
    """One call that a person wants: the tool, its arguments, and what it is about."""

    verb: Verb
    target: Entity
    tool: str
    args: dict[str, Any]


def kind_of(target: Entity) -> str:
    """``vm`` ``ct`` or ``node``."""
    return "node" if str(target.get("id")).startswith("node:") else str(target.get("kind") or "vm")


def tool_of(verb: Verb, kind: str) -> str:
    return {"vm": verb.vm, "ct": verb.ct, "node": verb.node}.get(kind, "")


def offered(tools: Tools, *kinds: str) -> list[Verb]:
    """The verbs that this daemon has for any of these kinds of targets."""
    return [verb for verb in VERBS.values() if any(tool_of(verb, kind) in tools for kind in kinds)]


def wish(verb: Verb, target: Entity, tools: Tools, told: str = "") -> Wish | None:
    """The call for ``verb`` on ``target``; None where this daemon has no tool for it. ``told`` is the node to move
    to or the name of the snapshot."""
    kind = kind_of(target)
    name = tool_of(verb, kind)
    if not name or name not in tools:
        return None
    args = {"node": str(target.get("name"))} if kind == "node" else {"guest": str(target.get("vmid"))}
    if verb.want and told:
        args[_TOLD[verb.want]] = told
    return Wish(verb, target, name, args)


def undo_words(undo: Mapping[str, Any] | None) -> str:
    """``:start 104`` for ``{"name": "start_vm", "args": {"guest": "104"}}``, the shell's command where the HUD has
    no word for it; empty where nothing takes it back."""
    if not undo:
        return ""
    name, args = str(undo.get("name")), dict(undo.get("args") or {})
    for verb in VERBS.values():
        wanted = {"node" if verb.node else "guest", *([_TOLD[verb.want]] if verb.want else [])}
        if name in {verb.vm, verb.ct, verb.node} and set(args) == wanted:
            return " ".join((f":{verb.word}", *(str(args[key]) for key in sorted(wanted))))
    return command_line(name, args)
