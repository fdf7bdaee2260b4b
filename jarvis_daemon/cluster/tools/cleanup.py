"""Free a node's file system of what may go without asking: cached packages, old task logs, leftovers of backups.

Each tool runs one fixed command that can remove nothing else, says before it what there is, and reads afterwards
what is left. What cannot be read is not cleaned.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from msgspec import Meta

from jarvis_daemon.cluster.shapes import parse_tasks
from jarvis_daemon.cluster.ssh_run import (
    LEFT_IN_DUMP,
    LEFT_IN_TMP,
    OLD_TASK_LOGS,
    TASK_LOGS,
    Ran,
    filled,
)
from jarvis_daemon.cluster.tools.guest_reads import StorageRef
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import online, require_success
from jarvis_daemon.cluster.tools.places import storage_on
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Node
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

MIB: Final = 2**20
CACHE: Final = "/var/cache/apt/archives"
WORTH_BYTES: Final = MIB
"""A cache with less in it (its lock, empty folders) has nothing to clean."""
DAY_MIN: Final = 1440
LEFT_MIN: Final = str(DAY_MIN)
"""What a backup left is an orphan when nobody wrote to it for so many minutes."""
RUN_S: Final = 240.0
ASK_S: Final = 60.0
LOCAL_DUMP: Final = "/var/lib/vz/dump"
_REMOVE: Final = (
    "-exec",
    "rm",
    "--recursive",
    "--force",
    "--one-file-system",
    "--preserve-root=all",
    "--",
    "{}",
    "+",
)
"""A mount point is neither entered nor removed."""
_MOUNTED: Final = frozenset({"cifs", "nfs", "cephfs"})
"""Storages that PVE itself mounts, under /mnt/pve/NAME; where others lie only the node's root knows."""


class CleanArgs(Args):
    node: NodeRef


class LogsArgs(Args):
    node: NodeRef
    older_than_days: Annotated[int, Meta(ge=30, le=3650, description="what is younger stays")] = 30


class LeftoversArgs(Args):
    node: NodeRef
    storage: StorageRef | None = None
    """None: vzdump's temporary folder and the backup folder of `local`; else the backup folder of this one."""


class Cleaned(Output):
    node: str
    freed_bytes: int
    """What was there before less what is there after, as the node itself counts it."""
    left_bytes: int
    free_before_bytes: int
    """On the file system that it lies on; others may write to it meanwhile."""
    free_after_bytes: int


@dataclass(frozen=True)
class Found:
    """What there is to clean."""

    bytes: int
    count: int
    names: tuple[str, ...] = ()
    """Some of them, for a person."""


@dataclass(frozen=True)
class Cleaner:
    """One of the three: where, how it is read, and the exact commands that clean."""

    what: str
    path: Callable[[Any], str]
    read: Callable[[Any, Node], Awaitable[Found]]
    commands: Callable[[Any], list[tuple[str, ...]]]
    nothing_below: int = 1


def specs(hands: Hands) -> list[ToolSpec]:
    table = (
        ("clean_package_cache", CleanArgs, "Empty a node's package cache (apt-get clean).",
         "Empty the package cache of {target}", "The package cache of {target} is empty.",
         Cleaner("package cache", lambda args: CACHE, _read_cache(hands),
                 lambda args: [("env", "LC_ALL=C", "apt-get", "clean")], WORTH_BYTES)),
        ("clean_task_logs", LogsArgs, "Remove a node's old task logs; their lines in the list of tasks stay.",
         "Remove task logs of {target} older than {older_than_days} days", "Old task logs of {target} are removed.",
         Cleaner("task logs", lambda args: TASK_LOGS, _read_logs(hands), log_commands)),
        ("clean_backup_leftovers", LeftoversArgs,
         "Remove the temporary files that interrupted backups left on a node, a day old at least.",
         "Remove what interrupted backups left on {target}", "Leftovers of backups on {target} are removed.",
         Cleaner("leftovers of backups", _dump_folder, _read_leftovers(hands), leftover_commands)),
    )  # fmt: skip
    return [
        ToolSpec(
            name=name, room="cluster", tier=Tier.YELLOW, args=args, output=Cleaned, description=text,
            resolve=_resolve(hands, cleaner), risk=_risk(cleaner), run=_run(hands, cleaner),
            verify=_verify(hands, cleaner), sentences=Sentences(doing, done), timeout_s=RUN_S + 4 * ASK_S,
            freshness_s=120.0, concurrency=2,
        )
        for name, args, text, doing, done, cleaner in table
    ]  # fmt: skip


