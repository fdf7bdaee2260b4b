"""The control socket of the simulated homelab: one line of JSON there, one back. Standard library only."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from jarvis_daemon.protocol.errors import ERRORS, JarvisError

ANSWER_MAX = 4 << 20


def ask(path: Path, command: dict[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
    """The answer without ``ok``. Raises ``unavailable`` when none is there, or the simulator's error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(str(path))
            link.sendall(json.dumps(command).encode() + b"\n")
            line = link.makefile("rb").readline(ANSWER_MAX)
            answer = json.loads(line)
        except TimeoutError:
            raise JarvisError("timed_out", "The simulated homelab does not answer") from None
        except (OSError, ValueError) as error:
            raise JarvisError(
                "unavailable", "The simulated homelab does not run", why=str(getattr(error, "strerror", error)),
                next="`jarvis demo --no-hud` starts it.",
            ) from None  # fmt: skip
    if answer.pop("ok", False):
        return dict(answer)
    told = answer.get("error") or {}
    code = str(told.get("code"))
    raise JarvisError(
        code if code in ERRORS else "invalid_params", str(told.get("message") or "The simulator refused"),
        next=str(told.get("next") or "`jarvis sim faults` lists what can be broken."),
    )  # fmt: skip
