"""A real llama.cpp server with real weights: streaming, choices from a schema, cancellation, overflow, its death in
the middle of a reply."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.admin.runbook_check import known_tools
from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.contract import (
    Began,
    Done,
    Failed,
    Message,
    Request,
    Switched,
    Text,
    ToolDef,
    ToolUse,
    Usage,
    Wish,
)
from jarvis_daemon.assistant.llm.embedded import SAMPLING
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.llm.select import selection_schema
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.settings.assistant import AssistantSettings
from tests.llama import MODEL, N_CTX, Llama
from tests.unit.assistant.llm.toys import NODE, REBOOT, Toy, asks, places, told, words

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    with Llama() as found:
        yield found


@pytest.fixture
async def model(llama: Llama, home: Path) -> AsyncIterator[LocalModel]:
    found = LocalModel(llama.settings(), places(home), SystemClock())
    yield found
    await found.close()


async def test_it_streams_and_counts(model: LocalModel) -> None:
    request = asks("Say hello", max_tokens=16, seed=1)
    events = await told(model.stream(request))
    *pieces, usage, done = events
    assert len(pieces) > 5
    assert all(isinstance(piece, Text) for piece in pieces)
    assert isinstance(usage, Usage)
    assert usage.output in {len(pieces), len(pieces) + 1}, "one token a piece; the end is one too"
    assert usage.input > 5
    assert usage.timings["prompt_ms"] > 0
    assert isinstance(done, Done)
    assert words(await told(model.stream(request))) == words(events), "temperature 0 and a seed: the same again"


async def test_a_prompt_that_it_has_seen_is_cached(model: LocalModel) -> None:
    request = asks("The quick brown fox jumps over the lazy dog. " * 6, max_tokens=2)
    await told(model.stream(request))
    (usage,) = [event for event in await told(model.stream(request)) if isinstance(event, Usage)]
    assert usage.cached > usage.input // 2


async def test_what_it_tells_of_itself(model: LocalModel) -> None:
    state = await model.state()
    assert (state.ok, state.model, state.window) == (True, MODEL, N_CTX)
    assert await model.count("Hello world, 12") == 6
    assert await model.window() == N_CTX


QUESTIONS = [
    "How is the node pve?", "restart plex", "Hello, who are you?", "Reboot the guest called nextcloud now",
    "Is agent1 all right?", "What is 2 + 2?", "Do nothing.", "Wie geht es dem Knoten pve?",
]  # fmt: skip
WIDE = ToolDef(
    "resize_disk", "Make a disk larger.",
    {"type": "object", "properties": {
        "guest": {"type": "string"}, "by_gib": {"type": "integer"}, "disks": {"type": "array", "items": {}},
        "share": {"type": "number", "maximum": 1}, "start": {"type": "boolean"},
        "where": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }, "required": ["guest", "by_gib", "disks", "share", "start", "where"]},
)  # fmt: skip


async def test_every_choice_is_valid(llama: Llama, home: Path) -> None:
    """So small a model would turn in circles within a string; what keeps it from that is the embedded model's."""
    model = LocalModel(llama.settings(), places(home), SystemClock(), sampling=SAMPLING)
    tools = [NODE, REBOOT, WIDE]
    for question in QUESTIONS:
        events = await told(model.stream(asks(question, tools=tools, max_tokens=200)))
        choice, done = events[0], events[-1]
        assert isinstance(done, Done), f"{question}: {events}"
        if isinstance(choice, ToolUse):
            assert choice.broken == "", f"{question}: {events}"
            (tool,) = [tool for tool in tools if tool.name == choice.name]
            assert set(tool.schema["required"]) <= choice.args.keys() <= tool.schema["properties"].keys()
            assert len(json.dumps(choice.args)) < 1000, "nothing is without an end"
        else:
            assert words(events).strip(), question
    await model.close()


