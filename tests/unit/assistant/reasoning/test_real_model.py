"""The loop with a real model server and real weights, of a small window: what it sends always fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.assistant.conversation.turn import PastTurn, Trace, Turn
from jarvis_daemon.assistant.llm.brain import ModelBrain
from jarvis_daemon.assistant.llm.embedded import SAMPLING
from jarvis_daemon.assistant.llm.local import LocalModel
from jarvis_daemon.assistant.reasoning.loop import Loop
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.settings import Settings
from tests.llama import Llama
from tests.unit.assistant.reasoning.conftest import OPERATOR, House, Told


@pytest.mark.slow
async def test_a_long_conversation_fits_a_small_real_window(house: House, tmp_path: Path) -> None:
    clock, settings = SystemClock(), Settings().assistant
    past = tuple(PastTurn(n, f"question {n}", "pve is at 52 °C, 1234567 B. " * 30) for n in range(1, 8))
    with Llama(n_ctx=1024) as llama:
        settings.local = llama.settings()
        places = base_places({"JARVIS_HOME": str(tmp_path)})
        brain = ModelBrain(settings, [LocalModel(settings.local, places, clock, sampling=SAMPLING)], clock)
        loop = Loop(
            brain, house.room.gate, house.room.registry, house.bus, clock, settings, lambda: "You are a butler."
        )
        told = Told()
        turn = Turn(
            id=9, session="c", asked="say good evening", principal=OPERATOR, emit=told,
            trace=Trace(clock), now=clock.now(), past=past,
        )  # fmt: skip
        outcome = await loop.run(turn)
        loop.close()
        await brain.close()
    assert "longer" not in outcome.text  # a model this small may turn in circles, which is told; it never overflows
    assert outcome.status == "done", outcome.text
    assert outcome.backend.startswith("local ")
    assert outcome.text == told.stands() != ""
    assert outcome.summary_upto >= 6
    assert 'asked "question 1"' in (outcome.summary or "")  # by first sentences: a model as small invents
    assert not any("longer than" in note and "window" in note for note in outcome.notes)
