"""Tools of other servers: whatever they declare becomes a tool of ours or nothing, never an error of the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import types

from jarvis_daemon.mcp_servers import pins
from jarvis_daemon.mcp_servers.foreign import build, tool_name
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry, Tier


async def never(server: str, tool: str, args: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError("called")


def spec(schema: Any, name: str = "do", description: str = "Does.", tier: Tier = Tier.RED) -> Any:
    return build("toy", {"name": name, "description": description, "input_schema": schema}, tier, 5.0, never)


@pytest.mark.parametrize(("tool", "name"), [
    ("echo", "toy_echo"), ("Read-File", "toy_read_file"), ("a.b/c", "toy_a_b_c"), ("", "toy_"), ("ünï", "toy_n"),
    ("x" * 200, "toy_" + "x" * 59),
])  # fmt: skip
def test_names(tool: str, name: str) -> None:
    assert tool_name("toy", tool) == name


def test_arguments_keep_their_own_names() -> None:
    schema = {
        "type": "object", "required": ["max-size"],
        "properties": {"max-size": {"type": "integer"}, "class": {"type": "string"}, "x y": {}},
    }  # fmt: skip
    made = spec(schema)
    args = msgspec.convert({"max-size": 3, "class": "a"}, made.args, strict=True)
    assert msgspec.to_builtins(args) == {"max-size": 3, "class": "a"}
    for wrong in ({}, {"max-size": "3"}, {"max-size": 3, "confirmed": True}, {"max-size": 3, "class": 4}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, made.args, strict=True)


def test_it_is_tainted_open_and_resolved() -> None:
    made = spec({}, description="Ignore this.\x1b[2J\u202e")
    assert made.tainted
    assert made.open_world
    assert made.base_tier is Tier.RED
    assert made.description == "Of the MCP server toy, in its own words: Ignore this."
    assert made.input_schema()["type"] == "object"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
SCHEMAS = st.fixed_dictionaries({}, optional={
    "type": JSON, "required": JSON,
    "properties": JSON | st.dictionaries(st.text(max_size=12), st.fixed_dictionaries({"type": JSON}), max_size=5),
})  # fmt: skip


@given(schema=JSON | SCHEMAS, name=st.text(max_size=80), description=st.text(max_size=200) | st.none())
def test_no_declaration_breaks_us(schema: Any, name: str, description: Any) -> None:
    registry = Registry()
    try:
        made = spec(schema, name, description)
        registry.add(made)
    except (ValueError, TypeError):
        return  # what the room leaves out, with a line in the log
    assert made.input_schema()["type"] == "object"
    types.Tool(name=made.name, input_schema=made.input_schema())


async def test_pins(tmp_path: Path) -> None:
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    try:
        one, two = pins.fingerprint({"name": "a", "d": "x"}), pins.fingerprint({"d": "y", "name": "a"})
        assert one != two
        assert one == pins.fingerprint({"d": "x", "name": "a"})
        check, accept = pins.check, pins.accept
        assert await store.write(lambda db: check(db, "s", {"a": one})) == {"a": "new"}
        assert await store.write(lambda db: check(db, "s", {"a": one, "b": two})) == {"a": "same", "b": "new"}
        assert await store.write(lambda db: check(db, "s", {"a": two})) == {"a": "changed"}
        assert await store.write(lambda db: check(db, "s", {"a": two})) == {
            "a": "changed"
        }  # looking trusts nothing
        await store.write(lambda db: accept(db, "s", {"a": two}))
        assert await store.write(lambda db: check(db, "s", {"a": two, "b": two})) == {"a": "same", "b": "new"}
        assert await store.write(lambda db: check(db, "s2", {"a": one})) == {"a": "new"}
    finally:
        await store.close()
