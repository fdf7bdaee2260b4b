"""`jarvis chat`: a conversation at the prompt, and the conversations that were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import shapes, talk, views
from jarvis_cli.commands.ask import backend_of
from jarvis_cli.group import CONTEXT, Command, Group, Reading
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table
from jarvis_cli.telling import ENDS, call_line
from jarvis_cli.values import clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean, clean_block

EXAMPLES = """
jarvis chat
jarvis chat --session last
jarvis chat list
jarvis chat show last -o json
"""
WHICH = "Id of the conversation, or last."
SESSION = ("id", "title", "client", "created_at", "used_at", "turns")

app = typer.Typer(
    name="chat", help="A conversation with Jarvis: the prompt; list, show, forget.", cls=Group,
    invoke_without_command=True, add_completion=False, rich_markup_mode=None, context_settings=CONTEXT,
    epilog=EXAMPLES,
)  # fmt: skip


@app.callback()
def chat(
    ctx: typer.Context,
    session_: str | None = typer.Option(
        None, "--session", help="Go on with that conversation: its id, or last.", metavar="ID"
    ),
    local: bool = typer.Option(False, "--local", help="Nothing leaves the house: no model of a provider."),
    cloud: bool = typer.Option(False, "--cloud", help="Ask the provider's model first."),
    no_model: bool = typer.Option(False, "--no-model", help="Sentence files only, no model at all."),
) -> None:
    """A conversation with Jarvis; without a sub-command the prompt opens. /help there tells its words."""
    if ctx.invoked_subcommand is not None:
        return
    run = session(ctx)
    if run.no_input or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise JarvisError(
            "invalid_params", "A conversation needs a terminal", why="there is none, or --no-input is given",
            next="`jarvis ask TEXT` asks once; `jarvis ask -` reads from standard input.",
        )  # fmt: skip
    from jarvis_cli.prompting import Conversation

    backend = backend_of(local=local, cloud=cloud, no_model=no_model)
    raise typer.Exit(Conversation(run, session=session_, backend=backend).hold())


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    limit: int = typer.Option(20, "-n", "--limit", min=1, max=500, help="At most so many."),
) -> None:
    """The conversations, the one used last first."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found = list(link.call("chat.list", {"limit": limit})["sessions"])
        simulated, now = bool(link.welcome.get("simulated")), float(link.welcome.get("now") or 0.0)
    rows = [shapes.shape(one, SESSION) for one in found]

    def lines(look: Look) -> Iterator[str]:
        yield from session_table(found, look, now) if found else ["No conversation yet."]
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit({"simulated": simulated, "sessions": rows}, lines, rows=rows)


def session_table(found: list[Entity], look: Look, now: float) -> list[str]:
    table = Table([
        Column("ID"), Column("USED"), Column("TURNS", right=True), Column("WITH", optional=1),
        Column("BEGAN WITH", flex=True),
    ])  # fmt: skip
    for one in found:
        table.add(
            Cell(str(one.get("id")), "bold"), clock(one.get("used_at"), now), str(one.get("turns")),
            Cell(str(one.get("client") or "-"), "faint"), str(one.get("title")),
        )  # fmt: skip
    return table.lines(look)


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    which: str = typer.Argument("last", help=WHICH, metavar="[ID]"),
    limit: int = typer.Option(50, "-n", "--limit", min=1, max=500, help="At most so many turns, the newest."),
) -> None:
    """What was said in a conversation, oldest first."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found = link.call("chat.show", {"session": which, "limit": limit})
        simulated, now = bool(link.welcome.get("simulated")), float(link.welcome.get("now") or 0.0)
    turns = list(found.get("turns") or [])
    rows = [turn_shape(turn) for turn in turns]
    document = {"simulated": simulated, "session": shapes.shape(found.get("session") or {}, SESSION), "turns": rows}

    def lines(look: Look) -> Iterator[str]:
        for number, turn in enumerate(turns):
            if number:
                yield ""
            yield from turn_lines(turn, look, now)
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit(document, lines, rows=rows)


def turn_shape(turn: Entity) -> Entity:
    """The shape *turn* of docs/output.md."""
    reply = talk.document(talk.Said(turn.get("reply") or {}, simulated=False))
    told = shapes.shape(turn, ("turn", "at", "asked"))
    return told | {name: reply[name] for name in ("reply", "status", "calls", "backend", "suggestion", "notes")}


def turn_lines(turn: Entity, look: Look, now: float) -> Iterator[str]:
    """What was asked, what was done, what was answered."""
    reply: Entity = turn.get("reply") or {}
    asked = clean_block(str(turn.get("asked") or "")).splitlines() or [""]
    yield f"{look.paint(clock(turn.get('at'), now) or '-', 'faint')} {look.paint('> ' + asked[0], 'light')}"
    yield from (look.paint(f"  {line}", "light") for line in asked[1:])
    for call in reply.get("calls") or []:
        yield call_line(call, look)
    yield from clean_block(str(reply.get("text") or ""), limit=1 << 20).splitlines()
    for note in reply.get("notes") or []:
        yield look.paint(look.glyphs(f"· {clean(str(note))}"), "faint")
    if mark := ENDS.get(str(reply.get("status"))):
        yield look.paint(mark, "warn")


@app.command("forget", cls=Command)
def forget(
    ctx: typer.Context,
    which: str = typer.Argument(help=WHICH, metavar="ID"),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Delete a conversation and all that was said in it."""
    run = session(ctx)
    with run.link(role="operator") as link:
        found: dict[str, Any] = link.call("chat.show", {"session": which, "limit": 1})["session"]
    title = clean(str(found.get("title") or found["id"]), limit=60)
    if not yes:
        run.need_input("--yes", "Whether it may be deleted")
        question = f"Delete {found['id']} ({title!r}, {found.get('turns')} turns) for ever?"
        if not typer.confirm(question, default=False, err=True):
            raise JarvisError("cancelled", "Nothing was deleted")
    with run.link(role="operator") as link:
        link.call("chat.forget", {"session": found["id"]})
    run.out.note(f"Conversation {found['id']} is forgotten.")
