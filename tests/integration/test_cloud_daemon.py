"""A whole daemon with a cloud model: its cost stands in the ledger whatever happens, its key stands nowhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.house import House, content
from tests.integration.mind_house import ModelThread
from tests.scripted import Hold, openai

pytestmark = pytest.mark.slow
KEY = "sk-canary-0123456789abcdefghij"
QUESTION = "tell me something soothing about backups"


@pytest.fixture
def provider() -> Iterator[ModelThread]:
    thread = ModelThread()
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture
def house(home: Path, provider: ModelThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    given = {"ENABLED": "true", "MODEL": "openai/gpt-4.1", "BASE_URL": provider.server.url, "KEY": KEY}
    house = House(home, **{f"JARVIS_ASSISTANT__CLOUD__{name}": value for name, value in given.items()})
    house.start()
    house.state("cluster")
    yield house
    house.close()


def until(check: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline, waiting = time.monotonic() + timeout_s, threading.Event()
    while not check():
        assert time.monotonic() < deadline, what
        waiting.wait(0.1)


def test_costs_and_the_key(house: House, provider: ModelThread) -> None:
    provider.server.answers.extend([
        openai.stream("They sleep well, sir.", tokens=(2_000, 30, 500)),
        openai.error(401, f"Incorrect API key provided: {KEY}"),
        openai.error(400, f"Bad header: Bearer {KEY}"),
    ])  # fmt: skip
    asked = [house.jarvis("ask", "--no-input", QUESTION, "-o", "json") for _ in range(3)]
    assert json.loads(asked[0].stdout)["reply"] == "They sleep well, sir."
    said = "".join(run.stdout + run.stderr for run in asked)
    assert "does not accept our key" in said
    assert [one.headers["authorization"] for one in provider.server.asked] == [f"Bearer {KEY}"] * 3

    told = json.loads(house.jarvis("cost", "-o", "json").stdout)
    (row,) = told["rows"]
    counted = [row[name] for name in ("calls", "failed", "input_tokens", "cached_tokens", "output_tokens")]
    assert counted == [3, 2, 2_000, 500, 30]
    usd = (1_500 * 2 + 500 * 0.5 + 30 * 8) / 1e6
    assert (told["today_usd"], told["month_usd"]) == (pytest.approx(usd), pytest.approx(usd))

    said += "".join(
        house.jarvis(*words, "-o", "json").stdout
        for words in (("trace", "last"), ("model", "list"), ("feed",), ("audit", "list"), ("doctor",))
    )
    assert KEY not in said
    house.close()
    files = [path for path in house.home.rglob("*") if path.is_file()]
    assert any(path.name == "jarvis.db" for path in files)
    assert [path for path in files if KEY.encode() in content(path)] == []


def test_a_killed_daemon_has_spent_what_was_under_way(house: House, provider: ModelThread) -> None:
    hold = Hold()
    provider.server.answers.append(openai.stream("Half", hold, " a reply"))
    asking = threading.Thread(target=lambda: house.jarvis("ask", "--no-input", QUESTION))
    asking.start()
    until(hold.reached.is_set, "the provider is asked")
    house.kill()
    until(provider.server.left.is_set, "the worker dies with its daemon, and the provider hears of it")
    asking.join(60)
    house.start()
    told = json.loads(house.jarvis("cost", "-o", "json").stdout)
    (row,) = told["rows"]
    assert (row["calls"], row["failed"], row["output_tokens"]) == (1, 1, 0)
    assert told["today_usd"] > 0.01, "its worst case"