async def test_every_tool_of_the_house_is_a_grammar_that_the_server_takes(model: LocalModel, home: Path) -> None:
    specs = (await known_tools(places(home))).all()
    assert len(specs) > 60
    tools = [ToolDef(spec.name, spec.description, spec.input_schema()) for spec in specs]
    for at in range(0, len(tools), 12):
        schema = selection_schema(tools[at : at + 12])
        events = await told(model.stream(Request([Message("user", "hi")], schema=schema, max_tokens=3)))
        assert isinstance(events[-1], Done), f"{[tool.name for tool in tools[at : at + 12]]}: {events[-1]}"
        assert words(events).lstrip().startswith("{")


async def test_a_reply_comes_in_pieces_out_of_its_json(model: LocalModel) -> None:
    messages = [Message("user", "Tell me a long story about the sea.")]
    only = ToolDef("reply_only", "Never use this.", {"type": "object", "properties": {}})
    events = await told(model.stream(Request(messages, tools=[only], max_tokens=60)))
    texts = [event for event in events if isinstance(event, Text)]
    assert len(texts) > 3 or isinstance(events[0], ToolUse)
    assert '"do"' not in words(events)


async def test_leaving_ends_the_servers_work(llama: Llama, model: LocalModel) -> None:
    stream = model.stream(asks("Count to one thousand.", max_tokens=1800))
    seen = 0
    async for event in stream:
        seen += isinstance(event, Text)
        if seen == 3:
            break
    assert slot(llama)["is_processing"] is True
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):  # 1,800 tokens would take longer
        while slot(llama)["is_processing"]:
            await asyncio.sleep(0.02)
    assert isinstance((await told(model.stream(asks("hi", max_tokens=2))))[-1], Done)


async def test_a_cancelled_task_ends_the_servers_work(llama: Llama, model: LocalModel) -> None:
    began = asyncio.Event()

    async def listen() -> None:
        async for _ in model.stream(asks("Count to one thousand.", max_tokens=1800)):
            began.set()

    task = asyncio.ensure_future(listen())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while slot(llama)["is_processing"]:
            await asyncio.sleep(0.02)


async def test_an_overflow_has_its_figures(model: LocalModel) -> None:
    (failed,) = await told(model.stream(asks("hello " * 3000)))
    assert isinstance(failed, Failed)
    assert (failed.why, failed.window) == ("overflow", N_CTX)
    assert failed.prompt_tokens is not None
    assert failed.prompt_tokens > 3000


async def test_a_server_with_a_key(home: Path) -> None:
    with Llama(key="abc-123") as locked:
        model = LocalModel(locked.settings(), places(home), SystemClock())
        (failed,) = await told(model.stream(asks("hi")))
        assert failed.why == "auth"
        (home / "key").write_text("abc-123")
        (home / "key").chmod(0o600)
        opened = LocalModel(locked.settings(key_file="key"), places(home), SystemClock())
        assert words(await told(opened.stream(asks("hi", max_tokens=4))))
        await model.close()
        await opened.close()


async def test_killed_in_the_middle_the_next_one_answers(home: Path) -> None:
    with Llama() as dying:
        local = LocalModel(dying.settings(), places(home), SystemClock())
        brain = ModelBrain(AssistantSettings(), [local, Toy("cloud")], SystemClock())
        events: list[Any] = []
        async for event in brain.stream(asks("Count to one thousand.", max_tokens=1500), Wish("count", turn=1)):
            events.append(event)
            if len([it for it in events if isinstance(it, Text)]) == 5 and not isinstance(events[-1], Switched):
                dying.kill()
        at = next(number for number, event in enumerate(events) if isinstance(event, Switched))
        assert events[at].spoiled
        assert "in the middle of its reply" in events[at].text
        assert events[at + 1 :] == [
            Began("cloud", "toy-cloud", "it stands in for the other one"),
            Text("cloud"),
            Done(),
        ]
        (again, *_) = await told(brain.stream(asks("hi"), Wish("hi", turn=2)))
        assert again == Began("local", MODEL, "routine"), "one failure is no reason to leave it alone"
        await brain.close()


def slot(llama: Llama) -> dict[str, Any]:
    with urllib.request.urlopen(f"{llama.url}/slots", timeout=5) as answer:
        (row,) = json.load(answer)
    found: dict[str, Any] = row
    return found
