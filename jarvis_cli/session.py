"""One run of the command line: its options, its output, and the link to the daemon made when first needed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import typer

from jarvis_cli.output import Output
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, places
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.version import VERSION

TIMEOUT_S: Final = 10.0

Links = Callable[[], contextlib.AbstractContextManager[PlainClient]]
"""Makes one session with the daemon after another."""


@dataclass
class Session:
    """Options that every command takes; ``Output`` holds those about output."""

    out: Output = field(default_factory=Output)
    no_input: bool = False
    autostart: bool = True
    timeout_s: float = TIMEOUT_S
    host: str | None = None
    places: Places = field(default_factory=places)

    @property
    def remote(self) -> str | None:
        """The other machine whose daemon is meant, by ``--host`` or JARVIS_HOST."""
        return self.host or os.environ.get("JARVIS_HOST") or None

    @contextlib.contextmanager
    def socket(self, *, start: bool = True) -> Iterator[Path]:
        """The socket to attach to: of the daemon here, started if need be, or forwarded from ``--host``."""
        if host := self.remote:
            from jarvis_cli.remote import forwarded

            with forwarded(host, timeout_s=self.timeout_s) as path:
                yield path
            return
        yield self.start_daemon() if start and self.autostart else self.places.socket

    def start_daemon(
        self, *, force: bool = False, arguments: Sequence[str] = (), timeout_s: float = 30.0,
        note: str = "Starting the daemon …",
    ) -> Path:  # fmt: skip
        """The socket of the daemon, which is started if need be. Raises ``daemon_unreachable`` or, where its
        settings are why it does not start, ``config_invalid``."""
        from jarvis_daemon.protocol.launch import ensure_daemon

        begun: list[bool] = []

        def on_start() -> None:
            begun.append(True)
            self.out.note(note)

        try:
            return ensure_daemon(
                self.places, force=force, arguments=arguments, timeout_s=timeout_s, on_start=on_start
            )
        except OSError as error:
            raise JarvisError(
                "config_invalid", f"The folders of the daemon cannot be made: {error.filename}",
                why=error.strerror or str(error), next="Set JARVIS_HOME to a folder that you may write.",
            ) from None  # fmt: skip
        except JarvisError as error:
            if not begun or error.code != "daemon_unreachable":
                raise
            from jarvis_cli import admin

            admin.ask("config", "check")  # raises what is wrong with them
            raise JarvisError(
                error.code, error.what, why=error.why.rstrip("."), next="`jarvis daemon logs`, `jarvis doctor`."
            ) from None

    @contextlib.contextmanager
    def link(self, *, start: bool = True, role: str = "viewer") -> Iterator[PlainClient]:
        """A session with the daemon: a *viewer* for what only reads, an *operator* for what acts.
        Raises ``daemon_unreachable`` and its like."""
        with self._attached(start=start, role=role) as link:
            theirs = str(link.welcome.get("daemon_version") or "")
            if theirs and theirs != VERSION:
                self.out.note(
                    f"The daemon is version {theirs}, this command {VERSION}; `jarvis daemon restart` evens them."
                )
            yield link

    @contextlib.contextmanager
    def links(self, *, role: str = "operator") -> Iterator[Links]:
        """What makes one session after another, for commands that ask a person in between: an idle session would
        be cut. Over SSH all of them share one connection."""
        if self.remote is None:
            yield lambda: self.link(role=role)
            return
        with self.socket() as path:
            yield lambda: connect(path, self.timeout_s, role=role)

    @contextlib.contextmanager
    def _attached(self, *, start: bool, role: str) -> Iterator[PlainClient]:
        """Attach to what answers already; only then look at how a daemon is started."""
        if self.remote is None and start and self.autostart:
            try:
                link = connect(self.places.socket, self.timeout_s, role=role)
            except JarvisError as error:
                if error.code != "daemon_unreachable":
                    raise
            else:
                with link:
                    yield link
                return
        with self.socket(start=start) as path:
            try:
                link = connect(path, self.timeout_s, role=role)
            except JarvisError as error:
                if self.remote is None or error.code != "daemon_unreachable":
                    raise
                raise JarvisError(
                    "daemon_unreachable", f"No daemon runs on {self.remote}",
                    next=f"Run `ssh {self.remote} jarvis daemon start`.",
                ) from None  # fmt: skip
            with link:
                yield link

    def local_only(self, command: str) -> None:
        """Refuse ``--host`` for what touches files of this machine. Raises ``invalid_params``."""
        if host := self.remote:
            raise JarvisError(
                "invalid_params", f"`jarvis {command}` works on its own machine only, not with --host",
                next=f"Run `ssh {host} jarvis {command}`.",
            )  # fmt: skip

    def need_input(self, option: str, what: str) -> None:
        """Before a question: without a person to answer it, name the option. Raises ``invalid_params``."""
        import sys

        if self.no_input or not sys.stdin.isatty():
            raise JarvisError(
                "invalid_params", f"{what} has to be asked, and nobody can answer here", next=f"Give {option}."
            )


def connect(path: Path, timeout_s: float, *, role: str = "viewer") -> PlainClient:
    return PlainClient.connect(path, client="jarvis-cli", version=VERSION, timeout_s=timeout_s, role=role)


def session(ctx: typer.Context) -> Session:
    """The session of this run."""
    return cast(Session, ctx.find_root().obj)
