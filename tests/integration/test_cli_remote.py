"""`jarvis --host` with OpenSSH's own client against a real SSH server, the daemon behind it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.unit.cli.served import Served, in_home

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")


class Server(asyncssh.SSHServer):
    def unix_connection_requested(self, dest_path: str) -> bool:
        return True


class Box:
    """Another machine: an SSH server here, whose commands run with a home of its own."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served, self.folder = served, folder
        self.home = folder / "theirs"
        (self.home / ".local/bin").mkdir(parents=True)
        program = self.home / ".local/bin/jarvis"
        far = served.places.runtime_dir.parent.parent
        program.write_text(f'#!/bin/sh\nJARVIS_HOME={far} exec {sys.executable} -m jarvis_cli "$@"\n')
        program.chmod(0o755)
        self.program = program
        key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        key.write_private_key(str(folder / "id"))
        (folder / "id").chmod(0o600)
        (folder / "authorized").write_bytes(key.export_public_key())
        self.server: asyncssh.SSHAcceptor = served.do(self.listen(host_key))
        port = self.server.sockets[0].getsockname()[1]
        known = f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}"
        (folder / "known").write_text(known)
        (folder / "config").write_text(
            f"Host box\n HostName 127.0.0.1\n Port {port}\n User me\n"
            f" IdentityFile {folder}/id\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {folder}/known\n GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n"
        )
        shim = folder / "bin/ssh"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)

    async def listen(self, host_key: asyncssh.SSHKey) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[host_key],
            authorized_client_keys=str(self.folder / "authorized"), process_factory=self.run,
        )  # fmt: skip

    async def run(self, process: asyncssh.SSHServerProcess[str]) -> None:
        child = await asyncio.create_subprocess_shell(
            process.command or "true", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        out, err = await child.communicate()
        process.stdout.write(out.decode())
        process.stderr.write(err.decode())
        process.exit(child.returncode or 0)

    async def close(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    def jarvis(self, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        env: dict[str, Any] = {**os.environ, "JARVIS_HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        env["PATH"] = f"{self.folder / 'bin'}:{env['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "jarvis_cli", "--host", "box", *arguments], capture_output=True, text=True,
            env=env, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    folder = Path(tempfile.mkdtemp(prefix="jv-"))
    with Served(in_home(folder / "far")) as served:
        box = Box(served, folder)
        yield box
        served.do(box.close())
    shutil.rmtree(folder, ignore_errors=True)


def test_status_over_ssh_and_nothing_is_left_behind(box: Box, home: Path) -> None:
    done = box.jarvis(home, "status", "-o", "json")
    assert (done.returncode, done.stderr) == (10, "")
    assert len(json.loads(done.stdout)["nodes"]) == 4
    assert list((home / "run").iterdir()) == []


def test_acting_over_ssh(box: Box, home: Path) -> None:
    done = box.jarvis(home, "incident", "ack", "1")
    assert done.returncode == 0
    assert "is acknowledged" in done.stderr


def test_no_jarvis_there(box: Box, home: Path) -> None:
    away = box.program.rename(box.program.with_name("away"))
    try:
        done = box.jarvis(home, "status")
    finally:
        away.rename(box.program)
    assert done.returncode == 3
    assert "There is no `jarvis` on box" in done.stderr


def test_no_daemon_there(box: Box, home: Path) -> None:
    box.served.do(box.served.server.stop())
    try:
        done = box.jarvis(home, "status")
    finally:
        box.served.do(box.served._serve())
    assert done.returncode == 3
    assert "No daemon runs on box" in done.stderr


def test_a_changed_host_key_is_refused(box: Box, home: Path) -> None:
    known = box.folder / "known"
    right = known.read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"{right.split(' ')[0]} {other}")
    try:
        done = box.jarvis(home, "status")
    finally:
        known.write_text(right)
    assert done.returncode == 3
    assert "box cannot be reached over SSH" in done.stderr


def test_a_verb_over_ssh_plans_and_acts_on_one_connection(box: Box, home: Path) -> None:
    done = box.jarvis(home, "guest", "reboot", "103", "--yes")
    assert (done.returncode, done.stdout) == (0, "✔ plex has been rebooted.\n"), done.stderr
    assert box.served.workshop.acts == ["reboot_container guest:103"]
    assert box.jarvis(home, "kill", "-q").returncode == 0
    assert box.jarvis(home, "guest", "start", "103").returncode == 5
    assert box.jarvis(home, "unkill", "-q").returncode == 0
    assert not list(home.rglob("KILL"))
