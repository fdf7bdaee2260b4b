"""`jarvis kill`: engage the kill switch, with or without a daemon that answers."""

from __future__ import annotations

from typing import Annotated

import typer

from jarvis_cli.group import Command, verb
from jarvis_cli.session import Session, session
from jarvis_daemon.protocol.errors import JarvisError

app = verb()


@app.command("kill", cls=Command, epilog='jarvis kill\njarvis kill "the new runbook does odd things"')
def kill(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="Why.", metavar="[REASON]...")] = None,
) -> None:
    """Stop everything that acts, at once, yourself too; reading goes on. `jarvis unkill` ends it."""
    run = session(ctx)
    reason = " ".join(words or [])
    try:
        with run.link(start=False, role="operator") as link:
            link.call("killswitch.set", {"engaged": True, "reason": reason})
    except JarvisError as error:
        if run.remote is not None or error.code not in {"daemon_unreachable", "timed_out", "store_failed"}:
            raise
        _by_file(run, error)
    run.out.note("KILLED: nothing acts until `jarvis unkill`.")


def _by_file(run: Session, error: JarvisError) -> None:
    """The switch without a daemon: the file that it looks for. Raises ``store_failed`` when that fails too."""
    path = run.places.kill_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as failed:
        raise JarvisError(
            "store_failed", "The kill switch could not be engaged", why=f"{error.sentence()}; {failed}",
            next="End the daemon: `jarvis daemon stop --force`.",
        ) from None  # fmt: skip
    run.out.note(f"{error.sentence()}. The switch is engaged by the file {path}.")
