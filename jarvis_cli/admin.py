"""Questions about this installation that need the daemon's code, asked of a process of their own.

``python -m jarvis_daemon admin VERB`` reads one JSON document from its standard input and writes one to its
standard output; secrets travel there and never in the arguments.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean


def ask(*verb: str, given: dict[str, Any] | None = None, timeout_s: float = 60.0) -> dict[str, Any]:
    """The answer. Raises the error that the process tells, ``timed_out``, or ``internal`` when it broke."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "jarvis_daemon", "admin", *verb, "--json"],
            input=json.dumps(given or {}).encode(), capture_output=True, check=False, timeout=timeout_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise JarvisError("timed_out", f"`{' '.join(verb)}` took longer than {timeout_s:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = clean(lines[-1]) if lines else f"exit code {done.returncode}"
        raise JarvisError("internal", f"The daemon's `admin {verb[0]}` failed", why=why) from None
    if isinstance(answer, dict) and "error" in answer:
        raise JarvisError.from_wire(answer["error"])
    return dict(answer)
