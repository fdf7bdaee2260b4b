"""What is said to memory, understood without a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import jarvis_daemon.assistant
from jarvis_daemon.assistant.understanding.understanding import Understanding
from tests.unit.assistant.memory.conftest import Desk

SENTENCES = Path(jarvis_daemon.assistant.__file__).parent / "intents" / "memory.yaml"


@pytest.fixture
def ear(desk: Desk, tmp_path: Path) -> Understanding:
    folder = tmp_path / "intents"
    folder.mkdir()
    shutil.copy(SENTENCES, folder)
    desk.tools.registry.add_sentences("assistant", folder)
    return Understanding(desk.tools.registry, desk.bus, aliases={})


@pytest.mark.parametrize(
    ("said", "tool", "args"),
    [
        ("remember that the NAS has 4 disks", "remember", {"text": "the NAS has 4 disks"}),
        ("Jarvis, please remember that I never restart plex on Friday.", "remember",
         {"text": "I never restart plex on Friday"}),
        ("don't forget that the tax is due in May", "remember", {"text": "the tax is due in May"}),
        ("make a note that Bob has the key", "remember", {"text": "Bob has the key"}),
        ("I prefer short answers", "remember", {"text": "short answers", "manner": "prefers"}),
        ("from now on always answer in Celsius", "remember", {"text": "answer in Celsius", "manner": "always"}),
        ("forget memory 12", "forget_memory", {"memory": 12}),
        ("forget memory number twelve", "forget_memory", {"memory": 12}),
        ("search your memory for the NAS", "search_memory", {"query": "the NAS"}),
        ("what do you remember?", "list_memories", {}),
        ("show me your memories", "list_memories", {}),
    ],
)  # fmt: skip
async def test_what_is_said_is_one_call(ear: Understanding, said: str, tool: str, args: dict[str, Any]) -> None:
    heard = ear.parse(said)
    assert (heard.kind, heard.tool, dict(heard.args)) == ("order", tool, args)


async def test_what_happened_is_a_question(ear: Understanding) -> None:
    heard = ear.parse("what happened to the NAS last week?")
    assert (heard.kind, heard.intent, heard.slots["text"].said) == ("question", "happened_of", "the NAS last week")


@pytest.mark.parametrize(
    "said",
    [
        "don't remember that plex is slow", "forget everything", "forget memory", "forget all memories",
        "if it rains forget memory 3", "do not forget memory 3", "he said forget memory 3",
        "should I forget memory 3?", "forget memory 3 and memory 4",
    ],
)  # fmt: skip
async def test_what_is_no_order_is_none(ear: Understanding, said: str) -> None:
    assert ear.parse(said).kind != "order"
