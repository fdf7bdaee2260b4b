"""A model's server that misbehaves, over real HTTP: each way of failing has its name, and nothing is raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.assistant.llm.contract import Done, Failed, Message, Request, Text, ToolUse, Usage
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.clock import Clock, ManualClock, SystemClock
from jarvis_daemon.settings import LocalModelSettings
from tests.scripted import Answer, Hold, Scripted, openai
from tests.unit.assistant.llm.toys import NODE, REBOOT, asks, places, told, words

Given = dict[str, Any]


class House:
    """A server and a model that asks it."""

    def __init__(self, home: Path) -> None:
        self.home, self.server = home, Scripted()
        self.models: list[LocalModel] = []

    def model(
        self, *, clock: Clock | None = None, simulated: bool = False, sampling: Given | None = None, **given: Any
    ) -> LocalModel:
        settings = LocalModelSettings.model_validate({"url": self.server.url, "model": "toy"} | given)
        found = LocalModel(
            settings, places(self.home), clock or SystemClock(), simulated=simulated, sampling=sampling
        )
        self.models.append(found)
        return found

    async def answers(self, *answers: Answer, request: Request | None = None, **given: Any) -> list[Any]:
        self.server.answers.extend(answers)
        return await told(self.model(**given).stream(request or asks("hello")))

    async def fails(self, *answers: Answer, **given: Any) -> Failed:
        *_, end = await self.answers(*answers, **given)
        assert isinstance(end, Failed)
        assert end.text.startswith("The local model's server at 127.0.0.1:")
        return end


@pytest.fixture
async def house(home: Path) -> AsyncIterator[House]:
    found = House(home)
    async with found.server:
        yield found
        for model in found.models:
            await model.close()


def sse(*data: str | Given, cut: bool = False) -> Answer:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in data]
    return Answer([f"data: {line}\n\n".encode() for line in lines], cut=cut)


# --- what is asked -----------------------------------------------------------------------------------------


async def test_what_is_sent(house: House) -> None:
    (house.home / "key").write_text("abc-123\n")
    (house.home / "key").chmod(0o600)
    calls = (ToolUse("c1", "get_node_status", {"node": "pve"}), ToolUse("c2", "reboot_guest", {}, broken="{"))
    request = Request(
        [
            Message("system", "You are a butler."), Message("system", "The house: 4 nodes."),
            Message("user", "How is pve?"), Message("assistant", "", calls=calls),
            Message("tool", "online", call_id="c1"), Message("tool", "no JSON", call_id="c2"),
            Message("system", "Be brief."), Message("user", "And?"),
        ],
        tools=[NODE], max_tokens=50, seed=7,
    )  # fmt: skip
    await house.answers(openai.stream("Well."), request=request, native_tools=True, key_file="key")
    (asked,) = house.server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == "Bearer abc-123"
    sent = asked.body
    assert [row["role"] for row in sent["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert sent["messages"][0]["content"] == "You are a butler.\n\nThe house: 4 nodes."
    assert sent["messages"][5]["content"] == "Be brief.\n\nAnd?"
    functions = [call["function"] for call in sent["messages"][2]["tool_calls"]]
    assert [json.loads(function["arguments"]) for function in functions] == [{"node": "pve"}, {}]
    assert sent["tools"][0]["function"]["name"] == "get_node_status"
    assert (sent["max_tokens"], sent["seed"], sent["stream_options"]) == (50, 7, {"include_usage": True})


async def test_a_model_that_calls_no_tools_gets_a_schema_instead(house: House) -> None:
    answer = openai.stream('{"do": "reboot_guest", ', '"args": {"guest": "plex"}}')
    events = await house.answers(answer, request=asks("x", tools=[NODE, REBOOT]))
    sent = house.server.asked[0].body
    assert "tools" not in sent
    assert sent["response_format"]["json_schema"]["schema"]["oneOf"]
    assert isinstance(events[0], ToolUse)
    assert events[0].args == {"guest": "plex"}


# --- what comes back ---------------------------------------------------------------------------------------


async def test_text_that_is_cut_in_the_middle_of_a_sign(house: House) -> None:
    whole = b"".join(p for p in openai.stream("Größe ", "🌡 日本").pieces if isinstance(p, bytes))
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    events = await house.answers(Answer(pieces))
    assert words(events) == "Größe 🌡 日本"
    assert events[-2:] == [Usage(input=12, output=5), Done()]


async def test_tool_calls_side_by_side_are_put_together(house: House) -> None:
    events = await house.answers(
        openai.stream(
            "Let me look.", openai.Call(0, "a", "get_node_status", ['{"no', 'de": "pve"}']),
            openai.Call(1, "b", "reboot_guest", ['{"guest"', ": "]), openai.Call(2, "c", "list_nodes", []),
            tokens=(90, 20, 64),
        ),
        native_tools=True, request=asks("x", tools=[NODE, REBOOT]),
    )  # fmt: skip
    assert events == [
        Text("Let me look."),
        ToolUse("a", "get_node_status", {"node": "pve"}),
        ToolUse("b", "reboot_guest", {}, broken='{"guest": '),
        ToolUse("c", "list_nodes", {}),
        Usage(input=90, output=20, cached=64), Done("tool_calls"),
    ]  # fmt: skip


async def test_servers_with_habits_of_their_own(house: House) -> None:
    call = {"index": 0, "function": {"name": "list_nodes", "arguments": {"a": 1}}}
    chunks = [
        {"choices": [{"delta": {"role": "assistant", "content": None, "reasoning_content": "hm"}}]},
        {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": "x"},
         "timings": {"prompt_ms": 1.5, "predicted_ms": None}},
    ]  # fmt: skip
    use, usage, done = await house.answers(sse(*chunks), native_tools=True, request=asks("x", tools=[NODE]))
    assert (use.name, use.args, bool(use.id)) == ("list_nodes", {"a": 1}, True)
    assert usage == Usage(input=3, timings={"prompt_ms": 1.5})
    assert done == Done("tool_calls"), "a stop with calls, and no [DONE]: a finish reason is an end"


@pytest.mark.parametrize(
    ("status", "error", "headers", "why"),
    [
        (401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}}, {}, "auth"),
        (403, {"detail": "no"}, {}, "auth"),
        (404, {"error": {"message": "model 'toy' not found, try pulling it first"}}, {}, "missing"),
        (400, {"message": "The model `toy` does not exist"}, {}, "missing"),
        (429, {"error": "slow down"}, {"retry-after": "7"}, "rate_limit"),
        (500, {"error": {"message": "boom"}}, {}, "overloaded"),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, {}, "overloaded"),
        (529, {"error": {"message": "busy"}}, {"retry-after": "soon"}, "overloaded"),
        (400, {"error": {"message": "bad schema"}}, {}, "refused"),
        (307, {}, {"location": "http://example.com/"}, "refused"),
    ],
)
async def test_answers_that_are_none(
    house: House, status: int, error: Given, headers: dict[str, str], why: str
) -> None:  # fmt: skip
    failed = await house.fails(Answer([json.dumps(error).encode()], status, headers))
    assert failed.why == why
    assert failed.retry_after_s == (7.0 if headers.get("retry-after") == "7" else None)
    assert len(house.server.asked) == 1, "nothing is asked twice, no redirect is followed"
    if status == 503:
        assert "still loading its model" in failed.text


@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        ({"message": "request (3031 tokens) exceeds the available context size (2048 tokens), try increasing it",
          "type": "exceed_context_size_error", "n_prompt_tokens": 3031, "n_ctx": 2048}, (3031, 2048)),
        ({"message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"},
         (5000, 4096)),
        ({"message": "Trying to keep the first 9 tokens when context the overflows"}, (None, None)),
    ],
)  # fmt: skip
async def test_overflows_in_the_words_of_three_servers(
    house: House, error: Given, tokens: tuple[int | None, int | None]
) -> None:
    failed = await house.fails(Answer([json.dumps({"error": error}).encode()], 400))
    assert (failed.why, failed.prompt_tokens, failed.window) == ("overflow", *tokens)


async def test_half_a_stream_is_cut_and_its_usage_is_kept(house: House) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    text = {"choices": [{"delta": {"content": "Half"}, "finish_reason": None}]}
    for answer in (sse(text, usage), sse(text, usage, cut=True)):
        events = await house.answers(answer)
        assert events[:2] == [Text("Half"), Usage(9, 2)]
        assert events[2].why == "cut"
    assert (await house.fails(Answer([b"data: " + json.dumps(text).encode()[:40]]))).why == "cut"
    assert (await house.fails(Answer([], cut=True))).why == "cut"


@pytest.mark.parametrize(
    "data",
    ["{not json", "[1, 2]", '"text"', '{"choices": 7}', '{"choices": ["a"]}', "[" * 100_000,
     '{"choices": [{"delta": {"tool_calls": [7]}}]}', '{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}'],
)  # fmt: skip
async def test_what_is_no_chunk(house: House, data: str) -> None:
    failed = await house.fails(sse({"choices": [{"delta": {"content": "a"}}]}, data, "[DONE]"))
    assert failed.why == "bad_reply"


async def test_a_line_that_does_not_end_is_not_kept(house: House) -> None:
    failed = await house.fails(Answer([b"data: ", *[b"x" * 100_000] * 12]))
    assert failed.why == "bad_reply"


async def test_an_error_within_the_stream(house: House) -> None:
    text = {"choices": [{"delta": {"content": "a"}}]}
    error = {"error": {"code": 400, "message": "context size exceeded", "type": "exceed_context_size_error"}}
    assert (await house.fails(sse(text, error))).why == "overflow"
    assert (await house.fails(sse({"error": "out of memory"}))).why == "overloaded"


async def test_a_server_that_is_not_there(house: House) -> None:
    failed = await house.answers(url="http://127.0.0.1:9")
    assert [event.why for event in failed] == ["unreachable"]
    assert "cannot be reached: connection refused" in failed[0].text.lower()


# --- time --------------------------------------------------------------------------------------------------


async def test_a_server_that_never_answers(house: House) -> None:
    clock = ManualClock()
    house.server.answers.append(Answer([Hold()]))
    asking = asyncio.ensure_future(told(house.model(clock=clock, first_token_s=5).stream(asks("hello"))))
    await house.server.came.wait()
    await passes(clock, 4.9)
    assert not asking.done()
    await passes(clock, 0.2)
    (failed,) = await asking
    assert (failed.why, "said nothing for 5 s" in failed.text) == ("timeout", True)
    await asyncio.wait_for(house.server.left.wait(), 5)


async def test_a_server_that_falls_silent_and_one_that_only_thinks(house: House) -> None:
    for thinks in (False, True):
        clock, hold = ManualClock(), Hold()
        delta = {"reasoning_content": "hm"} if thinks else {"content": "a"}
        house.server.answers.append(Answer([openai.chunk(delta), hold]))
        asking = asyncio.ensure_future(told(house.model(clock=clock, first_token_s=5, idle_s=9).stream(asks("x"))))
        await hold.reached.wait()
        await passes(clock, 6)  # longer than to the first token, which has come
        assert not asking.done()
        await passes(clock, 4)
        *_, failed = await asking
        assert (failed.why, "fell silent for 9 s" in failed.text) == ("timeout", True)


async def test_a_server_that_says_it_lives_but_no_word_is_late_all_the_same(house: House) -> None:
    clock, holds = ManualClock(), [Hold(), Hold()]
    house.server.answers.append(Answer([b": ping\n\n", holds[0], openai.chunk({"role": "assistant"}), holds[1]]))
    asking = asyncio.ensure_future(told(house.model(clock=clock, first_token_s=5).stream(asks("x"))))
    await holds[0].reached.wait()
    await passes(clock, 3)
    holds[0].go.set()
    await holds[1].reached.wait()
    await passes(clock, 2.1)
    (failed,) = await asking
    assert failed.why == "timeout"


async def passes(clock: ManualClock, seconds: float) -> None:
    """Let what came over the network arrive first."""
    for _ in range(20):
        await asyncio.sleep(0.001)
    await clock.advance(seconds)


async def test_leaving_closes_the_connection(house: House) -> None:
    house.server.answers.append(openai.stream("one", Hold(), "two"))
    stream = house.model().stream(asks("hello"))
    async for event in stream:
        assert event == Text("one")
        break
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(house.server.left.wait(), 5)

    house.server.left.clear()
    hold = Hold()
    house.server.answers.append(openai.stream(hold))
    asking = asyncio.ensure_future(told(house.model().stream(asks("hello"))))
    await hold.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(house.server.left.wait(), 5)


async def test_a_model_that_turns_in_circles_is_stopped(house: House) -> None:
    house.server.answers.append(openai.stream(*["a ferret is a ferret, "] * 90, Hold()))
    events = await told(house.model(sampling={"repeat_penalty": 1.1}).stream(asks("x")))
    assert (events[-1].why, "turned in circles" in events[-1].text) == ("bad_reply", True)
    assert len(words(events)) < 600
    await asyncio.wait_for(house.server.left.wait(), 5)
    assert house.server.asked[0].body["repeat_penalty"] == 1.1


# --- how it is ---------------------------------------------------------------------------------------------


def says(body: Any, status: int = 200) -> Answer:
    return Answer([json.dumps(body).encode()], status, content_type="application/json")


async def test_windows_as_servers_tell_them(house: House) -> None:
    none = says({"error": "no"}, 404)
    vllm = says({"data": [{"id": "toy", "max_model_len": 8192}]})
    house.server.answers.extend([none, vllm])
    assert await house.model().window() == 8192
    house.server.answers.extend([none, says({"data": [{"id": "toy"}]})])
    assert await house.model().window() == 4096
    house.server.answers.append(says({"default_generation_settings": {"n_ctx": 16384}}))
    model = house.model()
    assert (await model.window(), await model.window()) == (16384, 16384)
    assert await house.model(window_tokens=1000).window() == 1000
    assert await house.model(url="http://127.0.0.1:9").window() == 4096


async def test_tokens_are_counted_where_they_can_be(house: House) -> None:
    model = house.model()
    house.server.answers.append(says({"count": 3, "tokens": [1, 2, 3], "max_model_len": 9}))
    assert await model.count("a b c") == 3
    house.server.answers.append(says({"tokens": [1, 2]}))
    assert await model.count("a b") == 2
    house.server.answers.append(says({"error": "no"}, 404))
    assert await model.count("a" * 300) == 101
    assert await model.count("a" * 300) == 101
    assert len(house.server.asked) == 3, "where there is none it is not asked again"
    assert await model.count("") == 1


async def test_states(house: House) -> None:
    rows = [{"id": "qwen2.5:7b"}, {"id": "toy:latest"}]
    house.server.answers.extend([says({"data": rows}), says({}, 404), says({"data": rows})])
    state = await house.model().state()
    assert (state.ok, state.model, state.window) == (True, "toy:latest", 4096)
    house.server.answers.append(says({"data": rows}))
    state = await house.model(model="llama3").state()
    assert state.ok is False
    assert state.why.endswith("has no model 'llama3', but qwen2.5:7b, toy:latest")
    house.server.answers.append(says({"error": {"message": "Loading model"}}, 503))
    assert "still loading" in (await house.model().state()).why
    house.server.answers.append(says([1]))
    assert (await house.model().state()).ok is False
    assert "cannot be reached" in (await house.model(url="http://127.0.0.1:9").state()).why


# --- who may be asked --------------------------------------------------------------------------------------


async def test_while_the_homelab_is_simulated_nothing_leaves_this_machine(house: House) -> None:
    (failed,) = await house.answers(url="http://10.0.0.9:8080", simulated=True)
    assert (failed.why, "nothing leaves this machine" in failed.text) == ("refused", True)
    assert (await house.model(url="http://10.0.0.9:8080", simulated=True).state()).ok is False
    assert words(await house.answers(openai.stream("Hi"), simulated=True)) == "Hi"


async def test_where_it_is(house: House) -> None:
    urls = {"http://10.0.0.9:8080": "lan", "http://home.lan": "lan", "http://[::1]:8080": "here",
            "https://8.8.8.8": "cloud", "http://127.0.0.1:1/v1": "here"}  # fmt: skip
    assert {url: house.model(url=url).place for url in urls} == urls


async def test_a_key_that_others_may_read_is_not_used(house: House) -> None:
    (house.home / "key").write_text("abc-123\n")
    (house.home / "key").chmod(0o644)
    (failed,) = await house.answers(openai.stream("Hi"), key_file="key")
    assert (failed.why, "can be read by others" in failed.text) == ("auth", True)
    assert house.server.asked == []


async def test_no_proxy_of_the_environment_is_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert words(await house.answers(openai.stream("Hi"))) == "Hi"


async def test_what_a_server_says_in_an_error_is_cleaned_and_has_no_secret(house: House) -> None:
    answer = says({"error": {"message": "no \x1b[31mroom\u202e token=abcdef123456"}}, 500)
    failed = await house.fails(answer)
    assert failed.text.endswith("is overloaded: no room token=***")
