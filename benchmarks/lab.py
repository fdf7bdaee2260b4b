"""A simulated cluster of any size, a daemon that watches it at the product's own rhythm, a client attached."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, base_places
from jarvis_daemon.protocol.plain import PlainClient

PAGE = os.sysconf("SC_PAGE_SIZE")


class Lab:
    """``with Lab(nodes=4, guests=18) as lab``: everything runs and the first picture is there."""

    def __init__(self, nodes: int | None = None, guests: int | None = None) -> None:
        self._size = [f"--{k}={v}" for k, v in (("nodes", nodes), ("guests", guests)) if v is not None]
        self.home = Path(tempfile.mkdtemp(prefix="jarvis-bench-"))
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("JARVIS_")},
            "JARVIS_HOME": str(self.home), "JARVIS_NO_AUTOSTART": "1",
        }  # fmt: skip
        self.places: Places = base_places(self.environ)
        self.told: dict[str, Any] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watcher: PlainClient | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            self._start_simulator()
            self._write_config()
            self._start(["-m", "jarvis_daemon", "--log-file", str(self.home / "daemon.log")])
            self._wait(lambda: self._settled(), "the first picture")
            self._attach()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def daemon(self) -> int:
        """The daemon's process id."""
        return self._processes[-1].pid

    def client(self) -> PlainClient:
        return PlainClient.connect(self.places.socket, client="bench")

    def health(self) -> dict[str, Any]:
        """The daemon about itself."""
        with self.client() as client:
            topics = client.call("state.get", {"topics": ["health"]})["topics"]
        health: dict[str, Any] = topics["health"]["state"]["health"]["health:daemon"]
        return health

    def cluster(self) -> dict[str, dict[str, Any]]:
        with self.client() as client:
            topics = client.call("state.get", {"topics": ["cluster"]})["topics"]
        state: dict[str, dict[str, Any]] = topics["cluster"]["state"]
        return state

    def simulator(self, command: str) -> dict[str, Any]:
        """Ask the simulator on its control socket."""
        assert self._control is not None
        self._control.sendall(json.dumps({"cmd": command}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._answers.readline())
        if not answer.get("ok"):
            raise RuntimeError(f"the simulator refused {command}: {answer.get('error')}")
        return answer

    def _start_simulator(self) -> None:
        folder = self.home / "sim"
        folder.mkdir(mode=0o700)
        self._start([
            "-m", "jarvis_daemon.simulator", "--dir", str(folder), "--control", str(self.home / "sim.sock"),
            "--seed", "1", *self._size,
        ])  # fmt: skip
        self._wait((folder / "sim.json").exists, "the simulator")
        self.told = json.loads((folder / "sim.json").read_text())
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.settimeout(30)
        self._control.connect(str(self.home / "sim.sock"))
        self._answers = self._control.makefile()
        self.simulator("attach")  # it ends a minute after nobody holds on to it

    def _write_config(self) -> None:
        told, ssh = self.told, self.told["ssh"]
        token = self.home / "pve-token"
        token.write_text(told["token_secret"])
        token.chmod(0o600)
        values = {
            "name": told["cluster"], "endpoints": told["endpoints"], "token_id": told["token_id"],
            "token_secret_file": str(token), "tls": "fingerprint", "fingerprints": told["fingerprints"],
            "simulated": True,
        }  # fmt: skip
        ssh_values = {"user": ssh["user"], "key_file": ssh["key_file"], "known_hosts_file": ssh["known_hosts"]}
        lines = ["[cluster]", *_toml(values), "[cluster.ssh]", *_toml(ssh_values), "[cluster.ssh.hosts]"]
        self.places.config_file.write_text("\n".join([*lines, *_toml(ssh["hosts"])]) + "\n")

    def _start(self, arguments: list[str]) -> None:
        log = (self.home / "output.log").open("ab")
        self._processes.append(
            subprocess.Popen(
                [sys.executable, *arguments], env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        )
        log.close()

    def _settled(self) -> bool:
        try:
            with self.client() as client:
                answer = client.call("state.get", {"topics": ["cluster"]})
        except JarvisError:
            return False
        topic: dict[str, Any] = answer["topics"]["cluster"]
        return bool(topic.get("settled") and topic["state"].get("guests"))

    def _wait(self, ready: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        pause = threading.Event()
        deadline = time.monotonic() + timeout_s
        while not ready():
            ended = [process.args for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                words = (self.home / "output.log").read_text(errors="replace").strip().splitlines()[-1:]
                raise RuntimeError(f"{what} did not come up: {' '.join(words) or 'no message'}")
            pause.wait(0.05)

    def _attach(self) -> None:
        """One client that reads everything, as the HUD does."""
        self._watcher = self.client()
        self._watcher.settimeout(None)
        self._watcher.subscribe(["cluster", "tasks", "incidents", "health", "feed"], max_hz=1.0)
        threading.Thread(target=self._read, args=(self._watcher,), daemon=True).start()

    @staticmethod
    def _read(client: PlainClient) -> None:
        try:
            for _ in client.notifications():
                pass
        except (JarvisError, OSError, ValueError):
            return

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def _toml(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]


def cpu_s(pid: int) -> float:
    """CPU seconds all threads of a process have used so far.

    Read from the process's own CPU clock (its number is made of the pid, clock_getcpuclockid(3)): /proc/PID/stat
    counts whole ticks of 10 ms and misses the short bursts a daemon lives in.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
