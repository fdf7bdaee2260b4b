"""`jarvis chat` at a terminal over whole processes: a killed daemon, an approval, Ctrl-C that reaches the model."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mind_house import MindHouse, ModelThread, mind_house
from tests.integration.terminal import Terminal
from tests.scripted import Hold, openai

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house() -> Iterator[MindHouse]:
    with (
        tempfile.TemporaryDirectory(prefix="jv-", ignore_cleanup_errors=True) as folder,
        mind_house(Path(folder), model=True, NO_COLOR="1", JARVIS_DEMO__SPEED="20") as found,
    ):
        yield found


@pytest.fixture(autouse=True)
def there(house: MindHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's variables are gone before each test; those of this house come back."""
    for variable, value in house.given.items():
        monkeypatch.setenv(variable, value)


def model_of(house: MindHouse) -> ModelThread:
    assert house.model is not None
    return house.model


def test_a_conversation_survives_a_killed_daemon(house: MindHouse) -> None:
    model, hold = model_of(house), Hold()
    model.server.answers.append(openai.stream("The first half. ", hold, "The second."))
    me = Terminal("chat")
    me.answer("> ", "recite something long")
    me.sees("The first half.")
    house.kill()
    me.sees("The daemon went away")
    me.sees("(cut: the daemon ended)", timeout_s=60)
    model.call(hold.go.set)
    model.server.answers.append(openai.stream("Still here."))
    me.answer("> ", "recite something short")
    me.sees("Still here.", timeout_s=60)
    me.answer("> ", "/quit")
    assert me.end() == 0
    assert "The second." not in me.seen
    assert me.seen.count("The first half.") == 1
    with house.client(role="operator") as link:
        turns = link.call("chat.show", {"session": "last"})["turns"]
    assert [turn["reply"]["status"] for turn in turns] == ["cut", "done"]
    assert turns[0]["reply"]["text"].strip() == "The first half."


def test_a_model_s_act_is_let_run_at_the_same_terminal(house: MindHouse) -> None:
    model = model_of(house)
    before = len(house.rows("intent"))
    model.server.answers += [
        openai.stream(openai.Call(0, "c1", "reboot_container", ['{"guest": "10', '5"}'])),
        openai.stream("It is done."),
    ]
    me = Terminal("ask", "kindly see to it that the dns on pihole behaves again")
    me.answer("Let it run? [y/N]:", "y", timeout_s=60)
    assert me.end() == 0
    shown = me.seen.partition("Let it run?")[0]
    assert "reboot_container" in shown
    assert "RED" in shown
    assert "  from " in shown
    assert "reboot_container pihole RED verified" in me.seen
    assert len(house.rows("intent")) == before + 1


def test_ctrl_c_reaches_the_model_s_server(house: MindHouse) -> None:
    model, hold = model_of(house), Hold()
    model.call(model.server.left.clear)
    model.server.answers.append(openai.stream("One. ", hold, "Two."))
    me = Terminal("ask", "--new", "recite something long")
    me.sees("One.")
    me.process.send_signal(signal.SIGINT)
    assert me.end() == 130
    assert "(cancelled)" in me.seen
    assert "Two." not in me.seen
    assert _left(model), "the model's server was not told"


def _left(model: ModelThread) -> bool:
    """Whether the server saw its client go."""
    seen, tasks = threading.Event(), set()

    async def wait() -> None:
        await model.server.left.wait()
        seen.set()

    model.call(lambda: tasks.add(asyncio.ensure_future(wait())))
    return seen.wait(20)
