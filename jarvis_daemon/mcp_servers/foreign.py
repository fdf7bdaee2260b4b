"""A tool of another MCP server as one of the gate: RED unless the operator says otherwise, its output tainted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Output, Risk, Sentences

NAME_MAX: Final = 63
DESCRIPTION_MAX: Final = 1000
_TYPES: Final[dict[str, Any]] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list[Any], "object": dict[str, Any],
}  # fmt: skip

Call = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""(server, tool, arguments) -> what the worker brought back"""


class ForeignResult(Output):
    """What the other server answered: text from outside, cut where it was too long."""

    text: str = ""
    data: dict[str, Any] | None = None
    """Its structured answer, where there is one."""
    cut: bool = False


@dataclass(frozen=True)
class ForeignSpec(ToolSpec):
    """``schema``: the arguments as the other server declares them, cleaned."""

    schema: Mapping[str, Any] = field(default_factory=dict)

    def input_schema(self) -> dict[str, Any]:
        return dict(self.schema)


def tool_name(server: str, tool: str) -> str:
    """``NAME_tool`` in the letters that a name of ours may have."""
    return f"{server}_{re.sub(r'[^a-z0-9]+', '_', tool.lower()).strip('_')}"[:NAME_MAX]


def build(server: str, definition: Mapping[str, Any], tier: Tier, timeout_s: float, call: Call) -> ForeignSpec:
    """The spec. ``definition`` as the worker tells it: ``name``, ``description``, ``input_schema``."""
    tool = str(definition["name"])
    schema = _object(_cleaned(definition.get("input_schema")))
    shown = clean(tool, limit=80)
    about = clean_block(str(definition.get("description") or ""), limit=DESCRIPTION_MAX).strip()
    names = _names(schema)

    async def run(args: Any, target: Target, act: Act) -> ForeignResult:
        given = {
            names[key]: value for key, value in msgspec.structs.asdict(args).items() if value is not msgspec.UNSET
        }
        if tier is Tier.GREEN:
            return _result(await call(server, tool, given))
        async with act.step(f"calls {shown} of the MCP server {server}"):
            return _result(await call(server, tool, given))

    def risk(args: Any, target: Target, ctx: Context) -> Risk:
        effects = (f"It belongs to the MCP server {server}: what it does cannot be checked here.",)
        return Risk(effects=effects if tier is not Tier.GREEN else ())

    return ForeignSpec(
        name=tool_name(server, tool), room="mcp", tier=tier, schema=schema,
        description=f"Of the MCP server {server}, in its own words: {about or '(none)'}",
        args=_struct(schema, names), output=ForeignResult, run=run, risk=risk,
        resolve=lambda args, ctx: Target(f"mcp:{server}/{shown}", f"{server}/{shown}", "mcp"),
        sentences=Sentences(f"Call {shown} of the MCP server {server}"), timeout_s=timeout_s, open_world=True,
        tainted=True, concurrency=2,
    )  # fmt: skip


def _result(answer: dict[str, Any]) -> ForeignResult:
    data = answer.get("data")
    return ForeignResult(
        text=clean_block(str(answer.get("text", "")), limit=1 << 16),
        data=_cleaned(data) if isinstance(data, dict) else None, cut=bool(answer.get("cut")),
    )  # fmt: skip


def _object(schema: Any) -> dict[str, Any]:
    """An object's schema, whatever was declared: one bad tool must not spoil the list of all."""
    given: dict[str, Any] = schema if isinstance(schema, dict) else {}
    properties, required = given.get("properties"), given.get("required")
    declared = properties if isinstance(properties, dict) else {}
    return given | {
        "type": "object",
        "properties": {name: kind if isinstance(kind, dict) else {} for name, kind in declared.items()},
        "required": [name for name in required if isinstance(name, str) and name in declared]
        if isinstance(required, list)
        else [],
    }  # fmt: skip


def _names(schema: Mapping[str, Any]) -> dict[str, str]:
    """Field of the struct to the argument's own name, which may be no identifier."""
    return {f"argument_{number}": str(name) for number, name in enumerate(schema["properties"])}


def _struct(schema: Mapping[str, Any], names: Mapping[str, str]) -> type[msgspec.Struct]:
    """Names and plain types are checked here, the rest by the other server."""
    needed = set(schema["required"])
    fields: list[Any] = []
    for key, name in names.items():
        kind = schema["properties"][name].get("type")
        wanted = _TYPES.get(kind, Any) if isinstance(kind, str) else Any
        fields.append((key, wanted) if name in needed else (key, wanted | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(
        "ForeignArgs", fields, kw_only=True, forbid_unknown_fields=True, rename=dict(names)
    )  # fmt: skip


def _cleaned(value: Any) -> Any:
    """Every text in it without escapes and invisible characters."""
    if isinstance(value, str):
        return clean_block(value, limit=1 << 14)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(key), limit=200): _cleaned(item) for key, item in value.items()}
    return value
