"""`jarvis tool`: every tool of the daemon, with its tier and arguments; and the call of any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from jarvis_cli import calling, complete, outcome, toolargs
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table, Value, fields
from jarvis_cli.values import span
from jarvis_daemon.protocol.text import clean, clean_block

app = noun("tool", "Everything that can be read or done, as tools.")

TIERS: Final = ("green", "yellow", "red", "black")
_LIST: Final = ("name", "tier", "room", "description", "idempotent", "open_world", "timeout_s")


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    tier: str | None = typer.Option(None, "--tier", help="Only green, yellow, red or black ones."),
) -> None:
    """All tools with their tiers, the harmless first."""
    if tier is not None and tier not in TIERS:
        raise typer.BadParameter(f"{tier!r} is no tier; one of {', '.join(TIERS)}", param_hint="--tier")
    run = session(ctx)
    with run.link() as link:
        found = link.call("tool.list", {})["tools"]
        simulated = bool(link.welcome.get("simulated"))
    tools = sorted((t for t in found if tier in (None, t["tier"])), key=lambda t: (_grade(t), t["name"]))
    rows = [{name: tool.get(name) for name in _LIST} for tool in tools]

    def lines(look: Look) -> Iterator[str]:
        table = Table(
            [Column("TOOL"), Column("TIER"), Column("ROOM", optional=1), Column("WHAT IT DOES", flex=True)]
        )
        for tool in tools:
            first = str(tool.get("description") or "").partition("\n")[0]
            table.add(
                Cell(tool["name"], "bold"), outcome.tier_cell(tool["tier"]), Cell(tool["room"], "faint"), first
            )
        yield from table.lines(look)

    run.out.emit({"simulated": simulated, "tools": rows}, lines, rows=rows)


def _grade(tool: Entity) -> int:
    return TIERS.index(tool["tier"]) if tool["tier"] in TIERS else len(TIERS)


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context, name: str = typer.Argument(help="Name of the tool.", autocompletion=complete.tools)
) -> None:
    """One tool: what it does, its tier, its arguments, its answer."""
    run = session(ctx)
    with run.link() as link:
        tool = calling.tool_info(link, name)
        simulated = bool(link.welcome.get("simulated"))
    run.out.emit({"simulated": simulated, **tool}, lambda look: _lines(tool, look))


def _lines(tool: Entity, look: Look) -> Iterator[str]:
    yield from fields(
        [
            ("tool", Cell(str(tool["name"]), "bold")),
            ("tier", outcome.tier_cell(str(tool["tier"]))),
            ("room", str(tool["room"])),
            ("time-out", span(float(tool["timeout_s"]))),
        ],
        look,
    )
    yield ""
    yield from clean_block(str(tool["description"])).splitlines()
    for title, schema in (("ARGUMENTS", tool["input_schema"]), ("ANSWER", tool["output_schema"])):
        yield ""
        yield look.paint(title, "light")
        yield from _schema(schema, look, answer=title == "ANSWER")


def _schema(schema: Entity, look: Look, *, answer: bool) -> list[str]:
    known: dict[str, Any] = schema.get("properties") or {}
    if not known:
        return ["  none"]
    required = schema.get("required") or []
    columns = [Column("NAME"), Column("KIND", flex=True)]
    table = Table([*columns, *([] if answer else [Column("DEFAULT")]), Column("MEANING", flex=True)], indent="  ")
    for name, part in known.items():
        row: list[Value] = [Cell(name, "bold"), toolargs.describe(part, schema)]
        if not answer:
            row.append("required" if name in required else clean(str(part.get("default", "-"))))
        table.add(*row, str(part.get("description") or "-"))
    return table.lines(look)


@app.command(
    "call", cls=Reading,
    epilog="jarvis tool call get_node_status node=pve\n"
    "jarvis tool call reboot_container guest=plex --dry-run\n"
    """jarvis tool call restart_service --json '{"node": "pve", "service": "smbd"}' --yes""",
)  # fmt: skip
def call(
    ctx: typer.Context,
    name: str = typer.Argument(help="Name of the tool.", autocompletion=complete.tools),
    words: Annotated[list[str] | None, typer.Argument(help="Its arguments.", metavar="[KEY=VALUE]...")] = None,
    document: str | None = typer.Option(
        None, "--json", help="The arguments as one JSON object; KEY=VALUE come on top.", metavar="ARGS"
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan; change nothing."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask; what destroys asks anyway."),
    key: str | None = typer.Option(
        None, "--idempotency-key", help="The same key never does it twice within 24 hours.", metavar="KEY"
    ),
) -> None:
    """Call a tool as yourself; the exit code tells the outcome (`jarvis help exit-codes`)."""
    run = session(ctx)
    with run.links() as links:
        with links() as link:
            info = calling.tool_info(link, name)
            simulated = bool(link.welcome.get("simulated"))
        args = toolargs.read(name, info["input_schema"], words or [], document)
        found = calling.perform(run, links, info, calling.Wish(name, args, dry_run=dry_run, yes=yes, key=key))
    calling.tell(run, found, simulated=simulated)
