"""A long question to ``python -m jarvis_daemon admin``: it tells how far it is, and then its answer."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, Self

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean


class Child:
    """One process, told ``given`` on its standard input. Each line of it is one JSON document:
    ``{"progress": text}``, at last the answer. It ends with this one, by whatever way that is left."""

    def __init__(self, *words: str, given: dict[str, Any] | None = None) -> None:
        self._verb = words[0]
        self._given = given
        self._command = [sys.executable, "-m", "jarvis_daemon", "admin", *words, "--json"]
        self._answer: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        told = subprocess.DEVNULL if self._given is None else subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=told, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended before it read: its answer says why
                self._process.stdin.write(json.dumps(self._given))
                self._process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def progress(self) -> Iterator[str]:
        """What it tells on its way, until it ends."""
        for line in self._process.stdout or ():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and set(found) == {"progress"}:
                yield str(found["progress"])
            elif isinstance(found, dict):
                self._answer = found
        self._process.wait()

    def answer(self) -> dict[str, Any]:
        """Its last document. Raises the error that it tells, or ``internal`` when it broke."""
        if self._answer is None:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            why = clean(lines[-1]) if lines else f"exit code {self._process.returncode}"
            raise JarvisError("internal", f"The daemon's `admin {self._verb}` failed", why=why)
        if "error" in self._answer:
            raise JarvisError.from_wire(self._answer["error"])
        return self._answer
