"""Errors of the simulated homelab.

Refused          an API call answered with an HTTP status and PVE's text
ControlError     a control command that cannot be done: code, message, next
tasks.TaskError  ends a task (there)
"""

from __future__ import annotations


class Refused(Exception):
    """PVE says no: ``status`` and ``message``, and ``errors`` by parameter for a 400."""

    def __init__(self, status: int, message: str, errors: dict[str, str] | None = None) -> None:
        self.status = status
        self.message = message
        self.errors = errors or {}
        super().__init__(f"{status} {message}")


class ControlError(Exception):
    """A control command that names something that is not there, or that is not a command."""

    def __init__(self, code: str, message: str, next_step: str = "") -> None:
        self.code = code
        self.message = message
        self.next = next_step
        super().__init__(message)
