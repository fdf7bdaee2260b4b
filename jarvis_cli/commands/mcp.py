"""`jarvis mcp`: Jarvis for MCP clients; their token and their configuration."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

import typer

from jarvis_cli import admin
from jarvis_cli.group import CONTEXT, Command, Group, nearest
from jarvis_cli.session import Session, session
from jarvis_daemon.protocol.errors import JarvisError

MODULE: Final = "jarvis_daemon.mcp_bridge"
TOKEN_BYTES: Final = 32


def _serve(ctx: typer.Context) -> None:
    """MCP over standard input and output, for the client that starts it."""
    if ctx.invoked_subcommand is None:
        raise typer.Exit(serve(session(ctx)))


app = typer.Typer(
    name="mcp", cls=Group, invoke_without_command=True, add_completion=False, rich_markup_mode=None,
    help="Jarvis for MCP clients; without a verb: serve standard input and output.", context_settings=CONTEXT,
    callback=_serve,
)  # fmt: skip


def serve(run: Session) -> int:
    """Become the bridge, or run it beside a forwarded socket; its exit code."""
    if sys.stdin.isatty():
        raise JarvisError(
            "invalid_params", "`jarvis mcp` is started by an MCP client, not at a terminal",
            next="`jarvis mcp config CLIENT` prints what to put into the client's settings.",
        )  # fmt: skip
    argv = [sys.executable, "-m", MODULE]
    if run.remote:
        with run.socket() as path:
            return subprocess.run([*argv, "--socket", str(path)], check=False).returncode
    if not run.autostart:
        argv.append("--no-start")
    return _become(argv)


def _become(argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(argv[0], argv)  # noqa: S606  the bridge takes over our standard input and output


@app.command("token", cls=Command, epilog="jarvis mcp token\njarvis mcp token --new")
def token(
    ctx: typer.Context,
    new: bool = typer.Option(False, "--new", help="Make a new one; the old one is void at once."),
) -> None:
    """Make the token for MCP over HTTP and tell the file that holds it."""
    run = session(ctx)
    run.local_only("mcp token")
    path = run.places.mcp_token
    if path.exists() and not new:
        run.out.line(str(path))
        run.out.note("The token stands in this file already; --new makes another.")
        return
    try:
        write_token(path)
    except OSError as error:
        raise JarvisError(
            "config_invalid", f"The token cannot be written to {path}", why=error.strerror or str(error)
        ) from None
    run.out.line(str(path))
    run.out.note("The file holds the new token; clients send it as `Authorization: Bearer …`.")


def write_token(path: Path) -> None:
    """A new token, in a file that only its owner can read, replaced in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


@app.command(
    "config", cls=Command,
    epilog="jarvis mcp config claude-code\njarvis mcp config cursor --http\njarvis mcp config generic",
)  # fmt: skip
def config(
    ctx: typer.Context,
    client: str = typer.Argument(help="claude-desktop, claude-code, cursor, vscode or generic."),
    http: bool = typer.Option(False, "--http", help="For HTTP with the token, instead of a process per client."),
) -> None:
    """Print the configuration of an MCP client, ready to be pasted."""
    from jarvis_cli import mcp_clients

    run = session(ctx)
    if client not in mcp_clients.CLIENTS:
        near = nearest(client, list(mcp_clients.CLIENTS), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(mcp_clients.CLIENTS)}"
        raise JarvisError("invalid_params", f"{client!r} is no client that is known here", why=hint)
    found = (
        mcp_clients.over_http(client, _url(run), run.places) if http else mcp_clients.over_stdio(client, _argv(run))
    )
    run.out.line(found.text)
    for note in found.notes:
        run.out.note(note)


def _argv(run: Session) -> tuple[list[str], dict[str, str]]:
    """The command that a client starts, by its full path, and the environment by which it finds us."""
    command = Path(sys.executable).with_name("jarvis")
    argv = [str(command)] if command.exists() else [sys.executable, "-m", "jarvis_cli"]
    if run.remote:
        argv += ["--host", run.remote]
    environ = {name: os.environ[name] for name in ("JARVIS_HOME", "JARVIS_SYSTEM") if os.environ.get(name)}
    return [*argv, "mcp"], environ


def _url(run: Session) -> str:
    """Where front listens, by the settings."""
    run.local_only("mcp config --http")
    values = {value["key"]: value["value"] for value in admin.ask("config", "show")["values"]}
    host, port = str(values["front.host"]), values["front.port"]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  not listened at, only recognised
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/mcp"
