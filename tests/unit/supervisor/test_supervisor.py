"""Workers: a real process joins by ticket, is restarted when killed, dies with us, is killed when it hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import ManualClock, SystemClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.supervisor import Supervisor, WorkerSpec
from jarvis_daemon.supervisor import supervisor as module
from jarvis_daemon.supervisor.sdnotify import notify
from jarvis_daemon.worker import die_with_parent


class Yard:
    def __init__(self, home: Path, clock: object) -> None:
        self.bus = Bus()
        tickets = Tickets(SystemClock())
        self.server = Server(self.bus, SystemClock(), home / "d.sock", version="1", tickets=tickets)
        self.supervisor = Supervisor(self.bus, clock, home / "d.sock", issue=tickets.issue)  # type: ignore[arg-type]
        self.changed = asyncio.Event()
        self.bus.state("services").listen(lambda delta: self.changed.set())

    @property
    def service(self) -> Service:
        return self.bus.state("services").all("services", Service)["service:echo"]

    async def until(self, status: str, *, restarts: int = 0) -> Service:
        async with asyncio.timeout(20):
            while True:
                services = self.bus.state("services").all("services", Service)
                found = services.get("service:echo")
                if found is not None and found.status == status and found.restarts >= restarts:
                    return found
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def yard(home: Path) -> AsyncIterator[Yard]:
    yard = Yard(home, SystemClock())
    await yard.server.start()
    yield yard
    await yard.supervisor.stop_all()
    await yard.server.stop()


async def test_a_worker_joins_beats_and_is_stopped(yard: Yard) -> None:
    yard.supervisor.start(WorkerSpec("echo", secrets={"key": "hidden"}))
    service = await yard.until("running")
    assert service.pid is not None
    command = Path(f"/proc/{service.pid}/cmdline").read_bytes() + Path(f"/proc/{service.pid}/environ").read_bytes()
    assert b"hidden" not in command
    with pytest.raises(JarvisError, match="runs already"):
        yard.supervisor.start(WorkerSpec("echo"))
    await yard.supervisor.stop("echo")
    assert yard.service.status == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(service.pid, 0)


async def test_a_killed_worker_comes_back(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.01)
    yard.supervisor.start(WorkerSpec("echo"))
    first = (await yard.until("running")).pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    again = await yard.until("running", restarts=1)
    assert again.pid != first
    assert again.last_error == "ended with -9"


async def test_a_worker_whose_heart_stops_is_killed(home: Path) -> None:
    clock = ManualClock()
    yard = Yard(home, clock)
    await yard.server.start()
    yard.supervisor.start(WorkerSpec("echo"))
    pid = (await yard.until("running")).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it hangs
    for _ in range(10):
        await clock.advance(module.HEARTBEAT_S)
    service = await yard.until("backoff")
    assert service.last_error is not None
    assert "heartbeats missed" in service.last_error
    await yard.supervisor.stop_all()
    await yard.server.stop()


async def test_an_unknown_worker_is_refused(yard: Yard) -> None:
    with pytest.raises(JarvisError, match="no worker"):
        await yard.supervisor.stop("nobody")


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "from jarvis_daemon.worker import die_with_parent; die_with_parent(); print('ready', flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert child.stdout.readline() == b"ready\\n"
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_worker_dies_with_its_parent_however_that_dies() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        handle = os.pidfd_open(child)
        os.kill(parent.pid, signal.SIGKILL)
        import select

        ready, _, _ = select.select([handle], [], [], 10)  # a pidfd is readable once the process has ended
        os.close(handle)
        assert ready


def test_systemd_is_told_where_it_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    assert notify("READY=1") is False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        assert notify("READY=1") is True
        assert listening.recv(100) == b"READY=1"


def test_a_worker_whose_daemon_is_gone_before_it_looks_ends_and_a_daemon_may_be_process_1() -> None:
    with pytest.raises(SystemExit, match="gone already"):
        die_with_parent(os.getppid() + 1)
    code = "import os; os.getppid = lambda: 1; from jarvis_daemon.worker import die_with_parent as d; d(1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_worker_gets_no_secret_by_its_environment(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "JARVIS_CLUSTER__TOKEN_SECRET", "OPENAI_API_KEY", "NOTIFY_SOCKET", "JARVIS_ASSISTANT__CLOUD__KEY",
    ):  # fmt: skip
        monkeypatch.setenv(name, "canary-7")
    yard.supervisor._environ = Supervisor(Bus(), SystemClock(), Path("s"), issue=yard.supervisor._issue)._environ
    yard.supervisor.start(WorkerSpec("echo"))
    service = await yard.until("running")
    environ = Path(f"/proc/{service.pid}/environ").read_bytes()
    assert b"canary-7" not in environ
    assert b"PATH=" in environ


async def test_a_line_without_an_end_does_not_blind_the_supervisor(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chatty = tmp_path / "chatty"
    lines = ["#!/bin/sh", "exec >&2", "head -c 300000 /dev/zero | tr '\\0' x", "echo", "echo last words", "exit 3"]
    chatty.write_text("\n".join(lines))
    chatty.chmod(0o700)
    monkeypatch.setattr(module.sys, "executable", str(chatty))
    yard.supervisor.start(WorkerSpec("echo"))
    service = await yard.until("backoff", restarts=1)
    assert service.last_error == "ended with 3: last words"
