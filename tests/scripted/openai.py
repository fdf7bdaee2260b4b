"""Answers as an OpenAI-compatible server streams them: chunks, tool calls in pieces, usage in the last chunk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.scripted.server import Answer, Hold
from tests.scripted.server import error as _error

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Call:
    """A tool call; ``pieces`` are its arguments as they come."""

    index: int
    id: str
    name: str
    pieces: Sequence[str]


def chunk(delta: dict[str, Any], *, finish: str | None = None, model: str = "scripted") -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _data({"choices": [choice], "usage": None}, model)


def usage(prompt: int, completion: int, *, cached: int = 0, model: str = "scripted") -> bytes:
    """The last chunk of a stream with ``stream_options.include_usage``: no choices, the tokens."""
    counted = {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }  # fmt: skip
    return _data({"choices": [], "usage": counted}, model)


def stream(
    *parts: str | Call | Hold, tokens: tuple[int, int] | tuple[int, int, int] | None = (12, 5),
    finish: str | None = None, cut: bool = False, model: str = "scripted",
) -> Answer:  # fmt: skip
    """Text deltas, tool calls and holds in order, then the end. Calls that stand side by side come interleaved, a
    piece of each in turn. ``tokens``: prompt, completion, and how many of the prompt were cached. ``cut``: it ends
    behind the parts, with neither a finish reason nor ``[DONE]``."""
    pieces: list[bytes | Hold] = [chunk({"role": "assistant", "content": ""}, model=model)]
    calls: list[Call] = []
    for part in (*parts, None):
        if isinstance(part, Call):
            calls.append(part)
            continue
        pieces += [chunk(delta, model=model) for delta in _deltas(calls)]
        calls = []
        if isinstance(part, Hold):
            pieces.append(part)
        elif part is not None:
            pieces.append(chunk({"content": part}, model=model))
    if cut:
        return Answer(pieces, cut=True)
    called = any(isinstance(part, Call) for part in parts)
    pieces.append(chunk({}, finish=finish or ("tool_calls" if called else "stop"), model=model))
    if tokens is not None:
        pieces.append(usage(tokens[0], tokens[1], cached=tokens[2] if len(tokens) > 2 else 0, model=model))
    return Answer([*pieces, DONE])


def responses(*parts: str | Call, tokens: tuple[int, int, int] = (12, 5, 0), cut: bool = False) -> Answer:
    """The same by the Responses API, for OpenAI's newer models. ``tokens``: prompt, answer, and cached of the
    prompt."""
    whole: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1_800_000_000, "status": "in_progress",
        "model": "scripted", "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "temperature": 1, "top_p": 1, "error": None, "incomplete_details": None, "instructions": None,
        "metadata": {}, "usage": None,
    }  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "response.created", "response": whole}]
    output: list[dict[str, Any]] = []
    for index, part in enumerate(parts):
        item, told = _item(index, part)
        output.append(item)
        events += [*told, {"type": "response.output_item.done", "output_index": index, "item": item}]
    counted = {
        "input_tokens": tokens[0], "input_tokens_details": {"cached_tokens": tokens[2]}, "output_tokens": tokens[1],
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": tokens[0] + tokens[1],
    }  # fmt: skip
    done = {**whole, "status": "completed", "output": output, "usage": counted}
    if not cut:
        events.append({"type": "response.completed", "response": done})
    return Answer([
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(events)
    ])  # fmt: skip


def error(
    status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", **headers: str
) -> Answer:
    """``{"error": {message, type, code}}``; ``retry_after="7"`` is a header."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code or None}}
    return _error(status, body, **headers)


def too_long(prompt_tokens: int, window: int) -> Answer:
    """A prompt beyond the context, as OpenAI says it."""
    said = (
        f"This model's maximum context length is {window} tokens. However, your messages resulted in "
        f"{prompt_tokens} tokens. Please reduce the length of the messages."
    )
    return error(400, said, code="context_length_exceeded")


def _deltas(calls: Sequence[Call]) -> list[dict[str, Any]]:
    heads = [
        {"tool_calls": [{"index": call.index, "id": call.id, "type": "function",
                         "function": {"name": call.name, "arguments": ""}}]}
        for call in calls
    ]  # fmt: skip
    longest = max((len(call.pieces) for call in calls), default=0)
    rest = [
        {"tool_calls": [{"index": call.index, "function": {"arguments": call.pieces[at]}}]}
        for at in range(longest) for call in calls if at < len(call.pieces)
    ]  # fmt: skip
    return heads + rest


def _data(body: dict[str, Any], model: str) -> bytes:
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_800_000_000, "model": model} | body
    return b"data: " + json.dumps(whole, ensure_ascii=False).encode() + b"\n\n"


def _item(index: int, part: str | Call) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An item of a response, whole, and the events that bring it."""
    place = {"item_id": f"item_{index}", "output_index": index}
    if isinstance(part, Call):
        item: dict[str, Any] = {
            "id": f"item_{index}", "type": "function_call", "status": "completed", "call_id": part.id,
            "name": part.name, "arguments": "".join(part.pieces),
        }  # fmt: skip
        empty = {**item, "arguments": "", "status": "in_progress"}
        kind = "response.function_call_arguments"
        deltas = [{"type": f"{kind}.delta", **place, "delta": piece} for piece in part.pieces]
        deltas.append({"type": f"{kind}.done", **place, "arguments": item["arguments"]})
    else:
        text = {"type": "output_text", "text": part, "annotations": []}
        item = {"id": f"item_{index}", "type": "message", "status": "completed", "role": "assistant"}
        item["content"] = [text]
        empty = {**item, "content": [], "status": "in_progress"}
        kind = "response.output_text"
        deltas = [
            {"type": "response.content_part.added", **place, "content_index": 0, "part": {**text, "text": ""}},
            {"type": f"{kind}.delta", **place, "content_index": 0, "delta": part},
            {"type": f"{kind}.done", **place, "content_index": 0, "text": part},
        ]
    return item, [{"type": "response.output_item.added", "output_index": index, "item": empty}, *deltas]
