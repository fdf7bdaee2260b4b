"""`jarvis runbook`: what is repaired how; look at it, try it out, run it, trust it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from jarvis_cli import admin, calling, complete, runbooks, shapes, views
from jarvis_cli.commands.trial import EXAMPLES, trial
from jarvis_cli.group import Reading, noun
from jarvis_cli.runbooks import WHICH, plain
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import Entity
from jarvis_cli.state import picture
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table, Value, fields
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean, clean_block

app = noun("runbook", "What is repaired, and how: list, try out, run, trust.")

YES = "Do not ask; what destroys asks anyway."


@app.command("list", cls=Reading)
def list_(ctx: typer.Context) -> None:
    """All runbooks: what they answer, what they touch, and whether they may act by themselves."""
    run = session(ctx)
    with run.link() as link:
        found = link.call("runbook.list")["runbooks"]
        simulated = bool(link.welcome.get("simulated"))
        now = float(link.welcome.get("now") or 0.0)
    rows = [shapes.shape(info, shapes.RUNBOOK) for info in found]
    document = {"simulated": simulated, "runbooks": rows}

    def lines(look: Look) -> Iterator[str]:
        yield from _table(found, look)
        for info in found:
            if info.get("problem"):
                yield ""
                yield look.paint(look.glyphs(f"✖ {clean(str(info.get('name')))}: "), "bad") + plain(info["problem"])
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit(document, lines, rows=rows)


def _table(found: list[Entity], look: Look) -> list[str]:
    table = Table([
        Column("NAME"), Column("CONDITION"), Column("TOUCHES"), Column("FROM", optional=2), Column("STATE"),
        Column("ABOUT", flex=True, optional=1),
    ])  # fmt: skip
    for info in found:
        table.add(
            Cell(str(info.get("name")), "bold"), str(info.get("condition")) or None, _scope(info),
            "shipped" if info.get("shipped") else "own", _state(info), Cell(plain(info.get("about")), "faint"),
        )  # fmt: skip
    return table.lines(look)


def _scope(info: Entity) -> str:
    return {"report": "nothing", "guest": "a guest", "node": "a node"}.get(
        str(info.get("scope")), str(info.get("scope"))
    )


def _state(info: Entity) -> Cell:
    if info.get("problem"):
        return Cell("✖ broken", "bad")
    return Cell("✔ trusted", "good") if info.get("trusted") else Cell("▲ not trusted", "warn")


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    name: str = typer.Argument(help=WHICH, autocompletion=complete.runbooks),
) -> None:
    """One runbook: what is known of it, and its YAML."""
    run = session(ctx)
    with run.link() as link:
        info, text = _shown(link, name)
        simulated = bool(link.welcome.get("simulated"))
    document = {"simulated": simulated, **shapes.shape(info, shapes.RUNBOOK), "text": text}

    def lines(look: Look) -> Iterator[str]:
        yield from fields(_about(info), look)
        yield ""
        yield from clean_block(text, limit=1 << 17).splitlines()

    run.out.emit(document, lines)


def _about(info: Entity) -> list[tuple[str, Value]]:
    problem = info.get("problem")
    return [
        ("runbook", Cell(str(info.get("name")), "bold")),
        ("about", plain(info.get("about"))),
        ("condition", str(info.get("condition"))),
        ("touches", _scope(info)),
        ("state", _state(info)),
        *((("problem", Cell(plain(problem), "bad")),) if problem else ()),
        ("from", ("shipped: " if info.get("shipped") else "own: ") + str(info.get("path") or "-")),
        ("sha256", str(info.get("sha256"))),
    ]


def _shown(link: PlainClient, name: str) -> tuple[Entity, str]:
    """A runbook with its text. Raises ``not_found`` with the nearest names."""
    runbooks.find(link, name)
    found = link.call("runbook.show", {"name": name})
    return dict(found["info"]), str(found.get("text") or "")


@app.command("check", cls=Reading, epilog="jarvis runbook check ~/.config/jarvis/runbooks/restart-zigbee.yaml")
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The YAML file.", metavar="FILE")],
) -> None:
    """Read a runbook's file and name its mistakes, with lines. Needs no daemon."""
    run = session(ctx)
    run.local_only("runbook check")
    answer = admin.ask("runbook-check", str(file.expanduser().absolute()))
    problems = list(answer.get("problems") or ())
    document = {"file": str(file), "ok": not problems, **answer}

    def lines(look: Look) -> Iterator[str]:
        if not problems:
            yield look.paint(look.glyphs(f"✔ {clean(str(file))} can be used."), "good")
            yield from (f"  {number}. {plain(step)}" for number, step in enumerate(answer.get("steps") or (), 1))
            if answer.get("note"):
                yield look.paint(look.glyphs("· "), "faint") + plain(answer["note"])
        for problem in problems:
            yield look.paint(look.glyphs("✖ "), "bad") + _problem(problem)

    run.out.emit(document, lines)
    if problems:
        raise typer.Exit(2)


