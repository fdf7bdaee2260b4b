"""A request with tools, for a model that calls none by itself: told as text, answered by a choice from a schema.

To whoever asks it looks as if the model had called the tools itself. The words of a reply are passed on while they
come, out of the JSON they stand in.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from jarvis_daemon.assistant.llm.chunks import call_id
from jarvis_daemon.assistant.llm.contract import (
    Done,
    Event,
    Failed,
    Message,
    Request,
    Text,
    ToolDef,
    ToolUse,
    Usage,
)
from jarvis_daemon.assistant.llm.select import REPLY, TOOLS_MAX, arguments, parse_selection, selection_schema

_HOW: Final = (
    "Answer with one JSON object and nothing else.\n"
    'To talk to the person: {"do": "reply", "text": "your words"}\n'
    'To use a tool: {"do": "its name", "args": {its arguments}}\n'
    "Use a tool only where it is needed; reply as soon as you can.\nTools:\n"
)
_REPLY: Final = re.compile(r'\s*\{\s*"do"\s*:\s*"' + REPLY + r'"\s*,\s*"text"\s*:\s*"')
_BROKEN: Final = re.compile(r'\s*\{\s*"do"\s*:\s*"([A-Za-z0-9_]{1,64})"')
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", '"': '"', "\\": "\\"}
DESCRIPTION_MAX: Final = 160


async def choosing(
    stream: Callable[[Request], AsyncIterator[Event]], request: Request, who: str
) -> AsyncGenerator[Event]:  # fmt: skip
    """``stream``'s events with the choice made out of its text. ``who`` begins the sentence of a failure."""
    words, passed, usage = Words(), False, list[Event]()
    inner = stream(told(request))
    async with contextlib.aclosing(inner) if isinstance(inner, AsyncGenerator) else contextlib.nullcontext():
        async for event in inner:
            match event:
                case Text(text):
                    if piece := words.take(text):
                        passed = True
                        yield Text(piece)
                case Usage():
                    usage.append(event)
                case Done(reason):
                    for last in _ending(words, passed, reason == "length", request.tools, usage, who):
                        yield last
                    return
                case Failed():
                    for known in usage:
                        yield known
                    yield event
                    return
                case ToolUse():  # of a server that knows better than its settings
                    yield event


def _ending(
    words: Words, passed: bool, at_length: bool, tools: Sequence[ToolDef], usage: list[Event], who: str
) -> list[Event]:  # fmt: skip
    choice = parse_selection(words.all, tools)
    if isinstance(choice, ToolUse):
        return [choice, *usage, Done("tool_calls")]
    if passed:
        return [*usage, Done("length" if at_length else "stop")]
    if choice is not None:
        return [Text(choice), *usage, Done("length" if at_length else "stop")]
    if broken := _BROKEN.match(words.all):
        return [ToolUse(call_id(), broken[1], {}, broken=words.all), *usage, Done("tool_calls")]
    return [*usage, Failed("bad_reply", f"{who} chose nothing that can be read")]


class Words:
    """The words of a reply out of half a JSON document, all of a text that is none, nothing of a tool's choice."""

    def __init__(self) -> None:
        self.all = ""
        self._at: int | None = None
        self._plain = False
        self._ended = False

    def take(self, text: str) -> str:
        """The words that ``text`` adds."""
        self.all += text
        if self._at is None:
            if (begin := self.all.lstrip()[:1]) and begin not in "{`":
                began, self._plain = self._plain, True
                return text if began else self.all
            if (match := _REPLY.match(self.all)) is None:
                return ""
            self._at = match.end()
        return "" if self._ended else self._read()

    def _read(self) -> str:
        found: list[str] = []
        at, end = self._at or 0, len(self.all)
        while at < end:
            sign = self.all[at]
            if sign == '"':
                self._ended = True
                break
            if sign != "\\":
                found.append(sign)
                at += 1
                continue
            piece, length = self._escape(at)
            if not length:
                break  # its other half has not come yet
            found.append(piece)
            at += length
        self._at = at
        return "".join(found)

    def _escape(self, at: int) -> tuple[str, int]:
        """What an escape stands for and how long it is; 0 while it is not whole."""
        kind = self.all[at + 1 : at + 2]
        if kind != "u":
            return _ESCAPES.get(kind, kind), 2 if kind else 0
        first = _hex(self.all[at + 2 : at + 6])
        if first is None:
            return ("", 0) if len(self.all) < at + 6 else ("\ufffd", 2)
        if not 0xD800 <= first < 0xDC00:
            return ("\ufffd" if 0xDC00 <= first < 0xE000 else chr(first)), 6
        if len(self.all) < at + 12:
            return "", 0
        second = _hex(self.all[at + 8 : at + 12]) if self.all[at + 6 : at + 8] == "\\u" else None
        if second is None or not 0xDC00 <= second < 0xE000:
            return "\ufffd", 6
        return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12


def _hex(digits: str) -> int | None:
    try:
        return int(digits, 16) if len(digits) == 4 else None
    except ValueError:
        return None


def told(request: Request) -> Request:
    """The same request without tools: they stand in the system's message, what was called in the conversation."""
    names: dict[str, str] = {}
    rest: list[Message] = []
    for message in request.messages:
        names |= {call.id: call.name for call in message.calls}
        rest.append(_plain(message, names))
    how = Message("system", _HOW + "\n".join(_line(tool) for tool in request.tools[:TOOLS_MAX]))
    begin = next((number for number, each in enumerate(rest) if each.role != "system"), len(rest))
    return replace(
        request, messages=[*rest[:begin], how, *rest[begin:]], tools=(), schema=selection_schema(request.tools)
    )  # fmt: skip


def _plain(message: Message, names: Mapping[str, str]) -> Message:
    if message.role == "tool":
        return Message("user", f"Result of {names.get(message.call_id, 'the tool')}:\n{message.text}")
    if not message.calls:
        return message
    chosen = [json.dumps({"do": call.name, "args": dict(call.args)}, ensure_ascii=False) for call in message.calls]
    return Message("assistant", "\n".join([message.text, *chosen] if message.text else chosen))


def _line(tool: ToolDef) -> str:
    shape: dict[str, Any] = arguments(tool.schema)
    wanted = set(shape["required"])
    args = ", ".join(
        f"{name}: {_kind(each)}" + ("" if name in wanted else "?") for name, each in shape["properties"].items()
    )
    description = " ".join(tool.description.split())
    if len(description) > DESCRIPTION_MAX:
        description = description[: DESCRIPTION_MAX - 1] + "…"
    return f"- {tool.name}({args}): {description}"


def _kind(schema: Mapping[str, Any]) -> str:
    if isinstance(enum := schema.get("enum"), list):
        return "|".join(str(value) for value in enum[:8])
    if isinstance(options := schema.get("anyOf"), list):
        return "|".join(dict.fromkeys(_kind(option) for option in options))
    return str(schema.get("const") or schema.get("type") or "value")
