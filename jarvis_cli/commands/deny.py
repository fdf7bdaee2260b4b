"""`jarvis deny`: refuse a waiting call."""

from __future__ import annotations

import typer

from jarvis_cli import calling, complete, outcome
from jarvis_cli.commands.approvals import find
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session

app = verb()


@app.command("deny", cls=Reading)
def deny(
    ctx: typer.Context,
    approval: str = typer.Argument(help="Id of the approval.", metavar="ID", autocompletion=complete.approvals),
) -> None:
    """Refuse a waiting call; whoever asked is told."""
    run = session(ctx)
    with run.link(role="operator") as link:
        find(link, approval)
        found = link.call("approval.answer", {"id": approval, "approve": False})
        simulated = bool(link.welcome.get("simulated"))
    calling.tell(run, found, simulated=simulated, well=outcome.WELL | {"denied"})
