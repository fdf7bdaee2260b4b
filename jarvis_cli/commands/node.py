"""`jarvis node`: Proxmox nodes."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from jarvis_cli import acting, complete, names, shapes, views
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import session
from jarvis_cli.shapes import NODE, Entity
from jarvis_cli.state import picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, fields
from jarvis_cli.values import clock, ratio, share, span
from jarvis_daemon.protocol.health import State
from jarvis_daemon.protocol.text import clean

app = noun("node", "Proxmox nodes.")


@app.command("list", cls=Reading)
def list_(ctx: typer.Context) -> None:
    """All nodes with state, load, memory and temperature."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster")
    state, now = found.state, found.now
    nodes = shapes.nodes(state, now)
    rows = [shapes.shape(node, NODE) for node in nodes]
    document = shapes.listing("nodes", rows, state, simulated=found.simulated)
    show_picture(run, document, found, lambda look: views.node_table(nodes, look, now).lines(look), rows=rows)


@app.command("show", cls=Reading)
def show(
    ctx: typer.Context,
    name: str = typer.Argument(help="Name of the node.", autocompletion=complete.nodes),
) -> None:
    """One node: numbers, temperatures, its guests and incidents."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents")
    state, now = found.state, found.now
    node = shapes.believed(names.node(state, name), state, now)
    guests = names.on_node(shapes.guests(state, now), str(node["name"]))
    opened = [i for i in shapes.open_incidents(state) if i.get("target") == node["id"]]
    document = {
        "simulated": found.simulated,
        **shapes.shape(node, NODE),
        "guests": [{key: guest.get(key) for key in ("vmid", "name", "kind", "status")} for guest in guests],
        "incidents": [shapes.shape(incident, shapes.INCIDENT) for incident in opened],
    }
    show_picture(run, document, found, lambda look: lines(node, guests, opened, state, now, look))


def lines(
    node: Entity, guests: list[Entity], opened: list[Entity], state: State, now: float, look: Look
) -> Iterator[str]:
    used, total = node.get("memory_used_bytes"), node.get("memory_total_bytes")
    started, temperatures = node.get("started_at"), node.get("temperatures") or {}
    numbers = node.get("loadavg") or []
    yield from fields(
        [
            ("node", str(node.get("name"))),
            ("state", views.state_cell(str(node["status"]), look, freshness=node.get("freshness"))),
            ("last seen", clock(node.get("last_seen_at"), now)),
            ("address", node.get("ip")),
            ("cpu", _cpu(node)),
            ("load", " ".join(f"{value:.2f}" for value in numbers) or None),
            ("memory", _with_share(used, total)),
            ("root disk", _with_share(node.get("rootfs_used_bytes"), node.get("rootfs_total_bytes"))),
            ("temperatures", ", ".join(f"{label} {value:.0f}°C" for label, value in temperatures.items()) or None),
            *_unread(node, state),
            ("uptime", None if started is None else span(now - started)),
            ("kernel", node.get("kernel")),
            ("pve", node.get("pve_version")),
            ("ha", node.get("ha_state")),
        ],
        look,
    )  # fmt: skip
    yield ""
    yield views.title("GUESTS", look, views.guest_counts(guests) or "none")
    if guests:
        yield from views.guest_table(guests, look, now, indent="  ").lines(look)
    if opened:
        yield ""
        yield views.title("INCIDENTS", look)
        yield from views.incident_table(opened, look, now, indent="  ").lines(look)


def _unread(node: Entity, state: State) -> list[tuple[str, Cell]]:
    """Why what SSH tells is missing or old."""
    for source in state.get("sources", {}).values():
        told = (source.get("what"), source.get("cluster"), source.get("target"))
        if told == ("sensors", node.get("cluster"), node.get("name")) and source.get("error"):
            return [("ssh", Cell(clean(str(source["error"])), "warn"))]
    return []


def _cpu(node: Entity) -> str:
    used, count, model = share(node.get("cpu")), node.get("cpu_count"), node.get("cpu_model")
    return f"{used or '?'} of {count or '?'} × {model or 'unknown model'}"


def _with_share(used: float | None, total: float | None) -> str | None:
    text, part = views.of(used, total), share(ratio(used, total))
    return f"{text} ({part})" if isinstance(text, str) and part else None


acting.add(app, "node")
