"""The words of acts: how a person orders one, how a model claims one, and which tools do it.

An order's word may have a particle that stands apart ("turn plex on"): ``turn:on``. A claim's word may mean more
than one act ("turned"); whoever checks it takes any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.tools.spec import ToolSpec


def many(text: str) -> frozenset[str]:
    """Words written in a row."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Act:
    """``tools``: beginnings of the names of the tools that do it."""

    orders: tuple[str, ...]
    claims: tuple[str, ...]
    going: tuple[str, ...]
    tools: tuple[str, ...]


def _act(orders: str, claims: str, going: str, tools: str) -> Act:
    return Act(tuple(orders.split()), tuple(claims.split()), tuple(going.split()), tuple(tools.split()))


ACTS: Final[Mapping[str, Act]] = {
    "restart": _act(
        "restart reboot bounce cycle power-cycle power:cycle", "restarted rebooted bounced cycled power-cycled",
        "restarting rebooting bouncing cycling", "restart_ reboot_",
    ),
    "start": _act(
        "start boot launch power:on turn:on switch:on fire:up bring:up spin:up",
        "started booted launched powered turned switched fired brought spun",
        "starting booting launching powering turning", "start_ wake_ resume_",
    ),
    "stop": _act(
        "stop halt kill shutdown shut:down power:off power:down turn:off switch:off take:down",
        "stopped halted killed shut powered turned switched taken", "stopping halting shutting powering turning",
        "stop_ shutdown_",
    ),
    "suspend": _act("suspend pause hibernate", "suspended paused hibernated", "suspending pausing", "suspend_"),
    "resume": _act("resume unpause continue wake", "resumed unpaused continued", "resuming unpausing", "resume_"),
    "wake": _act(
        "wake start boot power:on turn:on switch:on", "woken woke awakened", "waking", "wake_"
    ),
    "migrate": _act(
        "migrate move relocate drain evacuate", "migrated moved relocated drained evacuated",
        "migrating moving relocating draining evacuating", "migrate_ drain_",
    ),
    "snapshot": _act(
        "snapshot checkpoint", "snapshotted snapshot", "snapshotting", "create_snapshot"
    ),
    "rollback": _act(
        "rollback revert roll:back", "rolled reverted", "rolling reverting", "rollback_"
    ),
    "backup": _act("backup back:up", "backed backup", "backing", "run_backup"),
    "restore": _act("restore", "restored", "restoring", "restore_ rollback_"),
    "delete": _act(
        "delete remove destroy erase wipe", "deleted removed destroyed erased wiped",
        "deleting removing destroying erasing wiping", "delete_ clean_ set_guest_tags forget_",
    ),
    "create": _act("create clone copy make", "created cloned copied", "creating cloning", "create_ clone_"),
    "resize": _act(
        "resize grow enlarge extend expand increase", "resized grown grew enlarged extended expanded increased",
        "resizing growing enlarging extending expanding increasing", "resize_",
    ),
    "tag": _act("tag untag label", "tagged untagged labelled labeled", "tagging untagging", "set_guest_tags"),
    "update": _act(
        "update upgrade patch install", "updated upgraded patched installed", "updating upgrading installing",
        "apply_updates",
    ),
    "clean": _act(
        "clean clear empty tidy purge prune free", "cleaned cleared emptied tidied purged pruned freed",
        "cleaning clearing emptying purging freeing", "clean_",
    ),
    "run": _act("run execute", "executed ran", "executing", "execute_ run_runbook run_backup"),
    "silence": _act("silence mute snooze hush", "silenced muted snoozed", "silencing muting", "silence_"),
    "unsilence": _act("unsilence unmute", "unsilenced unmuted", "unsilencing", "unsilence_"),
    "acknowledge": _act("acknowledge ack", "acknowledged", "acknowledging", "acknowledge_"),
    "remember": _act("remember memorise memorize", "remembered memorised memorized", "remembering", "remember"),
    "forget": _act("forget", "forgotten forgot", "forgetting", "forget_"),
    "set": _act(
        "set change adjust configure enable disable", "changed adjusted configured enabled disabled",
        "changing configuring enabling disabling", "set_ unset_ resize_",
    ),
    "mend": _act(
        "fix repair mend", "fixed repaired mended resolved", "fixing repairing",
        "run_runbook restart_ reboot_ start_ clean_ execute_ apply_ resize_ migrate_ rollback_ restore_",
    ),
}  # fmt: skip
LIGHT: Final = frozenset({"run", "create", "set"})
"""Verbs that another word of the same order may fill: "run a backup"."""
_PARTICLES: Final[Mapping[str, frozenset[str]]] = {
    "powered": frozenset({"on", "off", "down", "up"}), "turned": frozenset({"on", "off"}),
    "switched": frozenset({"on", "off"}), "fired": frozenset({"up"}), "brought": frozenset({"up", "back", "down"}),
    "spun": frozenset({"up", "down"}), "shut": frozenset({"down", "off"}),
    "taken": frozenset({"down"}), "rolled": frozenset({"back"}),
    "backed": frozenset({"up"}), "powering": frozenset({"on", "off", "down", "up"}),
    "turning": frozenset({"on", "off"}), "shutting": frozenset({"down", "off"}), "rolling": frozenset({"back"}),
    "backing": frozenset({"up"}),
}  # fmt: skip
"""Words that claim an act only together with one of these, somewhere behind them."""
LONGEST: Final = 4000
_EDGES: Final = " \t\r\n.,;:!?()[]{}<>\"'`*_~“”‘’…"
_SPLIT: Final = re.compile(r"[\s/]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without the marks at their edges; what joins the parts of a name stays.
    Of a text that nobody types only its beginning."""
    found = []
    for raw in text[:LONGEST].casefold().replace("’", "'").split():
        word = raw.strip(_EDGES).removesuffix("'s")
        if word:
            found.append(word)
    return found


def ordered(tokens: Sequence[str]) -> list[str]:
    """The acts that an order names, in the order of their words; a light verb goes behind what fills it."""
    found: list[tuple[bool, int, str]] = []
    for name, act in ACTS.items():
        if (at := first(act.orders, tokens)) is not None:
            found.append((name in LIGHT, at, name))
    return [name for _, _, name in sorted(found)]


def places(tokens: Sequence[str]) -> frozenset[int]:
    """Where the words stand by which an order names its acts first, particles too."""
    found: set[int] = set()
    at = min((at for act in ACTS.values() if (at := first(act.orders, tokens)) is not None), default=None)
    if at is None:
        return frozenset()
    for act in ACTS.values():
        for order in act.orders:
            verb, _, particle = order.partition(":")
            if tokens[at] == verb and particle in ("", *tokens[at + 1 :]):
                found.add(at)
                if particle:
                    found.add(list(tokens).index(particle, at + 1))
    return frozenset(found)


def of_tool(spec: ToolSpec) -> set[str]:
    """The acts that a tool does."""
    return {name for name, act in ACTS.items() if spec.name.startswith(act.tools)}


_NOUNS: Final[Mapping[str, frozenset[str]]] = {
    "clean_package_cache": many("cache package packages apt"), "clean_task_logs": many("task tasks log logs"),
    "clean_backup_leftovers": many("leftover leftovers"), "forget_memory": many("memory note"),
    "set_guest_tags": many("tag tags untag label"), "create_snapshot": many("snapshot checkpoint"),
    "run_backup": many("backup back"), "unset_": many("unset"), "silence_": many("silence mute snooze hush"),
}  # fmt: skip
"""By the beginnings of tools' names: an order has to say one of these words too, for its verb may mean more."""


def nouns(spec: ToolSpec) -> frozenset[str]:
    """The words of which an order for this tool has to say one; none: its verb is enough."""
    return frozenset().union(*(words for tool, words in _NOUNS.items() if spec.name.startswith(tool)))


def orders_tool(spec: ToolSpec, tokens: Sequence[str]) -> bool:
    """Whether an order's words name what this tool does, as the first thing they name. "Fix it" names no tool."""
    if nouns(spec) and nouns(spec).isdisjoint(tokens):
        return False
    named = ordered(tokens)
    if named:
        at = first(ACTS[named[0]].orders, tokens)
        same = {name for name in named if first(ACTS[name].orders, tokens) == at} - {"mend"}
        return not same.isdisjoint(of_tool(spec))
    if of_tool(spec):
        return False
    own = [word for word in spec.name.split("_") if len(word) > 2]  # a foreign tool: all words of its name
    return bool(own) and all(any(token.startswith(word) for token in tokens) for word in own)


def claimed(word: str, behind: Iterable[str], sentence: Iterable[str]) -> set[str]:
    """The acts that a word claims as done or going on, with the words behind it, and all of its sentence."""
    if word in TAKEN or word == "created":
        nouns = set(sentence)
        if nouns & {"snapshot", "snapshots", "checkpoint"}:
            return {"snapshot"}
        if nouns & {"backup", "backups"}:
            return {"backup"}
        if word in {"took", "made"}:
            return set()
    wants = _PARTICLES.get(word)
    rest = set(behind)
    if wants is not None and wants.isdisjoint(rest):
        return set()
    found = {name for name, act in ACTS.items() if word in act.claims or word in act.going}
    if word in {"powered", "turned", "switched", "powering", "turning", "brought", "spun"}:
        down = bool(rest & {"off", "down"})
        found = {"stop"} if down else {"start", "wake", "restart", "resume"}
    return found


TAKEN: Final = frozenset({"took", "taken", "made"})
"""With these a noun tells what was done."""
DONE_WORDS: Final = frozenset({word for act in ACTS.values() for word in act.claims} - {"snapshot", "backup"})
GOING_WORDS: Final = frozenset({word for act in ACTS.values() for word in act.going})


def first(orders: Iterable[str], tokens: Sequence[str]) -> int | None:
    """Where the first of these words of an order stands."""
    there: dict[str, int] = {}
    for at, token in enumerate(tokens):
        there.setdefault(token, at)
    found = []
    for order in orders:
        verb, _, particle = order.partition(":")
        if verb in there and (not particle or particle in tokens[there[verb] + 1 :]):
            found.append(there[verb])
    return min(found, default=None)
