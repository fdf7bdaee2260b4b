"""`jarvis approve`: let a waiting call run, once."""

from __future__ import annotations

import sys

import typer

from jarvis_cli import calling, complete
from jarvis_cli.commands.approvals import card, find
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_cli.style import detect

app = verb()

ANSWER_S = 4200.0
"""The answer comes with the outcome of the call, so it may take as long as that."""


@app.command("approve", cls=Reading)
def approve(
    ctx: typer.Context,
    approval: str = typer.Argument(help="Id of the approval.", metavar="ID", autocompletion=complete.approvals),
) -> None:
    """Let a waiting call run; answers with its outcome, and with its exit code."""
    run = session(ctx)
    with run.links() as links:
        with links() as link:
            entry = find(link, approval)
            simulated = bool(link.welcome.get("simulated"))
        params = {"id": approval, "approve": True}
        if not run.out.quiet:
            for line in card(entry, detect(sys.stderr, color=run.out.color)):
                run.out.warn(line)
        if entry.get("pin_needed") and entry.get("status") == "pending":
            params["pin"] = calling.ask_pin(run)
        with links() as link:
            link.settimeout(ANSWER_S)
            found = link.call("approval.answer", params)
    calling.tell(run, found, simulated=simulated)
