"""What the CLI asks while no daemon need run: settings, setup, checks.

    python -m jarvis_daemon admin config show|check|pin
    python -m jarvis_daemon admin setup certificates|commands|test|ssh|login|write
    python -m jarvis_daemon admin doctor
    python -m jarvis_daemon admin runbook-check FILE
    python -m jarvis_daemon admin model list|fetch
    python -m jarvis_daemon admin drill [--minutes N] [--seed N] [--runbook NAME] [--power-cut]

One JSON document is read from standard input (what a verb is given, secrets too) and one is written to
standard output: the answer, or ``{"error": …}`` as on the wire, with the error's exit code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from jarvis_daemon.protocol.errors import JarvisError

Given = dict[str, Any]
Verb = Callable[[Given], dict[str, Any]]


def main(argv: list[str]) -> int:
    """Answer one question. Returns the exit code."""
    words = [word for word in argv if word != "--json"]
    try:
        answer = _verb(words)(_given())
    except JarvisError as error:
        print(json.dumps({"error": error.to_wire()}))
        return error.exit_code
    print(json.dumps(answer))
    return 0


def _given() -> Given:
    """What stands on standard input; nothing at a terminal, where nobody would type JSON."""
    text = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    try:
        given = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise JarvisError("parse_error", "Standard input is not JSON", why=str(error)) from None
    if not isinstance(given, dict):
        raise JarvisError("invalid_params", "Standard input is no JSON object")
    return given


def _verb(words: list[str]) -> Verb:
    """Imports a verb's module only when it is asked for."""
    match words:
        case ["config", "show"]:
            from jarvis_daemon.admin.config import show

            return show
        case ["config", "check"]:
            from jarvis_daemon.admin.config import check

            return check
        case ["config", "pin"]:
            from jarvis_daemon.admin.pin import pin

            return pin
        case ["setup", "certificates"]:
            from jarvis_daemon.admin.certificate import certificates

            return certificates
        case ["setup", "commands"]:
            from jarvis_daemon.admin.token import commands

            return commands
        case ["setup", "test"]:
            from jarvis_daemon.admin.probe import test

            return test
        case ["setup", "ssh"]:
            from jarvis_daemon.admin.hostkeys import shown

            return shown
        case ["setup", "login"]:
            from jarvis_daemon.admin.hostkeys import login

            return login
        case ["setup", "write"]:
            from jarvis_daemon.admin.write import write

            return write
        case ["doctor"]:
            from jarvis_daemon.admin.doctor import doctor

            return doctor
        case ["model", "list"]:
            from jarvis_daemon.admin.model import show as show_models

            return show_models
        case ["model", "fetch"]:
            from jarvis_daemon.admin.model import fetch

            return fetch
        case ["drill", *rest]:
            from jarvis_daemon.admin.drill import run as run_drill

            return lambda given: run_drill(rest)
        case ["runbook-check", *names] if len(names) <= 1:
            from jarvis_daemon.admin.runbook_check import check as check_runbook

            return lambda given: check_runbook(given | ({"file": names[0]} if names else {}))
    raise JarvisError(
        "invalid_params", f"There is no `admin {' '.join(words)}`",
        next="`config show|check|pin`, `setup certificates|commands|test|ssh|login|write`, `doctor`, "
        "`runbook-check FILE`, `model list|fetch`, `drill`.",
    )  # fmt: skip
