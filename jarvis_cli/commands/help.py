"""`jarvis help`: of a command, and the exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from jarvis_cli.group import Reading, nearest, verb
from jarvis_cli.session import session
from jarvis_cli.table import Column, Table
from jarvis_daemon.protocol.errors import EXIT_CODES, JarvisError

app = verb()


@app.command("help", cls=Reading, epilog="jarvis help guest show\njarvis help exit-codes")
def help_(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(help="A command, or exit-codes.", metavar="[COMMAND]...")
    ] = None,
) -> None:
    """Help on a command, or the exit codes."""
    if words == ["exit-codes"]:
        _exit_codes(ctx)
        return
    command, here = ctx.find_root().command, ctx.find_root()
    for word in words or []:
        find = getattr(command, "get_command", None)
        found = find(here, word) if find else None
        if found is None:
            known = [*command.list_commands(here), "exit-codes"] if find else []  # type: ignore[attr-defined]
            near = nearest(word, known, n=1)
            raise JarvisError(
                "not_found", f"There is no command {' '.join(words or [])!r}",
                why=f"did you mean {near[0]}?" if near else "", next="`jarvis help` lists the commands.",
            )  # fmt: skip
        command, here = found, found.context_class(found, info_name=word, parent=here, **found.context_settings)
    session(ctx).out.line(command.get_help(here))


def _exit_codes(ctx: typer.Context) -> None:
    rows = [{"code": code, "meaning": meaning} for code, meaning in EXIT_CODES.items()]
    table = Table([Column("CODE", right=True), Column("MEANING", flex=True)])
    for row in rows:
        table.add(str(row["code"]), str(row["meaning"]))
    session(ctx).out.emit(rows, table.lines, rows=rows)
