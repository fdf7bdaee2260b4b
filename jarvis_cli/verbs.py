"""The verbs and the tools behind them: one row a verb. A verb is a name for a call of ``jarvis tool call``.

``tools`` is one tool, or one for a VM and one for a container. What a person types comes in ``Part``s: the first
names what it is about. Standard library only.
"""

from __future__ import annotations

import shlex
from typing import Any, Final, Literal, NamedTuple

About = Literal["guest", "node", "service", "container", "none"]


class Part(NamedTuple):
    """One value a person may give: ``name`` is the tool's argument, ``option`` None for a positional one."""

    name: str
    text: str
    option: str | None = None
    kind: type = str
    required: bool = False
    metavar: str | None = None


class Verb(NamedTuple):
    """``about`` says how the first word is read: a guest by name or vmid, a node, ``node/unit``, or nothing."""

    noun: str
    name: str
    text: str
    about: About
    vm: str
    ct: str
    parts: tuple[Part, ...] = ()
    asks: bool = True
    """False for a read: it takes no --yes and no --dry-run."""

    def tool(self, kind: str | None = None) -> str:
        return self.ct if kind == "ct" else self.vm


def _power(name: str, text: str, *parts: Part) -> Verb:
    return Verb("guest", name, text, "guest", f"{name}_vm", f"{name}_container", parts)


def _guest(name: str, tool: str, text: str, *parts: Part) -> Verb:
    return Verb("guest", name, text, "guest", tool, tool, parts)


def _node(name: str, tool: str, text: str, *parts: Part) -> Verb:
    return Verb("node", name, text, "node", tool, tool, parts)


def _docker(name: str, text: str) -> Verb:
    return Verb("docker", name, text, "container", f"{name}_docker_container", f"{name}_docker_container")


_PATIENCE: Final = Part(
    "timeout_s", "How long the guest may take, in seconds.", "--patience", int, metavar="SECONDS"
)
_LINES: Final = Part("lines", "How many lines.", "--lines", int)
_AT: Final = Part("node", "Only those of this node.")
_ON: Final = Part("node", "Only those of this Docker host.", metavar="HOST")
_SINCE: Final = Part("since_s", "How far back, in seconds.", "--since", int, metavar="SECONDS")
_SNAPSHOT: Final = Part("name", "Name of the snapshot.", required=True, metavar="SNAPSHOT")

VERBS: Final[tuple[Verb, ...]] = (
    _power("start", "Start it and wait until it runs."),
    _power("shutdown", "Ask it to shut down and wait until it is stopped.", _PATIENCE),
    _power("stop", "Pull its plug: unsaved data is lost."),
    _power("reboot", "Ask it to shut down and start it again.", _PATIENCE),
    _guest("suspend", "suspend_guest", "Suspend it."),
    _guest("resume", "resume_guest", "Let a suspended one go on."),
    _guest("migrate", "migrate_guest", "Move it to another node.",
           Part("node", "The node to move it to.", required=True, metavar="NODE")),
    _guest("snapshot", "create_snapshot", "Take a snapshot.", _SNAPSHOT,
           Part("description", "What it is for.", "--description"),
           Part("with_memory", "Of a running VM, its memory too.", "--memory", bool)),
    _guest("rollback", "rollback_snapshot", "Go back to a snapshot; what came after it is lost.", _SNAPSHOT,
           Part("start", "Start it afterwards.", "--start", bool)),
    _guest("backup", "run_backup", "Back it up now.", Part("storage", "Where to.", "--storage")),
    _guest("clone", "clone_guest", "Make a copy under the next free vmid.",
           Part("name", "The copy's name.", required=True), Part("storage", "Where its disks go.", "--storage")),
    _guest("update", "apply_updates", "Install the updates of a container."),
    _guest("delete", "delete_guest", "Destroy it with its disks."),
    _node("wake", "wake_node", "Switch a sleeping node on."),
    _node("drain", "drain_node", "Move or shut down its guests, one by one; begun again it goes on."),
    _node("update", "apply_updates", "Apply its updates; it is drained first."),
    _node("reboot", "reboot_node", "Reboot the whole node."),
    _node("shutdown", "shutdown_node", "Switch the whole node off."),
    Verb("service", "list", "Services of the nodes that Jarvis looks after.", "none", "list_services",
         "list_services", (_AT,), asks=False),
    Verb("service", "show", "One service as systemd sees it.", "service", "get_service_status",
         "get_service_status", asks=False),
    Verb("service", "restart", "Restart a service.", "service", "restart_service", "restart_service"),
    Verb("service", "journal", "The last lines of its journal.", "service", "get_journal", "get_journal",
         (_LINES, _SINCE),
         asks=False),
    Verb("docker", "list", "Docker containers.", "none", "list_docker_containers", "list_docker_containers", (_ON,),
         asks=False),
    Verb("docker", "logs", "The last lines of a container's log.", "container", "get_docker_logs",
         "get_docker_logs", (_LINES,), asks=False),
    _docker("start", "Start a container."),
    _docker("restart", "Restart a container."),
    _docker("stop", "Stop a container."),
)  # fmt: skip

