"""`jarvis demo`: the simulated homelab, with its own daemon, store and feed."""

from __future__ import annotations

import sys

import typer

from jarvis_cli import control
from jarvis_cli.commands.hud import open_hud
from jarvis_cli.commands.status import header
from jarvis_cli.group import Command, verb
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import guests, nodes
from jarvis_cli.state import picture
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.launch import answers
from jarvis_daemon.protocol.locate import base_places, cluster_configured

app = verb()


@app.command(
    "demo", cls=Command, epilog="jarvis demo\njarvis demo --no-hud --nodes 32 --guests 5000\njarvis sim faults"
)
def demo(
    ctx: typer.Context,
    no_hud: bool = typer.Option(False, "--no-hud", help="Return when the first picture is there."),
    nodes: int | None = typer.Option(None, "--nodes", min=1, max=64, help="So many nodes instead of four."),
    guests: int | None = typer.Option(None, "--guests", min=1, max=20000, help="So many guests instead of 18."),
    speed: float | None = typer.Option(None, "--speed", min=0.1, max=1000, help="Everything that much faster."),
) -> None:
    """A homelab of four nodes and 18 guests that is not there: look at it, break it, watch it.

    It starts only where no cluster is configured.
    """
    run = session(ctx)
    run.local_only("demo")
    refuse_real(run)
    if not no_hud and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise JarvisError("invalid_params", "The display needs a terminal", next="Use `jarvis demo --no-hud`.")
    start(run, nodes=nodes, guests=guests, speed=speed)
    if no_hud:
        first_picture(run)
        return
    raise typer.Exit(open_hud(run))


def refuse_real(run: Session) -> None:
    """The demo never runs beside a real cluster. Raises ``config_invalid`` that names why."""
    base = base_places()
    if cluster_configured(base):
        raise JarvisError(
            "config_invalid", "A cluster is configured here, so the simulated homelab stays away",
            why=f"{base.config_file} or the environment names one",
            next="`JARVIS_HOME=~/jarvis-demo jarvis demo` runs it in a home of its own.",
        )  # fmt: skip


def start(run: Session, *, nodes: int | None, guests: int | None, speed: float | None) -> None:
    sizes = {"--nodes": nodes, "--guests": guests}
    asked = [part for name, value in sizes.items() if value is not None for part in (name, str(value))]
    if asked and answers(run.places.socket):
        raise JarvisError(
            "already_running", f"The simulated homelab runs already; {asked[0]} takes effect when it starts",
            next="Run `jarvis daemon stop` first.",
        )  # fmt: skip
    if asked and answers(run.places.simulator_socket):  # it outlives its daemon by a minute
        control.ask(run.places.simulator_socket, {"cmd": "stop"})
    arguments = [*asked, *(["--speed", str(speed)] if speed is not None else [])]
    run.start_daemon(force=True, arguments=arguments, timeout_s=45, note="Starting the simulated homelab …")
    if speed is not None:
        control.ask(run.places.simulator_socket, {"cmd": "speed", "value": speed})


def first_picture(run: Session) -> None:
    with run.link(start=False) as link:
        found = picture(link, "cluster", "incidents", wait_s=30)
    if not found.settled:
        raise JarvisError("timed_out", "The simulated homelab started, but nothing was seen of it in 30 s",
                          next="`jarvis daemon logs` has the details.")  # fmt: skip
    seen = f"{len(nodes(found.state, found.now))} nodes, {len(guests(found.state, found.now))} guests"
    run.out.lines(header(found.state, found.now, run.out.look, simulated=found.simulated))
    run.out.note(f"{seen}. Look: `jarvis status`, `jarvis`. Break it: `jarvis sim fault node-down pve`.")
