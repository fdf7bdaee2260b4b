"""Search by meaning, with the real weights: what words do not find, and that nothing hangs on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.assistant.memory.vectors import Vectors, on_one_thread
from tests.unit.assistant.memory.conftest import DAY, MORNING, Desk, OpenDesk

ENCODER: Any = on_one_thread()
np: Any = ENCODER.np


@pytest.fixture(scope="module")
def encoder() -> Any:
    folder = ENCODER.folder_of_package()
    assert folder is not None, "the group `weights` is not installed"
    return ENCODER.Encoder(folder)


def test_it_computes_what_the_model_s_makers_publish(encoder: Any) -> None:
    """The three sentences of the first page of the library that the model was made with."""
    rows = np.stack([
        encoder.encode("The weather is lovely today."), encoder.encode("It's so sunny outside!"),
        encoder.encode("He drove to the stadium."),
    ])  # fmt: skip
    told = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.allclose(rows @ rows.T, told, atol=2e-4)


@pytest.mark.parametrize("text", ["", " ", "x" * 5000, "word " * 2000, "😀\u202e", "日本語"])
def test_any_text_has_a_vector(encoder: Any, text: str) -> None:
    vector = encoder.encode(text)
    assert vector.shape == (384,)
    assert np.isfinite(vector).all()
    assert abs(float(np.linalg.norm(vector)) - 1) < 1e-4


def test_only_what_is_near_is_near(encoder: Any) -> None:
    rows = [(number, encoder.encode(text).tobytes()) for number, text in enumerate(
        ["the router is down", "tea is served at five", "our gateway to the internet is offline"]
    )]  # fmt: skip
    found = ENCODER.nearest(encoder.encode("the router does not work"), [*rows, (9, b"damaged")], 0.3, 10)
    assert found == [0, 2]
    assert ENCODER.nearest(encoder.encode("x"), [], 0.3, 10) == []


async def test_it_finds_what_no_word_finds_and_forgets_with_the_row(open_desk: OpenDesk) -> None:
    desk = await open_desk(embeddings=True)
    assert desk.memory.vectors is not None
    for text in ("wireguard listens on port 51820", "the office printer is out of toner", "tea is served at five"):
        await desk.memory.remember(text, trust="operator")
    assert await desk.memory.search("the ink is empty") == []
    assert await desk.memory.vectors.index() == 3
    found = await desk.memory.search("the ink is empty")
    assert [one.text for one in found] == ["the office printer is out of toner"]
    assert (await desk.memory.search("the ink is empty", until_at=MORNING - DAY)) == []
    number = (await desk.memory.search("toner"))[0].id
    assert await desk.memory.traces(number) == ["row", "index", "vector"]
    await desk.memory.forget(number)
    assert await desk.memory.traces(number) == []
    assert await desk.memory.search("the ink is empty") == []
    await desk.memory.stop()


async def test_what_is_reworded_loses_its_old_vector(open_desk: OpenDesk) -> None:
    desk = await open_desk(embeddings=True)
    assert desk.memory.vectors is not None
    await desk.memory.remember("the office printer is out of toner", trust="operator")
    await desk.memory.vectors.index()
    markdown, _ = await desk.memory.export()
    markdown = markdown.replace("the office printer is out of toner", "tea is served at five")
    await desk.memory.apply(markdown, (await desk.memory.compare(markdown)).sha256)
    assert await desk.memory.traces(1) == ["row", "index"]
    assert await desk.memory.vectors.index() == 1
    assert await desk.memory.search("the ink is empty") == []
    await desk.memory.stop()


async def test_it_is_indexed_by_itself(open_desk: OpenDesk) -> None:
    desk = await open_desk(embeddings=True)
    assert desk.memory.vectors is not None
    await desk.memory.start()
    try:
        await desk.memory.remember("the office printer is out of toner", trust="operator")
        for _ in range(500):
            await desk.memory.vectors.near("wait for the thread")
            if "vector" in await desk.memory.traces(1):
                break
        assert "vector" in await desk.memory.traces(1)
    finally:
        await desk.memory.stop()


async def test_without_the_model_words_find_what_they_found(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text("{}")
    desk.memory.vectors = Vectors(desk.store, tmp_path)
    await desk.memory.remember("the office printer is out of toner", trust="operator")
    assert await desk.memory.vectors.index() == 0
    assert [one.id for one in await desk.memory.search("toner")] == [1]
    assert [one.id for one in await desk.memory.search("printers")] == [1]
    assert "num_hidden_layers" in desk.memory.vectors.why
    assert len([r for r in caplog.records if "meaning" in r.message]) == 1
    desk.memory.vectors.close()


def test_a_library_that_is_not_there_is_named() -> None:
    """In an interpreter in which numpy is not to be found, as where the extra is not installed."""
    code = (
        "import asyncio, sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'numpy' else real(name, *rest)\n"
        "from jarvis_daemon.assistant.memory.vectors import Vectors\n"
        "v = Vectors(None)\n"
        "assert asyncio.run(v.near('hello')) == []\n"
        "print(v.why); v.close(); assert 'numpy' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "numpy is not installed; the extra `embeddings` has it"


def test_memory_loads_none_of_it() -> None:
    code = (
        "import sys, jarvis_daemon.assistant.memory.memory, jarvis_daemon.assistant.memory.tools\n"
        "print([n for n in ('numpy', 'tokenizers', 'safetensors') if n in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"