def _problem(problem: Any) -> str:
    if not isinstance(problem, dict):
        return plain(problem)
    line, text = problem.get("line"), plain(problem.get("text") or problem.get("message"))
    return f"line {line}: {text}" if line and not text.startswith("line ") else text


# --- running and trusting -------------------------------------------------------------------------------


@app.command("run", cls=Reading, epilog="jarvis runbook run guest-crashed pihole --dry-run")
def run_(
    ctx: typer.Context,
    name: str = typer.Argument(help=WHICH, autocompletion=complete.runbooks),
    target: str = typer.Argument(help="A name, or an id like storage:tank.", autocompletion=complete.targets),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan; change nothing."),
    yes: bool = typer.Option(False, "--yes", "-y", help=YES),
) -> None:
    """Run it by hand now. Attempts, cool-downs and counts do not bind you; the other guardrails do."""
    run = session(ctx)
    with run.link(role="operator") as link:
        info = runbooks.find(link, name)
        args = {"runbook": name, "target": runbooks.target(picture(link, "cluster").state, info, target)}
    calling.order(run, calling.Wish("run_runbook", args, dry_run=dry_run, yes=yes), command="jarvis runbook run")


@app.command("trust", cls=Reading)
def trust(
    ctx: typer.Context,
    name: str = typer.Argument(help=WHICH, autocompletion=complete.runbooks),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan; change nothing."),
) -> None:
    """Let it act by itself as it stands now; any edit takes the trust away. Its name has to be typed."""
    run = session(ctx)
    with run.link(role="operator") as link:
        info, _ = _shown(link, name)
    if info.get("problem"):
        raise JarvisError(
            "refused", f"The runbook {name} cannot be trusted: it has a mistake", why=plain(info["problem"]),
            next=f"Mend it, then `jarvis runbook check {info.get('path') or 'FILE'}`.",
        )  # fmt: skip
    if info.get("trusted"):
        run.out.note(f"{name} is trusted already, as it stands now.")
        return
    _steps(run, info)
    args = {"name": name, "sha256": str(info.get("sha256"))}
    calling.order(run, calling.Wish("trust_runbook", args, dry_run=dry_run), command="jarvis runbook trust")


def _steps(run: Session, info: Entity) -> None:
    """What would be trusted, on stderr, before the question."""
    run.out.note(f"{info['name']}: {plain(info.get('about'))}")
    run.out.note(f"  {info.get('path')}, sha256 {info.get('sha256')}")
    for number, step in enumerate(info.get("steps") or [], 1):
        run.out.note(f"  {number}. {plain(step)}")


@app.command("distrust", cls=Reading)
def distrust(
    ctx: typer.Context,
    name: str = typer.Argument(help=WHICH, autocompletion=complete.runbooks),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the plan; change nothing."),
) -> None:
    """Take the trust away: it asks before each step that changes something."""
    run = session(ctx)
    with run.link(role="operator") as link:
        runbooks.find(link, name)
    wish = calling.Wish("distrust_runbook", {"name": name}, dry_run=dry_run)
    calling.order(run, wish, command="jarvis runbook distrust")


app.command("test", cls=Reading, epilog=EXAMPLES)(trial)
