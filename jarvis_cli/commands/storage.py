"""`jarvis storage`: storages and how full they are."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from jarvis_cli import complete, names, shapes, views
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import session
from jarvis_cli.shapes import STORAGE, Entity
from jarvis_cli.state import picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import fields
from jarvis_cli.values import ratio, share

app = noun("storage", "Storages and how full they are.")


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    node: str | None = typer.Option(
        None, "--node", help="Only those that this node has.", autocompletion=complete.nodes
    ),
) -> None:
    """All storages; a shared one once."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster")
    state, now = found.state, found.now
    storages = shapes.storages(state, now)
    if node is not None:
        wanted = str(names.node(state, node)["name"])
        storages = [s for s in storages if s.get("node") == wanted or wanted in (s.get("nodes") or [])]
    rows = [shapes.shape(storage, STORAGE) for storage in storages]
    document = shapes.listing("storages", rows, state, simulated=found.simulated)
    show_picture(run, document, found, lambda look: views.storage_table(storages, look).lines(look), rows=rows)


@app.command("show", cls=Reading, epilog="jarvis storage show tank\njarvis storage show pve/local")
def show(
    ctx: typer.Context,
    name: str = typer.Argument(help="Name, or node/name where several have it.", autocompletion=complete.storages),
) -> None:
    """One storage."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents")
    state, now = found.state, found.now
    storage = shapes.believed(names.storage(state, name), state, now)
    opened = [i for i in shapes.open_incidents(state) if i.get("target") == storage["id"]]
    document = {
        "simulated": found.simulated,
        **shapes.shape(storage, STORAGE),
        "incidents": [shapes.shape(incident, shapes.INCIDENT) for incident in opened],
    }
    show_picture(run, document, found, lambda look: lines(storage, opened, now, look))


def lines(storage: Entity, opened: list[Entity], now: float, look: Look) -> Iterator[str]:
    used, total = storage.get("used_bytes"), storage.get("total_bytes")
    yield from fields(
        [
            ("storage", str(storage.get("name"))),
            ("state", views.state_cell(str(storage["status"]), look, freshness=storage.get("freshness"))),
            ("type", str(storage.get("type"))),
            ("nodes", " ".join(storage.get("nodes") or []) or storage.get("node")),
            ("shared", "yes" if storage.get("shared") else "no"),
            ("space", views.of(used, total)),
            ("used", share(ratio(used, total))),
            ("content", " ".join(storage.get("content") or []) or None),
        ],
        look,
    )
    if opened:
        yield ""
        yield views.title("INCIDENTS", look)
        yield from views.incident_table(opened, look, now, indent="  ").lines(look)
