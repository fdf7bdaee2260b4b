"""The daemon of another machine: its socket, forwarded over one SSH connection that ends with the command.

ssh -M -N box                         one master connection, authenticated once
ssh box jarvis config path --socket   where the socket lies there
ssh -O forward -L local:remote box    forwarded to a socket in a 0700 folder of ours
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import typer

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places, check_socket_path
from jarvis_daemon.protocol.text import clean

_HOST: Final = re.compile(r"[A-Za-z0-9_][^\s\x00-\x1f\"'`$;&|<>()\\]*")
LOGIN_PATIENCE_S: Final = 120.0
"""How long a person may take to type a password."""
_ASK: Final = 'PATH="$HOME/.local/bin:$PATH"; export PATH; exec jarvis config path --socket'


def check_host(host: str) -> str:
    """``host`` as SSH may be given it; what begins with ``-``, after a user too, may be read as an option."""
    if not _HOST.fullmatch(host) or host.rpartition("@")[2].startswith("-") or clean(host) != host:
        raise typer.BadParameter(f"{clean(host, limit=60)!r} is no host; write it like user@box")
    return host


@contextlib.contextmanager
def forwarded(host: str, *, timeout_s: float) -> Iterator[Path]:
    """Yield a local socket that reaches the daemon of ``host``. Raises ``daemon_unreachable`` ``timed_out``."""
    check_host(host)
    if shutil.which("ssh") is None:
        raise JarvisError("unavailable", "There is no ssh on this machine", next="Install openssh-client.")
    ours = base_places().runtime_dir
    ours.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ours, prefix="ssh-") as name:
        folder = Path(name)
        local, control = folder / "d.sock", folder / "c"
        check_socket_path(folder / f"c.{'x' * 16}")  # ssh binds a longer name first
        with _master(host, folder, control, timeout_s):
            remote = _remote_socket(host, control, timeout_s)
            _forward(host, control, local, remote, timeout_s)
            yield local


@contextlib.contextmanager
def _master(host: str, folder: Path, control: Path, timeout_s: float) -> Iterator[None]:
    attended = sys.stdin.isatty()
    options = [
        "-o", "ControlMaster=yes", "-o", f"ControlPath={control}", "-o", "ControlPersist=no",
        "-o", f"ConnectTimeout={max(1, round(timeout_s))}", "-o", "ServerAliveInterval=15",
        "-o", "ServerAliveCountMax=2", "-o", "StreamLocalBindMask=0177", "-o", "ClearAllForwardings=no",
        *([] if attended else ["-o", "BatchMode=yes"]),
    ]  # fmt: skip
    with (folder / "err").open("w+b") as errors:
        process = subprocess.Popen(
            ["ssh", "-N", "-T", *options, "--", host],
            stdin=None if attended else subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        try:
            _wait(host, process, control, errors, LOGIN_PATIENCE_S if attended else timeout_s + 5)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(host: str, process: subprocess.Popen[bytes], control: Path, errors: IO[bytes], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not control.exists():
        if time.monotonic() > deadline:
            raise JarvisError("timed_out", f"{host} did not let us in within {patience_s:g} s")
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        errors.seek(0)
        raise JarvisError(
            "daemon_unreachable", f"{host} cannot be reached over SSH", why=_last_line(errors.read()),
            next=f"Try `ssh {host}` by hand.",
        )  # fmt: skip


def _remote_socket(host: str, control: Path, timeout_s: float) -> str:
    """Where the socket lies there, as the `jarvis` of that machine says."""
    done = _ssh(["-S", str(control), "-T", "--", host, f"sh -lc '{_ASK}'"], timeout_s + 10)
    paths = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("/")]
    if done.returncode == 127:
        raise JarvisError(
            "daemon_unreachable", f"There is no `jarvis` on {host}", why=_last_line(done.stderr),
            next=f"Install Jarvis there, or make `ssh {host} jarvis version` work.",
        )  # fmt: skip
    if done.returncode != 0 or not paths:
        raise JarvisError(
            "daemon_unreachable", f"`jarvis` on {host} does not tell where its socket is",
            why=_last_line(done.stderr), next=f"Try `ssh {host} jarvis doctor`.",
        )  # fmt: skip
    return clean(paths[-1])


def _forward(host: str, control: Path, local: Path, remote: str, timeout_s: float) -> None:
    done = _ssh(["-S", str(control), "-O", "forward", "-L", f"{local}:{remote}", "--", host], timeout_s)
    if done.returncode != 0:
        raise JarvisError(
            "daemon_unreachable", f"The socket of {host} cannot be forwarded", why=_last_line(done.stderr),
            next="Its sshd has to allow AllowStreamLocalForwarding.",
        )  # fmt: skip


def _ssh(arguments: list[str], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise JarvisError("timed_out", "The other machine did not answer over SSH in time") from None


def _last_line(output: bytes) -> str:
    lines = [clean(line) for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "ssh told nothing"
