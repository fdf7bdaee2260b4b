"""`jarvis autonomy`: how much is repaired without asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import calling, complete, levels, names, shapes, stories, views
from jarvis_cli.group import Reading, nearest, noun
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import Entity
from jarvis_cli.state import Picture, picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Value, fields
from jarvis_cli.values import clock, parse_since, rfc3339
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

app = noun("autonomy", "How much Jarvis repairs without asking.")

CONDITION = "Only for this condition, like storage-high."
TARGET = "Only for this guest, node or storage, by name or id."
EXAMPLES = """
jarvis autonomy set 3 --dry-run
jarvis autonomy set 2 --condition storage-high
jarvis autonomy set 0 --target postgres
"""
DRY = "Show the plan, and what would have been done so far; change nothing."


@app.command("show", cls=Reading)
def show(ctx: typer.Context) -> None:
    """The level, what holds now and why, and what has a level of its own."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "approvals")
    entity = found.state.get("autonomy", {}).get("autonomy:main")
    if entity is None:
        raise JarvisError(
            "unavailable", "This daemon repairs nothing", why="it tells of no autonomy level",
            next="`jarvis config show remediation` shows whether it is switched off; after an update, "
            "`jarvis daemon restart`.",
        )  # fmt: skip
    document = {"simulated": found.simulated, **shapes.shape(entity, shapes.AUTONOMY)}
    show_picture(run, document, found, lambda look: _lines(entity, found, look))


def _lines(autonomy: Entity, found: Picture, look: Look) -> Iterator[str]:
    level, holds = autonomy.get("level"), autonomy.get("effective")
    less = holds is not None and holds != level
    since = clock(autonomy.get("since_at"), found.now)
    by = str(autonomy.get("by") or "")
    told = f"{since}, by {by}" if since and by else since or "the start, by the settings"
    rows: list[tuple[str, Value]] = [("level", Cell(levels.about(level), "bold"))]
    if less:
        rows += [
            ("holds now", Cell(levels.about(holds), "warn")),
            ("why", Cell(str(autonomy.get("why") or "-"), "warn")),
        ]
    yield from fields([*rows, ("since", told)], look)
    for title, own in (("CONDITIONS", autonomy.get("conditions")), ("TARGETS", autonomy.get("targets"))):
        if own:
            yield ""
            yield views.title(title, look, "with a level of their own")
            each: list[tuple[str, Value]] = [
                (_name(key, found), levels.about(value)) for key, value in sorted(own.items())
            ]
            yield from ("  " + line for line in fields(each, look))


def _name(key: str, found: Picture) -> str:
    """``guest:103 (plex)``"""
    name = found.state.get("guests", {}).get(key, {}).get("name")
    return clean(f"{key} ({name})" if name else key)


@app.command("preview", cls=Reading, epilog="jarvis autonomy preview 3\njarvis autonomy preview 3 --since 7d")
def preview(
    ctx: typer.Context,
    level: str = typer.Argument("3", help="0 to 4.", autocompletion=complete.levels),
    since: str | None = typer.Option(None, "--since", help="Like 7d, yesterday or 2026-11-19.", metavar="TIME"),
) -> None:
    """What would have been done at a level, by what has happened so far. Changes nothing."""
    run = session(ctx)
    wanted = levels.read(level)
    if since is not None:
        _since(since, time.time())  # what is no moment is told before a daemon is asked
    with run.link() as link:
        now = float(link.welcome.get("now") or time.time())
        params: dict[str, Any] = {"level": wanted}
        if since is not None:
            params["since_at"] = _since(since, now)
        answer = link.call("autonomy.preview", params)
        simulated = bool(link.welcome.get("simulated"))
    found = stories.in_order(answer.get("would_have") or [])
    rows = [shapes.repair(repair) for repair in found]
    document = {
        "simulated": simulated, "level": wanted, "since_at": rfc3339(answer.get("since_at") or None),
        "text": answer.get("text"), "would_have": rows,
    }  # fmt: skip

    def lines(look: Look) -> Iterator[str]:
        for repair in found:
            yield from stories.lines(repair, look, now)
            yield ""
        text = clean(str(answer.get("text") or ""))
        yield text or f"At {levels.name(wanted)} {len(found)} would have been done."
        yield from views.footer(look, {}, now, simulated=simulated)

    run.out.emit(document, lines, rows=rows)


def _since(text: str, now: float) -> float:
    try:
        return parse_since(text, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


@app.command("set", cls=Reading, epilog=EXAMPLES)
def set_(
    ctx: typer.Context,
    level: str = typer.Argument(help="0 to 4.", autocompletion=complete.levels),
    condition: str | None = typer.Option(
        None, "--condition", help=CONDITION, metavar="NAME", autocompletion=complete.conditions
    ),
    target: str | None = typer.Option(
        None, "--target", help=TARGET, metavar="ID_OR_NAME", autocompletion=complete.targets
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help=DRY),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Choose the level: of all, of a condition, or of a target.

    Raising it shows what would have been done so far, and is confirmed. A target's own level goes before that of a
    condition, and both before the level of all.
    """
    run = session(ctx)
    args = {"level": levels.read(level), **_whose(run, condition, target)}
    calling.order(run, calling.Wish("set_autonomy", args, dry_run=dry_run, yes=yes), command="jarvis autonomy set")


@app.command("unset", cls=Reading)
def unset(
    ctx: typer.Context,
    condition: str | None = typer.Option(
        None, "--condition", help=CONDITION, metavar="NAME", autocompletion=complete.conditions
    ),
    target: str | None = typer.Option(
        None, "--target", help=TARGET, metavar="ID_OR_NAME", autocompletion=complete.targets
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help=DRY),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Take a condition's or a target's own level away: the level of all holds for it again."""
    run = session(ctx)
    if condition is None and target is None:
        raise JarvisError(
            "invalid_params", "Whose own level is to go?", why="give --condition or --target",
            next="`jarvis autonomy show` lists what has one.",
        )  # fmt: skip
    args = _whose(run, condition, target)
    wish = calling.Wish("unset_autonomy", args, dry_run=dry_run, yes=yes)
    calling.order(run, wish, command="jarvis autonomy unset")


def _whose(run: Session, condition: str | None, target: str | None) -> dict[str, Any]:
    """The tool's arguments for whose level it is. Raises ``invalid_params`` for both at once."""
    if condition is not None and target is not None:
        raise JarvisError(
            "invalid_params", "Give either --condition or --target, not both",
            next="A level is that of all, of one condition or of one target.",
        )  # fmt: skip
    if condition is None and target is None:
        return {}
    with run.link(role="operator") as link:
        if condition is not None:
            _answered(link, condition)
            return {"condition": condition}
        return {"target": names.target(picture(link, "cluster").state, str(target))}


def _answered(link: PlainClient, condition: str) -> None:
    """Raises ``not_found`` for a condition that no runbook answers: a level of it would change nothing."""
    known = {str(info.get("condition")) for info in link.call("runbook.list")["runbooks"] if info.get("condition")}
    chosen = picture(link, "approvals").state.get("autonomy", {}).get("autonomy:main") or {}
    if condition in known or condition in (chosen.get("conditions") or {}):
        return
    near = nearest(condition, sorted(known))
    raise JarvisError(
        "not_found", f"No runbook answers a condition {clean(condition, limit=60)!r}",
        why=f"did you mean {' or '.join(near)}?" if near else "a level of its own would change nothing",
        next="`jarvis runbook list` shows the conditions.",
    )  # fmt: skip
