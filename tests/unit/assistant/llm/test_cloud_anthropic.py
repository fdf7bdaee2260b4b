"""Claude through the real litellm in its real process, against a scripted provider."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.contract import Began, Done, Failed, Message, Request, Text, ToolUse, Usage, Wish
from jarvis_daemon.assistant.llm.ledger import Ledger, Reservation, longest_prompt
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.llm.prices import shipped
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings.assistant import AssistantSettings, CostSettings, LocalModelSettings
from jarvis_daemon.store import Store
from tests.scripted import Answer, Hold, Scripted, anthropic, openai
from tests.unit.assistant.llm.cloud_yard import GUEST, KEY, CloudYard, ask, body, text_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
MODEL = "anthropic/claude-sonnet-4-5"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def yard() -> AsyncIterator[CloudYard]:
    yard = CloudYard(MODEL)
    await yard.start()
    yield yard
    await yard.stop()


async def test_text_comes_in_pieces_with_its_tokens(yard: CloudYard) -> None:
    events = await yard.ask(anthropic.stream(["Six", "ty-one, ", "sir."], tokens=anthropic.Tokens(40, 9)))
    assert events == [Text("Six"), Text("ty-one, "), Text("sir."), Usage(input=40, output=9), Done("stop")]
    assert yard.asked.path == "/v1/messages"
    assert yard.asked.headers["x-api-key"] == KEY
    assert yard.asked.body["max_tokens"] == 800
    assert len(yard.provider.asked) == 1, "one question, one call"


async def test_tools_are_called_natively_and_several_at_once(yard: CloudYard) -> None:
    events = await yard.ask(
        anthropic.stream(
            "Let me look.", anthropic.Call("toolu_1", "get_guest", ['{"gue', 'st": "pl', 'ex"}']),
            anthropic.Call("toolu_2", "get_guest", ['{"guest": "gitea"}']),
            anthropic.Call("toolu_3", "get_nodes", []),
        ),
        request=ask(tools=[GUEST]),
    )  # fmt: skip
    assert events == [
        Text("Let me look."), ToolUse("toolu_1", "get_guest", {"guest": "plex"}),
        ToolUse("toolu_2", "get_guest", {"guest": "gitea"}), ToolUse("toolu_3", "get_nodes", {}),
        Usage(input=12, output=5), Done("tool_calls"),
    ]  # fmt: skip
    (tool,) = yard.asked.body["tools"]
    assert (tool["name"], tool["input_schema"]["properties"]) == ("get_guest", GUEST.schema["properties"])


async def test_arguments_that_are_none_are_handed_on_as_they_are(yard: CloudYard) -> None:
    events = await yard.ask(
        anthropic.stream(anthropic.Call("t", "get_guest", ['{"guest": ']), stop="max_tokens"),
        request=ask(tools=[GUEST]),
    )
    assert events[0] == ToolUse("t", "get_guest", {}, broken='{"guest": ')


async def test_a_conversation_with_results_goes_out_in_its_order(yard: CloudYard) -> None:
    call = ToolUse("call.1/x", "get_guest", {"guest": "plex"})  # made by another model
    request = Request([
        Message("system", "S"), Message("user", "is plex up?"), Message("assistant", "", calls=(call,)),
        Message("tool", '{"status": "running"}', call_id="call.1/x"), Message("system", "pve 61 C"),
        Message("assistant", " "), Message("user", "and gitea?"),
    ])  # fmt: skip
    assert isinstance((await yard.ask(anthropic.stream("ok"), request=request))[-1], Done)
    said = yard.asked.body["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    (used,) = said[1]["content"]
    assert (used["type"], used["id"], used["input"]) == ("tool_use", "call_1_x", {"guest": "plex"})
    told = said[2]["content"]
    assert (told[0]["type"], told[0]["tool_use_id"]) == ("tool_result", "call_1_x")
    assert [part["text"] for part in told[1:]] == ["pve 61 C", "and gitea?"]


async def test_the_unchanging_part_of_the_prompt_is_kept_by_the_provider(yard: CloudYard) -> None:
    events = await yard.ask(anthropic.stream("ok", tokens=anthropic.Tokens(20, 7, read=900, written=80)))
    assert Usage(input=1000, output=7, cached=900, written=80) in events
    kept, changing = yard.asked.body["system"]
    assert kept == {"type": "text", "text": "You are a butler.", "cache_control": {"type": "ephemeral"}}
    assert "cache_control" not in changing
    assert "cache_control" not in str(yard.asked.body["messages"])


async def test_a_reply_of_a_schema_is_asked_for(yard: CloudYard) -> None:
    schema = {"type": "object", "properties": {"do": {"enum": ["a", "b"]}}, "required": ["do"]}
    events = await yard.ask(anthropic.stream('{"do": "a"}'), request=ask(schema=schema))
    assert text_of(events) == '{"do": "a"}'
    assert '"enum": ["a", "b"]' in body(yard.asked)


REFUSED = "invalid_request_error"
WRONG: dict[str, tuple[Answer, str, str]] = {
    "a wrong key": (
        anthropic.error(401, "authentication_error", f"invalid x-api-key {KEY}"), "auth", "not accept our key; put"
    ),
    "a key without rights": (anthropic.error(403, "permission_error", "no"), "auth", "does not accept our key"),
    "no credit": (anthropic.error(400, REFUSED, "Your credit balance is too low."), "auth", "Your credit balance"),
    "no such model": (anthropic.error(404, "not_found_error", "model: claude-9"), "missing", "model: claude-9"),
    "broken": (anthropic.error(500, "api_error", "Internal error"), "overloaded", "is overloaded: Internal error"),
    "overloaded": (anthropic.error(529, "overloaded_error", "Overloaded"), "overloaded", "overloaded: Overloaded"),
    "refused": (anthropic.error(400, REFUSED, "tools.0: bad"), "refused", "refused the question: tools.0: bad"),
    "half a stream": (anthropic.stream(["a"], cut=True), "cut", "ended its reply in the middle"),
    "an error in the middle": (
        anthropic.stream(["a"], broken=anthropic.error_event("overloaded_error", "Overloaded")), "cut", "Overloaded"
    ),
    "no end": (Answer(anthropic.stream(["a"]).pieces[:-2]), "cut", "the stream ended before its end"),
    "a page": (Answer((b"<html>hello</html>",), content_type="text/html"), "bad_reply", "what nobody understands"),
    "nothing": (Answer(), "bad_reply", "answered what nobody understands"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "why", "said"), WRONG.values(), ids=list(WRONG))
async def test_what_goes_wrong(yard: CloudYard, answer: Answer, why: str, said: str) -> None:
    before = len(yard.provider.asked)
    failed = (await yard.ask(answer))[-1]
    assert isinstance(failed, Failed)
    assert failed.why == why
    assert said in failed.text
    assert failed.text.startswith(f"The cloud model {MODEL} ")
    assert "itellm" not in failed.text
    assert KEY not in failed.text
    assert len(yard.provider.asked) == before + 1, "nothing is tried twice behind our back"


async def test_a_model_that_will_not_is_no_answer_and_has_cost_something(yard: CloudYard) -> None:
    events = await yard.ask(anthropic.stream(tokens=anthropic.Tokens(30, 4), stop="refusal"))
    assert events == [
        Usage(input=30, output=4),
        Failed("refused", f"The cloud model {MODEL} refused the question: a filter of its provider ended it"),
    ]


async def test_too_many_questions_say_when_to_come_again(yard: CloudYard) -> None:
    (failed,) = await yard.ask(anthropic.error(429, "rate_limit_error", "slow down", retry_after="7"))
    assert failed == Failed(
        "rate_limit", f"The cloud model {MODEL} wants fewer questions: slow down", retry_after_s=7.0
    )


async def test_too_long_a_prompt_says_by_how_much(yard: CloudYard) -> None:
    (failed,) = await yard.ask(anthropic.too_long(230_000, 200_000))
    assert isinstance(failed, Failed)
    assert (failed.why, failed.prompt_tokens, failed.window) == ("overflow", 230_000, 200_000)


async def test_going_away_reaches_the_provider(yard: CloudYard) -> None:
    hold = Hold()
    yard.provider.answers.clear()
    yard.provider.answers.append(anthropic.stream(["On", hold, "ce upon a time"]))
    yard.provider.left.clear()
    stream: Any = yard.model.stream(ask())
    assert await anext(stream) == Text("On")
    await stream.aclose()
    async with asyncio.timeout(5):
        await yard.provider.left.wait()
    assert text_of(await yard.ask(anthropic.stream("yes"))) == "yes"


async def test_cancelled_before_the_first_word(yard: CloudYard) -> None:
    hold = Hold()
    asking = asyncio.ensure_future(yard.ask(anthropic.stream([hold, "never"])))
    async with asyncio.timeout(10):
        await hold.reached.wait()
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(5):
        await yard.provider.left.wait()


async def test_a_redirect_does_not_take_the_key_along(yard: CloudYard) -> None:
    async with Scripted(always=anthropic.stream("gotcha")) as elsewhere:
        (failed,) = await yard.ask(Answer((b"x",), 307, {"location": f"{elsewhere.url}/v1/messages"}))
        assert elsewhere.asked == []
    assert isinstance(failed, Failed)
    assert failed.why == "refused"


async def test_the_ledger_matches_to_the_token(yard: CloudYard, tmp_path: Path) -> None:
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    ledger = Ledger(CostSettings(), store, yard.clock)
    try:
        request = ask()
        held = await ledger.reserve(yard.model, request, 1)
        assert isinstance(held, Reservation)
        answer = anthropic.stream("ok", tokens=anthropic.Tokens(120, 45, read=2_000, written=300))
        events = await yard.ask(answer, request=request)
        usage = next(event for event in events if isinstance(event, Usage))
        paid = await ledger.settle(held, usage=usage, status="done")
        assert paid == pytest.approx((120 * 3 + 2_000 * 0.3 + 300 * 3.75 + 45 * 15) / 1e6, abs=1e-12)
        (row,) = await store.read(lambda db: list(db.query("select * from llm_calls")))
        counted = [row[f"{name}_tokens"] for name in ("input", "output", "cached", "written")]
        assert counted == [2_420, 45, 2_000, 300]
        assert (row["usd"], row["estimated"]) == (paid, 0)
    finally:
        await store.close()


async def test_another_model_goes_on_where_the_cloud_fails_or_the_budget_ends(
    yard: CloudYard, tmp_path: Path
) -> None:
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    wish = Wish("why is it slow?", turn=1, prefer="cloud")
    try:
        async with Scripted(always=openai.stream("At home", tokens=(50, 5))) as home:
            local = LocalModel(
                LocalModelSettings(enabled=True, url=home.url, model="qwen", window_tokens=8192),
                Places(yard.home, yard.home, yard.home, yard.home), yard.clock,
            )  # fmt: skip
            # one call's worst case fits, a second one does not fit behind what the first cost
            worst = shipped().of(MODEL).worst(longest_prompt(ask()), ask().max_tokens)
            ledger = Ledger(CostSettings(daily_usd=worst * 1.2), store, yard.clock)
            brain = ModelBrain(AssistantSettings(), [yard.model, local], yard.clock, ledger)

            async def said(*answers: Answer) -> list[Any]:
                yard.provider.answers.clear()
                yard.provider.answers.extend(answers)
                return [event async for event in brain.stream(ask(), wish)]

            events = await said(anthropic.error(529, "overloaded_error", "Overloaded"))
            assert [e.backend for e in events if isinstance(e, Began)] == ["cloud", "local"]
            assert text_of(events) == "At home"
            wish = Wish("why?", turn=2, prefer="cloud")
            costly = anthropic.stream("In the cloud", tokens=anthropic.Tokens(3000, 100))
            assert text_of(await said(costly)) == "In the cloud"
            before = len(yard.provider.asked)
            events = await said(anthropic.stream("never"))
            assert len(yard.provider.asked) == before, "not asked beyond the budget"
            assert text_of(events) == "At home"
            (began,) = [event for event in events if isinstance(event, Began)]
            assert "assistant.cost.daily_usd" in began.why
            rows = await store.read(lambda db: list(db.query("select * from llm_calls order by id")))
            assert [(r["backend"], r["status"], r["fallback_of"], r["input_tokens"], r["turn"]) for r in rows] == [
                ("cloud", "overloaded", "", 0, 1), ("local", "done", "cloud", 50, 1),
                ("cloud", "done", "", 3000, 2), ("local", "done", "cloud", 50, 2),
            ]  # fmt: skip
            assert [row["usd"] for row in rows] == [0, 0, pytest.approx(0.0105), 0]
            await local.close()
    finally:
        await store.close()


async def test_the_key_is_in_nothing_that_leaves_but_the_call_itself(
    yard: CloudYard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    yard.bus.state("services").listen(lambda delta: told.append(repr(delta)))
    for answer in (
        anthropic.error(401, "authentication_error", f"no such key: {KEY}"),
        anthropic.error(400, "invalid_request_error", f"bad header x-api-key: {KEY}"),
        anthropic.stream([f"your key is {KEY[:8]}"], broken=anthropic.error_event("api_error", f"key {KEY}")),
        Answer((f"data: {{{KEY}".encode(),)),
        anthropic.stream("fine"),
    ):
        told.append(repr(await yard.ask(answer)))
    process = Path(f"/proc/{yard.pid}")
    told += [(process / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ")]
    told += [repr(record.__dict__) + record.getMessage() for record in caplog.records]
    said = "\n".join(told)
    assert "refused the question: bad header" in said, "the provider's words do come through"
    assert KEY not in said


async def test_a_new_key_is_used_from_the_next_question_on(yard: CloudYard) -> None:
    await yard.ask(anthropic.stream("ok"))
    before = yard.pid
    yard.write_key("sk-another-0123456789")
    try:
        assert text_of(await yard.ask(anthropic.stream("ok"))) == "ok"
        assert yard.asked.headers["x-api-key"] == "sk-another-0123456789"
        assert yard.pid != before
    finally:
        yard.write_key(KEY)


async def test_a_killed_process_cuts_the_reply_and_the_next_question_works(yard: CloudYard) -> None:
    hold = Hold()
    yard.provider.answers.clear()
    yard.provider.answers.append(anthropic.stream(["Half", hold, " a reply"]))
    stream: Any = yard.model.stream(ask())
    assert await anext(stream) == Text("Half")
    os.kill(yard.pid, signal.SIGKILL)
    (failed,) = [event async for event in stream]
    assert failed == Failed(
        "cut", f"The cloud model {MODEL} ended its reply in the middle: the process that speaks to it ended"
    )
    assert text_of(await yard.ask(anthropic.stream("again"))) == "again"
