"""The chunks of an OpenAI-compatible stream, put together: text at once, tool calls when they are whole."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal

from jarvis_daemon.assistant.llm.contract import Done, Event, Text, ToolUse, Usage

REPLY_MAX: Final = 2_000_000
"""Characters of one reply; ``max_tokens`` ends any honest one far below."""
CALLS_MAX: Final = 64
Reason = Literal["stop", "length", "tool_calls"]


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class Reply:
    """One reply while it comes. ``ended``: the server told how it ended. ``began``: it has said anything."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._usage: Usage | None = None
        self._reason: Reason | None = None
        self._size = 0
        self.began = False

    @property
    def ended(self) -> bool:
        return self._reason is not None

    def take(self, chunk: dict[str, Any]) -> list[Event]:
        """What of ``chunk`` can be passed on now. Raises ``ValueError`` for what is no chunk."""
        found: list[Event] = []
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = usage_of(usage, chunk.get("timings"))
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise ValueError("a chunk without choices")
        for choice in choices[:1]:  # we ask for one
            if not isinstance(choice, dict):
                raise ValueError("a choice that is no object")
            delta = choice.get("delta")
            if isinstance(delta, dict):
                found += self._delta(delta)
            if (reason := choice.get("finish_reason")) is not None:
                self._reason = _reason(str(reason))
        return found

    def finish(self) -> list[Event]:
        """The end of a whole reply: tool calls in their order, usage, done."""
        calls: list[Event] = [_whole(call) for _, call in sorted(self._calls.items())]
        reason: Reason = self._reason or "stop"
        if calls and reason == "stop":
            reason = "tool_calls"
        return [*calls, *([self._usage] if self._usage else []), Done(reason)]

    def cut(self) -> list[Event]:
        """The usage of a reply that has no end, where it is known."""
        return [self._usage] if self._usage else []

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        found: list[Event] = []
        text = delta.get("content")
        if isinstance(text, str) and text:
            self._grow(len(text))
            found.append(Text(text))
        calls = delta.get("tool_calls")
        for place, part in enumerate(calls if isinstance(calls, list) else []):
            self._part(part, place)
        # a model that thinks aloud first has begun; what it thinks is not part of its reply
        if found or calls or delta.get("reasoning_content") or delta.get("reasoning"):
            self.began = True
        return found

    def _part(self, part: Any, place: int) -> None:
        if not isinstance(part, dict):
            raise ValueError("a part of a tool call that is no object")
        index = part.get("index", place)
        if not isinstance(index, int) or len(self._calls) >= CALLS_MAX:
            raise ValueError("more tool calls than anybody needs")
        call = self._calls.setdefault(index, _Call())
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        call.id = call.id or str(part.get("id") or "")
        call.name += str(function.get("name") or "")
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # a server that has parsed them already
            arguments = json.dumps(arguments)
        self._grow(len(arguments or ""))
        call.arguments += str(arguments or "")

    def _grow(self, by: int) -> None:
        self._size += by
        if self._size > REPLY_MAX:
            raise ValueError(f"a reply of more than {REPLY_MAX} characters")


def usage_of(usage: dict[str, Any], timings: Any = None) -> Usage:
    """Of a chunk's ``usage``, with llama-server's ``timings``. Numbers that are none count as 0."""
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    told = timings if isinstance(timings, dict) else {}
    kept = {name: float(told[name]) for name in ("prompt_ms", "predicted_ms") if _is_number(told.get(name))}
    return Usage(
        input=_count(usage.get("prompt_tokens")), output=_count(usage.get("completion_tokens")),
        cached=_count(cached), timings=kept,
    )  # fmt: skip


def call_id() -> str:
    """An id of ours, for a call whose maker gave none."""
    return f"call-{secrets.token_hex(4)}"


def _whole(call: _Call) -> ToolUse:
    given = call.id or call_id()
    if not call.arguments.strip():
        return ToolUse(given, call.name, {})
    try:
        args = json.loads(call.arguments)
    except (ValueError, RecursionError):
        args = None
    if not isinstance(args, dict):
        return ToolUse(given, call.name, {}, broken=call.arguments)
    return ToolUse(given, call.name, args)


def _reason(told: str) -> Reason:
    if told in {"tool_calls", "function_call"}:
        return "tool_calls"
    return "length" if told == "length" else "stop"


def _count(value: Any) -> int:
    return max(0, int(value)) if _is_number(value) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) < 1e15
