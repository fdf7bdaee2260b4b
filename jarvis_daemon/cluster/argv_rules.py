"""What a command on a node may be: parsed into its argument vector, then judged by exact forms.

YELLOW are the forms of ``HARMLESS``, whole and nothing but them. BLACK is what destroys, takes a node or the
cluster away, cuts its network or SSH, or hides what it does (``argv_denials``). Everything else is RED: a person
reads the exact arguments before they run. Nothing is ever judged by how it begins.

The deny rules look through what only carries another command (``argv_carriers``), through absolute paths, options
and assignments. A carrier that cannot be looked through is BLACK.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.cluster.argv_carriers import carried
from jarvis_daemon.cluster.argv_denials import denial
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Tier

ARGS_MAX: Final = 100
_UNIT: Final = r"<[A-Za-z0-9@_][A-Za-z0-9:_.@-]{0,99}>"
_VMID: Final = r"<[1-9][0-9]{2,8}>"
_FORMS: Final = f"""
uptime | uname -a | hostname | date | w | who | last -n 20 | ps aux | free -h | free -m | df -h | df -i
lsblk | lscpu | lsusb | lspci | sensors | sensors -j | dmesg --level=err,warn
ss -tln | ss -tuln | ip -br address | ip -br link | ip route
pveversion | pveversion -v | pvecm status | pvecm nodes | pvesm status | pvesr status | ha-manager status
qm list | pct list | qm status {_VMID} | pct status {_VMID}
zpool status | zpool list | zfs list | lvs | vgs | pvs | smartctl -H </dev/[a-z]+[a-z0-9]*>
systemctl --failed | systemctl list-timers | systemctl is-active {_UNIT} | systemctl status --no-pager {_UNIT}
journalctl --no-pager -n <[1-9][0-9]{{0,2}}> -u {_UNIT}
"""
HARMLESS: Final = tuple(
    tuple(form.split()) for line in _FORMS.splitlines() for form in line.split(" | ") if form.strip()
)
"""Exact forms that only look; ``<pattern>`` stands for one argument that matches it as a whole."""


@dataclass(frozen=True)
class Judged:
    """The exact arguments, the tier, and why it is BLACK."""

    argv: tuple[str, ...]
    tier: Tier
    why: str = ""


def parse(command: str) -> tuple[str, ...]:
    """The argument vector by a POSIX shell's rules of quoting; nothing is expanded, no shell ever reads it.

    Raises ``invalid_params`` for what only a shell could mean (operators, redirections, substitutions, globs that
    are not quoted), control characters, an open quote, no program.
    """
    if not command.isprintable():
        raise JarvisError("invalid_params", "A command is one line without control characters")
    if meant := _shell_only(command):
        raise JarvisError(
            "invalid_params", f"{meant!r} means something to a shell, and no shell runs here",
            next="Quote it where it is meant as it stands; give one command at a time.",
        )  # fmt: skip
    try:
        argv = tuple(shlex.split(command))
    except ValueError as error:
        raise JarvisError("invalid_params", "The command's quotes are not closed", why=str(error)) from None
    if not argv or not argv[0] or argv[0].startswith("-") or len(argv) > ARGS_MAX:
        raise JarvisError("invalid_params", f"A command is a program and at most {ARGS_MAX - 1} arguments")
    return argv


def judge(argv: Sequence[str]) -> Judged:
    """The tier of an argument vector."""
    exact = tuple(argv)
    if any(_fits(exact, form) for form in HARMLESS):
        return Judged(exact, Tier.YELLOW)
    why = denied(exact)
    return Judged(exact, Tier.BLACK, why) if why else Judged(exact, Tier.RED)


def denied(argv: Sequence[str]) -> str:
    """Why these arguments are BLACK, or empty. Looks at every command that the vector may run."""
    for command in carried(argv):
        why = command if isinstance(command, str) else denial(command)
        if why:
            return why
    return ""


def _fits(argv: tuple[str, ...], form: tuple[str, ...]) -> bool:
    return len(argv) == len(form) and all(
        re.fullmatch(want[1:-1], got) is not None if want.startswith("<") else want == got
        for got, want in zip(argv, form, strict=True)
    )


def _shell_only(command: str) -> str:
    """The first unquoted character that a shell would act upon, or empty."""
    quote, skip = "", False
    for index, char in enumerate(command):
        if skip:
            skip = False
        elif char == "\\" and quote != "'":
            skip = True
        elif quote:
            if char == quote:
                quote = ""
            elif quote == '"' and char in "$`":
                return char
        elif char in "'\"":
            quote = char
        elif char in ";&|<>()$`*?[]{}!#" or (char == "~" and (index == 0 or command[index - 1] in " =:")):
            return char
    return ""
