"""The root of the command line: the table of sub-commands, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

os.environ["TYPER_USE_RICH"] = "0"  # read when typer is imported; rich costs half of a command's time

import typer

from jarvis_cli.group import CONTEXT, Entry, Root, UsageError, nearest
from jarvis_cli.output import Output, drop, json_text
from jarvis_cli.session import Session, session
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.version import VERSION

WATCH: Final = "See"
ACT: Final = "Handle"
RUN: Final = "Run"
ABOUT: Final = "Set up and help"

Root.entries = {
    "status": Entry("status", "The whole homelab at a glance; the exit code tells its health.", WATCH),
    "node": Entry("node", "Proxmox nodes.", WATCH),
    "guest": Entry("guest", "VMs and containers.", WATCH),
    "storage": Entry("storage", "Storages and how full they are.", WATCH),
    "task": Entry("task", "Tasks of Proxmox VE, their logs too.", WATCH),
    "feed": Entry("feed", "What happened, newest last.", WATCH),
    "report": Entry("report", "What happened, what was repaired, what needs you.", WATCH),
    "hud": Entry("hud", "The full-screen display.", WATCH),
    "ask": Entry("ask", "Ask or order something in words.", ACT),
    "chat": Entry("chat", "A conversation with Jarvis: the prompt; list, show, forget.", ACT),
    "incident": Entry("incident", "Faults: list, explain, acknowledge, silence.", ACT),
    "history": Entry("history", "What was repaired or left alone, and why.", ACT),
    "autonomy": Entry("autonomy", "How much Jarvis repairs without asking.", ACT),
    "runbook": Entry("runbook", "What is repaired, and how: list, try out, run, trust.", ACT),
    "notify": Entry("notify", "Telling people: what was told, and a test.", ACT),
    "service": Entry("service", "Services of the nodes: list, restart, journal.", ACT),
    "docker": Entry("docker", "Docker containers: list, logs, start, stop, restart.", ACT),
    "tool": Entry("tool", "Everything that can be read or done, as tools.", ACT),
    "approvals": Entry("approvals", "What waits for your word, and the kill switch.", ACT),
    "approve": Entry("approve", "Let a waiting call run.", ACT),
    "deny": Entry("deny", "Refuse a waiting call.", ACT),
    "kill": Entry("kill", "Stop everything that acts, at once.", ACT),
    "unkill": Entry("unkill", "Let Jarvis act again.", ACT),
    "audit": Entry("audit", "What was asked, done and refused, and by whom.", ACT),
    "memory": Entry("memory", "What Jarvis remembers: list, search, add, forget, edit.", ACT),
    "demo": Entry("demo", "The simulated homelab, for trying things out.", RUN),
    "sim": Entry("sim", "Break and heal the simulated homelab.", RUN),
    "drill": Entry("drill", "Break a simulated homelab at random; see what is repaired.", RUN),
    "model": Entry("model", "Language models: which can be asked, and why not.", RUN),
    "cost": Entry("cost", "What models cost, and what of the caps is used up.", RUN),
    "trace": Entry("trace", "Where the time of an answer went.", RUN),
    "mcp": Entry("mcp", "Jarvis for MCP clients: serve, token, configuration.", RUN),
    "daemon": Entry("daemon", "The background daemon: start, stop, logs, install.", RUN),
    "setup": Entry("setup", "Connect to a Proxmox cluster, step by step.", ABOUT),
    "config": Entry("config", "Settings: show, where they come from, check.", ABOUT),
    "doctor": Entry("doctor", "Check everything this installation needs.", ABOUT),
    "completion": Entry("completion", "Shell completion for bash, zsh and fish.", ABOUT),
    "version": Entry("version", "The versions of command and daemon.", ABOUT),
    "help": Entry("help", "Help on a command, and the exit codes.", ABOUT),
}

EPILOG: Final = """
jarvis                            the full-screen display
jarvis status -o json             the homelab as one document
jarvis guest show plex            one guest, by name or vmid
jarvis ask "how hot is pve"       a question or an order, in words
jarvis feed -f --since 1h         what happened, and what happens
jarvis --host me@box status       the same for another machine's daemon
"""

app = typer.Typer(
    name="jarvis", cls=Root, invoke_without_command=True, add_completion=False, rich_markup_mode=None,
    context_settings=CONTEXT, epilog=EPILOG,
)  # fmt: skip


@app.callback()
def root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", show_default=False),
    spec: bool = typer.Option(
        False, "--spec", help="Print the tree of commands as JSON and exit.", show_default=False
    ),
) -> None:
    """Jarvis, a command centre for Proxmox VE homelabs.

    Without a command: the full-screen display on a terminal, else this help.
    """
    if version:
        typer.echo(f"jarvis {VERSION}")
        raise typer.Exit
    if spec:
        from jarvis_cli.spec import tree

        typer.echo(json_text(tree(ctx), indent=2))
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from jarvis_cli.commands.hud import open_hud

            raise typer.Exit(open_hud(session(ctx)))
        typer.echo(ctx.get_help())


def run(argv: Sequence[str] | None = None, *, state: Session | None = None) -> int:
    """Run one command line and return its exit code."""
    found = state or Session(Output())
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name="jarvis", standalone_mode=False, obj=found
        )
        return code if isinstance(code, int) else 0
    except JarvisError as error:
        found.out.error(error)
        _traceback(found)
        return error.exit_code
    except UsageError as error:
        return _usage(found.out, error)
    except (typer.Abort, KeyboardInterrupt):
        found.out.warn("")
        return 130
    except SystemExit as error:  # typer's own way out when the reader of stdout has gone
        return error.code if isinstance(error.code, int) else 1
    except Exception as error:
        found.out.error(_internal(error))
        _traceback(found)
        return 1


def _usage(out: Output, error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        out.line(error.format_message())
        return 2
    path = error.ctx.command_path if error.ctx is not None else "jarvis"
    message = error.format_message()
    possibilities = getattr(error, "possibilities", None)
    if possibilities:
        near = nearest(str(error.option_name), list(possibilities), n=1)
        message = f"{error.message}: did you mean {near[0]}?" if near else str(error.message)
    out.error(JarvisError("invalid_params", message, next=f"`{path} -h` shows how it is used."))
    return 2


def _internal(error: Exception) -> JarvisError:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}:
        return JarvisError(
            "store_failed", "It could not be written", why=error.strerror or str(error),
            next="Free space where the output goes.",
        )  # fmt: skip
    return JarvisError(
        "internal", "Something went wrong inside this command", why=f"{type(error).__name__}: {error}",
        next="Run it again with -v for the details, and `jarvis doctor --bundle FILE` for a report.",
    )  # fmt: skip


def _traceback(found: Session) -> None:
    if found.out.verbose:
        import traceback

        found.out.warn(traceback.format_exc().rstrip())


def main() -> None:
    """The console script."""
    if "_JARVIS_COMPLETE" in os.environ:
        import importlib

        importlib.import_module("typer.completion").completion_init()
    code = run()
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        drop(sys.stdout)
    sys.exit(code)
