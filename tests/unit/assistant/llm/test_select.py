"""Choices from a schema: bounded schemas, what is read of a choice, how a request without tools is told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon.assistant.llm.choosing import Words, choosing, told
from jarvis_daemon.assistant.llm.contract import Done, Failed, Message, Request, Text, ToolDef, ToolUse, Usage
from jarvis_daemon.assistant.llm.select import arguments, parse_selection, selection_schema
from tests.unit.assistant.llm.toys import NODE, REBOOT, asks
from tests.unit.assistant.llm.toys import told as listened

TOOLS = [NODE, REBOOT]


class Disk(msgspec.Struct):
    storage: str
    size: int = 8


class Birth(msgspec.Struct):
    """Arguments as our tools declare them."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)]
    cores: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    share: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    above: Annotated[int, msgspec.Meta(gt=3, lt=9)] = 4
    node: str | None = None
    disks: list[Disk] = []
    on: bool = False


def schema_of(kind: type) -> dict[str, Any]:
    (schema,), defs = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {**schema, "$defs": defs}


def every(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from every(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from every(value)


def test_what_our_tools_declare_has_an_end_everywhere_and_no_references() -> None:
    found = arguments(schema_of(Birth))
    for part in every(found):
        match part.get("type"):
            case "string":
                assert 0 < part["maxLength"] <= 1000
            case "integer" | "number":
                assert {"minimum", "maximum"} <= part.keys()
            case "array":
                assert part["maxItems"] == 8
            case "object":
                assert part["additionalProperties"] is False
        assert "$ref" not in part
    fields = found["properties"]
    assert found["required"] == ["name"]
    assert fields["cores"] == {"type": "integer", "minimum": 1, "maximum": 64}
    assert fields["above"] == {"type": "integer", "minimum": 4, "maximum": 8}
    assert fields["share"] == {"type": "number", "minimum": 0, "maximum": 1_000_000}
    assert fields["node"] == {"type": "string", "maxLength": 200}, "what is optional can be left out"
    assert fields["disks"]["items"]["properties"]["size"]["maximum"] == 1_000_000


def test_every_tool_of_the_house_can_be_told_as_a_grammar() -> None:
    circle = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert arguments(circle)["properties"]["a"] == {"type": "string", "maxLength": 200}
    deep: dict[str, Any] = {"type": "object", "properties": {}}
    for _ in range(50):
        deep = {"type": "object", "properties": {"in": deep}}
    assert len(json.dumps(arguments(deep))) < 2000
    many = {"type": "object", "properties": {"id": {"enum": [f"guest:{n}" for n in range(5000)]}}}
    assert arguments(many)["properties"]["id"] == {"type": "string", "maxLength": 200}
    assert arguments({"type": "string"}) == arguments({}) | {"properties": {}}
    assert arguments({"allOf": [{"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}]}) == {
        "type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 1_000_000}},
        "required": [], "additionalProperties": False,
    }  # fmt: skip


def test_the_choice_is_one_of_the_tools_or_a_reply() -> None:
    schema = selection_schema(TOOLS)
    assert [choice["properties"]["do"]["const"] for choice in schema["oneOf"]] == [
        "get_node_status", "reboot_guest", "reply",
    ]  # fmt: skip
    assert schema["oneOf"][0]["properties"]["args"]["properties"]["node"] == {"enum": ["pve", "agent1"]}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ('{"do": "reply", "text": "Hello, sir."}', "Hello, sir."),
        ('```json\n{"do": "reply", "text": "Hello"}\n```', "Hello"),
        ('{"do": "reply", "text": "Hello"} and more', "Hello"),
        ("It is warm.", "It is warm."),
        ('{"do": "reply"}', None), ('{"do": 7}', None), ('{"do": "reply", "te', None), ("", None), ("[1]", "[1]"),
    ],
)  # fmt: skip
def test_words(text: str, choice: str | None) -> None:
    assert parse_selection(text, TOOLS) == choice


def test_tools() -> None:
    found = parse_selection('{"do": "get_node_status", "args": {"node": "pve"}}', TOOLS)
    assert isinstance(found, ToolUse)
    assert (found.name, found.args, found.broken) == ("get_node_status", {"node": "pve"}, "")
    other = parse_selection('{"do": "get_node_status", "args": {"node": "pve"}}', TOOLS)
    assert isinstance(other, ToolUse)
    assert found.id != other.id
    odd = parse_selection('{"do": "wipe_disk", "args": [1]}', TOOLS)
    assert isinstance(odd, ToolUse)
    assert (odd.name, odd.args, odd.broken) == ("wipe_disk", {}, "[1]")


def test_what_went_before_is_told_as_text() -> None:
    request = Request(
        [
            Message("system", "You are a butler."),
            Message("user", "How is pve?"),
            Message("assistant", "Let me look.", calls=(ToolUse("c1", "get_node_status", {"node": "pve"}),)),
            Message("tool", '{"status": "online"}', call_id="c1"),
        ],
        tools=TOOLS,
    )
    plain = told(request)
    assert plain.tools == ()
    assert plain.schema == selection_schema(TOOLS)
    assert [message.role for message in plain.messages] == ["system", "system", "user", "assistant", "user"]
    how = plain.messages[1].text
    assert "- get_node_status(node: pve|agent1): How a node is." in how
    assert "- reboot_guest(guest: string, wait_s: integer?): Restart a guest." in how
    called = plain.messages[3].text.splitlines()[-1]
    choice = parse_selection(called, TOOLS)
    assert isinstance(choice, ToolUse), "a model sees its earlier choices as it has to write them"
    assert plain.messages[4].text == 'Result of get_node_status:\n{"status": "online"}'


@given(st.text(max_size=60), st.booleans(), st.lists(st.integers(0, 400), max_size=12))
def test_the_words_of_a_reply_come_while_it_comes(reply: str, ascii_only: bool, cuts: list[int]) -> None:
    whole = ' {"do" : "reply","text": ' + json.dumps(reply, ensure_ascii=ascii_only) + "}"
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    words = Words()
    pieces = [words.take(whole[begin:end]) for begin, end in itertools.pairwise(places)]
    assert "".join(pieces) == reply


@pytest.mark.parametrize("broken", [r"a\ud83d", r"a\ud83dxx", r"\uZZZZ!", r"\udc00"])
def test_half_a_sign_is_never_passed_on(broken: str) -> None:
    found = Words().take('{"do":"reply","text":"' + broken + '"}')
    found.encode()


async def play(*events: Any, tools: list[ToolDef] = TOOLS) -> list[Any]:
    async def stream(request: Request) -> Any:
        for event in events:
            yield event

    return await listened(choosing(stream, asks("x", tools=tools), "The toy"))


async def test_a_choice_looks_as_if_the_model_had_called_the_tool() -> None:
    text = '{"do": "reboot_guest", "args": {"guest": "plex"}}'
    use, usage, done = await play(*[Text(sign) for sign in text], Usage(9, 4), Done())
    assert (use.name, use.args, usage, done) == ("reboot_guest", {"guest": "plex"}, Usage(9, 4), Done("tool_calls"))


async def test_prose_of_a_server_that_knows_no_schemas_is_passed_on_as_it_comes() -> None:
    events = await play(Text("It "), Text("is warm."), Usage(9, 4), Done())
    assert events == [Text("It "), Text("is warm."), Usage(9, 4), Done()]


async def test_a_choice_that_was_cut_off_is_a_broken_call_and_half_a_reply_is_half_a_reply() -> None:
    (use, done) = await play(Text('{"do": "reboot_guest", "args": {"gue'), Done("length"))
    assert (use.name, use.args, done) == ("reboot_guest", {}, Done("tool_calls"))
    assert use.broken.endswith('{"gue')
    assert await play(Text('{"do": "reply", "text": "It is wa'), Done("length")) == [
        Text("It is wa"), Done("length"),
    ]  # fmt: skip


async def test_what_is_no_choice_is_a_failure_and_failures_pass() -> None:
    usage, failed = await play(Text('{"what": 7}'), Usage(9, 4), Done())
    assert isinstance(failed, Failed)
    assert (usage, failed.why) == (Usage(9, 4), "bad_reply")
    assert await play(Text('{"do": "re'), Failed("cut", "gone")) == [Failed("cut", "gone")]
