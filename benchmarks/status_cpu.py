"""`jarvis status` against a warm daemon: CPU beside that of a bare Typer app in the same run.

Both are started alternately; the least of all runs counts, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.lab import Lab
from benchmarks.row import Row

RUNS: Final = 20
BARE: Final = """\
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status() -> None:
    print("healthy")


app()
"""


def run() -> list[Row]:
    jarvis = [str(Path(sys.executable).with_name("jarvis")), "status"]
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        script = Path(folder) / "bare.py"
        script.write_text(BARE)
        environ = {**lab.environ, "TYPER_USE_RICH": "0"}
        ours, bare, naked = [], [], []
        for _ in range(RUNS):
            bare.append(cpu_ms([sys.executable, str(script)], environ))
            ours.append(cpu_ms(jarvis, environ))
            naked.append(cpu_ms([sys.executable, "-c", "pass"], environ))
    return [
        Row(
            "`jarvis status`, daemon warm", min(ours) / min(bare), "x bare Typer", 1.25,
            baseline=f"bare Typer app {min(bare):.0f} ms, python alone {min(naked):.0f} ms",
            note=f"jarvis status {min(ours):.0f} ms CPU",
        )
    ]  # fmt: skip


def cpu_ms(command: list[str], environ: dict[str, str]) -> float:
    """CPU of one run in ms. Raises ``RuntimeError`` when it shows no status."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    words = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 10, 11}:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {words.strip()[-300:]}")
    return (usage.ru_utime + usage.ru_stime) * 1000
