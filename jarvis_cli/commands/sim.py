"""`jarvis sim`: break and heal the simulated homelab."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jarvis_cli import control
from jarvis_cli.commands.demo import refuse_real
from jarvis_cli.group import Command, Reading, nearest, noun
from jarvis_cli.output import json_text
from jarvis_cli.session import Session, session
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_cli.values import rfc3339
from jarvis_daemon.protocol.errors import JarvisError

app = noun("sim", "Break and heal the simulated homelab.")


def _ask(run: Session, command: dict[str, Any]) -> dict[str, Any]:
    run.local_only("sim")
    refuse_real(run)
    return control.ask(run.places.simulator_socket, command, timeout_s=run.timeout_s)


@app.command("status", cls=Reading)
def status(ctx: typer.Context) -> None:
    """What the simulated homelab is made of and which faults it has."""
    run = session(ctx)
    answer = _ask(run, {"cmd": "status"})
    answer.pop("now", None)
    answer["started_at"] = rfc3339(answer.get("started_at"))
    answer["simulated"] = True
    rows = [(key, _faults(value) if key == "faults" else _plain(value)) for key, value in answer.items()]
    run.out.emit(answer, lambda look: fields(rows, look))


def _faults(active: list[dict[str, Any]]) -> str:
    """``node-down on pve, disk-fill on pve/tank``"""
    told = [f"{f.get('name')} on {f['target']}" if f.get("target") else str(f.get("name")) for f in active]
    return ", ".join(told) or "none"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value) or "none"
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items() if item not in (None, {}, ""))
    return str(value)


def _known(run: Session) -> list[dict[str, Any]]:
    return [
        fault if isinstance(fault, dict) else {"name": fault} for fault in _ask(run, {"cmd": "faults"})["faults"]
    ]


@app.command("faults", cls=Reading)
def faults(ctx: typer.Context) -> None:
    """Everything that can be broken, and on what."""
    run = session(ctx)
    known = _known(run)
    table = Table([
        Column("FAULT"), Column("ON"), Column("BY DEFAULT"), Column("PARAMETERS", flex=True, optional=1),
        Column("ABOUT", flex=True),
    ])  # fmt: skip
    for fault in known:
        default, about = str(fault.get("default_target") or "-"), str(fault.get("about") or "-")
        params = Cell(_plain(fault.get("params") or {}) or "-", "faint")
        table.add(
            Cell(str(fault["name"]), "bold"), str(fault.get("target") or "-"), default, params,
            about.replace("``", "`"),
        )  # fmt: skip
    run.out.emit({"faults": known}, table.lines, rows=known)


def _complete_fault(ctx: Any, args: list[str], incomplete: str) -> list[str]:
    try:
        return [str(f["name"]) for f in _known(session(ctx)) if str(f["name"]).startswith(incomplete)]
    except JarvisError:
        return []


@app.command(
    "fault", cls=Command,
    epilog="jarvis sim fault node-down pve\njarvis sim fault api-slow Home --set seconds=3",
)  # fmt: skip
def fault(
    ctx: typer.Context,
    name: str = typer.Argument(help="As in `jarvis sim faults`.", autocompletion=_complete_fault),
    target: str | None = typer.Argument(None, help="Node, guest, storage or task to break; some need none."),
    params: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the fault.", metavar="KEY=VALUE")
    ] = None,
) -> None:
    """Break something."""
    run = session(ctx)
    known = [str(item["name"]) for item in _known(run)]
    if name not in known:
        near = nearest(name, known)
        raise JarvisError(
            "not_found", f"There is no fault {name!r}", why=f"did you mean {' or '.join(near)}?" if near else "",
            next="`jarvis sim faults` lists them.",
        )  # fmt: skip
    answer = _ask(
        run, {"cmd": "fault", "name": name, "target": target, "params": dict(_param(p) for p in params or [])}
    )
    hit = answer.get("target") or target
    run.out.note(f"{name} {'on ' + str(hit) + ' ' if hit else ''}is in effect. `jarvis sim heal` ends it.")
    if run.out.verbose:
        run.out.note(json_text(answer))


def _param(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    if value.lower() in {"true", "false"}:
        return key, value.lower() == "true"
    try:
        return key, float(value) if "." in value else int(value)
    except ValueError:
        return key, value


@app.command("heal", cls=Command)
def heal(
    ctx: typer.Context,
    target: str | None = typer.Argument(None, help="Only this node, guest, storage or fault; else everything."),
) -> None:
    """End faults: all of them, or those of one target."""
    run = session(ctx)
    answer = _ask(run, {"cmd": "heal", "target": target})
    healed = answer.get("healed")
    if isinstance(healed, list):
        run.out.note(f"Healed: {_faults(healed)}." if healed else "Nothing was broken.")
    else:
        run.out.note(f"{target or 'Everything'} is healed.")


@app.command("speed", cls=Command)
def speed(
    ctx: typer.Context,
    factor: float | None = typer.Argument(None, min=0.1, max=1000, help="1 is real time; without it, tell."),
) -> None:
    """How fast tasks, loads and faults run; clocks stay real."""
    run = session(ctx)
    if factor is None:
        run.out.line(f"{_ask(run, {'cmd': 'status'})['speed']:g}")
        return
    _ask(run, {"cmd": "speed", "value": factor})
    run.out.note(f"The simulated homelab runs at {factor:g} × speed.")
