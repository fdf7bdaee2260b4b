"""The store: committed means there, a full disk is told, an old file is copied aside."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.store import Database, Store
from jarvis_daemon.store import migrations as migrations_module


@pytest.fixture
async def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    yield store
    await store.close()


def put(key: str, value: str):  # type: ignore[no-untyped-def]
    def fn(db: Database) -> None:
        db.execute("insert into kv (key, value) values (?, ?)", [key, value])

    return fn


def get(key: str):  # type: ignore[no-untyped-def]
    def fn(db: Database) -> str | None:
        row = db.execute("select value from kv where key = ?", [key]).fetchone()
        return row[0] if row else None

    return fn


async def test_what_was_written_is_read_by_readers_at_once(store: Store) -> None:
    await store.write(put("a", "1"))
    await store.write(put("b", "2"), durable=True)
    assert [await store.read(get(k)) for k in "ab"] == ["1", "2"]


async def test_a_failing_write_leaves_nothing_behind(store: Store) -> None:
    def half(db: Database) -> None:
        put("half", "x")(db)
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await store.write(half)
    assert await store.read(get("half")) is None
    await store.write(put("after", "1"))


async def test_the_file_is_private(store: Store) -> None:
    assert oct(store.path.stat().st_mode)[-3:] == "600"


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(JarvisError, match="cannot be read"):
        await store.read(put("no", "x"))


async def test_a_full_disk_is_told_and_forgotten_when_it_is_over(store: Store) -> None:
    def limit(pages: int):  # type: ignore[no-untyped-def]
        assert store._full is not None
        store._full.execute(f"pragma max_page_count = {pages}")

    limit(1)
    with pytest.raises(JarvisError) as caught:
        await store.write(put("big", "x" * 1_000_000), durable=True)
    assert caught.value.code == "store_failed"
    assert "full" in caught.value.why
    assert store.error is not None
    assert "full" in store.error
    limit(1_000_000)
    await store.write(put("big", "x"), durable=True)
    assert store.error is None


async def test_a_file_that_is_no_database_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    path.write_bytes(b"this is not a database, and long enough to tell" * 10)
    with pytest.raises(JarvisError) as caught:
        await Store(path).open()
    assert caught.value.code == "store_failed"
    assert "mv" in caught.value.next


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 999")
    connection.close()
    with pytest.raises(JarvisError, match="cannot be opened"):
        await Store(path).open()


async def test_a_migration_copies_the_old_file_aside_and_fails_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    await store.write(put("kept", "1"))
    await store.close()

    def broken(db: Database) -> None:
        db.execute("drop table kv")
        raise sqlite3.OperationalError("half way")

    monkeypatch.setattr(migrations_module, "MIGRATIONS", (*migrations_module.MIGRATIONS, broken))
    with pytest.raises(JarvisError, match="cannot be opened"):
        await Store(store.path).open()
    monkeypatch.undo()
    again = Store(store.path)
    await again.open()
    assert await again.read(get("kept")) == "1"
    await again.close()
    copy = sqlite3.connect(tmp_path / f"jarvis.db.before-{len(migrations_module.MIGRATIONS) + 1:03d}")
    assert copy.execute("select value from kv where key = 'kept'").fetchall() == [("1",)]
    copy.close()


async def test_feed_numbers_have_no_holes_and_keys_no_doubles(store: Store) -> None:
    feed = Feed(store, Bus(), ManualClock())
    await feed.start()
    first = await feed.post("a", "one", key="k")
    assert await feed.post("a", "one again", key="k") is None
    others = await asyncio.gather(*(feed.post("a", str(i)) for i in range(20)))
    assert first is not None
    assert sorted(e.seq for e in others if e) == list(range(first.seq + 1, first.seq + 21))
    assert [e.seq for e in feed.topic.recent(0) or []] == list(range(1, 22))


async def test_swept_numbers_are_never_used_again(store: Store) -> None:
    clock = ManualClock()
    feed = Feed(store, Bus(), clock)
    await feed.start()
    for text in "abc":
        await feed.post("x", text)
    clock.jump(1000)
    assert await feed.sweep(500) == 3
    again = Feed(store, Bus(), clock)
    await again.start()
    assert again.topic.last_seq == 3
    event = await again.post("x", "d")
    assert event is not None
    assert event.seq == 4


async def test_history_pages_forth_and_back(store: Store) -> None:
    feed = Feed(store, Bus(), ManualClock())
    await feed.start()
    for i in range(10):
        await feed.post("x", str(i))
    assert [e.text for e in await feed.topic.history(limit=3)] == ["7", "8", "9"]
    assert [e.text for e in await feed.topic.history(before=8, limit=3)] == ["4", "5", "6"]
    assert [e.text for e in await feed.topic.history(after=2, limit=3)] == ["2", "3", "4"]


WRITER = """
import asyncio, sys
from pathlib import Path
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.store import Store

async def main():
    store = Store(Path(sys.argv[1])); await store.open()
    feed = Feed(store, Bus(), SystemClock()); await feed.start()
    while True:
        event = await feed.post("x", "y")
        print(event.seq, flush=True)
asyncio.run(main())
"""


async def test_a_killed_writer_loses_nothing_it_had_told(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(50)]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.strip().isdigit()]
    store = Store(path)
    await store.open()
    kept = [row[0] for row in await store.read(lambda db: db.execute("select seq from feed").fetchall())]
    await store.close()
    assert kept[: len(told)] == told == list(range(1, len(told) + 1))


async def test_a_damaged_file_is_told_like_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    store = Store(path)
    await store.open()
    await store.write(put("big", "x" * 200_000), durable=True)
    await store.close()
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)
    await store_is_told_broken(path)


async def test_a_damaged_log_loses_only_what_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "jarvis.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.kill()
    wal = path.with_name("jarvis.db-wal")
    size = wal.stat().st_size
    with wal.open("r+b") as file:
        file.seek(size - 2000)
        file.write(os.urandom(2000))
    store = Store(path)
    await store.open()
    kept = [row[0] for row in await store.read(lambda db: db.execute("select seq from feed").fetchall())]
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= 15
    await store.write(put("goes", "on"), durable=True)
    await store.close()


async def store_is_told_broken(path: Path) -> None:
    store = Store(path)
    with pytest.raises(JarvisError, match=r"cannot be opened|not be saved") as caught:  # noqa: PT012 either may tell
        await store.open()
        await store.write(put("more", "x"), durable=True)
    assert caught.value.code == "store_failed"
    assert "malformed" in caught.value.why or "not a database" in caught.value.why
    await store.close()
