"""The private homelab of a drill: a simulator in a temporary folder, whose clock stands still until it is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError

START_TIMEOUT_S: Final = 60.0
LINGER_S: Final = 5.0
"""The simulator ends so soon after its drill has died."""
ANSWER_S: Final = 30.0


class Lab:
    """``say`` may be called from any thread. Real time only; nothing here waits on the drill's own clock."""

    def __init__(self, *, seed: int, now: float, nodes: int | None = None, guests: int | None = None) -> None:
        """``nodes`` and ``guests`` scale the homelab. Raises ``unavailable`` where the simulator does not start."""
        scale = {"--nodes": nodes, "--guests": guests}
        self.folder = Path(tempfile.mkdtemp(prefix="jv-drill-"))  # short: it holds a unix socket
        self._path = self.folder / "s"
        self._log = (self.folder / "simulator.log").open("wb")
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "jarvis_daemon.simulator", "--dir", str(self.folder / "lab"),
                "--control", str(self._path), "--clock", "manual", "--now", repr(now), "--seed", str(seed),
                "--linger", str(LINGER_S),
                *(word for name, count in scale.items() if count is not None for word in (name, str(count))),
            ],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd="/",
        )  # fmt: skip
        try:
            self.told = self._await()
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(ANSWER_S)
            self._socket.connect(str(self._path))
            self._lines = self._socket.makefile("rb")
            self.say("attach")
        except BaseException:
            self._end()
            raise
        self.passed = 0.0
        """Time that has passed here and not there yet."""
        self.truth: dict[str, Any] = self.say("truth")["truth"]

    def _await(self) -> dict[str, Any]:
        told, deadline, pause = (
            self.folder / "lab" / "sim.json",
            time.monotonic() + START_TIMEOUT_S,
            threading.Event(),
        )
        while not told.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                why = (self.folder / "simulator.log").read_text(errors="replace").strip().splitlines()
                raise JarvisError(
                    "unavailable", "The simulated homelab of the drill did not start", why=why[-1] if why else "",
                    next="`jarvis doctor` checks this machine.",
                )  # fmt: skip
            pause.wait(0.05)
        answer: dict[str, Any] = json.loads(told.read_text())
        return answer

    def say(self, cmd: str, **more: Any) -> dict[str, Any]:
        """One command of the control socket. Raises ``unavailable`` with what it refused."""
        with self._lock:
            try:
                self._socket.sendall(json.dumps({"cmd": cmd, **more}).encode() + b"\n")
                answer: dict[str, Any] = json.loads(self._lines.readline() or b"{}")
            except (OSError, ValueError) as error:
                raise JarvisError("unavailable", "The simulated homelab is gone", why=str(error)) from error
        if not answer.get("ok"):
            wrong = answer.get("error") or {}
            raise JarvisError("unavailable", str(wrong.get("message", "The simulated homelab is gone")))
        self.truth = answer.get("truth", getattr(self, "truth", {}))
        return answer

    def catch_up(self) -> bool:
        """Let the homelab's time be ours; whether any had passed."""
        seconds, self.passed = self.passed, 0.0
        if seconds <= 0:
            return False
        self.say("advance", seconds=seconds)
        return True

    def answering(self) -> tuple[int, int]:
        """Requests that are being answered there, and those whose answer waits for time to pass."""
        told = self.say("busy")
        return int(told["busy"]), int(told["sleeping"])

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def quiet_home(folder: Path) -> Path:
    """A home for the drill's own rooms: nothing of the user's is read or written."""
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    return home
