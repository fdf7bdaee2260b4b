"""`jarvis daemon`: start, stop, look at, install the background daemon."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Literal

import typer

from jarvis_cli import admin, shapes, views
from jarvis_cli.group import Command, Reading, noun
from jarvis_cli.session import Session, session
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_cli.values import share, size, span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.launch import answers, is_locked
from jarvis_daemon.protocol.plain import PlainClient

app = noun("daemon", "The background daemon: start, stop, logs, install.")

STOP_PATIENCE_S: Final = 20.0
_pause = threading.Event()
"""Never set: its wait is an interruptible pause."""


@app.command("start", cls=Command)
def start(ctx: typer.Context) -> None:
    """Start the daemon, if it does not run."""
    run = session(ctx)
    run.local_only("daemon start")
    if answers(run.places.socket):
        with run.link(start=False):  # one that hangs accepts, too
            run.out.note("The daemon runs already.")
        return
    run.start_daemon(force=True, timeout_s=max(30.0, run.timeout_s))
    run.out.note(_started(run))


def _started(run: Session) -> str:
    return "The daemon runs, on the simulated homelab." if run.places.demo else "The daemon runs."


@app.command("stop", cls=Command)
def stop(
    ctx: typer.Context,
    force: bool = typer.Option(False, "--force", help="When it does not answer: SIGTERM, then SIGKILL."),
) -> None:
    """Stop the daemon; nothing starts it again by itself until `jarvis daemon start`."""
    run = session(ctx)
    run.local_only("daemon stop")
    if not _alive(run):
        run.places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        run.places.stopped_marker.touch(mode=0o600)
        run.out.note("The daemon does not run.")
        return
    _end(run, marker=True, force=force)
    run.out.note("The daemon has stopped.")


@app.command("restart", cls=Command)
def restart(
    ctx: typer.Context,
    force: bool = typer.Option(False, "--force", help="When it does not answer: SIGTERM, then SIGKILL."),
) -> None:
    """Stop the daemon and start it again, with the settings and the version of now."""
    run = session(ctx)
    run.local_only("daemon restart")
    if _alive(run):
        admin.ask("config", "check")  # a mistake in the settings must not cost the watch that goes on
        _end(run, marker=False, force=force)
    run.start_daemon(force=True, timeout_s=max(30.0, run.timeout_s))
    run.out.note(_started(run))


def _alive(run: Session) -> bool:
    return answers(run.places.socket) or is_locked(run.places.lock_file)


def _end(run: Session, *, marker: bool, force: bool) -> None:
    """Ask it to stop and wait until its lock is free. Raises ``timed_out``, ``forbidden`` …"""
    pid: int | None = None
    try:
        with run.link(start=False, role="operator") as link:
            pid = _pid(link)
            link.call("daemon.stop", {"marker": marker})
    except JarvisError as error:
        if error.code == "forbidden" or not (force or error.code in {"daemon_unreachable", "protocol_mismatch"}):
            raise JarvisError(error.code, error.what, why=error.why, next=_how_to_force(error)) from None
        pid = pid or _peer(run)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
    if _gone(run, STOP_PATIENCE_S if not force else 3.0):
        return
    if not force or pid is None:
        raise JarvisError(
            "timed_out", f"The daemon did not stop within {STOP_PATIENCE_S:g} s",
            next="`jarvis daemon stop --force` ends it the hard way.",
        )  # fmt: skip
    os.kill(pid, signal.SIGKILL)
    _gone(run, 5.0)


def _how_to_force(error: JarvisError) -> str:
    return error.next if error.code == "forbidden" else "`jarvis daemon stop --force` ends it the hard way."


def _pid(link: PlainClient) -> int | None:
    health = link.call("state.get", {"topics": ["health"]})["topics"]["health"]["state"].get("health", {})
    return next((int(entity["pid"]) for entity in health.values() if entity.get("pid")), None)


def _peer(run: Session) -> int | None:
    """The process behind the socket, by the kernel's word."""
    import socket
    import struct

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(run.places.socket))
            pid, uid, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return None
    return int(pid) if pid > 1 and uid == os.getuid() else None


