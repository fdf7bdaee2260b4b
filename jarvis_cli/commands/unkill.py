"""`jarvis unkill`: release the kill switch."""

from __future__ import annotations

import typer

from jarvis_cli import calling
from jarvis_cli.group import Command, verb
from jarvis_cli.session import session
from jarvis_daemon.protocol.errors import JarvisError

app = verb()


@app.command("unkill", cls=Command)
def unkill(ctx: typer.Context) -> None:
    """Let Jarvis act again; asks for the pin where one is set."""
    run = session(ctx)
    params: dict[str, object] = {"engaged": False}
    with run.links() as links:
        try:
            with links() as link:
                answer = link.call("killswitch.set", params)
        except JarvisError as error:
            if not error.data.get("pin"):
                raise
            pin = calling.ask_pin(run)
            with links() as link:
                answer = link.call("killswitch.set", {**params, "pin": pin})
    if answer.get("engaged"):
        raise JarvisError(
            "killed", "The kill switch is still engaged", why=str(answer.get("reason") or ""),
            next="Look at what engages it, then `jarvis unkill`.",
        )  # fmt: skip
    run.out.note("The kill switch is released; Jarvis may act again.")
