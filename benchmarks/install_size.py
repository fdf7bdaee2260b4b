"""The core install as uv lays it down: a fresh environment from requirements/core.lock, and our own packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.row import Row

ROOT = Path(__file__).resolve().parents[1]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="jarvis-bench-") as folder:
        target = Path(folder) / "venv"
        tool = lay_down(target)
        libraries = size_mb(target)
    ours = sum(size_mb(ROOT / name) for name in ("jarvis_cli", "jarvis_daemon"))
    return [
        Row(
            "core install", libraries + ours, "MB", 90,
            note=f"libraries {libraries:.1f}, Jarvis itself {ours:.1f}, without bytecode, by {tool}",
        )
    ]  # fmt: skip


def lay_down(target: Path) -> str:
    """Install the lock into a new environment; return the tool's name."""
    lock = str(ROOT / "requirements" / "core.lock")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        quietly(uv, "venv", "--python", sys.executable, str(target))
        python = str(target / "bin" / "python")
        quietly(uv, "pip", "install", "--python", python, "--require-hashes", "-r", lock)
        return "uv"
    quietly(sys.executable, "-m", "venv", "--without-pip", str(target))
    python = str(target / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python]
    quietly(*pip, "install", "--no-compile", "--require-hashes", "-r", lock)
    return "pip"


def quietly(*command: str) -> None:
    """Raises ``RuntimeError`` with the last words of a command that fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-300:]}")


def size_mb(folder: Path) -> float:
    """What the files of a folder hold, in MB; no bytecode, no links."""
    return (
        sum(
            path.stat().st_size
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
        )
        / 1e6
    )
