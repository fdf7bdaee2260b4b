"""`jarvis task`: tasks of Proxmox VE and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from jarvis_cli import names, shapes, views
from jarvis_cli.group import Reading, noun
from jarvis_cli.output import json_text
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import TASK, Entity
from jarvis_cli.state import picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import fields
from jarvis_cli.values import clock, share, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

app = noun("task", "Tasks of Proxmox VE, their logs too.")

WHICH = "UPID, a unique part of it (like qmstart:105), or `last`."
ENDED_WELL = frozenset({"ok", "warnings"})


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    running: bool = typer.Option(False, "--running", help="Only those that run now."),
    failed: bool = typer.Option(False, "--failed", help="Only those that failed."),
    limit: int = typer.Option(25, "-n", "--limit", min=1, help="At most so many."),
) -> None:
    """Running tasks, then the newest."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "tasks")
    state, now = found.state, found.now
    wanted = {"running"} if running else {"failed"} if failed else None
    tasks = [task for task in shapes.tasks(state) if wanted is None or task.get("status") in wanted][:limit]
    rows = [shapes.shape(task, TASK) for task in tasks]
    document = shapes.listing("tasks", rows, state, simulated=found.simulated)
    show_picture(run, document, found, lambda look: views.task_table(tasks, look, now).lines(look), rows=rows)


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    task: str = typer.Argument(help=WHICH),
    limit: int = typer.Option(500, "-n", "--limit", min=1, help="At most so many lines of its log."),
) -> None:
    """One task and its log."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "tasks")
        entity = names.task(shapes.tasks(found.state), task)
        log = link.call("task.log", {"upid": entity["id"], "limit": limit})
    document = {"simulated": found.simulated, **shapes.shape(entity, TASK), "log": log.get("lines") or []}
    show_picture(run, document, found, lambda look: lines(entity, document["log"], found.now, look))


def lines(task: Entity, log: list[str], now: float, look: Look) -> Iterator[str]:
    started, ended = task.get("started_at") or now, task.get("ended_at")
    yield from fields(
        [
            ("task", str(task.get("type"))),
            ("target", str(task.get("target") or "") or None),
            ("node", str(task.get("node"))),
            ("state", views.state_cell(str(task.get("status")), look)),
            ("result", task.get("exit_text")),
            ("progress", share(task.get("progress"))),
            ("user", str(task.get("user"))),
            ("started", clock(started, now)),
            ("took", span((ended or now) - started)),
            ("upid", str(task.get("id"))),
        ],
        look,
    )
    yield ""
    yield from (clean(line) for line in log)


@app.command("watch", cls=Reading)
def watch(ctx: typer.Context, task: str = typer.Argument(help=WHICH)) -> None:
    """Follow the log of a task to its end.

    Exits with 0 when it ended well, 1 when it failed. With -o json the whole log comes at the end, with jsonl
    each line as it comes.
    """
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "tasks")
        entity = names.task(shapes.tasks(found.state), task)
        result, log = _follow(run, link, str(entity["id"]))
    status = str(result.get("status") or "unknown")
    document = {
        "simulated": found.simulated,
        "id": entity["id"],
        "status": status,
        "exit_text": result.get("exit_text"),
        "log": log,
    }
    if run.out.format in {"json", "yaml"}:
        run.out.emit(document, lambda look: [])
    elif run.out.is_table:
        text, tone = run.out.look.state(status)
        run.out.note(
            run.out.look.paint(text, tone)
            + (f": {clean(str(result['exit_text']))}" if result.get("exit_text") else "")
        )
    if status not in ENDED_WELL:
        raise typer.Exit(1)


def _follow(run: Session, link: PlainClient, upid: str) -> tuple[dict[str, Any], list[str]]:
    """Print lines as they come; return the result and all lines."""
    link.settimeout(None)
    log: list[str] = []
    update: dict[str, Any] = {}
    for update in link.stream("task.log", {"upid": upid, "follow": True}):
        new = [clean(str(line)) for line in update.get("lines") or []]
        log += new
        if run.out.format == "jsonl":
            run.out.lines(json_text({"line": line}) for line in new)
        elif run.out.is_table:
            run.out.lines(new)
        if run.out.closed:
            raise typer.Exit(0)
    if "status" not in update:
        raise JarvisError("internal", "The log ended without the task's result")
    return update, log
