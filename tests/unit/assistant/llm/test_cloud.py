"""A cloud model without litellm: what is configured, what goes out and comes back, and what time does to it. The
process is this test, at the other end of the bus's stream."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from jarvis_daemon.assistant.llm import cloud
from jarvis_daemon.assistant.llm.cloud import IDLE_S, START_S, WINDOW_MAX, CloudModel
from jarvis_daemon.assistant.llm.cloud_wire import KEPT_MAX, NOTHING, request_of, rows
from jarvis_daemon.assistant.llm.contract import (
    Done,
    Event,
    Failed,
    Message,
    Request,
    Text,
    ToolDef,
    ToolUse,
    Usage,
    guess_tokens,
)
from jarvis_daemon.assistant.worker import cloud as worker
from jarvis_daemon.assistant.worker.faults import failure, hidden
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings.assistant import CloudModelSettings
from jarvis_daemon.supervisor import WorkerSpec

KEY = "sk-test-0123456789abcdefghij"
HELLO = Request([Message("system", "S", keep=True), Message("user", "hello")])


class House:
    """Stands in for supervisor and process: ``asked`` are the frames that reached it."""

    def __init__(self, home: Path, *, simulated: bool = True, **settings: Any) -> None:
        self.bus, self.clock, self.home = Bus(), ManualClock(), home
        given: dict[str, Any] = {"enabled": True, "base_url": "http://127.0.0.1:9", "key": SecretStr(KEY)}
        given |= settings
        self.model = CloudModel(
            CloudModelSettings(**given), Places(home, home, home, home), self.bus, self.clock, simulated=simulated
        )
        self.model.start(self)  # type: ignore[arg-type]
        self.specs: list[WorkerSpec] = []
        self.ended = 0
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._says: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._process: asyncio.Task[None] | None = None

    def start(self, spec: WorkerSpec) -> None:
        self.specs.append(spec)
        self._says = asyncio.Queue()
        self._process = asyncio.ensure_future(self._run())
        self.say(ready=True)

    async def stop(self, name: str) -> None:
        assert name == "llm"
        self.ended += 1
        if self._process is not None:
            self._process.cancel()

    async def _incoming(self) -> AsyncIterator[bytes]:
        says = self._says
        while (payload := await says.get()) is not None:
            yield payload

    async def _run(self) -> None:
        principal = Principal(session="s", role="worker", worker="llm")
        async for frame in self.bus.open_stream("assistant.llm", principal, self._incoming()):
            self.asked.put_nowait(json.loads(frame))

    def say(self, **message: Any) -> None:
        self._says.put_nowait(json.dumps(message).encode())

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self.asked.get()

    async def reply(self, *told: dict[str, Any]) -> dict[str, Any]:
        """Answer the next question so."""
        asked = await self.hear()
        for one in told:
            self.say(id=asked["id"], **one)
        return asked

    async def all_of(self, *told: dict[str, Any], request: Request = HELLO) -> list[Event]:
        asking = asyncio.ensure_future(gathered(self.model.stream(request)))
        await self.reply(*told)
        async with asyncio.timeout(5):
            return await asking


async def gathered(stream: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in stream]


@pytest.fixture
async def house(home: Path) -> AsyncIterator[House]:
    house = House(home)
    yield house
    await house.model.close()
    await house.stop("llm")


DONE = {"done": "stop", "end": True}

# --- how it is --------------------------------------------------------------------------------------------------


async def test_it_tells_how_it_is_without_asking_anybody(house: House) -> None:
    state = await house.model.state()
    assert (state.ok, state.why, state.model) == (True, "", "anthropic/claude-sonnet-4-5")
    assert state.window == await house.model.window() == WINDOW_MAX
    assert house.specs == []


async def test_a_model_without_a_price_says_so(home: Path) -> None:
    house = House(home, model="openai/brand-new")
    state = await house.model.state()
    assert state.ok
    assert state.why.startswith("its price is not known, so it counts as openai/")
    assert await house.model.window() == cloud.WINDOW_GUESS


async def only_failure(house: House) -> Failed:
    """State and stream say the same, and no process is started for it."""
    (failed,) = await gathered(house.model.stream(HELLO))
    assert isinstance(failed, Failed)
    state = await house.model.state()
    assert (state.ok, state.why) == (False, failed.text)
    await house.model.warm()
    assert house.specs == []
    return failed


async def test_no_key(home: Path) -> None:
    failed = await only_failure(House(home, simulated=False, key=None, base_url=None))
    assert failed.why == "auth"
    assert "name its file by assistant.cloud.key_file" in failed.text


async def test_a_key_that_others_can_read(home: Path) -> None:
    (home / "k").write_text(KEY)
    (home / "k").chmod(0o644)
    failed = await only_failure(House(home, simulated=False, key=None, key_file="k"))
    assert failed.why == "auth"
    assert "can be read by others" in failed.text
    assert "chmod 600" in failed.text


async def test_a_server_of_the_house_may_do_without_a_key(home: Path) -> None:
    house = House(home, key=None)
    assert (await house.model.state()).ok
    assert isinstance((await house.all_of(DONE))[-1], Done)
    assert house.specs[0].secrets == {}


async def test_what_is_not_installed_says_how_to_install_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "litellm" else real(name))
    failed = await only_failure(House(home))
    assert failed.why == "missing"
    assert "jarvis-homelab[llm]" in failed.text
    with pytest.raises(JarvisError, match="litellm is not installed"):
        worker.require()


@pytest.mark.parametrize(
    "base_url", [None, "https://api.anthropic.com", "http://192.168.1.5:8080", "http://localhost.x/"]
)
async def test_a_simulated_homelab_asks_nobody_beyond_this_machine(home: Path, base_url: str | None) -> None:
    failed = await only_failure(House(home, base_url=base_url))
    assert failed.why == "refused"
    assert "simulated" in failed.text


# --- a question -------------------------------------------------------------------------------------------------


async def test_a_question_and_its_answer(house: House) -> None:
    events = await house.all_of(
        {"text": "Very "}, {"text": "well."}, {"tool": {"id": "t", "name": "get_guest", "args": {"guest": "plex"}}},
        {"tool": {"id": "u", "name": "x", "broken": "{"}},
        {"usage": {"input": 5, "output": 2, "cached": 1, "written": 0}},
        {"done": "tool_calls", "end": True},
    )  # fmt: skip
    assert events == [
        Text("Very "), Text("well."), ToolUse("t", "get_guest", {"guest": "plex"}),
        ToolUse("u", "x", {}, broken="{"),
        Usage(input=5, output=2, cached=1), Done("tool_calls"),
    ]  # fmt: skip
    (spec,) = house.specs
    assert (spec.name, spec.secrets) == ("llm", {"key": KEY})
    assert KEY not in repr(spec)
    assert spec.settings == {
        "model": "anthropic/claude-sonnet-4-5", "base_url": "http://127.0.0.1:9", "simulated": True,
    }  # fmt: skip


async def test_what_its_process_says_is_not_believed_unseen(house: House, caplog: pytest.LogCaptureFixture) -> None:
    events = await house.all_of(
        {"text": 5}, {"tool": {"id": "t", "name": ["x"], "args": {}}}, {"usage": {"input": "many"}}, {"strange": 1},
        {"failed": {"why": "because", "text": "a\x1b[2J token=abcdef123456", "retry_after_s": "soon"}, "end": True},
    )  # fmt: skip
    assert events == [Failed(
        "bad_reply",
        "The cloud model anthropic/claude-sonnet-4-5 answered what nobody understands: a token=***",
    )]  # fmt: skip
    assert sum(record.message == "not understood" for record in caplog.records) == 4


async def test_an_end_without_an_end(house: House) -> None:
    events = await house.all_of({"text": "a"}, {"end": True})
    assert events[-1] == Failed("cut", "The cloud model anthropic/claude-sonnet-4-5 ended its reply in the middle")


async def test_a_model_that_does_not_call_tools_by_itself_chooses_from_a_schema(home: Path) -> None:
    house = House(home, native_tools=False)
    tool = ToolDef("get_guest", "One guest.", {"type": "object", "properties": {"guest": {"enum": ["plex"]}}})
    asking = asyncio.ensure_future(
        gathered(house.model.stream(Request([Message("user", "is plex up?")], tools=[tool])))
    )
    asked = await house.reply({"text": '{"do": "get_guest", "args": {"guest": "plex"}}'}, DONE)
    events = await asking
    assert [(e.name, dict(e.args)) for e in events if isinstance(e, ToolUse)] == [("get_guest", {"guest": "plex"})]
    assert asked["tools"] == []
    assert "get_guest" in json.dumps(asked["schema"])


# --- time -------------------------------------------------------------------------------------------------------


async def test_a_first_word_that_does_not_come(house: House) -> None:
    await house.all_of(DONE)  # its process runs
    asking = asyncio.ensure_future(gathered(house.model.stream(HELLO)))
    asked = await house.hear()
    await house.clock.advance(29)
    assert not asking.done()
    await house.clock.advance(2)
    assert await asking == [Failed(
        "timeout", "The cloud model anthropic/claude-sonnet-4-5 did not begin to answer within 30 s"
    )]  # fmt: skip
    assert await house.hear() == {"id": asked["id"], "cancel": True}


async def test_a_silence_in_the_middle(house: House) -> None:
    stream: Any = house.model.stream(HELLO)
    first = asyncio.ensure_future(anext(stream))
    asked = await house.reply({"text": "Well"})
    assert await first == Text("Well")
    rest = asyncio.ensure_future(gathered(stream))
    for _ in range(10):  # until it waits
        await asyncio.sleep(0)
    await house.clock.advance(31)
    assert await rest == [Failed("timeout", "The cloud model anthropic/claude-sonnet-4-5 fell silent within 30 s")]
    assert await house.hear() == {"id": asked["id"], "cancel": True}


async def test_a_model_that_thinks_aloud_has_begun(house: House) -> None:
    await house.all_of(DONE)
    asking = asyncio.ensure_future(gathered(house.model.stream(HELLO)))
    asked = await house.hear()
    for _ in range(5):
        await house.clock.advance(20)
        house.say(id=asked["id"], thinking=True)
        for _ in range(10):
            await asyncio.sleep(0)
    house.say(id=asked["id"], text="Well")
    house.say(id=asked["id"], **DONE)
    assert await asking == [Text("Well"), Done("stop")]


async def test_the_first_question_waits_for_the_process_too(house: House) -> None:
    asking = asyncio.ensure_future(gathered(house.model.stream(HELLO)))
    asked = await house.hear()
    await house.clock.advance(START_S)
    assert not asking.done()
    house.say(id=asked["id"], **DONE)
    assert await asking == [Done("stop")]


async def test_it_is_ended_when_idle(house: House) -> None:
    await house.model.warm()
    await house.all_of(DONE)
    assert len(house.specs) == 1
    await house.clock.advance(IDLE_S + 5)
    assert house.ended == 1


async def test_a_changed_key_wants_a_new_process(home: Path) -> None:
    path = home / "k"
    path.touch(0o600)
    path.write_text("first")
    house = House(home, key=None, key_file="k")
    await house.all_of(DONE)
    await house.all_of(DONE)
    path.write_text("second")
    await house.all_of(DONE)
    assert [spec.secrets["key"] for spec in house.specs] == ["first", "second"]
    assert house.ended == 1
    await house.model.close()
    await house.stop("llm")


# --- words ------------------------------------------------------------------------------------------------------


def test_only_so_many_marks_and_the_last_ones() -> None:
    messages = [Message("user", str(n), keep=True) for n in range(6)]
    marked = ["cache_control" in json.dumps(row) for row in rows(messages, keep=True)]
    assert marked == [False] * (6 - KEPT_MAX) + [True] * KEPT_MAX
    assert "cache_control" not in json.dumps(rows(messages, keep=False))


@pytest.mark.parametrize(("model", "kept"), [
    ("anthropic/claude-opus-5-5", True), ("bedrock/anthropic.claude-x", True), ("openai/gpt-5.6", False),
])  # fmt: skip
async def test_prompts_are_kept_where_the_provider_can(home: Path, model: str, kept: bool) -> None:
    for setting in (True, False):
        house = House(home, model=model, prompt_cache=setting)
        asking = asyncio.ensure_future(gathered(house.model.stream(HELLO)))
        asked = await house.reply(DONE)
        await asking
        assert ("cache_control" in json.dumps(asked)) == (kept and setting)
        await house.stop("llm")


def test_a_request_is_plain_data() -> None:
    request = Request(
        [Message("system", " "), Message("assistant", ""), Message("tool", "", call_id="a b")], seed=7, max_tokens=9
    )
    made = request_of(request, keep=True)
    assert json.loads(json.dumps(made)) == made
    assert made["messages"] == [
        {"role": "system", "content": NOTHING}, {"role": "tool", "content": NOTHING, "tool_call_id": "a_b"},
    ]  # fmt: skip
    assert (made["seed"], made["max_tokens"], made["tools"], made["schema"]) == (7, 9, [], None)


async def test_tokens_are_counted_cautiously(house: House) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20
    assert await house.model.count(text) >= guess_tokens(text) * 1.2


@pytest.mark.parametrize("text", [
    f"bad key {KEY}", "key sk-ant-api03-AbCdEf123456 is revoked", "Incorrect API key provided: sk-ab*****wxyz.",
    "AIzaSyD-1234567890abcdef is not valid",
])  # fmt: skip
def test_keys_are_taken_out_of_what_a_provider_says(text: str) -> None:
    left = hidden(text, KEY)
    assert "***" in left
    for part in (KEY, "api03", "wxyz", "1234567890abcdef"):
        assert part not in left


def test_only_the_settings_say_whom_litellm_asks() -> None:
    environ = {
        "ANTHROPIC_BASE_URL": "https://evil.example", "OPENAI_API_BASE": "x", "LITELLM_LOG": "DEBUG",
        "ANTHROPIC_AUTH_TOKEN": "x", "HTTPS_PROXY": "http://proxy:3128", "PATH": "/bin",
    }  # fmt: skip
    worker.settle(environ, simulated=False)
    assert (environ["PATH"], environ["HTTPS_PROXY"]) == ("/bin", "http://proxy:3128")
    assert environ["LITELLM_LOG"] == "CRITICAL"
    assert not {"ANTHROPIC_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_AUTH_TOKEN", "NO_PROXY"} & set(environ)
    worker.settle(environ, simulated=True)
    assert environ["NO_PROXY"] == "*"


def chunk(text: str = "", *calls: tuple[int, str], finish: str | None = None) -> Any:
    """A chunk as litellm hands it on."""
    parts = [
        SimpleNamespace(index=index, id=f"c{index}", function=SimpleNamespace(name="x", arguments=arguments))
        for index, arguments in calls
    ]
    delta = SimpleNamespace(content=text, tool_calls=parts)
    return SimpleNamespace(choices=[SimpleNamespace(delta=delta, finish_reason=finish)])


def endless(piece: Any) -> None:
    reply = worker.Reply()
    for _ in range(100):
        reply.take(piece)


def test_nothing_that_a_provider_streams_is_without_an_end() -> None:
    reply = worker.Reply()
    told = reply.take(chunk("x" * (worker.PIECE_MAX * 2 + 1)))
    assert [len(one["text"]) for one in told] == [worker.PIECE_MAX, worker.PIECE_MAX, 1]
    for piece in (chunk("x" * 100_000), chunk("", (0, "[" * 10_000))):
        with pytest.raises(ValueError, match="no end"):
            endless(piece)
    with pytest.raises(ValueError, match="no end"):
        worker.Reply().take(chunk("", *((index, "") for index in range(worker.CALLS_MAX + 1))))


class Timeout(Exception):
    """As litellm's is called."""


def test_a_cause_counts_before_the_class() -> None:
    try:
        try:
            raise ConnectionRefusedError("no")
        except ConnectionRefusedError as cause:
            raise Timeout("litellm.Timeout: late") from cause
    except Timeout as error:
        refused = failure(error, "", begun=False)
    assert refused["why"] == "unreachable"
    assert failure(Timeout("late"), "", begun=False)["why"] == "timeout"
    assert failure(Timeout("late"), "", begun=True)["why"] == "cut"
    assert failure(KeyError("x"), "", begun=False)["why"] == "bad_reply"


@pytest.mark.parametrize(("args", "made"), [
    ("", {"args": {}}), ('{"a": 1}', {"args": {"a": 1}}), ("[1]", {"broken": "[1]"}), ('{"a"', {"broken": '{"a"'}),
    ("[" * 100_000, {"broken": "[" * worker.BROKEN_MAX}),
])  # fmt: skip
def test_arguments(args: str, made: dict[str, Any]) -> None:
    told = worker.tool_use({"id": "", "name": "x", "args": args}, "call_0")
    assert told == {"id": "call_0", "name": "x", **made}
