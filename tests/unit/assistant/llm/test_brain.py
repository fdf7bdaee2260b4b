"""All models behind one stream: fallback in both directions, breaker, overflow, ledger, cancellation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.contract import (
    Began,
    Done,
    Failed,
    LLMBackend,
    Request,
    State,
    Switched,
    Text,
    ToolUse,
    Usage,
    Wish,
)
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings.assistant import AssistantSettings
from tests.unit.assistant.llm.toys import Toy, asks, failure, told, words


@dataclass
class Book:
    """A ledger that keeps what it is told. ``refuses``: names of backends that cost too much."""

    refuses: set[str] = field(default_factory=set)
    broken: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)

    async def reserve(self, backend: LLMBackend, request: Request, turn: int) -> Any:
        if self.broken:
            raise JarvisError("store_failed", "The disk is full")
        return failure("budget") if backend.name in self.refuses else (backend.name, turn)

    async def settle(self, reservation: Any, **given: Any) -> None:
        self.rows.append({"of": reservation} | given)


def brain(*backends: Toy, book: Book | None = None, clock: ManualClock | None = None) -> ModelBrain:
    return ModelBrain(AssistantSettings(), backends, clock or ManualClock(), book)


HI = Wish("hello", turn=1)


async def test_the_first_choice_answers_and_says_who_it_is() -> None:
    book = Book()
    events = await told(brain(Toy("local", [Text("Hi"), Usage(5, 2), Done()]), Toy("cloud"), book=book).stream(
        asks("hello"), HI
    ))  # fmt: skip
    assert events == [Began("local", "toy-local", "routine"), Text("Hi"), Usage(5, 2), Done()]
    (row,) = book.rows
    assert (row["of"], row["status"], row["usage"], row["fallback_of"]) == (("local", 1), "done", Usage(5, 2), "")
    assert row["first_token_ms"] == 0


@pytest.mark.parametrize(("first", "second", "text"), [("local", "cloud", "hello"), ("cloud", "local", "why?")])
async def test_fallback_in_both_directions(first: Any, second: Any, text: str) -> None:
    book = Book()
    one = Toy(first, [Text("Half a"), Usage(9, 3), failure("cut")])
    events = await told(brain(one, Toy(second), book=book).stream(asks(text), Wish(text, turn=1)))
    assert [type(event) for event in events] == [Began, Text, Usage, Switched, Began, Text, Done]
    switched = events[3]
    assert switched.spoiled
    assert "It has failed: cut; asking the" in switched.text
    assert [(row["status"], row["fallback_of"]) for row in book.rows] == [("cut", ""), ("done", first)]
    assert book.rows[0]["usage"] == Usage(9, 3), "what was used is kept"


async def test_a_failure_before_any_text_spoils_nothing() -> None:
    events = await told(brain(Toy("local", [failure("unreachable")]), Toy("cloud")).stream(asks("hello"), HI))
    assert [event.spoiled for event in events if isinstance(event, Switched)] == [False]


async def test_a_call_of_a_tool_that_its_backend_did_not_end_is_void() -> None:
    calls = [ToolUse("1", "reboot_guest", {"guest": "plex"}), failure("cut")]
    events = await told(brain(Toy("local", calls), Toy("cloud")).stream(asks("hello"), HI))
    kinds = [type(event) for event in events]
    assert kinds.index(ToolUse) < kinds.index(Switched) < kinds.index(Done)


async def test_where_everybody_fails_all_of_it_is_told_in_one_sentence() -> None:
    last = Toy("embedded", [Failed("missing", "The embedded model needs weights.")])
    events = await told(brain(Toy("local", [failure("timeout")]), last).stream(asks("hello"), HI))
    end = events[-1]
    assert isinstance(end, Failed)
    assert end.text == "It has failed: timeout; The embedded model needs weights"


async def test_a_model_that_says_nothing_and_one_that_raises_have_failed() -> None:
    mute, wild = Toy("local", [Usage(3, 0), Done()]), Toy("cloud", [Text("a"), ZeroDivisionError()])
    events = await told(brain(mute, wild, Toy("embedded")).stream(asks("hello"), HI))
    reasons = [event.text for event in events if isinstance(event, Switched)]
    assert "The local model (toy-local) said nothing" in reasons[0]
    assert "failed unexpectedly (ZeroDivisionError)" in reasons[1]
    assert words(events).endswith("embedded")


async def test_an_overflow_is_told_to_who_can_shorten_and_the_second_one_is_a_failure() -> None:
    local = Toy("local", [failure("overflow", prompt_tokens=5000, window=4096)])
    mind = brain(local, Toy("cloud"))
    first = await told(mind.stream(asks("hello"), HI))
    assert first[-1].why == "overflow"
    assert first[-1].window == 4096
    second = await told(mind.stream(asks("hello"), HI))
    assert words(second) == "cloud"
    other = await told(mind.stream(asks("hello"), Wish("hello", turn=2)))
    assert other[-1].why == "overflow", "each turn has its own"


async def test_who_failed_in_a_turn_is_asked_last_in_the_rest_of_it() -> None:
    local = Toy("local", [failure("bad_reply")])
    mind = brain(local, Toy("cloud"))
    await told(mind.stream(asks("hello"), HI))
    again = await told(mind.stream(asks("hello"), HI))
    assert [event for event in again if isinstance(event, Switched)] == []
    assert len(local.asked) == 1
    await told(mind.stream(asks("hello"), Wish("hello", turn=2)))
    assert len(local.asked) == 2


async def test_an_open_breaker_leaves_it_alone_and_says_so() -> None:
    clock = ManualClock()
    local = Toy("local", [failure("unreachable")])
    mind = brain(local, Toy("cloud"), clock=clock)
    for turn in range(1, 4):
        await told(mind.stream(asks("hello"), Wish("hello", turn=turn)))
    switched, began, *rest = await told(mind.stream(asks("hello"), Wish("hello", turn=4)))
    assert switched == Switched(
        "It has failed: unreachable (asked again in 30 s); asking the cloud model (toy-cloud)"
    )
    assert len(local.asked) == 3
    assert began.backend == "cloud"
    assert "It has failed: unreachable (asked again in 30 s)" in began.why
    assert words(rest) == "cloud"
    assert local.states == 0, "the cloud answers: nobody waits for a server that is away"
    await clock.advance(30)
    local.plays = [[Text("back"), Done()]]
    assert words(await told(mind.stream(asks("hello"), Wish("hello", turn=5)))) == "back"
    assert (await mind.states())[0].breaker == "closed"


async def test_before_nobody_is_left_a_server_of_the_house_is_asked_whether_it_is_back() -> None:
    local, small = Toy("local", [failure("unreachable")]), Toy("embedded")
    local.ok = State(False, "It is away")
    mind = brain(local, small)
    for turn in range(1, 5):
        assert words(await told(mind.stream(asks("hello"), Wish("hello", turn=turn)))) == "embedded"
    assert len(local.asked) == 3
    local.ok, local.plays = State(True), [[Text("back"), Done()]]
    assert words(await told(mind.stream(asks("hello"), Wish("hello", turn=5)))) == "back"


async def test_the_cloud_is_not_asked_again_before_its_time() -> None:
    cloud = Toy("cloud", [failure("auth")])
    mind = brain(cloud)
    for turn in range(1, 4):
        await told(mind.stream(asks("hello"), Wish("hello", turn=turn)))
    (end,) = await told(mind.stream(asks("hello"), Wish("hello", turn=4)))
    assert end.text == "It has failed: auth (asked again in 30 s)"
    assert len(cloud.asked) == 3


async def test_a_budget_that_is_used_up_asks_the_house_and_says_so() -> None:
    book, cloud = Book(refuses={"cloud"}), Toy("cloud")
    events = await told(brain(Toy("local"), cloud, book=book).stream(asks("why?"), Wish("why?", turn=1)))
    assert events[0] == Switched("It has failed: budget; asking the local model (toy-local)")
    assert events[1].backend == "local"
    assert "It has failed: budget" in events[1].why
    assert cloud.asked == []
    assert book.rows[0]["fallback_of"] == "cloud"
    (end,) = await told(brain(cloud, book=book).stream(asks("why?"), Wish("why?", turn=1)))
    assert end.why == "budget"


async def test_where_costs_cannot_be_kept_nothing_may_cost() -> None:
    book = Book(broken=True)
    events = await told(brain(Toy("local"), Toy("cloud"), book=book).stream(asks("why?"), Wish("why?", turn=1)))
    assert words(events) == "local"
    (end,) = await told(brain(Toy("cloud"), book=book).stream(asks("why?"), Wish("why?", turn=1)))
    assert end.why == "budget"
    assert "The disk is full" in end.text


async def test_closing_it_closes_the_backend_and_settles() -> None:
    book, local = Book(), Toy("local", [Text("one"), Text("two"), Done()])
    stream = brain(local, book=book).stream(asks("hello"), HI)
    async for event in stream:
        if isinstance(event, Text):
            break
    await stream.aclose()
    assert local.closed == 1
    assert [row["status"] for row in book.rows] == ["cancelled"]


async def test_cancelling_it_closes_the_backend_and_settles() -> None:
    book, silent = Book(), Toy("local")
    reached = asyncio.Event()

    async def hang(request: Request) -> Any:
        try:
            yield Text("one")
            reached.set()
            await asyncio.Event().wait()
        finally:
            silent.closed += 1

    silent.stream = hang  # type: ignore[method-assign,assignment]
    task = asyncio.ensure_future(told(brain(silent, Toy("cloud"), book=book).stream(asks("hello"), HI)))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert silent.closed == 1
    assert [row["status"] for row in book.rows] == ["cancelled"], "and nobody else was asked"


async def test_fit_tells_who_would_answer() -> None:
    local = Toy("local")
    local.ok = State(False, "The server has no model 'x'")
    backend, why = await brain(local, Toy("cloud")).fit(HI)
    assert backend is not None
    assert (backend.name, why) == ("cloud", "it stands in for the other one")
    assert await brain(local).fit(HI) == (None, "The server has no model 'x'")


async def test_who_is_known_to_be_ill_is_asked_last_until_it_is_looked_at_again() -> None:
    clock, local = ManualClock(), Toy("local")
    local.ok = State(False, "The server has no model 'x'")
    mind = brain(local, Toy("cloud"), clock=clock)
    await mind.fit(HI)
    switched, began, *_ = await told(mind.stream(asks("hello"), HI))
    assert switched == Switched("The server has no model 'x'; asking the cloud model (toy-cloud)")
    later = await told(mind.stream(asks("hello"), Wish("hello", turn=1, steps=1)))
    assert isinstance(later[0], Began), "it is told once in a turn"
    assert (began.backend, local.asked) == ("cloud", [])
    assert began.why == "it stands in for the other one; The server has no model 'x'"
    local.ok = State(True)
    await clock.advance(5)
    backend, _ = await mind.fit(HI)
    assert backend is local
    assert words(await told(mind.stream(asks("hello"), HI))) == "local"
    await mind.fit(HI)
    assert local.states == 2, "a good state is believed for a while"


async def test_with_no_model_it_says_which_settings_bring_one() -> None:
    mind = brain()
    assert mind.any is False
    (end,) = await told(mind.stream(asks("hello"), HI))
    assert (end.why, "[assistant.local]" in end.text) == ("missing", True)
    assert (await mind.fit(HI))[0] is None
    (end,) = await told(brain(Toy("cloud")).stream(asks("hello"), Wish("hello", private=True)))
    assert "private questions stay in the house" in end.text


async def test_the_list_has_every_model_there_could_be() -> None:
    clock = ManualClock()
    local = Toy("local", [failure("timeout")])
    mind = brain(local, clock=clock)
    for turn in range(1, 4):
        await told(mind.stream(asks("hello"), Wish("hello", turn=turn)))
    rows = {row.name: row for row in await mind.states()}
    assert set(rows) == {"local", "embedded", "cloud"}
    assert (rows["local"].enabled, rows["local"].healthy, rows["local"].breaker) == (True, False, "open")
    assert rows["local"].why == "It has failed: timeout (asked again in 30 s)"
    assert rows["cloud"].why == "not enabled: set assistant.cloud.enabled"


async def test_a_backend_that_does_not_tell_how_it_is_is_not_waited_for() -> None:
    clock, local = ManualClock(), Toy("local")

    async def never() -> State:
        await asyncio.Event().wait()
        return State(True)

    local.state = never  # type: ignore[method-assign]
    task = asyncio.ensure_future(brain(local, clock=clock).fit(HI))
    await clock.advance(0)
    await clock.advance(3)
    assert await task == (None, "The local model (toy-local) does not answer")
