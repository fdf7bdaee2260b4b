"""`jarvis hud`: the full-screen display."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import typer

from jarvis_cli.group import Command, verb
from jarvis_cli.session import Session, session
from jarvis_daemon.protocol.errors import JarvisError

app = verb()


@app.command("hud", cls=Command, epilog="jarvis hud --kiosk\njarvis --host me@box hud")
def hud(
    ctx: typer.Context,
    kiosk: bool = typer.Option(False, "--kiosk", help="Look, do not touch: for a wall display."),
    no_boot: bool = typer.Option(False, "--no-boot", help="Without the opening sequence."),
) -> None:
    """The full-screen display; `q` leaves it, `?` shows the keys."""
    raise typer.Exit(open_hud(session(ctx), kiosk=kiosk, boot=not no_boot))


def open_hud(run: Session, *, kiosk: bool = False, boot: bool = True) -> int:
    """Run the display until it is left; its exit code."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise JarvisError("invalid_params", "The display needs a terminal", next="`jarvis status` needs none.")
    with run.socket() as path:
        from jarvis_cli.hud.app import run as run_hud

        local = run.remote is None
        return run_hud(
            path, kiosk=kiosk, boot=boot, simulated=local and run.places.demo,
            start_daemon=_starter(run) if local and run.autostart else None,
        )  # fmt: skip


def _starter(run: Session) -> Callable[[], Awaitable[None]]:
    """What the display does, once an outage, when nothing listens any more."""

    async def start() -> None:
        import asyncio

        from jarvis_daemon.protocol.launch import ensure_daemon

        await asyncio.to_thread(ensure_daemon, run.places)

    return start
