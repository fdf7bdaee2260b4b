"""The way to a worker: started when first asked, ended when idle, and no question waits for a process that is gone.

The worker is this test, at the other end of the bus's stream; real ones are asked in the tests of their rooms.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.supervisor import Asking, Lost, WorkerSpec

IDLE_S = 100.0


class Process:
    """The worker's end of one stream."""

    def __init__(self, bus: Bus, name: str = "toy") -> None:
        self._sent: asyncio.Queue[bytes | None] = asyncio.Queue()
        principal = Principal(session="s", role="worker", worker=name)
        self._asked = bus.open_stream("toys", principal, self._incoming())

    async def _incoming(self) -> AsyncIterator[bytes]:
        while (payload := await self._sent.get()) is not None:
            yield payload

    def say(self, message: Any) -> None:
        self._sent.put_nowait(message if isinstance(message, bytes) else json.dumps(message).encode())

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            found: dict[str, Any] = json.loads(await anext(self._asked))
            return found

    async def die(self) -> None:
        await self._asked.aclose()  # type: ignore[attr-defined]


class Yard:
    """Stands in for the supervisor: ``specs`` were started, ``ended`` counts ends."""

    def __init__(self) -> None:
        self.bus, self.clock = Bus(), ManualClock()
        self.specs: list[WorkerSpec] = []
        self.ended = 0
        self.unasked: list[dict[str, Any]] = []
        self.secret = "first"

    def asking(self, **given: Any) -> Asking:
        asking = Asking(self.bus, self.clock, "toy", "toys", self._spec, unasked=self._heard, **given)
        asking.start(self)  # type: ignore[arg-type]
        return asking

    def _spec(self) -> WorkerSpec:
        return WorkerSpec("toy", secrets={"key": self.secret})

    async def _heard(self, message: dict[str, Any]) -> None:
        self.unasked.append(message)

    def start(self, spec: WorkerSpec) -> None:
        self.specs.append(spec)

    async def stop(self, name: str) -> None:
        assert name == "toy"
        self.ended += 1

    async def process(self) -> Process:
        """A worker that has come up."""
        process = Process(self.bus)
        process.say({"ready": True})
        return process


async def turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def listening(process: Process, asking: Asking) -> asyncio.Future[dict[str, Any]]:
    """The process hears: its next frame, as a future."""
    heard = asyncio.ensure_future(process.hear())
    await turn()
    assert asking.listens
    return heard


async def test_it_is_started_by_the_first_question_and_answers_meet_their_questions() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S)
    assert yard.specs == []
    first, second = (asyncio.ensure_future(asking.ask({"n": n})) for n in (1, 2))
    await turn()
    assert len(yard.specs) == 1, "one process for all"
    process = await yard.process()
    one, two = await process.hear(), await process.hear()
    assert (one["n"], two["n"]) == (1, 2)
    process.say({"id": two["id"], "answer": "second"})
    process.say({"id": one["id"], "answer": "first"})
    assert (await first)["answer"] == "first"
    assert (await second)["answer"] == "second"
    await asking.stop()


async def test_it_ends_when_idle_and_comes_again_with_what_is_configured_then() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S)
    question = asyncio.ensure_future(asking.ask({}))
    process = await yard.process()
    asked = await process.hear()
    await yard.clock.advance(IDLE_S * 3)
    assert yard.ended == 0, "not while something waits for it"
    process.say({"id": asked["id"]})
    await question
    await yard.clock.advance(IDLE_S - 2)
    assert yard.ended == 0
    await yard.clock.advance(4)
    assert yard.ended == 1
    assert not asking.listens
    await process.die()

    yard.secret = "second"
    question = asyncio.ensure_future(asking.ask({}))
    await turn()
    assert [spec.secrets["key"] for spec in yard.specs] == ["first", "second"]
    process = await yard.process()
    process.say({"id": (await process.hear())["id"], "ok": 1})
    assert (await question)["ok"] == 1
    await asking.stop()


