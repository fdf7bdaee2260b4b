"""The report of `jarvis doctor --bundle`: one text file, 0600, without secrets."""

from __future__ import annotations

import json
import platform
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.admin.check import Check
from jarvis_daemon.admin.config import show
from jarvis_daemon.admin.redact import known_secrets, redact
from jarvis_daemon.paths import write_private
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.version import VERSION
from jarvis_daemon.settings import Loaded

LOG_LINES: Final = 500


def write_bundle(
    path: Path, where: Places, loaded: Loaded | None, checks: list[Check], client: dict[str, Any]
) -> None:
    """Write the report to ``path``. Raises ``store_failed`` when it cannot be written."""
    sections = {
        "about": _dump({
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": VERSION, "python": platform.python_version(), "system": platform.platform(),
        }),
        "checks": _dump([*(client.get("checks") or []), *checks]),
        "client": _dump({key: value for key, value in client.items() if key != "checks"}),
        "settings": _settings(),
        "places": _dump({name: str(getattr(where, name)) for name in ("config_file", "database", "socket")}),
        "crash": _tail(where.state_dir / "daemon.crash", 100),
        "log": _tail(where.log_file, LOG_LINES),
        "simulator log": _tail(where.simulator_dir / "simulator.log", 100) if where.demo else "",
    }  # fmt: skip
    text = "\n".join(f"=== {title} ===\n{body}\n" for title, body in sections.items() if body)
    text = redact(text, known_secrets(where, loaded))
    try:
        _write(path, text)
    except OSError as error:
        raise JarvisError("store_failed", f"The report {path} cannot be written", why=error.strerror or str(error),
                          next="Name another file.") from None  # fmt: skip


def _write(path: Path, text: str) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "its folder does not exist")
    write_private(path, text)


def _settings() -> str:
    try:
        return _dump(show({}))
    except JarvisError as error:
        return error.sentence()


def _tail(path: Path, lines: int) -> str:
    try:
        with path.open(errors="replace") as file:
            return "".join(deque(file, maxlen=lines)).rstrip()
    except OSError:
        return ""


def _dump(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)
