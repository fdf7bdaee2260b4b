"""Readings from the nodes by SSH: one connection a node, kept open; one command a reading. Acts have their own.

A host key counts only when it is pinned in our own known_hosts file, and nothing here pins by itself: that is
``pin_host_key``, called by setup after a person compared the fingerprint. asyncssh is imported with the first
connection, so a daemon without SSH stays light.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.addresses import require_loopback
from jarvis_daemon.cluster.ssh_keys import Target, host_key_error, make_client, trusted_keys
from jarvis_daemon.cluster.ssh_reading import Reading, parse_reading, reading_command
from jarvis_daemon.cluster.ssh_run import Ran, command_line, reading, run
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.settings import ClusterSettings
from jarvis_daemon.tools import Act

if TYPE_CHECKING:
    import asyncssh

MAX_OUTPUT_BYTES: Final = 1024 * 1024
_KEEPALIVE_S: Final = 15.0
_HOST_PORT: Final = re.compile(
    r"\[(?P<v6>[^\]\s]+)\](?::(?P<p6>\d+))?"
    r"|(?P<bare>[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
    r"|(?P<host>[^:\s]+)(?::(?P<port>\d+))?"
)


class SshNodes:
    """The nodes of one cluster, by SSH. ``known_hosts`` is our own file (``places.known_hosts``)."""

    def __init__(self, settings: ClusterSettings, *, known_hosts: Path, clock: Clock) -> None:
        self._settings = settings.ssh
        self._simulated = settings.simulated
        self._key_file = os.path.expanduser(settings.ssh.key_file or "")
        self._known_hosts = known_hosts
        self._clock = clock
        self._connections: dict[str, asyncssh.SSHClientConnection] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def enabled(self) -> bool:
        return self._settings.enabled

    def target(self, node: str, address: str | None) -> Target:
        """Where ``node`` is reached: by the settings, else at ``address`` (what PVE tells), else by its name.

        Raises ``config_invalid`` for an unusable entry and, while simulated, for an address off this machine.
        """
        said = self._settings.hosts.get(node) or address or node
        host, port = _split(said, self._settings.port)
        if self._simulated:
            require_loopback(host)
        return Target(node=node, host=host, port=port)

    async def read(self, node: str, address: str | None = None, services: Sequence[str] = ()) -> Reading:
        """Temperatures, services and clock of ``node``.

        Raises ``unavailable`` (SSH is off), ``cluster_unreachable``, ``cluster_denied`` (key refused),
        ``cluster_untrusted`` (host key unknown or changed), ``invalid_params`` and ``config_invalid``.
        """
        if not self.enabled:
            raise JarvisError("unavailable", "SSH to the nodes is off", next="Set cluster.ssh.enabled = true.")
        command = reading_command(services)
        target = self.target(node, address)
        async with self._locks.setdefault(node, asyncio.Lock()):
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    return await self._read(target, command)
            except TimeoutError:
                self._drop(node)
                raise _unreachable(target, f"no answer within {self._settings.timeout_s:g} s") from None
            except asyncio.CancelledError:
                self._drop(node)
                raise

    async def ask(
        self, name: str, node: str, address: str | None = None, *, timeout_s: float | None = None, **values: str
    ) -> Ran:
        """Run the reading command ``name`` of ``ssh_run.READS``. Raises as ``read``, and ``timed_out``."""
        line = command_line(reading(name, values))
        async with self.connected(node, address) as connection:
            return await self._within(node, run(connection, line), timeout_s or self._settings.timeout_s)

    async def act(
        self, act: Act, what: str, node: str, argv: Sequence[str], address: str | None = None, *,
        timeout_s: float = 60.0,
    ) -> Ran:  # fmt: skip
        """Run ``argv`` under the gate's permit, on a connection of its own; ``what`` names it for the audit.

        Sent once, never again. Raises as ``read`` and by the permit before anything is sent; ``timed_out`` or
        ``cluster_unreachable`` after it: then nobody knows what the command did.
        """
        line = command_line(argv)
        async with self.connected(node, address) as connection, act.step(what):
            return await self._within(node, run(connection, line), timeout_s)

    @contextlib.asynccontextmanager
    async def connected(self, node: str, address: str | None = None) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A connection of one's own, so that a hanging command holds up no reading. Raises as ``read``."""
        if not self.enabled:
            raise JarvisError("unavailable", "SSH to the nodes is off", next="Set cluster.ssh.enabled = true.")
        target = self.target(node, address)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                connection = await self._connect(target)
        except TimeoutError:
            raise _unreachable(target, f"no answer within {self._settings.timeout_s:g} s") from None
        try:
            yield connection
        finally:
            connection.abort()

    @contextlib.asynccontextmanager
    async def forwarded(self, node: str, path: str, address: str | None = None) -> AsyncIterator[tuple[Any, Any]]:
        """Reader and writer of the unix socket ``path`` on ``node``. Raises as ``read``, ``cluster_refused``."""
        import asyncssh

        async with self.connected(node, address) as connection:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    reader, writer = await connection.open_unix_connection(path)
            except (asyncssh.Error, OSError) as error:
                raise JarvisError(
                    "cluster_refused", f"Nothing listens at {path} on {node}", why=_reason(error),
                    next="Name the right socket under docker.hosts.",
                ) from None  # fmt: skip
            except TimeoutError:
                raise JarvisError("timed_out", f"{node} does not forward {path}") from None
            yield reader, writer

    async def _within(self, node: str, work: Coroutine[Any, Any, Ran], timeout_s: float) -> Ran:
        import asyncssh

        try:
            async with asyncio.timeout(timeout_s):
                return await work
        except TimeoutError:
            raise JarvisError(
                "timed_out", f"The command on {node} did not end within {timeout_s:g} s",
                next="Look on the node whether it still runs.",
            ) from None  # fmt: skip
        except (asyncssh.Error, OSError) as error:
            raise JarvisError(
                "cluster_unreachable", f"The connection to {node} broke while the command ran", why=_reason(error),
                data={"node": node},
            ) from None  # fmt: skip

    async def close(self) -> None:
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            connection.abort()
        for connection in connections:
            with contextlib.suppress(Exception):
                await connection.wait_closed()

    async def _read(self, target: Target, command: str) -> Reading:
        import asyncssh

        kept = self._connections.get(target.node)
        if kept is not None:
            try:
                return await self._run(kept, target, command)
            except (asyncssh.Error, OSError):  # it broke since the last reading: a new one, once
                self._drop(target.node)
        connection = await self._connect(target)
        self._connections[target.node] = connection
        try:
            return await self._run(connection, target, command)
        except (asyncssh.Error, OSError) as error:
            self._drop(target.node)
            raise _unreachable(target, _reason(error)) from None

    async def _connect(self, target: Target) -> asyncssh.SSHClientConnection:
        import asyncssh

        trusted = trusted_keys(self._known_hosts, target)
        client = make_client(target)
        options: dict[str, Any] = {}
        if self._key_file:
            options["client_keys"] = [self._key_file]
            options["agent_path"] = None
        try:
            return await asyncssh.connect(
                target.host,
                target.port,
                config=None,
                username=self._settings.user,
                known_hosts=(trusted, [], []),
                client_factory=lambda: client,
                keepalive_interval=_KEEPALIVE_S,
                login_timeout=self._settings.timeout_s,
                password=None,
                preferred_auth="publickey",
                **options,
            )
        except asyncssh.PermissionDenied:
            raise self._key_refused(target) from None
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise await host_key_error(target, trusted, client.seen, _reason(error)) from None
        except (asyncssh.KeyImportError, FileNotFoundError, PermissionError) as error:
            raise JarvisError(
                "config_invalid",
                f"The SSH key {self._settings.key_file} cannot be used",
                why=_reason(error),
                next="Name a private key without a passphrase by cluster.ssh.key_file.",
            ) from None
        except (asyncssh.Error, OSError) as error:
            raise _unreachable(target, _reason(error)) from None

    async def _run(self, connection: asyncssh.SSHClientConnection, target: Target, command: str) -> Reading:
        """One command. The clock is compared when its first line arrives: the sensors behind it take time."""
        import asyncssh

        sent_at, sent = self._clock.now(), self._clock.monotonic()
        async with await connection.create_process(command, stdin=asyncssh.DEVNULL, encoding=None) as process:
            output = bytearray()
            took: float | None = None
            while chunk := await process.stdout.read(65536):
                output += chunk
                if took is None and output.count(b"\n") >= 2:
                    took = self._clock.monotonic() - sent
                if len(output) > MAX_OUTPUT_BYTES:
                    process.kill()
                    process.close()
                    raise JarvisError("cluster_refused", f"The node {target.node} answered more than 1 MiB by SSH")
            errors = await process.stderr.read(4096)
        text = output.decode("utf-8", "replace")
        reading = parse_reading(text)
        if reading.node_time is None and reading.temperatures is None:
            said = clean(errors.decode("utf-8", "replace")) or "it answered nothing"
            raise JarvisError("cluster_refused", f"The node {target.node} gave no reading by SSH", why=said)
        if reading.node_time is not None and took is not None:
            reading.clock_skew_s = reading.node_time - (sent_at + took / 2)
            reading.clock_uncertainty_s = took / 2
        return reading

    def _drop(self, node: str) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.abort()

    def _key_refused(self, target: Target) -> JarvisError:
        key = self._settings.key_file or "any of the usual keys"
        return JarvisError(
            "cluster_denied",
            f"The node {target.node} does not accept the SSH key for {self._settings.user}",
            why=f"{target} refused {key}",
            next=f"Run `ssh-copy-id -i {self._settings.key_file or '~/.ssh/id_ed25519'}.pub "
            f"{self._settings.user}@{target.host}`.",
        )


def _unreachable(target: Target, why: str) -> JarvisError:
    return JarvisError(
        "cluster_unreachable",
        f"The node {target.node} cannot be reached by SSH at {target}",
        why=why,
        next="`jarvis doctor` checks SSH to each node.",
        data={"node": target.node},
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return clean(error.strerror).lower()
    return clean(str(error)) or type(error).__name__


def _split(said: str, default_port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare IPv6 address."""
    match = re.fullmatch(
        r"\[(?P<v6>[0-9A-Fa-f:.%\w]+)\](?::(?P<p6>\d+))?|(?P<host>[^:\s]+)(?::(?P<port>\d+))?", said
    )
    if match is None:
        if said.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.]+", said):
            return said, default_port
        raise JarvisError("config_invalid", f"{said!r} in cluster.ssh.hosts is neither host nor host:port")
    port = int(match["p6"] or match["port"] or default_port)
    return match["v6"] or match["host"], port
