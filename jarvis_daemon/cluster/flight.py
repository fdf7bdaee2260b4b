"""One request in its thread, with a deadline that every read keeps and a way to stop it from outside.

A socket's own time-out starts anew with each byte, so a peer that dribbles holds a thread for ever. Here every
read and write gets what is left of the whole call's time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import Any

_local = threading.local()


class Flight:
    """One attempt of one call. Times on the machine's monotonic clock: sockets know no other."""

    def __init__(self, timeout_s: float) -> None:
        self.deadline = time.monotonic() + timeout_s
        self._half_s = timeout_s / 2
        self.connected_anew = False
        """False: the connection of an earlier call is used, which the peer may have closed meanwhile."""
        self.handshaken = False
        self.certificate: str | None = None
        """Fingerprint of the trusted certificate that a new connection showed."""
        self._waited = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._aborted = False

    @property
    def connected(self) -> bool:
        """True: a connection stood, or was never tried in earnest, so that only the answer is missing."""
        return self.handshaken or not self.connected_anew or self._waited

    @property
    def late(self) -> bool:
        return self._aborted or time.monotonic() >= self.deadline

    def remaining(self) -> float:
        """Seconds left. Raises ``TimeoutError`` when there are none."""
        if self.late:
            raise TimeoutError("the deadline of the call has passed")
        return max(0.001, self.deadline - time.monotonic())

    def hold(self, sock: socket.socket) -> None:
        with self._lock:
            self._socket = sock
        self.remaining()

    def abort(self) -> None:
        """Wake the thread out of its read; callable from any thread, more than once."""
        with self._lock:
            self._aborted = True
            held = self._socket
        if held is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(held, socket.SHUT_RDWR)  # not SSLSocket's: that one is not thread-safe

    def __enter__(self) -> Flight:
        self._waited = self.deadline - time.monotonic() < self._half_s  # for a thread, behind other calls
        _local.flight = self
        return self

    def __exit__(self, *_: object) -> None:
        _local.flight = None
        with self._lock:
            self._socket = None


def current_flight() -> Flight | None:
    """The flight of this thread."""
    return getattr(_local, "flight", None)


class FlightSocket(ssl.SSLSocket):
    """A TLS socket whose every read and write gets the rest of the flight's time."""

    def do_handshake(self, block: bool = False) -> None:
        self._limit()
        super().do_handshake(block)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._limit()
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        self._limit()
        return super().send(data, flags)

    def _limit(self) -> None:
        flight = current_flight()
        if flight is not None:
            flight.hold(self)
            self.settimeout(flight.remaining())
