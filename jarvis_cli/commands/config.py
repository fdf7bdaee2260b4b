"""`jarvis config`: settings and where they come from."""

from __future__ import annotations

import typer

from jarvis_cli import admin
from jarvis_cli.group import Command, Reading, noun
from jarvis_cli.output import json_text
from jarvis_cli.session import session
from jarvis_cli.style import Look, Tone
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places, cluster_configured

app = noun("config", "Settings: show, where they come from, check.")


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    origin: bool = typer.Option(False, "--origin", help="Where each value comes from, defaults too."),
    all_: bool = typer.Option(False, "--all", "-a", help="Defaults too."),
) -> None:
    """The settings in force; secrets are never shown."""
    run = session(ctx)
    run.local_only("config show")
    answer = admin.ask("config", "show")
    values = [v for v in answer["values"] if all_ or origin or v["origin"] != "default"]

    def lines(look: Look) -> list[str]:
        if not values:
            return [f"Everything is as by default; {answer['file']} does not exist or is empty."]
        columns = [Column("SETTING"), Column("VALUE", flex=True)] + (
            [Column("ORIGIN", flex=True)] if origin else []
        )
        table = Table(columns)
        for value in values:
            tone: Tone = "faint" if value["origin"] == "default" else "plain"
            row = [Cell(value["key"], tone), Cell(_shown(value["value"]), tone)]
            table.add(*row, *([Cell(value["origin"], "faint")] if origin else []))
        return table.lines(look)

    run.out.emit(answer | {"values": values}, lines, rows=values)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


@app.command("path", cls=Reading)
def path(
    ctx: typer.Context,
    socket: bool = typer.Option(False, "--socket", help="Only the path of the daemon's socket."),
) -> None:
    """Where this installation keeps what."""
    run = session(ctx)
    run.local_only("config path")
    places = run.places
    if socket:
        run.out.line(str(places.socket))
        return
    found = {
        "config": str(places.config_file), "data": str(places.data_dir), "state": str(places.state_dir),
        "database": str(places.database), "log": str(places.log_file), "socket": str(places.socket),
        "known_hosts": str(places.known_hosts), "demo": places.demo,
    }  # fmt: skip

    def lines(look: Look) -> list[str]:
        shown = fields([(key, str(value)) for key, value in found.items() if key != "demo"], look)
        note = (
            "No cluster is configured, so these are the places of the simulated homelab; "
            f"those of a cluster of your own belong into {base_places().config_file} (`jarvis setup` writes it)."
        )
        return [*shown, look.paint(note, "faint")] if places.demo else shown

    run.out.emit(found, lines)


@app.command("check", cls=Reading)
def check(ctx: typer.Context) -> None:
    """Whether the settings can be used; exits with 2 when not."""
    run = session(ctx)
    run.local_only("config check")
    answer = admin.ask("config", "check")
    configured = cluster_configured(run.places)
    text = (
        "The settings are in order." if configured else "The settings are in order; no cluster is configured yet."
    )

    def lines(look: Look) -> list[str]:
        return [
            look.glyphs(f"✔ {text}"),
            *(look.paint(look.glyphs(f"▲ {one}"), "warn") for one in answer["warnings"]),
        ]

    run.out.emit({"ok": True, **answer}, lines)


@app.command("pin", cls=Command)
def pin(ctx: typer.Context) -> None:
    """Choose the pin that is asked for at approvals; prints the lines for the settings."""
    run = session(ctx)
    run.local_only("config pin")
    run.need_input("it at a terminal: the pin is never taken from flags or pipes", "The pin")
    chosen = str(typer.prompt("Pin", hide_input=True, err=True))
    if str(typer.prompt("Again", hide_input=True, err=True)) != chosen:
        raise JarvisError("invalid_params", "The two are not the same", next="Run it again.")
    answer = admin.ask("config", "pin", given={"pin": chosen})
    run.out.lines(["[approvals]", f'pin = "{answer["hash"]}"'])
    run.out.note(f"Put these lines into {run.places.config_file}, then `jarvis daemon restart`.")
