"""The blocking client of the CLI: a WebSocket on a unix socket, standard library only.

It speaks just what the daemon needs: masked text frames out, text, ping and close frames in (RFC 6455). It
never pulls in asyncio, websockets or msgspec, so `jarvis status` stays quick.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError

try:  # hashlib loads OpenSSL, which costs a command 3 ms for one digest
    from _sha1 import sha1  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from hashlib import sha1

PROTOCOL_RANGE: Final = (1, 1)
"""As in ``messages``; repeated because that module costs an import of msgspec (a test holds them equal)."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_MAX_FRAME: Final = 16 << 20


class PlainClient:
    """One session. ``welcome`` is the daemon's answer to hello; ``notes`` holds notifications not yet taken."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._next_id = 0
        self._messages: deque[dict[str, Any]] = deque()
        self.notes: deque[dict[str, Any]] = deque()
        self.welcome: dict[str, Any] = {}

    @classmethod
    def connect(
        cls, socket_path: Path, *, client: str = "jarvis-cli", version: str = "", role: str = "operator",
        timeout_s: float = 5.0,
    ) -> PlainClient:  # fmt: skip
        """Connect and say hello. Raises ``daemon_unreachable``, ``protocol_mismatch``, ``timed_out``."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(socket_path))
            self = cls(connection)
            self._upgrade()
        except TimeoutError:
            connection.close()
            raise JarvisError(
                "timed_out", f"The daemon accepts but does not answer within {timeout_s:g} s",
                next="Try again with a longer --timeout; `jarvis daemon restart --force` ends one that hangs.",
            ) from None  # fmt: skip
        except OSError as error:
            connection.close()
            raise JarvisError(
                "daemon_unreachable", "The daemon does not run", why=f"{socket_path}: {error.strerror or error}"
            ) from None
        try:
            self.welcome = self.call(
                "hello", {"client": client, "version": version, "protocol": list(PROTOCOL_RANGE), "role": role}
            )
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> PlainClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def settimeout(self, timeout_s: float | None) -> None:
        """How long one answer or notification may take; None waits for ever."""
        self._socket.settimeout(timeout_s)

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call and wait for the result. Raises the daemon's error, ``timed_out`` or ``daemon_unreachable``."""
        for kind, data in self._exchange(method, params):
            if kind == "result":
                return data
        raise AssertionError("unreachable: _exchange ends with a result")

    def stream(self, method: str, params: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Call and yield each progress, then the result as the last item."""
        for _, data in self._exchange(method, params):
            yield data

    def subscribe(self, topics: list[str], **params: Any) -> None:
        """Subscribe; what comes is read from ``notifications``."""
        self.call("subscribe", {"topics": topics, **params})

    def notifications(self) -> Iterator[dict[str, Any]]:
        """Yield ``{"method", "params"}`` as they come, until the daemon closes (``daemon_unreachable``)."""
        while True:
            if self.notes:
                yield self.notes.popleft()
            else:
                message = self._receive()
                if "method" in message:
                    yield message

    def close(self) -> None:
        try:
            self._send_frame(_CLOSE, struct.pack("!H", 1000))
        except OSError:
            pass
        finally:
            self._socket.close()

    def _exchange(self, method: str, params: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
        self._next_id += 1
        call_id = self._next_id
        request = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params or {}}
        try:
            self._send_frame(_TEXT, json.dumps(request).encode())
        except OSError as error:
            raise JarvisError("daemon_unreachable", "The daemon went away", why=str(error)) from None
        while True:
            message = self._receive()
            if message.get("id") == call_id and "method" not in message:
                if "error" in message:
                    raise JarvisError.from_wire(message["error"])
                yield "result", message.get("result") or {}
                return
            if message.get("method") == "progress" and message.get("params", {}).get("id") == call_id:
                yield "progress", message["params"].get("data") or {}
            elif "method" in message:
                self.notes.append(message)
            elif "error" in message and message.get("id") is None:
                raise JarvisError.from_wire(message["error"])

    def _upgrade(self) -> None:
        key = base64.b64encode(os.urandom(16))
        self._socket.sendall(
            b"GET / HTTP/1.1\r\nHost: jarvis\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > 65536 or not (chunk := self._socket.recv(65536)):
                raise OSError("it closed during the handshake")
            self._buffer += chunk
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        accept = base64.b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
        if not head.startswith(b"HTTP/1.1 101") or accept not in head:
            raise OSError("it is not a Jarvis daemon")

    def _receive(self) -> dict[str, Any]:
        try:
            return self._receive_text()
        except TimeoutError:
            raise JarvisError("timed_out", "The daemon did not answer in time") from None
        except OSError as error:
            raise JarvisError("daemon_unreachable", "The daemon went away", why=str(error)) from None

    def _receive_text(self) -> dict[str, Any]:
        parts: list[bytes] = []
        while True:
            final, opcode, payload = self._read_frame()
            if opcode == _PING:
                self._send_frame(_PONG, payload)
            elif opcode == _CLOSE:
                reason = payload[2:].decode(errors="replace") or "closed"
                raise OSError(reason)
            elif opcode in (_TEXT, 0):
                parts.append(payload)
                if sum(map(len, parts)) > _MAX_FRAME:
                    raise OSError("the daemon sent more than 16 MiB at once")
                if final:
                    return _message(b"".join(parts))

    def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if first & 0x70 or second & 0x80:  # an extension, or a mask: a server may use neither
            raise OSError("the daemon sent a frame that is none")
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        if length > _MAX_FRAME:
            raise OSError("the daemon sent more than 16 MiB at once")
        return bool(first & 0x80), first & 0x0F, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = self._socket.recv(max(65536, count - len(self._buffer)))
            if not chunk:
                raise OSError("connection closed")
            self._buffer += chunk
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        head = bytes([0x80 | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack("!H", length)
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", length)
        # A mask of zeros is a legal mask; masking guards proxies, and there is none on a unix socket.
        self._socket.sendall(head + b"\0\0\0\0" + payload)


def _message(frame: bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):  # half a document, or bytes that are no UTF-8
        message = None
    if not isinstance(message, dict):
        raise OSError("the daemon sent something that is not a message")
    return message
