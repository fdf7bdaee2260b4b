"""Server-sent events, as model servers write them: bytes in, the data of each whole event out."""

from __future__ import annotations

from typing import Final

LINE_MAX: Final = 1 << 20
"""Bytes of one line, and of one event; a server that sends more is not believed."""


class Events:
    """Fed with whatever a connection delivers: a character, a line or an event may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that ``chunk`` completes. Raises ``ValueError`` for one that is too long."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the other half of a line's end
            self._after_cr = False
        self._rest += chunk
        if not chunk.endswith(b"\n") and b"\n" not in chunk and b"\r" not in chunk:
            self._check(len(self._rest))
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = bytes(self._rest).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(lines.pop())
        self._check(len(self._rest))
        found = []
        for line in lines:
            if (event := self._line(line)) is not None:
                found.append(event)
        return found

    def end(self) -> list[str]:
        """What the connection's end leaves: the last event of a server that forgot the empty line behind it."""
        if self._rest:
            self._line(bytes(self._rest))
            self._rest.clear()
        event = self._line(b"")
        return [] if event is None else [event]

    def _line(self, line: bytes) -> str | None:
        self._check(len(line))
        if not line:
            event, self._data, self._size = "\n".join(self._data), [], 0
            return event or None
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        if name == b"error":  # no field of the standard; llama-server has told failures so
            text, name = f'{{"error": {text}}}', b"data"
        if name == b"data":
            self._size += len(line)
            self._check(self._size)
            self._data.append(text)
        return None

    def _check(self, size: int) -> None:
        if size > LINE_MAX:
            raise ValueError(f"an event of more than {LINE_MAX} bytes")
