"""How tools and outcomes look to an MCP client: every outcome, with an answer that keeps to its own schema."""

from __future__ import annotations

import sys
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from jarvis_daemon.mcp_bridge import extra, prompts, tools
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import Outcome, ToolInfo, ToolOutcome

RESULT_SCHEMA = {
    "type": "object", "properties": {"disk": {"$ref": "#/$defs/Disk"}}, "required": ["disk"],
    "$defs": {"Disk": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}},
}  # fmt: skip


def tool(tier: str, **changes: Any) -> Any:
    info = ToolInfo(name="x", title="x", description="Does x.", tier=tier, room="r", output_schema=RESULT_SCHEMA)
    return tools.describe(msgspec.to_builtins(info) | changes)


def outcome(word: str, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(
        ToolOutcome(call_id="c1", tool="x", tier="red", text="It happened.")
    )
    return found | {"outcome": word} | changes


@pytest.mark.parametrize(("tier", "reads", "destroys"), [
    ("green", True, False), ("yellow", False, False), ("red", False, True), ("black", False, True),
])  # fmt: skip
def test_annotations_follow_the_tier(tier: str, reads: bool, destroys: bool) -> None:
    shown = tool(tier)
    assert shown.annotations.read_only_hint is reads
    assert shown.annotations.destructive_hint is destroys
    assert shown.meta["jarvis/tier"] == tier
    assert (shown.output_schema == RESULT_SCHEMA) is reads


def test_a_tier_that_is_not_known_is_never_read_only() -> None:
    assert tool("purple").annotations.read_only_hint is False


@pytest.mark.parametrize("word", get_args(Outcome))
@pytest.mark.parametrize("tainted", [False, True])
def test_every_outcome_of_a_write_keeps_to_the_schema(word: str, tainted: bool) -> None:
    result = {"disk": {"size": 3}} if word in {"verified", "unverified", "contradicted"} else {}
    given = outcome(word, tainted=tainted, result=result, approval_id="a1" if word == "awaiting" else None)
    shown = tools.answer(given, read_only=False)
    jsonschema.validate(shown.structured_content, tool("red").output_schema)
    assert shown.is_error is (word not in {"done", "planned", "awaiting", "verified"})
    assert "It happened." in shown.content[0].text
    assert shown.structured_content["outcome"] == word
    if word == "awaiting":
        assert "nothing was done yet" in shown.content[0].text
        assert "a1" in shown.structured_content["next"]
    marked = any(part.text == tools.DATA for part in shown.content)
    assert marked is (tainted and bool(result))


def test_a_read_answers_its_result_and_marks_what_is_tainted() -> None:
    plain = tools.answer(outcome("done", result={"disk": {"size": 3}}), read_only=True)
    assert plain.structured_content == {"disk": {"size": 3}}
    assert len(plain.content) == 1
    tainted = tools.answer(outcome("done", result={"disk": {"size": 3}}, tainted=True), read_only=True)
    assert tainted.content[0].text == tools.DATA
    assert tainted.meta["jarvis/tainted"] is True


def test_a_refused_read_has_no_result_that_could_be_taken_for_one() -> None:
    shown = tools.answer(outcome("refused", why="it is dark", next="Look."), read_only=True)
    assert shown.is_error
    assert shown.structured_content is None
    assert shown.content[0].text == "It happened. Why: it is dark. Next: Look."


def test_what_an_older_daemon_leaves_out_is_as_the_contract_defaults_it() -> None:
    shown = tools.answer({"outcome": "refused", "text": "No."}, read_only=False)
    assert shown.is_error
    assert shown.structured_content["tier"] == "black"


def test_an_argument_of_a_prompt_is_one_clean_line() -> None:
    long = prompts.get("why_is_guest_slow", {"guest": "x" * 500 + "\n\u202eevil"})
    text = getattr(long.messages[0].content, "text", "")
    assert "\n" not in text
    assert "evil" not in text


@pytest.mark.parametrize(("missing", "command"), [
    ({"mcp"}, f"{sys.executable} -m pip install"), ({"mcp", "pip"}, f"uv pip install --python {sys.executable}"),
])  # fmt: skip
def test_a_missing_extra_is_told_with_the_command(
    monkeypatch: pytest.MonkeyPatch, missing: set[str], command: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else object())
    with pytest.raises(JarvisError) as caught:
        extra.require()
    assert "mcp" in caught.value.why
    assert f"{command} 'mcp" in caught.value.next