# --- the common way ----------------------------------------------------------------------------------------


def _resolve(hands: Hands, cleaner: Cleaner) -> Any:
    async def resolve(args: Any, ctx: Context) -> Target:
        """The node with what there is to clean now. Raises where that cannot be read, or a backup is writing."""
        node = online(hands, args.node)
        if isinstance(args, LeftoversArgs):
            await _no_backup_runs(hands, args, node)
        found = await cleaner.read(args, node)
        facts = {"node": node, "found": found, "free": await free_bytes(hands, node, cleaner.path(args))}
        return replace(hands.node_target(node.name), observed_at=hands.scene.clock.now(), facts=facts)

    return resolve


def _risk(cleaner: Cleaner) -> Any:
    def risk(args: Any, target: Target, ctx: Context) -> Risk:
        found: Found = target.facts["found"]
        if found.count == 0 or found.bytes < cleaner.nothing_below:
            return Risk(refuse=f"{target.name} has no {cleaner.what} to clean")
        effects = [f"{in_words(found.bytes)} are freed at most."]
        if isinstance(args, LogsArgs):
            effects.append(f"{found.count} logs of tasks cannot be read any more.")
        return Risk(effects=(*effects, *(f"{name} is removed" for name in found.names)))

    return risk


def _run(hands: Hands, cleaner: Cleaner) -> Any:
    async def run(args: Any, target: Target, act: Act) -> Cleaned:
        node: Node = target.facts["node"]
        before: Found = target.facts["found"]
        for argv in cleaner.commands(args):
            what = f"removes {cleaner.what} of {node.name}"
            ran = await hands.scene.ssh.act(act, what, node.name, argv, node.ip, timeout_s=RUN_S)
            if not _no_such_folder(ran):
                require_success(ran, f"Cleaning {cleaner.what} of {node.name}")
        after = await cleaner.read(args, node)
        free = await free_bytes(hands, node, cleaner.path(args))
        return Cleaned(
            node=node.name, freed_bytes=max(0, before.bytes - after.bytes), left_bytes=after.bytes,
            free_before_bytes=target.facts["free"], free_after_bytes=free,
        )  # fmt: skip

    return run


def _verify(hands: Hands, cleaner: Cleaner) -> Any:
    async def verify(args: Any, target: Target, result: Any, ctx: Context) -> Verdict:
        """Read anew: nothing of it is left."""
        node: Node = target.facts["node"]
        before: Found = target.facts["found"]
        after = await cleaner.read(args, node)
        free = await free_bytes(hands, node, cleaner.path(args))
        freed, was = max(0, before.bytes - after.bytes), target.facts["free"]
        evidence = {
            "before_bytes": before.bytes, "left_bytes": after.bytes, "free_before_bytes": was,
            "free_after_bytes": free,
        }  # fmt: skip
        room = f"{in_words(free)} are free there now, {in_words(was)} were."
        if after.count and after.bytes >= cleaner.nothing_below:
            left = f"{in_words(after.bytes)} of {cleaner.what} are still on {target.name}"
            return Verdict("contradicted", f"{left}; {in_words(freed)} are freed. {room}", evidence)
        text = f"{in_words(freed)} of {cleaner.what} are removed from {target.name}. {room}"
        return Verdict("verified", text, evidence)

    return verify


async def free_bytes(hands: Hands, node: Node, path: str) -> int:
    """Room on the file system that ``path`` lies on. Raises ``cluster_refused`` when df does not tell it."""
    ran = await hands.scene.ssh.ask("space", node.name, node.ip, timeout_s=ASK_S, path=path)
    require_success(ran, f"Asking {node.name} for free space")
    numbers = ran.stdout.splitlines()[-1].split() if ran.stdout.strip() else []
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise JarvisError("cluster_refused", f"{node.name} does not tell how much space is free")
    return int(numbers[2])


def in_words(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / MIB:.1f} MiB"


def _no_such_folder(ran: Ran) -> bool:
    """Where the folder itself does not exist there is nothing in it."""
    return ran.exit_code == 1 and re.fullmatch(r"find: .+: No such file or directory\s*", ran.stderr) is not None


def parse_sizes(ran: Ran) -> list[tuple[int, str]]:
    """Lines of ``du --block-size=1``: (bytes, path). Its tabs have become spaces on the way."""
    found = [re.fullmatch(r"(\d+)\s+(/.*)", line) for line in ran.stdout.splitlines()]
    return [(int(match[1]), clean(match[2], limit=200)) for match in found if match is not None]