def _gone(run: Session, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while is_locked(run.places.lock_file):
        if time.monotonic() > deadline:
            return False
        _pause.wait(0.03)
    return True


@app.command("status", cls=Reading)
def status(ctx: typer.Context) -> None:
    """Whether the daemon runs, since when, what it costs and who is attached; exits with 3 when it does not."""
    run = session(ctx)
    with run.link(start=False) as link:
        answer = link.call("state.get", {"topics": ["health", "services", "clients"]})
        welcome = link.welcome
    state: dict[str, Any] = {}
    for topic in answer["topics"].values():
        state |= topic["state"]
    now = float(answer["now"])
    health: dict[str, Any] = next(iter(state.get("health", {}).values()), {})
    document = {
        "running": True,
        "simulated": bool(welcome.get("simulated")),
        "version": welcome.get("daemon_version"),
        "protocol": welcome.get("protocol"),
        "boot_id": welcome.get("boot_id"),
        "socket": run.remote or str(run.places.socket),
        **shapes.shape(
            health, ("pid", "started_at", "cpu", "rss_bytes", "api_calls_per_min", "store_bytes", "store_error")
        ),
        "services": [shapes.shape(s, shapes.SERVICE) for s in state.get("services", {}).values()],
        "clients": [shapes.shape(c, shapes.CLIENT) for c in state.get("clients", {}).values()],
    }
    run.out.emit(document, lambda look: _lines(document, health, state, now, look))


def _lines(
    document: dict[str, Any], health: dict[str, Any], state: dict[str, Any], now: float, look: Look
) -> Iterator[str]:
    started, calls = health.get("started_at"), health.get("api_calls_per_min")
    yield from fields(
        [
            ("daemon", Cell(f"{look.glyphs('●')} running, version {document['version']}", "good")),
            ("homelab", Cell("SIMULATED", "warn") if document["simulated"] else "the configured cluster"),
            ("pid", str(health.get("pid") or "-")),
            ("uptime", span(now - started) if started else None),
            ("cpu", share(health.get("cpu"))),
            ("memory", size(health.get("rss_bytes"))),
            ("api calls", None if calls is None else f"{calls:.0f} a minute"),
            ("store", size(health.get("store_bytes"))),
            ("store error", Cell(str(health["store_error"]), "bad") if health.get("store_error") else "none"),
            ("socket", str(document["socket"])),
        ],
        look,
    )
    if services := list(state.get("services", {}).values()):
        table = Table([Column("SERVICE"), Column("STATE"), Column("PID"), Column("RESTARTS"), Column("LAST ERROR")])
        for service in services:
            table.add(
                str(service.get("name")), views.state_cell(str(service.get("status")), look),
                str(service.get("pid") or "-"), str(service.get("restarts") or 0), service.get("last_error"),
            )  # fmt: skip
        yield from ("", *table.lines(look))
    table = Table(
        [
            Column("CLIENT"),
            Column("ROLE"),
            Column("PID", right=True),
            Column("FOR", right=True),
            Column("SENT", right=True),
        ]
    )
    for client in state.get("clients", {}).values():
        table.add(
            f"{client.get('client')} {client.get('version')}".strip(), str(client.get("role")),
            str(client.get("pid") or "-"), span(now - (client.get("connected_at") or now)),
            size(client.get("sent_bytes")),
        )  # fmt: skip
    yield from ("", *table.lines(look))


@app.command(
    "logs", cls=Reading, epilog="jarvis daemon logs -f --level warning\njarvis daemon logs --since 1h -o jsonl"
)
def logs(
    ctx: typer.Context,
    follow: bool = typer.Option(False, "-f", "--follow", help="Go on with what is written, until Ctrl-C."),
    since: str | None = typer.Option(None, "--since", help="Only what is younger, like 10m.", metavar="TIME"),
    level: Literal["debug", "info", "warning", "error"] = typer.Option("debug", "--level", help="The least level."),
    limit: int = typer.Option(200, "-n", "--limit", min=1, help="At most so many past lines."),
) -> None:
    """What the daemon wrote."""
    from jarvis_cli import logfile
    from jarvis_cli.values import parse_duration

    run = session(ctx)
    run.local_only("daemon logs")
    try:
        since_s = None if since is None else parse_duration(since)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    logfile.show(run, follow=follow, since_s=since_s, level=level, limit=limit)


@app.command("install", cls=Command)
def install(
    ctx: typer.Context,
    system: bool = typer.Option(False, "--system", help="For the machine, as a user of its own; needs root."),
    show: bool = typer.Option(False, "--print", help="Only print the unit."),
) -> None:
    """Have systemd start the daemon and keep it running."""
    from jarvis_cli import units

    run = session(ctx)
    run.local_only("daemon install")
    (units.install_system if system else units.install_user)(run, show_only=show)


@app.command("uninstall", cls=Command)
def uninstall(
    ctx: typer.Context,
    system: bool = typer.Option(False, "--system", help="The unit of the machine; needs root."),
) -> None:
    """Take the systemd unit away; settings and data stay."""
    from jarvis_cli import units

    run = session(ctx)
    run.local_only("daemon uninstall")
    units.uninstall(run, system=system)
