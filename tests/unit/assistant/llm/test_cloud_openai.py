"""A model behind the OpenAI protocol through the real litellm in its real process, against a scripted provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon.assistant.llm.contract import Done, Failed, Text, ToolUse, Usage
from tests.scripted import Answer, Hold, openai
from tests.unit.assistant.llm.cloud_yard import GUEST, KEY, CloudYard, ask, text_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
MODEL = "openai/gpt-4.1"
PLEX = openai.Call(0, "call_1", "get_guest", ['{"gue', 'st": "pl', 'ex"}'])
GITEA = openai.Call(1, "call_2", "get_guest", ['{"guest": "gitea"}'])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def yard() -> AsyncIterator[CloudYard]:
    yard = CloudYard(MODEL)
    await yard.start()
    yield yard
    await yard.stop()


async def test_parallel_calls_in_interleaved_pieces(yard: CloudYard) -> None:
    answer = openai.stream("Let me", " look.", PLEX, GITEA, tokens=(120, 30))
    events = await yard.ask(answer, request=ask(tools=[GUEST]))
    assert events == [
        Text("Let me"), Text(" look."), ToolUse("call_1", "get_guest", {"guest": "plex"}),
        ToolUse("call_2", "get_guest", {"guest": "gitea"}), Usage(input=120, output=30), Done("tool_calls"),
    ]  # fmt: skip
    assert yard.asked.path == "/v1/chat/completions"
    assert yard.asked.headers["authorization"] == f"Bearer {KEY}"
    assert "cache_control" not in str(yard.asked.body), "that is another provider's"
    assert [row["role"] for row in yard.asked.body["messages"]] == ["system", "system", "user"]


async def test_what_the_provider_had_cached_is_counted_apart(yard: CloudYard) -> None:
    events = await yard.ask(openai.stream("ok", tokens=(1000, 20, 768)))
    assert Usage(input=1000, output=20, cached=768) in events


async def test_tokens_that_the_provider_did_not_tell_are_not_made_up(yard: CloudYard) -> None:
    events = await yard.ask(openai.stream("ok", tokens=None))
    assert events == [Text("ok"), Done("stop")]


async def test_cut_at_the_longest_answer(yard: CloudYard) -> None:
    events = await yard.ask(openai.stream("and so", finish="length"), request=ask(max_tokens=3))
    assert events[-1] == Done("length")
    assert yard.asked.body["max_tokens"] == 3


WRONG: dict[str, tuple[Answer, str, str]] = {
    "a wrong key": (openai.error(401, f"Incorrect API key provided: {KEY}"), "auth", "not accept our key; put"),
    "no credit": (
        openai.error(429, "You exceeded your current quota", code="insufficient_quota"), "auth", "current quota"
    ),
    "no such model": (openai.error(404, "The model `x` does not exist", code="model_not_found"), "missing", "`x`"),
    "broken": (openai.error(500, "The server had an error", kind="server_error"), "overloaded", "is overloaded"),
    "away": (openai.error(503, "Service unavailable"), "overloaded", "is overloaded"),
    "a page of a proxy": (
        Answer((b"<html>Bad gateway</html>",), 502, content_type="text/html"), "overloaded", "is overloaded"
    ),
    "refused": (openai.error(400, "Invalid schema for function"), "refused", "the question: Invalid schema"),
    "half a stream": (openai.stream("a", cut=True), "cut", "ended its reply in the middle"),
    "no end": (Answer(openai.stream("a").pieces[:-3]), "cut", "the stream ended before its end"),
    "no JSON": (Answer((b"data: {not json\n\n",)), "bad_reply", "answered what nobody understands"),
    "nothing": (Answer(), "bad_reply", "answered what nobody understands"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "said"), WRONG.values(), ids=list(WRONG))
async def test_what_goes_wrong(yard: CloudYard, answer: Answer, why: str, said: str) -> None:
    before = len(yard.provider.asked)
    failed = (await yard.ask(answer))[-1]
    assert isinstance(failed, Failed)
    assert failed.why == why, failed.text
    assert said in failed.text
    assert "itellm" not in failed.text
    assert KEY not in failed.text
    assert len(yard.provider.asked) == before + 1


async def test_too_many_questions_and_too_long_a_prompt(yard: CloudYard) -> None:
    (failed,) = await yard.ask(openai.error(429, "Rate limit reached", kind="requests", retry_after="2.5"))
    assert isinstance(failed, Failed)
    assert (failed.why, failed.retry_after_s) == ("rate_limit", 2.5)
    (failed,) = await yard.ask(openai.too_long(9_000, 8_192))
    assert isinstance(failed, Failed)
    assert (failed.why, failed.prompt_tokens, failed.window) == ("overflow", 9_000, 8_192)


async def test_going_away_reaches_the_provider_while_others_go_on(yard: CloudYard) -> None:
    hold, other = Hold(), Hold()
    yard.provider.answers.clear()
    yard.provider.answers.extend([openai.stream("On", hold, "ce"), openai.stream("Still", other, " here")])
    yard.provider.left.clear()
    going: Any = yard.model.stream(ask())
    assert await anext(going) == Text("On")
    staying: Any = yard.model.stream(ask())
    assert await anext(staying) == Text("Still")
    await going.aclose()
    async with asyncio.timeout(5):
        await yard.provider.left.wait()
    other.go.set()
    assert text_of([event async for event in staying]) == " here"


async def test_a_provider_that_nobody_reaches(yard: CloudYard) -> None:
    port = yard.provider.port
    await yard.provider.__aexit__(None, None, None)
    try:
        (failed,) = await yard.ask()
    finally:
        yard.provider.port = port
        await yard.provider.__aenter__()
    assert isinstance(failed, Failed)
    assert failed.why == "unreachable"
    assert text_of(await yard.ask(openai.stream("back"))) == "back"
