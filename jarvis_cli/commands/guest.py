"""`jarvis guest`: VMs and containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import typer

from jarvis_cli import acting, complete, names, shapes, views
from jarvis_cli.commands.console import console
from jarvis_cli.group import Command, Reading, noun
from jarvis_cli.session import session
from jarvis_cli.shapes import GUEST, Entity
from jarvis_cli.state import picture, show_picture
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table, Value, fields
from jarvis_cli.values import clock, rfc3339, share, size, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

app = noun("guest", "VMs and containers.")


@app.command("list", cls=Reading)
def list_(
    ctx: typer.Context,
    node: str | None = typer.Option(None, "--node", help="Only those of this node.", autocompletion=complete.nodes),
    status: str | None = typer.Option(
        None, "--status", help="Only running, stopped, paused, suspended or unknown ones."
    ),
    kind: Literal["vm", "ct"] | None = typer.Option(None, "--kind", help="Only VMs or only containers."),
    tag: str | None = typer.Option(None, "--tag", help="Only those with this tag."),
) -> None:
    """All guests, by vmid."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster")
    state, now = found.state, found.now
    if node is not None:
        node = str(names.node(state, node)["name"])
    guests = [
        guest for guest in shapes.guests(state, now)
        if (node is None or guest.get("node") == node) and (kind is None or guest.get("kind") == kind)
        and (status is None or guest.get("status") == status) and (tag is None or tag in (guest.get("tags") or []))
    ]  # fmt: skip
    rows = [shapes.shape(guest, GUEST) for guest in guests]
    document = shapes.listing("guests", rows, state, simulated=found.simulated)
    show_picture(run, document, found, lambda look: views.guest_table(guests, look, now).lines(look), rows=rows)


@app.command("show", cls=Reading, epilog="jarvis guest show plex\njarvis guest show 103 -o json")
def show(
    ctx: typer.Context,
    guest: str = typer.Argument(help="Name or vmid.", autocompletion=complete.guests),
) -> None:
    """One guest: numbers, configuration, snapshots, addresses, incidents."""
    run = session(ctx)
    with run.link() as link:
        found = picture(link, "cluster", "incidents")
        state, now = found.state, found.now
        entity = shapes.believed(names.guest(state, guest), state, now)
        described, problem = describe(link, str(entity["id"]))
    opened = [i for i in shapes.open_incidents(state) if i.get("target") == entity["id"]]
    document = {
        "simulated": found.simulated,
        **shapes.shape(entity, GUEST),
        "addresses": described.get("addresses"),
        "addresses_why": described.get("addresses_why"),
        "config": described.get("config"),
        "snapshots": described.get("snapshots"),
        "describe_error": problem,
        "incidents": [shapes.shape(incident, shapes.INCIDENT) for incident in opened],
    }
    show_picture(run, document, found, lambda look: lines(entity, described, problem, opened, now, look))


def describe(link: PlainClient, guest_id: str) -> tuple[dict[str, Any], str | None]:
    """What is read on demand; where that fails, the sentence why, since the rest is known all the same."""
    try:
        return link.call("guest.describe", {"id": guest_id}), None
    except JarvisError as error:
        if error.code == "daemon_unreachable":
            raise
        return {}, error.sentence()


def lines(
    guest: Entity, described: dict[str, Any], problem: str | None, opened: list[Entity], now: float, look: Look
) -> Iterator[str]:
    pairs = _numbers(guest, described, now, look)
    if problem:
        pairs.append(("configuration", Cell(problem, "warn")))
    yield from fields(pairs, look)
    if config := described.get("config"):
        yield ""
        yield views.title("CONFIGURATION", look)
        yield from ("  " + line for line in fields([(str(k), str(v)) for k, v in sorted(config.items())], look))
    if snapshots := described.get("snapshots"):
        yield ""
        yield views.title("SNAPSHOTS", look)
        yield from snapshot_table(snapshots).lines(look)
    if opened:
        yield ""
        yield views.title("INCIDENTS", look)
        yield from views.incident_table(opened, look, now, indent="  ").lines(look)


def _numbers(guest: Entity, described: dict[str, Any], now: float, look: Look) -> list[tuple[str, Value]]:
    started = guest.get("started_at")
    addresses = described.get("addresses")
    kind = {"vm": "virtual machine", "ct": "container"}.get(str(guest.get("kind")), "guest")
    cores = guest.get("cpu_count")
    return [
        ("guest", f"{guest.get('name')} ({guest.get('vmid')}), {kind} on {guest.get('node')}"),
        ("state", views.guest_state(guest, look)),
        ("last seen", clock(guest.get("last_seen_at"), now)),
        ("cpu", f"{share(guest.get('cpu')) or '?'} of {cores:g} cores" if cores else share(guest.get("cpu"))),
        ("memory", views.of(guest.get("memory_used_bytes"), guest.get("memory_total_bytes"))),
        ("disk", views.of(guest.get("disk_used_bytes"), guest.get("disk_total_bytes"))),
        ("network", _traffic(guest)),
        ("uptime", None if started is None else span(now - started)),
        ("addresses", " ".join(addresses) if addresses else str(described.get("addresses_why") or "-")),
        ("ha", guest.get("ha_state")),
        ("pool", guest.get("pool")),
        ("tags", " ".join(guest.get("tags") or []) or None),
    ]


def _traffic(guest: Entity) -> str | None:
    came, went = size(guest.get("net_in_bytes")), size(guest.get("net_out_bytes"))
    return f"{came} in, {went} out since start" if came and went else None


def snapshot_table(snapshots: list[dict[str, Any]]) -> Table:
    table = Table([Column("NAME"), Column("TAKEN"), Column("RAM"), Column("DESCRIPTION", flex=True)], indent="  ")
    for snapshot in snapshots:
        taken = snapshot.get("taken_at", snapshot.get("snaptime"))
        table.add(
            str(snapshot.get("name")), (rfc3339(float(taken)) or "-")[:16].replace("T", " ") if taken else None,
            "yes" if snapshot.get("vmstate") else "no", str(snapshot.get("description") or "-"),
        )  # fmt: skip
    return table


acting.add(app, "guest")
app.command("console", cls=Command)(console)
