"""Commands on nodes: the fixed set of reading ones, and how one command runs to its end or its deadline.

Nothing here decides what may run: reads are this table and no other; whatever acts goes through ``SshNodes.act``,
which takes the gate's permit.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean, clean_block

if TYPE_CHECKING:
    import asyncssh

OUTPUT_MAX_BYTES: Final = 256 * 1024
"""Kept of each stream; what comes behind it is read and thrown away, so the command can end."""
ARGV_MAX: Final = 8192
UNIT: Final = r"[A-Za-z0-9@_][A-Za-z0-9:_.@\\-]{0,199}"
_VALUES: Final[Mapping[str, str]] = {
    "unit": UNIT, "vmid": r"[1-9][0-9]{2,8}", "lines": r"[1-9][0-9]{0,4}", "since": r"[0-9]{1,12}",
    "path": r"/[A-Za-z0-9._/@:+ -]{0,200}", "minutes": r"[1-9][0-9]{2,7}",
}  # fmt: skip
SHOWN: Final = (
    "Id,LoadState,ActiveState,SubState,Result,NRestarts,MainPID,ActiveEnterTimestampMonotonic,Description"
)
TASK_LOGS: Final = "/var/log/pve/tasks"
OLD_TASK_LOGS: Final = (
    "env", "LC_ALL=C", "find", TASK_LOGS, "-xdev", "-mindepth", "2", "-maxdepth", "2", "-type", "f",
    "-name", "UPID:*", "-mmin", "+{minutes}",
)  # fmt: skip
VZDUMP_TMP: Final = "/var/tmp"  # noqa: S108  (where vzdump itself keeps what a backup needs on the way)
_HERE: Final = ("-xdev", "-mindepth", "1", "-maxdepth", "1", "-mmin", "+{minutes}")
LEFT_IN_TMP: Final = ("env", "LC_ALL=C", "find", VZDUMP_TMP, *_HERE, "-uid", "0", "-name", "vzdumptmp*")
"""Of root's only, for anybody may write there."""
LEFT_IN_DUMP: Final = (
    "env", "LC_ALL=C", "find", "{path}", *_HERE, "(", "-name", "vzdump-*.tmp", "-o", "-name", "vzdump-*.dat", ")",
)  # fmt: skip
"""The names of backups themselves match none of these."""
_SIZES: Final = ("-exec", "du", "--summarize", "--block-size=1", "--one-file-system", "--", "{{}}", "+")
_GENTLY: Final = ("env", "LC_ALL=C", "timeout", "--signal=KILL", "50", "nice", "--adjustment=19")
"""A whole file system is gone through: behind everything else, and not for ever."""
READS: Final[Mapping[str, tuple[str, ...]]] = {
    "service_show": ("env", "LC_ALL=C", "TZ=UTC", "systemctl", "show", f"--property={SHOWN}", "--", "{unit}"),
    "service_active": ("systemctl", "is-active", "--", "{unit}"),
    "journal": ("env", "LC_ALL=C", "journalctl", "--no-pager", "--output=short-iso", "--lines={lines}",
                "--since=-{since}s", "--unit={unit}"),
    "mounts": ("findmnt", "--json", "--list", "--types", "nfs,nfs4,cifs,smb3", "--output", "TARGET,SOURCE,FSTYPE"),
    "mount_alive": ("timeout", "--signal=KILL", "3", "stat", "--file-system", "--format=%b %f %S", "--", "{path}"),
    "guest_updates": (
        "pct", "exec", "{vmid}", "--", "env", "LC_ALL=C", "apt-get", "--simulate", "--quiet", "dist-upgrade",
    ),
    "space": ("env", "LC_ALL=C", "df", "--block-size=1", "--output=size,used,avail", "--", "{path}"),
    "size": ("env", "LC_ALL=C", "du", "--summarize", "--block-size=1", "--one-file-system", "--", "{path}"),
    "old_task_logs": (*OLD_TASK_LOGS, "-printf", "%b\\n"),
    "left_in_tmp": (*LEFT_IN_TMP, *_SIZES),
    "left_in_dump": (*LEFT_IN_DUMP, *_SIZES),
    "folders": (
        *_GENTLY, "du", "--one-file-system", "--block-size=1", "--max-depth=4", "--threshold=67108864", "--",
        "{path}",
    ),
    "big_files": (
        *_GENTLY, "find", "{path}", "-xdev", "-type", "f", "-size", "+65536k", "-printf", "%b %T@ %p\\n",
    ),
    "updates": ("env", "LC_ALL=C", "apt-get", "--simulate", "--quiet", "dist-upgrade"),
}  # fmt: skip
"""Exact argument vectors; a placeholder takes a value that matches its pattern as a whole, nothing else."""


class Ran(msgspec.Struct, kw_only=True):
    """What a command came to. Text is clean; ``truncated``: more came than was kept."""

    exit_code: int | None = None
    """None when the command was ended by a signal or its connection broke."""
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False


def reading(name: str, values: Mapping[str, str]) -> list[str]:
    """The argument vector of the read ``name``. Raises ``invalid_params`` for a value that does not fit."""
    return filled(READS[name], values)


def filled(argv: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """``argv`` with its placeholders. Raises ``invalid_params`` for a value that does not fit."""
    for key, value in values.items():
        if not re.fullmatch(_VALUES[key], value):
            raise JarvisError("invalid_params", f"{clean(value, limit=80)!r} cannot be a {key}")
    return [part.format(**values) for part in argv]


def command_line(argv: Sequence[str]) -> str:
    """One line that any POSIX shell splits into exactly ``argv`` again. Raises ``invalid_params``."""
    if not argv or not argv[0]:
        raise JarvisError("invalid_params", "There is no command")
    if any(not part.isprintable() for part in argv) or sum(len(part) + 3 for part in argv) > ARGV_MAX:
        raise JarvisError("invalid_params", "The command is too long or holds control characters")
    return shlex.join(argv)


async def run(connection: asyncssh.SSHClientConnection, line: str) -> Ran:
    """Run one command to its end, stdin closed. Bounded by the caller's deadline; raises what asyncssh raises."""
    import asyncssh

    async with await connection.create_process(line, stdin=asyncssh.DEVNULL, encoding=None) as process:
        (out, more_out), (err, more_err) = await asyncio.gather(_drain(process.stdout), _drain(process.stderr))
        await process.wait_closed()
        code = process.exit_status
    return Ran(
        exit_code=code if code is not None and code >= 0 else None, truncated=more_out or more_err,
        stdout=_text(out), stderr=_text(err),
    )  # fmt: skip


async def _drain(stream: asyncssh.SSHReader[bytes]) -> tuple[bytes, bool]:
    """Everything up to the limit, and whether there was more."""
    kept, more = bytearray(), False
    while chunk := await stream.read(65536):
        room = OUTPUT_MAX_BYTES - len(kept)
        kept += chunk[: max(0, room)]
        more = more or len(chunk) > room
    return bytes(kept), more


def _text(raw: bytes) -> str:
    return clean_block(raw.decode("utf-8", "replace"), limit=OUTPUT_MAX_BYTES)
