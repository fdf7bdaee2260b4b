"""A running turn's mouth: merges pieces of text, keeps each event before it is told, knows what stands so far."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.conversation.log import ChatLog
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.mind import ChatCall
from jarvis_daemon.protocol.spawn import spawn

BETWEEN_S: Final = 0.04
"""Pieces of text within this are told as one: each is a commit, and nobody reads faster. The first goes at once."""


class Telling:
    """The ``Emit`` of one turn. ``said``, ``calls`` and ``notes`` are what stands."""

    def __init__(self, log: ChatLog, clock: Clock, session: str, turn: int) -> None:
        self.session, self.turn = session, turn
        self.said = ""
        self.calls: dict[str, ChatCall] = {}
        self.notes: list[str] = []
        self.first_text_at: float | None = None
        """Monotonic; when the first piece of text had been told."""
        self._log, self._clock = log, clock
        self._pending: list[str] = []
        self._later: asyncio.Task[None] | None = None
        self._sleeps = False
        self._lock = asyncio.Lock()

    async def text(self, piece: str) -> None:
        if not piece:
            return
        self.said += piece
        self._pending.append(piece)
        if self.first_text_at is None:
            await self._flush()
        elif self._later is None or self._later.done():
            self._later = spawn(self._tell_later(), name="chat-text")

    async def replace(self, text: str) -> None:
        self.said = text
        self._pending.clear()
        await self._write("chat.replaced", text, {})

    async def call(self, call: ChatCall) -> None:
        self.calls[call.id] = call
        await self.drain()
        await self._write("chat.call", call.text, msgspec.to_builtins(call))

    async def note(self, text: str) -> None:
        self.notes.append(text)
        await self.drain()
        await self._write("chat.note", text, {})

    async def drain(self) -> None:
        """Return once all text that was given has been told. Raises ``store_failed``."""
        if self._later is not None and self._sleeps:
            self._later.cancel()
        await self._flush()

    async def _tell_later(self) -> None:
        self._sleeps = True
        try:
            await self._clock.sleep(BETWEEN_S)
        finally:
            self._sleeps = False
        await self._flush()

    async def _flush(self) -> None:
        async with self._lock:
            piece, self._pending = "".join(self._pending), []
            if not piece:
                return
            await self._log.write(self.session, self.turn, [("chat.text", piece, {})])
            if self.first_text_at is None:
                self.first_text_at = self._clock.monotonic()

    async def _write(self, kind: str, text: str, data: dict[str, Any]) -> None:
        async with self._lock:
            await self._log.write(self.session, self.turn, [(kind, text, data)])
