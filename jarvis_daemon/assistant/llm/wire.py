"""A request in the words of the OpenAI protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jarvis_daemon.assistant.llm.contract import Message, Request, ToolDef, ToolUse

Row = dict[str, Any]


def body(request: Request, model: str) -> Row:
    """The JSON of ``POST /v1/chat/completions``, as a stream with its usage."""
    given: Row = {
        "model": model, "messages": rows(request.messages), "stream": True,
        "stream_options": {"include_usage": True}, "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }  # fmt: skip
    if request.seed is not None:
        given["seed"] = request.seed
    if request.tools:
        given["tools"] = [_tool(tool) for tool in request.tools]
        given["parallel_tool_calls"] = True
    if request.schema is not None:
        answer = {"name": "answer", "strict": True, "schema": request.schema}
        given["response_format"] = {"type": "json_schema", "json_schema": answer}
    return given


def rows(messages: Sequence[Message]) -> list[Row]:
    """Messages as chat templates of local models take them: one system message, at the start; nobody speaks twice
    in a row. What the system says later is told as the user's."""
    found: list[Row] = []
    for message in messages:
        role = "user" if message.role == "system" and found and found[-1]["role"] != "system" else message.role
        row = _row(message, role)
        last = found[-1] if found else None
        if last is not None and last["role"] == role != "tool" and not {"tool_calls"} & (row.keys() | last.keys()):
            last["content"] = f"{last['content']}\n\n{row['content']}"
        else:
            found.append(row)
    return found


def _row(message: Message, role: str) -> Row:
    row: Row = {"role": role, "content": message.text}
    if role == "tool":
        row["tool_call_id"] = message.call_id
    if message.calls:
        row["tool_calls"] = [_call(call) for call in message.calls]
    return row


def _call(call: ToolUse) -> Row:
    # broken arguments go back as an empty object: servers parse them, and would refuse the whole request
    return {
        "id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": json.dumps(dict(call.args), ensure_ascii=False)},
    }  # fmt: skip


def _tool(tool: ToolDef) -> Row:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
    }
