"""Answers as the Messages API of Anthropic streams them: named events, blocks, tool input in pieces of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.scripted.server import Answer, Hold
from tests.scripted.server import error as _error


@dataclass(frozen=True)
class Call:
    """A ``tool_use`` block; ``pieces`` are its input as ``input_json_delta`` brings it."""

    id: str
    name: str
    pieces: Sequence[str]


@dataclass(frozen=True)
class Tokens:
    """As the API counts: ``input`` is what was neither read from the prompt cache nor written to it."""

    input: int = 12
    output: int = 5
    read: int = 0
    written: int = 0

    def as_dict(self, output: int) -> dict[str, Any]:
        return {
            "input_tokens": self.input, "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.read, "output_tokens": output,
            "cache_creation": {"ephemeral_5m_input_tokens": self.written, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }  # fmt: skip


def event(kind: str, **body: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body}, ensure_ascii=False)}\n\n".encode()


def stream(
    *blocks: str | Sequence[str | Hold] | Call | Hold, tokens: Tokens | None = None, stop: str | None = None,
    cut: bool = False, broken: bytes | None = None, model: str = "scripted",
) -> Answer:  # fmt: skip
    """A message of blocks: a text (or a sequence of its deltas and holds), a tool call, or a hold between blocks.

    ``cut``: it ends behind the blocks, as when a server dies; ``broken``: this event instead of the message's end.
    """
    counted = tokens or Tokens()
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": counted.as_dict(1),
    }  # fmt: skip
    pieces: list[bytes | Hold] = [event("message_start", message=message)]
    index = 0
    for block in blocks:
        if isinstance(block, Hold):
            pieces.append(block)
            continue
        pieces += _call(index, block) if isinstance(block, Call) else _text(index, block)
        if index == 0:
            pieces.append(event("ping"))
        index += 1
    if cut or broken is not None:
        return Answer([*pieces, broken] if broken is not None else pieces, cut=cut)
    reason = stop or ("tool_use" if any(isinstance(block, Call) for block in blocks) else "end_turn")
    used = {"input_tokens": counted.input, "cache_creation_input_tokens": counted.written,
            "cache_read_input_tokens": counted.read, "output_tokens": counted.output}  # fmt: skip
    pieces.append(event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=used))
    return Answer([*pieces, event("message_stop")])


def error_event(kind: str, message: str) -> bytes:
    """What comes in the middle of a stream: ``overloaded_error``."""
    return event("error", error={"type": kind, "message": message})


def error(status: int, kind: str, message: str, **headers: str) -> Answer:
    """``authentication_error`` 401, ``rate_limit_error`` 429 (``retry_after="7"``), ``overloaded_error`` 529 …"""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return _error(status, body, **headers)


def too_long(prompt_tokens: int, window: int) -> Answer:
    said = f"prompt is too long: {prompt_tokens} tokens > {window} maximum"
    return error(400, "invalid_request_error", said)


def _text(index: int, parts: str | Sequence[str | Hold]) -> list[bytes | Hold]:
    begun = event("content_block_start", index=index, content_block={"type": "text", "text": ""})
    deltas: list[bytes | Hold] = [
        part if isinstance(part, Hold)
        else event("content_block_delta", index=index, delta={"type": "text_delta", "text": part})
        for part in ([parts] if isinstance(parts, str) else parts)
    ]  # fmt: skip
    return [begun, *deltas, event("content_block_stop", index=index)]


def _call(index: int, call: Call) -> list[bytes | Hold]:
    block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
    deltas = [
        event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": piece})
        for piece in ("", *call.pieces)
    ]
    begun = event("content_block_start", index=index, content_block=block)
    return [begun, *deltas, event("content_block_stop", index=index)]
