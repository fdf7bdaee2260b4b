"""`jarvis version`: of this command and of the daemon, if one runs."""

from __future__ import annotations

import platform

import typer

from jarvis_cli.group import Reading, verb
from jarvis_cli.session import session
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PROTOCOL_RANGE
from jarvis_daemon.protocol.version import VERSION

app = verb()


@app.command("version", cls=Reading)
def version(ctx: typer.Context) -> None:
    """The versions of this command and of the daemon, if one runs."""
    run = session(ctx)
    daemon = None
    try:
        with run.link(start=False) as link:
            daemon = str(link.welcome.get("daemon_version"))
    except JarvisError as error:
        if run.remote or error.code != "daemon_unreachable":
            raise
    document = {
        "version": VERSION, "protocol": list(PROTOCOL_RANGE), "python": platform.python_version(), "daemon": daemon,
    }  # fmt: skip
    run.out.emit(document, lambda look: [f"jarvis {VERSION}", f"daemon {daemon or 'does not run'}"])
