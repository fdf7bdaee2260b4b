"""Logs: one JSON object a line, secrets redacted, on standard error or in a file that rotates."""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jarvis_daemon.redact import redact, redact_tree

ROTATE_BYTES: Final = 5_000_000
ROTATE_KEEP: Final = 3


class JsonLines(logging.Formatter):
    """``{"at", "level", "logger", "message", …data}``"""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        data = getattr(record, "data", None)
        if isinstance(data, dict):
            line |= data
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(redact_tree(line), ensure_ascii=False, default=lambda value: redact(str(value)))


def set_up(level: str, log_file: Path | None) -> None:
    """Send everything of ours to ``log_file``, or to standard error where there is none."""
    handler: logging.Handler
    if log_file is not None:
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file.touch(mode=0o600)
        handler = logging.handlers.RotatingFileHandler(log_file, maxBytes=ROTATE_BYTES, backupCount=ROTATE_KEEP)
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # libraries: only their troubles; proxmoxer logs request bodies at INFO
    for noisy in ("proxmoxer", "urllib3", "websockets", "asyncssh", "asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
