"""What the HUD itself costs: share of a core, and bytes written to the terminal."""

from __future__ import annotations

import time

from textual.driver import Driver

WINDOW_S = 5.0


class Cost:
    """Measured over windows of ``WINDOW_S`` seconds, so that the figure is calm."""

    def __init__(self) -> None:
        self.written_bytes = 0
        self._since = time.monotonic()
        self._cpu = time.process_time()
        self._bytes = 0
        self._text = ""

    def text(self) -> str:
        """``HUD 1.1% 9 KB/s``; empty before the first window has passed."""
        now = time.monotonic()
        if now - self._since >= WINDOW_S:
            elapsed, cpu = now - self._since, time.process_time()
            share = (cpu - self._cpu) / elapsed
            rate = (self.written_bytes - self._bytes) / elapsed / 1024
            self._text = f"HUD {share * 100:.1f}% {rate:.1f} KB/s"
            self._since, self._cpu, self._bytes = now, cpu, self.written_bytes
        return self._text


def counting(driver: type[Driver], cost: Cost) -> type[Driver]:
    """``driver`` that counts what it writes."""

    class Counting(driver):  # type: ignore[misc, valid-type]
        def write(self, data: str) -> None:
            cost.written_bytes += len(data.encode())
            super().write(data)

    return Counting