# --- package cache -----------------------------------------------------------------------------------------


def _read_cache(hands: Hands) -> Callable[[Any, Node], Awaitable[Found]]:
    async def read(args: CleanArgs, node: Node) -> Found:
        ran = await hands.scene.ssh.ask("size", node.name, node.ip, timeout_s=ASK_S, path=CACHE)
        require_success(ran, f"Asking {node.name} for the size of its package cache")
        sizes = parse_sizes(ran)
        if not sizes:
            raise JarvisError("cluster_refused", f"{node.name} does not tell the size of its package cache")
        return Found(sizes[-1][0], 1)

    return read


# --- task logs ---------------------------------------------------------------------------------------------


def _read_logs(hands: Hands) -> Callable[[Any, Node], Awaitable[Found]]:
    async def read(args: LogsArgs, node: Node) -> Found:
        minutes = str(args.older_than_days * DAY_MIN)
        ran = await hands.scene.ssh.ask("old_task_logs", node.name, node.ip, timeout_s=ASK_S, minutes=minutes)
        require_success(ran, f"Listing the task logs of {node.name}")
        blocks = [int(line) for line in ran.stdout.split() if line.isdecimal()]
        return Found(512 * sum(blocks), len(blocks))

    return read


def log_commands(args: LogsArgs) -> list[tuple[str, ...]]:
    return [(*filled(OLD_TASK_LOGS, {"minutes": str(args.older_than_days * DAY_MIN)}), "-delete")]


# --- leftovers of backups ----------------------------------------------------------------------------------


def _dump_folder(args: LeftoversArgs) -> str:
    return LOCAL_DUMP if args.storage in {None, "local"} else f"/mnt/pve/{args.storage}/dump"


def _read_leftovers(hands: Hands) -> Callable[[Any, Node], Awaitable[Found]]:
    async def read(args: LeftoversArgs, node: Node) -> Found:
        reads = [("left_in_dump", {"path": _dump_folder(args)})]
        if args.storage is None:
            reads.append(("left_in_tmp", {}))
        sizes: list[tuple[int, str]] = []
        for name, values in reads:
            ran = await hands.scene.ssh.ask(name, node.name, node.ip, timeout_s=ASK_S, minutes=LEFT_MIN, **values)
            if not _no_such_folder(ran):
                sizes += parse_sizes(require_success(ran, f"Looking for leftovers of backups on {node.name}"))
        return Found(sum(size for size, _ in sizes), len(sizes), tuple(path for _, path in sizes[:10]))

    return read


def leftover_commands(args: LeftoversArgs) -> list[tuple[str, ...]]:
    commands = [(*filled(LEFT_IN_DUMP, {"minutes": LEFT_MIN, "path": _dump_folder(args)}), *_REMOVE)]
    if args.storage is None:
        commands.append((*filled(LEFT_IN_TMP, {"minutes": LEFT_MIN}), *_REMOVE))
    return commands


async def _no_backup_runs(hands: Hands, args: LeftoversArgs, node: Node) -> None:
    """Raises ``refused`` where a backup runs that may write there, ``cluster_unreachable`` where nobody can say."""
    writers = [node]
    if args.storage is not None and args.storage != "local":
        storage = storage_on(hands, args.storage, node.name)
        if storage is None:
            raise JarvisError("not_found", f"{node.name} has no storage {args.storage}")
        if storage.type not in _MOUNTED:
            raise JarvisError(
                "refused", f"Where {args.storage} lies on {node.name} is not known",
                why=f"a storage of type {storage.type} is not one that Proxmox mounts under /mnt/pve",
            )  # fmt: skip
        writers = [online(hands, name) for name in storage.nodes or [node.name]]
    answers: list[Any] = list(await asyncio.gather(*(_backups_on(hands, one.name) for one in writers)))
    if busy := [one.name for one, running in zip(writers, answers, strict=True) if running]:
        raise JarvisError(
            "refused", f"A backup runs on {', '.join(busy)}", why="what it writes must not be taken for rubbish",
            next="`jarvis task list` shows it; clean when it has ended.",
        )  # fmt: skip


async def _backups_on(hands: Hands, node: str) -> bool:
    """As the node itself says now. Raises as ``Proxmox.call``."""
    reply = await hands.scene.px.call("node_tasks", node=node, source="active", typefilter="vzdump")
    return any(task.ended_at is None for task in parse_tasks(reply, hands.scene.cluster.name))
