"""`jarvis incident`: faults; list, look at, explain, acknowledge, silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import complete, names, shapes, stories, views
from jarvis_cli.group import Command, Reading, noun
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import INCIDENT, SILENCE, Entity
from jarvis_cli.state import picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_cli.values import clock, parse_duration, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

app = noun("incident", "Faults: list, explain, acknowledge, silence.")

PROSE_S = 300.0
"""A model of the house may take its time."""
WHICH = "Number of the incident; an open one also by its target, like pve, plex or 103."


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    all_: bool = typer.Option(False, "--all", "-a", help="Closed ones too."),
    limit: int = typer.Option(50, "-n", "--limit", min=1, help="At most so many."),
) -> None:
    """Open incidents, the gravest first, and the silences."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents") if not all_ else picture(link, "incidents")
        answer = link.call("incident.list", {"limit": limit, **({} if all_ else {"status": "open"})})
    now = found.now
    incidents = shapes.incidents(answer["incidents"])
    silences = list(answer.get("silences") or [])
    rows = [shapes.shape(incident, INCIDENT) for incident in incidents]
    document = {
        "simulated": found.simulated,
        "incidents": rows,
        "silences": [shapes.shape(silence, SILENCE) for silence in silences],
    }
    show_picture(run, document, found, lambda look: _list_lines(incidents, silences, now, look), rows=rows)


def _list_lines(incidents: list[Entity], silences: list[Entity], now: float, look: Look) -> Iterator[str]:
    if incidents:
        yield from views.incident_table(incidents, look, now).lines(look)
    else:
        yield look.glyphs("✔ No open incident.")
    if silences:
        yield ""
        yield views.title("SILENCES", look)
        table = Table(
            [
                Column("ID"), Column("CONDITION"), Column("TARGET"), Column("FROM"), Column("UNTIL"),
                Column("REASON", flex=True),
            ],
            indent="  ",
        )  # fmt: skip
        for silence in silences:
            kind = "maintenance: " if silence.get("maintenance") else ""
            table.add(
                str(silence["id"]), str(silence.get("condition")), str(silence.get("target")),
                clock(silence.get("starts_at"), now), clock(silence.get("ends_at"), now),
                f"{kind}{silence.get('reason') or '-'} ({silence.get('by')})",
            )  # fmt: skip
        yield from table.lines(look)


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    incident: str = typer.Argument(help=WHICH, autocompletion=complete.incidents),
) -> None:
    """One incident with its evidence, and what was done about it."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents")
        entity = _find(link, _all(link), incident)
        repairs = _repairs(link, str(entity["id"]))
    now = found.now
    document = {
        "simulated": found.simulated,
        **shapes.shape(entity, INCIDENT),
        "repairs": [shapes.repair(repair) for repair in repairs],
    }

    def lines(look: Look) -> Iterator[str]:
        yield from _lines(entity, now, look)
        if repairs:
            yield ""
            yield views.title("REPAIRS", look)
        for number, repair in enumerate(repairs):
            if number:
                yield ""
            yield from stories.lines(repair, look, now, full=True)

    show_picture(run, document, found, lines)


def _repairs(link: PlainClient, incident: str) -> list[Entity]:
    """Its stories, oldest first; none of a daemon that repairs nothing."""
    try:
        found = list(link.call("repair.list", {"incident": incident})["repairs"])
    except JarvisError as error:
        if error.code != "method_not_found":
            raise
        return []
    return stories.in_order(found)


def _find(link: PlainClient, incidents: list[Entity], wanted: str) -> Entity:
    """One of ``incidents`` by its number, or an open one by its target's id or name. Raises ``not_found``."""
    try:
        return names.incident(incidents, wanted)
    except JarvisError as error:
        if error.code != "not_found" or wanted.lstrip("#").isdigit():
            raise
        try:
            target = names.target(picture(link, "cluster").state, wanted)
        except JarvisError:
            raise error from None
        return names.incident(incidents, target)


def _all(link: PlainClient) -> list[Entity]:
    return list(link.call("incident.list", {"limit": 1000})["incidents"])


def _lines(incident: Entity, now: float, look: Look) -> Iterator[str]:
    opened, closed = incident.get("opened_at") or now, incident.get("closed_at")
    announced = incident.get("announced_at")
    word = "closed" if incident.get("status") == "closed" else str(incident.get("severity"))
    evidence = incident.get("evidence") or {}
    yield from fields(
        [
            ("incident", Cell(str(incident.get("title")), "bold")),
            ("state", views.state_cell(word, look)),
            ("id", str(incident.get("id"))),
            ("condition", str(incident.get("condition"))),
            ("target", str(incident.get("target"))),
            ("opened", f"{clock(opened, now)}, {'lasted' if closed else 'for'} {span((closed or now) - opened)}"),
            ("announced", clock(announced, now) or "not announced"),
            ("closed", f"{clock(closed, now)} {incident.get('close_reason') or ''}" if closed else None),
            ("note", views.incident_note(incident, now) or None),
            ("detail", incident.get("detail")),
            *((f"  {name}", _told_fact(name, value, now)) for name, value in sorted(evidence.items())),
        ],
        look,
    )


def _told_fact(name: str, value: Any, now: float) -> str:
    """One fact of the evidence; a moment is told as one."""
    return (clock(value, now) or "-") if name.endswith("_at") and isinstance(value, float) else str(value)


