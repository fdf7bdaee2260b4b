"""A person at a terminal, for tests: a pseudo terminal with the command line in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

AS_CONTROLLING = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'jarvis_cli', *sys.argv[1:]])"
)
"""Makes the terminal the process's own, so that Ctrl-C and hidden prompts work as they do for a person."""


class Terminal:
    """A person at a terminal: waits for a question, types an answer."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", AS_CONTROLLING, *arguments], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
        )  # fmt: skip
        os.close(slave)
        self.seen = ""
        self._from = 0

    def answer(self, question: str, text: str, *, timeout_s: float = 30) -> None:
        """Wait for ``question`` behind the last one, then type ``text`` and Enter."""
        deadline = time.monotonic() + timeout_s
        while not (match := re.search(re.escape(question), self.seen[self._from :])):
            asked = time.monotonic() < deadline and self._read()
            assert asked, f"{question!r} was not asked:\n{self.seen}"
        self._from += match.end()
        os.write(self.master, text.encode() + b"\n")

    def sees(self, text: str, *, timeout_s: float = 30) -> None:
        """Wait until ``text`` is shown, behind what was waited for before."""
        deadline = time.monotonic() + timeout_s
        while text not in self.seen[self._from :]:
            shown = time.monotonic() < deadline and self._read()
            assert shown, f"{text!r} was not shown:\n{self.seen}"
        self._from = self.seen.index(text, self._from) + len(text)

    def end(self) -> int:
        while self._read():
            pass
        return self.close()

    def close(self) -> int:
        os.close(self.master)
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(20)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], 30)
        try:
            data = os.read(self.master, 65536) if ready else b""
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
