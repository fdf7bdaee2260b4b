"""`jarvis guest console`: a guest's own terminal, by SSH to its node."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import Any, Final

import typer

from jarvis_cli import admin, complete, names
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.state import picture
from jarvis_daemon.protocol.errors import JarvisError

_SSH: Final = "cluster.ssh."


def console(
    ctx: typer.Context,
    guest: str = typer.Argument(help="Name or vmid.", autocompletion=complete.guests),
    print_: bool = typer.Option(False, "--print", help="Only print the command."),
) -> None:
    """Its terminal: `pct enter` for a container, `qm terminal` for a VM, over SSH to its node."""
    run = session(ctx)
    run.local_only("guest console")
    with run.link() as link:
        found = picture(link, "cluster")
    entity = names.guest(found.state, guest)
    if entity.get("status") != "running":
        raise JarvisError(
            "unavailable", f"{entity['name']} has no terminal now", why=f"it is {entity.get('status')}",
            next=f"`jarvis guest start {entity['vmid']}`.",
        )  # fmt: skip
    node = names.node(found.state, str(entity["node"]))
    line = command(entity, node, settings())
    if print_ or not (sys.stdin.isatty() and sys.stdout.isatty()):
        run.out.line(shlex.join(line))
        return
    if found.simulated:
        raise JarvisError("unavailable", "A simulated guest has no terminal", next="`--print` shows the command.")
    if shutil.which(line[0]) is None:
        raise JarvisError("unavailable", "There is no ssh on this machine", next=f"Run `{shlex.join(line)}`.")
    run.out.note(shlex.join(line))
    os.execvp(line[0], line)  # noqa: S606  the terminal is the guest's from here on


def settings() -> dict[str, Any]:
    """The values of ``[cluster.ssh]``; empty where no cluster is configured."""
    values = admin.ask("config", "show")["values"]
    return {v["key"].removeprefix(_SSH): v["value"] for v in values if str(v["key"]).startswith(_SSH)}


def command(guest: Entity, node: Entity, ssh: dict[str, Any]) -> list[str]:
    """``ssh -t USER@NODE pct enter VMID``. The node's own ``known_hosts`` is asked, as when a person logs in."""
    where = str((ssh.get("hosts") or {}).get(node["name"]) or node.get("ip") or node["name"])
    host, port = split(where, int(ssh.get("port") or 22))
    line = ["ssh", "-t"]
    if port != 22:
        line += ["-p", str(port)]
    if key := ssh.get("key_file"):
        line += ["-i", str(key)]
    enter = ["pct", "enter"] if guest.get("kind") == "ct" else ["qm", "terminal"]
    return [*line, f"{ssh.get('user') or 'root'}@{host}", *enter, str(guest["vmid"])]


def split(where: str, port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address."""
    if where.startswith("["):
        host, _, rest = where[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else port
    host, colon, rest = where.rpartition(":")
    return (host, int(rest)) if colon and rest.isdigit() and ":" not in host else (where, port)
