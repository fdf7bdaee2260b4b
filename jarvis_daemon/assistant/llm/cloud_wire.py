"""A request for the process of cloud models: in the words of the OpenAI protocol, which litellm translates."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from jarvis_daemon.assistant.llm.contract import Message, Request

Row = dict[str, Any]
KEPT_MAX: Final = 3
"""Marks of a kept prompt; Anthropic takes four."""
_KEPT: Final = {"type": "ephemeral"}
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
NOTHING: Final = "(nothing)"
"""Instead of an empty text, which providers refuse."""


def request_of(request: Request, *, keep: bool) -> Row:
    """``keep``: mark the parts of the prompt that do not change, for the provider to keep them."""
    return {
        "messages": rows(request.messages, keep=keep),
        "tools": [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
            }
            for tool in request.tools
        ],
        "schema": dict(request.schema) if request.schema is not None else None,
        "max_tokens": request.max_tokens, "temperature": request.temperature, "seed": request.seed,
    }  # fmt: skip


def rows(messages: Sequence[Message], *, keep: bool) -> list[Row]:
    """What the system says behind the first words of a conversation is told as the user's, so that it stays where
    it was said: some providers have one place for the system only."""
    found: list[Row] = []
    marked = {id(it) for it in [it for it in messages if it.keep and not it.calls][-KEPT_MAX:]} if keep else set()
    for message in messages:
        if message.role == "assistant" and not message.text.strip() and not message.calls:
            continue
        later = message.role == "system" and any(row["role"] != "system" for row in found)
        found.append(_row(message, "user" if later else message.role, kept=id(message) in marked))
    return found


def _row(message: Message, role: str, *, kept: bool) -> Row:
    text = message.text if message.text.strip() else NOTHING
    if role == "tool":
        row: Row = {"role": role, "content": text, "tool_call_id": _id(message.call_id)}
        return row | ({"cache_control": _KEPT} if kept else {})
    if message.calls:
        calls = [
            {"id": _id(call.id), "type": "function",
             "function": {"name": call.name, "arguments": json.dumps(dict(call.args), ensure_ascii=False)}}
            for call in message.calls
        ]  # fmt: skip
        return {"role": role, "content": message.text or None, "tool_calls": calls}
    if kept:
        return {"role": role, "content": [{"type": "text", "text": text, "cache_control": _KEPT}]}
    return {"role": role, "content": text}


def _id(text: str) -> str:
    """Of a call that another model may have made: as every provider takes it."""
    return _NO_ID.sub("_", text)[:64]
