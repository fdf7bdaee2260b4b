"""A real pseudo-terminal with a program on it, and the screen that a person would see (a small VT reader)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from typing import Final

SEQUENCE: Final = re.compile(r"\x1b\[([?<>=]?)([0-9;:]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\")  # fmt: skip  # noqa: E501


class Screen:
    """Cells as text; knows cursor positions, line ends and clearing: what the HUD sends."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.x = self.y = 0
        self.styles: set[str] = set()
        self._rest = ""

    def feed(self, text: str) -> None:
        text = self._rest + text
        self._rest = ""
        place = 0
        while place < len(text):
            if text[place] == "\x1b":
                match = SEQUENCE.match(text, place)
                if match is None:
                    self._rest = text[place:] if len(text) - place < 200 else ""
                    return
                self._obey(match)
                place = match.end()
            else:
                self._put(text[place])
                place += 1

    def _obey(self, match: re.Match[str]) -> None:
        if match[3] == "H" and not match[1]:
            row, _, column = (match[2] or "1;1").partition(";")
            self.y, self.x = int(row or 1) - 1, int(column or 1) - 1
        elif match[3] == "m":
            self.styles.add(match[2])
        elif match[3] == "J":
            self.cells = [[" "] * self.width for _ in range(self.height)]

    def _put(self, character: str) -> None:
        if character == "\n":
            self.y, self.x = self.y + 1, 0
        elif character == "\r":
            self.x = 0
        elif character >= " ":
            if 0 <= self.y < self.height and 0 <= self.x < self.width:
                self.cells[self.y][self.x] = character
            self.x += 1

    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.cells)


class Terminal:
    """``command`` on a pty of its own."""

    def __init__(self, command: list[str], environ: dict[str, str], width: int, height: int) -> None:
        self.screen = Screen(width, height)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        os.set_blocking(self._master, False)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
        )
        os.close(slave)
        self._news = asyncio.Event()
        self._decoder = __import__("codecs").getincrementaldecoder("utf-8")("replace")
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.screen.feed(self._decoder.decode(data))
        self._news.set()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def until(self, seen: Callable[[str], bool], what: str, timeout_s: float = 20.0) -> str:
        """Wait until the screen's text is as wanted; fails with the screen as it is."""
        try:
            async with asyncio.timeout(timeout_s):
                while not seen(self.screen.text()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"the screen never showed {what}:\n{self.screen.text()}") from None
        return self.screen.text()

    async def shows(self, *words: str) -> str:
        return await self.until(lambda text: all(word in text for word in words), " and ".join(words))

    async def ends(self) -> int:
        return await asyncio.to_thread(self.process.wait, 15)

    def close(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_reader(self._master)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
