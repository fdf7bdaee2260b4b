"""OpenAI's newer models, which litellm asks by the Responses API once tools are involved."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from jarvis_daemon.assistant.llm.contract import Done, Failed, Text, ToolUse, Usage
from tests.scripted import openai
from tests.unit.assistant.llm.cloud_yard import GUEST, CloudYard, ask

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def yard() -> AsyncIterator[CloudYard]:
    yard = CloudYard("openai/responses/gpt-5.4")
    await yard.start()
    yield yard
    await yard.stop()


async def test_text_calls_and_tokens(yard: CloudYard) -> None:
    guest = openai.Call(0, "c1", "get_guest", ['{"gue', 'st": "plex"}'])
    nodes = openai.Call(1, "c2", "get_nodes", [])
    answer = openai.responses("Let me look.", guest, nodes, tokens=(100, 7, 60))
    events = await yard.ask(answer, request=ask(tools=[GUEST]))
    assert [event for event in events if not isinstance(event, ToolUse)] == [
        Text("Let me look."), Usage(input=100, output=7, cached=60), Done("tool_calls"),
    ]  # fmt: skip
    found = [(event.name, dict(event.args)) for event in events if isinstance(event, ToolUse)]
    assert found == [("get_guest", {"guest": "plex"}), ("get_nodes", {})]
    assert yard.asked.path == "/v1/responses"
    assert "temperature" not in yard.asked.body, "they refuse one"
    assert yard.asked.body["max_output_tokens"] == 800


async def test_half_a_stream(yard: CloudYard) -> None:
    events = await yard.ask(openai.responses("Half a", cut=True), request=ask(tools=[GUEST]))
    assert events[0] == Text("Half a")
    assert isinstance(events[-1], Failed)
    assert events[-1].why == "cut"
