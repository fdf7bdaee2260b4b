"""The audit's chain: whole, it verifies; changed in a byte, it names the row; cut, the noted head is missed."""

from __future__ import annotations

import asyncio

import pytest

from jarvis_daemon.store import Database
from jarvis_daemon.tools.audit import Entry
from tests.unit.tools.conftest import Yard


async def fill(yard: Yard, count: int = 20) -> str:
    for i in range(count):
        entry = Entry("asked", f"c{i}", "operator:cli:0", "light", "yellow", "lamp:hall", {"lamp": "hall"})
        await yard.room.audit.write(entry)
    return await yard.room.audit.head()


async def test_a_whole_chain_verifies_with_its_head(yard: Yard) -> None:
    head = await fill(yard)
    assert (await yard.room.audit.verify()).ok
    assert (await yard.room.audit.verify(head)).ok
    await fill(yard, 3)
    assert (await yard.room.audit.verify(head)).ok, "rows after a noted head are no fault"


@pytest.mark.parametrize("column", ["at", "principal", "args", "data", "tier", "hash", "prev", "call_id"])
async def test_one_changed_byte_is_named(yard: Yard, column: str) -> None:
    await fill(yard)
    change = "at + 1" if column == "at" else f"{column} || ' '"
    await yard.store.write(lambda db: db.execute(f"update audit set {column} = {change} where id = 10"))
    found = await yard.room.audit.verify()
    assert not found.ok
    assert found.broken_row == 10


async def test_a_missing_row_is_named(yard: Yard) -> None:
    await fill(yard)
    await yard.store.write(lambda db: db.execute("delete from audit where id = 7"))
    found = await yard.room.audit.verify()
    assert (found.ok, found.broken_row) == (False, 7)


async def test_a_chain_that_grows_meanwhile_is_whole(yard: Yard) -> None:
    growing = asyncio.ensure_future(fill(yard, 300))
    while not growing.done():
        found = await yard.room.audit.verify()
        assert found.ok, found.why


async def test_an_emptied_table_is_not_whole(yard: Yard) -> None:
    await fill(yard)
    await yard.store.write(lambda db: db.execute("delete from audit"))
    found = await yard.room.audit.verify()
    assert (found.ok, found.broken_row) == (False, 1)


async def test_a_cut_tail_is_seen_by_the_head(yard: Yard) -> None:
    head = await fill(yard)

    def cut(db: Database) -> None:
        db.execute("delete from audit where id > 15")
        db.execute("update sqlite_sequence set seq = 15 where name = 'audit'")

    await yard.store.write(cut)
    assert (await yard.room.audit.verify()).ok, "a clean cut cannot be seen without a head"
    found = await yard.room.audit.verify(head)
    assert not found.ok
    assert "tail" in found.why


async def test_secrets_are_redacted_before_hashing(yard: Yard) -> None:
    await yard.room.audit.write(
        Entry("asked", "c", "p", "t", args={"password": "CANARY-1", "note": "PVEAPIToken=a@b!c=CANARY-2"})
    )
    rows = await yard.room.audit.list_rows(limit=10)
    assert "CANARY" not in str(rows)
    assert (await yard.room.audit.verify()).ok


async def test_reads_are_written_together(yard: Yard) -> None:
    await yard.call("look")
    assert await yard.kinds() == []
    await yard.clock.advance(1.5)
    await yard.room.audit.flush()
    assert "read" in await yard.kinds()