async def test_what_waits_fails_when_the_process_ends_and_only_that() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S)
    question = asyncio.ensure_future(asking.ask({}))
    old = await yard.process()
    await old.hear()
    new = await yard.process()  # its stream is there before the old one's end is known
    heard = await listening(new, asking)
    late = asyncio.ensure_future(asking.ask({"late": True}))
    await old.die()
    with pytest.raises(Lost, match="the process that speaks to it ended") as lost:
        await question
    assert lost.value.sent
    new.say({"id": (await heard)["id"], "ok": True})
    assert (await late)["ok"]
    await asking.stop()


async def test_a_process_that_does_not_come() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S, start_s=0.01)
    service = Service(id="service:toy", name="toy", last_error="ended with 1: no such library")
    yard.bus.state("services").apply({"services": {service.id: service}})
    with pytest.raises(Lost, match=r"does not run \(ended with 1: no such library\)") as lost:
        await asking.ask({})
    assert not lost.value.sent
    await asking.stop()


async def test_no_answer_in_time() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S)
    question = asyncio.ensure_future(asking.ask({}, 0.01))
    process = await yard.process()
    asked = await process.hear()
    with pytest.raises(Lost, match=r"no answer within 0\.01 s") as lost:
        await question
    assert lost.value.sent
    process.say({"id": asked["id"], "too": "late"})  # nobody stumbles over it
    again = asyncio.ensure_future(asking.ask({}))
    process.say({"id": (await process.hear())["id"], "ok": True})
    assert (await again)["ok"]
    await asking.stop()


async def test_a_stream_goes_to_its_end_and_a_closed_one_is_cancelled_there() -> None:
    yard = Yard()
    asking = yard.asking(idle_s=IDLE_S)
    got: list[Any] = []

    async def read() -> None:
        async for answer in asking.stream({"q": 1}):
            got.append(answer.get("text"))

    reading = asyncio.ensure_future(read())
    process = await yard.process()
    number = (await process.hear())["id"]
    for message in ({"text": "a"}, {"text": "b"}, {"end": True}):
        process.say({"id": number, **message})
    await reading
    assert got == ["a", "b", None]

    stream = asking.stream({"q": 2})
    first = asyncio.ensure_future(anext(stream))
    number = (await process.hear())["id"]
    process.say({"id": number, "text": "x"})
    assert (await first)["text"] == "x"
    await stream.aclose()
    assert await process.hear() == {"id": number, "cancel": True}, "the one that went to its end was not cancelled"

    dying = asking.stream({"q": 3})
    first = asyncio.ensure_future(anext(dying))
    await process.hear()
    await process.die()
    with pytest.raises(Lost):
        await first
    await asking.stop()


async def test_one_that_runs_all_the_time_is_not_waited_for_and_may_speak_first() -> None:
    yard = Yard()
    asking = yard.asking(start_s=0)
    await asking.wanted()
    await asking.wanted()
    assert len(yard.specs) == 1
    with pytest.raises(Lost) as lost:
        await asking.ask({})
    assert not lost.value.sent
    process = await yard.process()
    heard = await listening(process, asking)
    for strange in (b"no json", b"[1]", b'{"id": [1]}', b'"text"', b"\xff"):
        process.say(strange)
    process.say({"news": 1})
    question = asyncio.ensure_future(asking.ask({}))
    process.say({"id": (await heard)["id"], "ok": True})
    assert (await question)["ok"]
    assert yard.unasked == [{"news": 1}]
    await yard.clock.advance(1e6)
    assert yard.ended == 0


async def test_what_is_not_configured_starts_nothing() -> None:
    yard = Yard()

    def spec() -> WorkerSpec:
        raise JarvisError("config_invalid", "The key is not to be found")

    asking = Asking(yard.bus, yard.clock, "toy", "toys", spec, idle_s=IDLE_S)
    asking.start(yard)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(JarvisError, match="not to be found"):
            await asking.ask({})
    assert yard.specs == []


async def test_another_worker_may_not_open_it() -> None:
    yard = Yard()
    yard.asking(idle_s=IDLE_S)
    with pytest.raises(JarvisError, match="Only the worker toy"):
        await Process(yard.bus, "echo").hear()
