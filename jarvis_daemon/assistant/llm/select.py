"""Tools for models that do not call them by themselves: one JSON document chosen from a schema.

    {"do": "get_node_status", "args": {"node": "pve"}}        a tool
    {"do": "reply", "text": "It is 52 degrees."}              words to the person

The schema is a grammar to the server, so it may hold only what grammars can do, and nothing without an end: an
unbounded number of a small model has a hundred digits. What the arguments mean is judged by the gate, not here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jarvis_daemon.assistant.llm.chunks import call_id
from jarvis_daemon.assistant.llm.contract import ToolDef, ToolUse

REPLY: Final = "reply"
REPLY_MAX: Final = 2000
"""Characters of a reply."""
TOOLS_MAX: Final = 40
STRING: Final = 200
STRING_MAX: Final = 1000
WHOLE: Final = 1_000_000
"""Bounds of strings and numbers that declare none."""
ITEMS_MAX: Final = 8
ENUM_MAX: Final = 64
DEPTH_MAX: Final = 4
_FENCE: Final = re.compile(r"^```[a-z]*\s*|\s*```$", re.IGNORECASE)
Schema = Mapping[str, Any]


def selection_schema(tools: Sequence[ToolDef]) -> dict[str, Any]:
    """JSON Schema of one choice among ``tools`` (the first 40) and a reply."""
    choices = [
        _object({"do": {"const": tool.name}, "args": arguments(tool.schema)}, ("do", "args"))
        for tool in tools[:TOOLS_MAX]
    ]
    text = {"type": "string", "minLength": 1, "maxLength": REPLY_MAX}
    return {"oneOf": [*choices, _object({"do": {"const": REPLY}, "text": text}, ("do", "text"))]}


def parse_selection(text: str, tools: Sequence[ToolDef]) -> ToolUse | str | None:
    """A tool's use, the words of a reply, or None where it is neither. A tool of another name is passed on, for the
    loop to tell the model so; words that are no JSON are a reply of a server that knows no schemas."""
    bare = _FENCE.sub("", text.strip()).strip()
    if not bare.startswith("{"):
        return bare or None
    try:
        told, _ = json.JSONDecoder().raw_decode(bare)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(name := told.get("do"), str):
        return None
    if name == REPLY and REPLY not in {tool.name for tool in tools}:
        reply = told.get("text")
        return reply if isinstance(reply, str) and reply.strip() else None
    args = told.get("args", {})
    if not isinstance(args, dict):
        return ToolUse(call_id(), name, {}, broken=json.dumps(args))
    return ToolUse(call_id(), name, args)


def arguments(schema: Schema) -> dict[str, Any]:
    """The schema of a tool's arguments, as a grammar takes it: an object, even where it declares nothing."""
    defs = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
    found = _bounded(schema, defs, 0)
    return found if found.get("type") == "object" else _object({}, ())


def _bounded(schema: Any, defs: Schema, depth: int) -> dict[str, Any]:
    """``schema`` without references and with an end everywhere; what cannot be said becomes a string."""
    schema = _resolved(_mapping(schema), defs)
    if "const" in schema:
        return {"const": schema["const"]}
    if isinstance(enum := schema.get("enum"), list) and 0 < len(enum) <= ENUM_MAX:
        return {"enum": list(enum)}
    if depth > DEPTH_MAX:
        return _string({})
    for word in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(word), list) and options:
            return _any([_bounded(option, defs, depth + 1) for option in options])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _any([_bounded({**schema, "type": each}, defs, depth + 1) for each in kind])
    match kind:
        case "integer" | "number":
            return _number(schema, kind)
        case "boolean" | "null":
            return {"type": kind}
        case "array":
            return _array(schema, defs, depth)
        case "object":
            properties = _mapping(schema.get("properties"))
            wanted = schema.get("required")
            required = tuple(name for name in wanted if name in properties) if isinstance(wanted, list) else ()
            return _object({n: _bounded(each, defs, depth + 1) for n, each in properties.items()}, required)
    return _string(schema)


def _resolved(schema: Schema, defs: Schema) -> Schema:
    """Behind references, and behind an ``allOf`` of one. A circle ends as an empty schema, which is a string."""
    for _ in range(8):
        if isinstance(link := schema.get("$ref"), str):
            schema = _mapping(defs.get(link.rpartition("/")[2]))
        elif isinstance(whole := schema.get("allOf"), list) and len(whole) == 1:
            schema = _mapping(whole[0])
        else:
            return schema
    return {}


def _any(options: list[dict[str, Any]]) -> dict[str, Any]:
    """Without null: an argument that is optional can be left out, and a small model likes null too well."""
    kept = [option for option in options if option != {"type": "null"}]
    kept = [option for number, option in enumerate(kept) if option not in kept[:number]]
    if not kept:
        return {"type": "null"}
    return kept[0] if len(kept) == 1 else {"anyOf": kept}


def _string(schema: Schema) -> dict[str, Any]:
    most = min(_whole(schema.get("maxLength"), STRING), STRING_MAX)
    least = min(_whole(schema.get("minLength"), 0), most)
    return {"type": "string", **({"minLength": least} if least else {}), "maxLength": most}


def _number(schema: Schema, kind: str) -> dict[str, Any]:
    step = 1 if kind == "integer" else 0
    low, high = _bound(schema.get("minimum")), _bound(schema.get("maximum"))
    if (above := _bound(schema.get("exclusiveMinimum"))) is not None:
        low = above + step
    if (below := _bound(schema.get("exclusiveMaximum"))) is not None:
        high = below - step
    least = 0 if low is None else low
    most = max(WHOLE, least) if high is None else high
    if step:
        least, most = int(least), int(most)
    return {"type": kind, "minimum": least, "maximum": most}


def _array(schema: Schema, defs: Schema, depth: int) -> dict[str, Any]:
    most = min(_whole(schema.get("maxItems"), ITEMS_MAX), ITEMS_MAX)
    least = min(_whole(schema.get("minItems"), 0), most)
    items = _bounded(schema.get("items"), defs, depth + 1)
    return {"type": "array", "items": items, **({"minItems": least} if least else {}), "maxItems": most}


def _object(properties: Schema, required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False,
    }  # fmt: skip


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _bound(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
