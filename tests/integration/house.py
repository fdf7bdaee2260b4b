"""A whole Jarvis in a folder of its own: daemon and simulated homelab as processes, driven as a person would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import assess
from jarvis_daemon.protocol.launch import ensure_daemon
from jarvis_daemon.protocol.locate import places
from jarvis_daemon.protocol.plain import PlainClient

POLL_S = 0.5
QUICK = {
    "JARVIS_DEMO__POLL_INTERVAL_S": str(POLL_S),
    "JARVIS_DEMO__NODE_INTERVAL_S": "1",
    "JARVIS_DEMO__SENSORS_INTERVAL_S": "1",
    "JARVIS_DEMO__DISKS_INTERVAL_S": "1",
    "JARVIS_DEMO__DOCKER_INTERVAL_S": "1",
    "JARVIS_DEMO__STAT_INTERVAL_S": "0.5",
    "JARVIS_CONDITIONS__GRACE_S": "0.5",
}
"""A rhythm for tests: polls twice a second, a grace of half a second. Nothing else differs from a person's demo."""


class House:
    """``home`` is its JARVIS_HOME; every process it starts is ended by ``close``."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        os.environ.update({"JARVIS_HOME": str(home)} | QUICK | environ)
        self.places = places()

    # --- daemon ------------------------------------------------------------------------------------------

    def start(self) -> None:
        ensure_daemon(self.places, force=True, timeout_s=60)

    def pid(self) -> int:
        """The daemon's process id, as the kernel tells the client."""
        import struct

        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(self.places.socket))
            raw = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[0])

    def kill(self) -> None:
        """``kill -9`` and wait until the kernel has reaped it."""
        pid = self.pid()
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        _wait_pidfd(handle)

    def client(self, **kwargs: Any) -> PlainClient:
        return PlainClient.connect(self.places.socket, client="test", **({"timeout_s": 20} | kwargs))

    def state(self, *topics: str, wait_s: float = 30) -> dict[str, dict[str, dict[str, Any]]]:
        """The collections of the topics side by side."""
        with self.client(timeout_s=wait_s + 10) as link:
            answer = link.call("state.get", {"topics": list(topics), "wait_s": wait_s})
        return {c: e for topic in answer["topics"].values() for c, e in topic["state"].items()}

    def until(self, check: Callable[[dict[str, Any]], Any], what: str, *, timeout_s: float = 30) -> Any:
        """Wait until ``check(state)`` is true; state holds the collections of cluster, tasks and incidents."""
        deadline = time.monotonic() + timeout_s
        state: dict[str, Any] = {}
        with self.client() as link:
            link.subscribe(["cluster", "tasks", "incidents"], max_hz=10)
            while time.monotonic() < deadline:
                answer = link.call("state.get", {"topics": ["cluster", "tasks", "incidents"], "wait_s": 20})
                state = {c: e for topic in answer["topics"].values() for c, e in topic["state"].items()}
                if found := check(state):
                    return found
                next(link.notifications())  # something changed
                link.notes.clear()
        raise AssertionError(f"not within {timeout_s} s: {what}; {summary(state)}")

    def feed(self) -> list[dict[str, Any]]:
        with self.client() as link:
            return list(link.call("history", {"topic": "feed", "limit": 5000})["events"])

    def level(self) -> str:
        with self.client() as link:
            answer = link.call("state.get", {"topics": ["cluster", "incidents"], "wait_s": 20})
        state = {c: e for topic in answer["topics"].values() for c, e in topic["state"].items()}
        return assess(state, answer["now"])[0]

    # --- simulator ---------------------------------------------------------------------------------------

    def sim(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """One line to the simulator's control socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(30)
            control.connect(str(self.places.simulator_socket))
            control.sendall(json.dumps({"cmd": cmd, **fields}).encode() + b"\n")
            answer = json.loads(control.makefile().readline())
        assert answer.get("ok"), answer
        return dict(answer)

    def fault(self, name: str, target: str | None = None, **params: Any) -> None:
        self.sim("fault", name=name, target=target, params=params)

    def heal(self, target: str | None = None) -> None:
        self.sim("heal", target=target)

    # --- a person ----------------------------------------------------------------------------------------

    def jarvis(self, *arguments: str, timeout_s: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI."""
        return subprocess.run(
            [sys.executable, "-m", "jarvis_cli", *arguments], capture_output=True, text=True, check=False,
            timeout=timeout_s, stdin=subprocess.DEVNULL, env={**os.environ, **environ},
        )  # fmt: skip

    def close(self) -> None:
        try:
            pid = self.pid()
            handle = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
            _wait_pidfd(handle)
        except (OSError, JarvisError):
            pass
        try:
            simulator = json.loads((self.places.simulator_dir / "sim.json").read_text())["pid"]
            os.kill(simulator, signal.SIGTERM)
        except (OSError, ValueError, KeyError):
            pass


def content(path: Path) -> bytes:
    """What stands in a file; nothing where a process that ends has just taken it away."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


def _wait_pidfd(handle: int, timeout_s: float = 20) -> None:
    import select

    ready, _, _ = select.select([handle], [], [], timeout_s)
    os.close(handle)
    assert ready, "the process did not end"


def summary(state: dict[str, Any]) -> str:
    """A state in a few lines, for a failing test."""
    nodes = {n["name"]: n["status"] for n in state.get("nodes", {}).values()}
    incidents = [(i["condition"], i["target"], i["status"]) for i in state.get("incidents", {}).values()]
    guests = {g["name"]: g["status"] for g in state.get("guests", {}).values() if g["status"] != "running"}
    problems = [c.get("problem") for c in state.get("clusters", {}).values()]
    return f"nodes {nodes}, not running {guests}, incidents {incidents}, problems {problems}"