MORE: Final[tuple[Verb, ...]] = (
    Verb("autonomy", "set", "Choose the autonomy level.", "none", "set_autonomy", "set_autonomy",
         (Part("level", "0 to 4.", kind=int, required=True), Part("condition", "Of a condition.", "--condition"),
          Part("target", "Of a target.", "--target"))),
    Verb("autonomy", "unset", "Take a level of its own away.", "none", "unset_autonomy", "unset_autonomy",
         (Part("condition", "Of a condition.", "--condition"), Part("target", "Of a target.", "--target"))),
    Verb("runbook", "run", "Run a runbook by hand.", "none", "run_runbook", "run_runbook",
         (Part("runbook", "Its name.", required=True), Part("target", "Where.", required=True))),
    Verb("runbook", "distrust", "Take the trust away.", "none", "distrust_runbook", "distrust_runbook",
         (Part("name", "Its name.", required=True),)),
    Verb("memory", "add", "Remember something.", "none", "remember", "remember",
         (Part("text", "What.", required=True), Part("kind", "fact or preference.", "--kind"),
          Part("subject", "What it is about.", "--about"))),
    Verb("memory", "forget", "Forget one thing.", "none", "forget_memory", "forget_memory",
         (Part("memory", "Its number.", kind=int, required=True),)),
)  # fmt: skip
"""Commands with a module of their own that stand for one call, too: ``command_line`` tells them."""

WORDS: Final[dict[About, tuple[str, str]]] = {
    "guest": ("guest", "Name or vmid."),
    "node": ("node", "Name of the node."),
    "service": ("service", "As NODE/UNIT, like pve/smbd."),
    "container": ("container", "As HOST/CONTAINER, like management/grafana."),
}
"""What the first word of a verb is called, and how it is written."""


def arguments(verb: Verb, subject: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The tool's arguments. ``subject`` is a vmid, a node or ``node/unit``; what was not given stays away."""
    args: dict[str, Any] = {}
    if verb.about in {"guest", "node"}:
        args[verb.about] = subject
    elif subject is not None:
        node, _, unit = subject.partition("/")
        args |= {"node": node, verb.about: unit}
    return args | {part.name: given[part.name] for part in verb.parts if given.get(part.name) is not None}


def command_line(tool: str, args: dict[str, Any]) -> str:
    """The command of a person for a call: its verb where there is one that says all of it."""
    for verb in (*VERBS, *MORE):
        if tool in {verb.vm, verb.ct} and (words := _words(verb, args)) is not None:
            return shlex.join(["jarvis", verb.noun, verb.name, *words])
    return shlex.join(["jarvis", "tool", "call", tool, *(f"{name}={_plain(v)}" for name, v in args.items())])


def _words(verb: Verb, args: dict[str, Any]) -> list[str] | None:
    rest = {name: value for name, value in args.items() if value is not None}
    words: list[str] = []
    if verb.about in {"guest", "node"}:
        words.append(str(rest.pop(verb.about, "")))
    elif verb.about != "none":
        words.append(f"{rest.pop('node', '')}/{rest.pop(verb.about, '')}")
    for part in verb.parts:
        value = rest.pop(part.name, None)
        if value is None:
            if part.required:
                return None
            continue
        if part.kind is bool:
            words += [str(part.option)] if value else []
        else:
            words += [_plain(value)] if part.option is None else [part.option, _plain(value)]
    return words if not rest and all(words) else None


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)
