"""The daemon's log for people: JSON lines from its file, or from the journal where systemd runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jarvis_cli.output import json_text
from jarvis_cli.session import Session
from jarvis_cli.style import Look, Tone
from jarvis_cli.values import clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_TONES: Final[dict[str, Tone]] = {"warning": "warn", "error": "bad", "critical": "bad", "debug": "faint"}
_OWN: Final = frozenset({"at", "level", "logger", "message", "error"})
_POLL_S: Final = 0.25
_pause = threading.Event()
"""Never set: its wait is an interruptible pause."""

Entry = dict[str, Any]


def show(run: Session, *, follow: bool, since_s: float | None, level: str, limit: int) -> None:
    """Print the log. Raises ``not_found`` when nothing was ever written."""
    if follow and run.out.format in {"json", "yaml"}:
        raise JarvisError("invalid_params", f"-f has no end, and {run.out.format} needs one", next="Use -o jsonl.")
    path, journal = run.places.log_file, _under_systemd(run)
    if not journal and not path.exists():
        raise JarvisError("not_found", "The daemon has written nothing yet", why=f"there is no {path}",
                          next="`jarvis daemon start` starts it.")  # fmt: skip
    oldest = None if since_s is None else time.time() - since_s
    wanted = frozenset(LEVELS[LEVELS.index(level) :])
    past = (parse(line) for line in (_journal(limit) if journal else _file(path)))
    entries = [entry for entry in past if _matches(entry, oldest, wanted)][-limit:]
    if not follow:
        run.out.emit(entries, lambda look: (text(entry, look) for entry in entries), rows=entries)
        return
    _print(run, entries)
    for line in _journal_follow() if journal else _file_follow(path):
        entry = parse(line)
        if _matches(entry, None, wanted):
            _print(run, [entry])
        if run.out.closed:
            return


def parse(line: str) -> Entry:
    """One line of the log; what is no JSON (a crash's last words) becomes a message of level error."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return {"at": None, "level": "error", "logger": "", "message": line.rstrip("\n")}
    return entry


def text(entry: Entry, look: Look) -> str:
    """``21:47:03 warning jarvis.cluster  message  key=value``"""
    level = str(entry.get("level") or "info")
    at = _seconds(entry)
    more = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _OWN)
    logger = str(entry.get("logger") or "").removeprefix("jarvis.")
    parts = [
        look.paint(clock(at, time.time()) or "-", "faint"), look.paint(f"{level:<7}", _TONES.get(level, "plain")),
        look.paint(clean(logger), "light"), clean(str(entry.get("message") or ""), limit=2000),
        look.paint(clean(more, limit=2000), "faint"),
    ]  # fmt: skip
    line = " ".join(part for part in parts if part)
    trace = str(entry.get("error") or "").rstrip()
    return "\n".join([line, *(f"    {clean(row, limit=2000)}" for row in trace.splitlines())])


def _print(run: Session, entries: list[Entry]) -> None:
    if run.out.format == "jsonl":
        run.out.lines(json_text(entry) for entry in entries)
    else:
        look = run.out.look
        run.out.lines(text(entry, look) for entry in entries)


def _seconds(entry: Entry) -> float | None:
    try:
        return datetime.fromisoformat(str(entry.get("at"))).timestamp()
    except ValueError:
        return None


def _matches(entry: Entry, oldest: float | None, levels: frozenset[str]) -> bool:
    if str(entry.get("level") or "info") not in levels:
        return False
    at = _seconds(entry)
    return oldest is None or (at is not None and at >= oldest)


def _file(path: Path) -> Iterator[str]:
    """The lines of the log and of its last rotation, oldest first."""
    for part in (path.with_name(path.name + ".1"), path):
        if part.exists():
            with part.open(errors="replace") as file:
                yield from file


def _file_follow(path: Path) -> Iterator[str]:
    """New lines as they are written, across rotations."""
    file = path.open(errors="replace")
    file.seek(0, 2)
    rest = ""
    while True:
        chunk = file.readline()
        if chunk.endswith("\n"):
            yield rest + chunk
            rest = ""
            continue
        rest += chunk
        if not chunk and path.exists() and path.stat().st_ino != _inode(file.fileno()):
            file.close()
            file = path.open(errors="replace")
            continue
        _pause.wait(_POLL_S)


def _inode(descriptor: int) -> int:
    import os

    return os.fstat(descriptor).st_ino


def _under_systemd(run: Session) -> bool:
    """Whether the user's unit runs the daemon, so that its words are in the journal."""
    if run.places.demo or shutil.which("journalctl") is None or shutil.which("systemctl") is None:
        return False
    from jarvis_cli.units import user_unit

    if not user_unit().exists():
        return False
    done = subprocess.run(["systemctl", "--user", "is-active", "jarvis"], capture_output=True, check=False)
    return done.returncode == 0


_JOURNAL: Final = ["journalctl", "--user", "-u", "jarvis", "-o", "cat", "--no-pager"]


def _journal(limit: int) -> Iterator[str]:
    done = subprocess.run([*_JOURNAL, "-n", str(limit * 5)], capture_output=True, text=True, check=False)
    yield from done.stdout.splitlines()


def _journal_follow() -> Iterator[str]:
    with subprocess.Popen([*_JOURNAL, "-f", "-n", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield from process.stdout
        finally:
            process.terminate()
