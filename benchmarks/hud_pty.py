"""The HUD on a real terminal: CPU and bytes at one delta a second, first paint; beside a bare Textual app.

python -m benchmarks.hud_pty [--seconds 10]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.lab import cpu_s
from benchmarks.row import Row, table

SETTLE_S: Final = 5.0
SECONDS: Final = 10.0
STARTS: Final = 5
BARE: Final = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("MACHINE ROOM")
    def on_mount(self):
        self.set_interval(1.0, self.tick)
        self.n = 0
    def tick(self):
        self.n += 1
        self.query_one(Static).update(f"MACHINE ROOM {self.n}")
Bare().run()
"""
HUD: Final = (
    "import sys; from pathlib import Path; from jarvis_cli.hud.app import run; run(Path(sys.argv[1]), boot=False)"
)


Limits = tuple[float, float | None] | None
"""Budget and aim."""


@dataclass(frozen=True)
class Measure:
    """``cpu`` as share of a core; ``first_paint_s`` from the start of Python."""

    cpu: float
    bytes_per_s: float
    first_paint_s: float
    first_bytes: int
    rss_bytes: int


def run() -> list[Row]:
    rows = []
    bare = on_terminal([sys.executable, "-c", BARE], 240, 67, SECONDS)
    rows += _rows("bare Textual app, 240x67", bare, None, None, None)
    for label, width, height, nodes, guests, cpu, rate in (
        ("HUD 240x67, 4 nodes / 18 guests", 240, 67, 4, 18, (3.0, 1.0), (25.0, 10.0)),
        ("HUD 120x40, 4 nodes / 18 guests", 120, 40, 4, 18, None, (15.0, None)),
        ("HUD 80x24, 4 nodes / 18 guests", 80, 24, 4, 18, (1.0, 0.5), (8.0, 3.0)),
        ("HUD 240x67, 32 nodes / 5,000 guests", 240, 67, 32, 5000, None, None),
    ):
        with daemon(nodes, guests) as socket:
            found = on_terminal([sys.executable, "-c", HUD, str(socket)], width, height, SECONDS)
        rows += _rows(label, found, cpu, rate, 0.7 if guests < 100 else None)
    return rows


def _rows(label: str, found: Measure, cpu: Limits, rate: Limits, paint: float | None) -> list[Row]:
    (cpu_budget, cpu_aim), (rate_budget, rate_aim) = cpu or (None, None), rate or (None, None)
    return [
        Row(f"{label}: CPU at 1 Hz", found.cpu * 100, "%", cpu_budget, cpu_aim),
        Row(f"{label}: written", found.bytes_per_s / 1024, "KB/s", rate_budget, rate_aim),
        Row(
            f"{label}: first paint", found.first_paint_s, "s", budget=paint, note=f"{found.first_bytes // 1024} KB"
        ),
        Row(f"{label}: RSS", found.rss_bytes / 1e6, "MB"),
    ]


@contextlib.contextmanager
def daemon(nodes: int, guests: int) -> Iterator[Path]:
    """The stand-in daemon as a process of its own; yields its socket."""
    with tempfile.TemporaryDirectory(prefix="jv-") as folder:
        socket = Path(folder) / "s"
        command = [sys.executable, "-m", "benchmarks.hud_daemon", str(socket), str(nodes), str(guests)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield socket
            finally:
                process.terminate()


def on_terminal(command: list[str], width: int, height: int, seconds: float) -> Measure:
    """Run ``command`` on a pty of that size, let it settle, then measure it for ``seconds``.

    The first paint is the best of ``STARTS``: what else the machine does only ever makes it later.
    """
    paints = []
    for _ in range(STARTS - 1):
        with started(command, width, height) as (_, _, painted, _):
            paints.append(painted)
    with started(command, width, height) as (pid, terminal, painted, first):
        _read_until(terminal, time.monotonic() + SETTLE_S)
        cpu, since = cpu_s(pid), time.monotonic()
        count = len(_read_until(terminal, since + seconds))
        elapsed = time.monotonic() - since
        best = min(*paints, painted)
        return Measure((cpu_s(pid) - cpu) / elapsed, count / elapsed, best, len(first), _rss(pid))


@contextlib.contextmanager
def started(command: list[str], width: int, height: int) -> Iterator[tuple[int, int, float, bytes]]:
    """Yields pid, terminal, seconds to the first paint, and what came until then."""
    environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "SSH_CONNECTION", "TEXTUAL_ANIMATIONS"}}
    environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    terminal, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
    )  # fmt: skip
    os.close(slave)
    try:
        first = _read_until(terminal, began + 20, until=b"MACHINE")
        yield process.pid, terminal, time.monotonic() - began, first
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read_until(terminal: int, deadline: float, until: bytes | None = None) -> bytes:
    out = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            out += os.read(terminal, 1 << 16)
            if until is not None and until in out:
                return out
    if until is not None:
        raise TimeoutError(f"the terminal never showed {until!r}; it showed {out[-400:]!r}")
    return out


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    print(table(run()))