@app.command("explain", cls=Reading, epilog="jarvis incident explain 12\njarvis incident explain pve --prose")
def explain(
    ctx: typer.Context,
    incident: str = typer.Argument(help=WHICH, autocompletion=complete.incidents),
    prose: bool = typer.Option(False, "--prose", help="Told by a language model too, from the evidence only."),
) -> None:
    """Why it is: the evidence, likely causes with what speaks for and against, what could be done."""
    from jarvis_cli import explaining

    run = session(ctx)
    with run.link(role="operator" if prose else "viewer") as link:
        entity = _find(link, _all(link), incident)
        if prose:
            link.settimeout(PROSE_S)
        found = link.call("incident.explain", {"id": str(entity["id"]), "prose": prose})
        simulated = bool(link.welcome.get("simulated"))

    def lines(look: Look) -> Iterator[str]:
        yield from explaining.lines(found, look)
        yield from views.footer(look, {}, 0.0, simulated=simulated)

    run.out.emit(explaining.document(found, simulated=simulated), lines)
    if prose and not found.get("prose"):
        run.out.note("No model told it: `jarvis model list` tells which can be asked.")


@app.command("ack", cls=Command)
def ack(
    ctx: typer.Context,
    incident: str = typer.Argument(help=WHICH, autocompletion=complete.incidents),
) -> None:
    """Say that you have seen it; it stays open until the fault is gone."""
    run = session(ctx)
    with run.link(role="operator") as link:
        entity = _find(link, _open(link), incident)
        link.call("incident.ack", {"id": entity["id"]})
    run.out.note(f"Incident {entity['id']} ({entity['title']}) is acknowledged.")


def _open(link: PlainClient) -> list[Entity]:
    return list(link.call("incident.list", {"limit": 1000, "status": "open"})["incidents"])


@app.command(
    "silence", cls=Command,
    epilog='jarvis incident silence 12 --for 2h --reason "new disk comes tomorrow"\n'
    "jarvis incident silence --condition storage-high --target storage:tank --for 7d --reason known\n"
    'jarvis incident silence --maintenance --target node:pve --for 1h --reason "kernel upgrade"',
)  # fmt: skip
def silence(
    ctx: typer.Context,
    incident: str | None = typer.Argument(None, help=WHICH, autocompletion=complete.incidents),
    condition: str | None = typer.Option(
        None, "--condition", help="Instead of a number: this condition.", metavar="NAME"
    ),
    target: str | None = typer.Option(
        None, "--target", help="Instead of a number: this target, like node:pve.", metavar="ID"
    ),
    for_: str = typer.Option("1h", "--for", help="How long, like 2h or 7d; at most 30 days.", metavar="TIME"),
    reason: str | None = typer.Option(None, "--reason", help="Why; others will read it.", metavar="TEXT"),
    maintenance: bool = typer.Option(False, "--maintenance", help="A maintenance window instead."),
    starts_in: str | None = typer.Option(None, "--in", help="Begin that much later, like 30m.", metavar="TIME"),
) -> None:
    """Keep incidents from being announced for a while: one, or all of a condition or target."""
    run = session(ctx)
    if incident is None and condition is None and target is None:
        raise JarvisError(
            "invalid_params", "What is to be silenced?", why="give a number, --condition or --target",
            next="`jarvis incident silence -h` has examples.",
        )  # fmt: skip
    if incident is not None and (condition is not None or target is not None):
        raise JarvisError("invalid_params", "Give either a number or --condition/--target, not both")
    duration_s, delay_s = _duration(for_, "--for"), _duration(starts_in, "--in") if starts_in else 0.0
    if not reason:
        run.need_input("--reason", "The reason of a silence")
        reason = typer.prompt("Reason", err=True)
    params: dict[str, Any] = {"duration_s": duration_s, "reason": reason, "maintenance": maintenance}
    with run.link(role="operator") as link:
        if incident is not None:
            params["id"] = _find(link, _open(link), incident)["id"]
        else:
            params |= {"condition": condition or "*", "target": _target(link, target)}
        if delay_s:
            params["starts_at"] = float(link.welcome["now"]) + delay_s
        answer = link.call("incident.silence", params)
    _told(run, answer)


def _told(run: Session, answer: dict[str, Any]) -> None:
    made, hit = answer["silence"], answer.get("incidents") or []
    what = "Maintenance" if made.get("maintenance") else "Silence"
    until = clock(made["ends_at"], made["starts_at"])
    run.out.note(
        f"{what} {made['id']} over {made['condition']} on {made['target']} until {until}; "
        f"{len(hit)} open incident{'' if len(hit) == 1 else 's'} silenced."
    )
    run.out.note(f"`jarvis incident unsilence {made['id']}` ends it.")


def _target(link: PlainClient, target: str | None) -> str:
    """An entity id; a bare name is looked up."""
    return names.target(picture(link, "cluster").state, target) if target not in {None, "*"} else "*"


def _duration(text: str, option: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


@app.command("unsilence", cls=Command)
def unsilence(ctx: typer.Context, silence: str = typer.Argument(help="Id of the silence.")) -> None:
    """End a silence or maintenance window now."""
    run = session(ctx)
    with run.link(role="operator") as link:
        link.call("incident.unsilence", {"id": silence})
    run.out.note(f"Silence {silence} is lifted.")
