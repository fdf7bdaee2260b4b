"""How long a thing is kept, what replaces what, and what becomes of what is of use."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jarvis_daemon.assistant.memory import table
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryItem
from tests.unit.assistant.memory.conftest import DAY, Desk, OpenDesk


async def use(desk: Desk, number: int) -> MemoryItem:
    now = desk.clock.now()
    await desk.store.write(lambda db: table.used(db, [number], now, desk.memory.ends))
    return await desk.memory.get(number)


@pytest.mark.parametrize(("tier", "days"), [("conversation", 7), ("episodic", 30)])
async def test_it_is_gone_at_the_second_for_every_way_of_asking(desk: Desk, tier: Any, days: int) -> None:
    kept = (await desk.memory.remember("the UPS beeped at noon", tier=tier)).item
    await desk.clock.advance(days * DAY - 1)
    assert [one.id for one in await desk.memory.search("ups")] == [kept.id]
    assert (await desk.memory.get(kept.id)).text == "the UPS beeped at noon"
    await desk.clock.advance(1)
    assert await desk.memory.search("ups") == []
    assert await desk.all() == []
    assert await desk.memory.what_happened("ups") == []
    assert (await desk.memory.export())[1] == 0
    with pytest.raises(JarvisError, match="no memory"):
        await desk.memory.get(kept.id)


async def test_what_is_lasting_has_no_end(desk: Desk) -> None:
    await desk.memory.remember("the UPS beeped at noon", tier="lasting")
    desk.clock.jump(4000 * DAY)
    assert await desk.texts() == ["the UPS beeped at noon"]


async def test_how_long_is_a_setting(open_desk: OpenDesk) -> None:
    desk = await open_desk(conversation_days=1.0, episodic_days=2.0)
    await desk.memory.remember("the UPS beeped at noon", tier="conversation")
    await desk.memory.remember("the switch was replaced", tier="episodic")
    await desk.clock.advance(DAY)
    assert await desk.texts() == ["the switch was replaced"]
    await desk.clock.advance(DAY)
    assert await desk.texts() == []


async def test_the_sweep_runs_each_hour_and_takes_row_and_index(open_desk: OpenDesk) -> None:
    desk = await open_desk(conversation_days=1 / 24)
    kept = (await desk.memory.remember("the UPS beeped at noon", tier="conversation")).item
    await desk.memory.start()
    try:
        await swept(desk)
        await desk.clock.advance(3599)
        assert await desk.memory.traces(kept.id) == ["row", "index"]
        await desk.clock.advance(1)
        await swept(desk)
        assert await desk.memory.traces(kept.id) == []
    finally:
        await desk.memory.stop()


async def swept(desk: Desk) -> None:
    """Behind a sweep that is due: the writer does one thing after the other."""
    for _ in range(20):
        await asyncio.sleep(0)
    await desk.store.write(lambda db: None)
    for _ in range(20):
        await asyncio.sleep(0)


async def test_of_those_with_an_end_only_so_many_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROWS_MAX", 5)
    await desk.memory.remember("the operator likes tea", tier="lasting")
    for number in range(8):
        await desk.clock.advance(1)
        await desk.memory.remember(f"event number {number} happened", tier="conversation")
    assert await desk.memory.sweep() == 3
    assert sorted(await desk.texts())[0] == "event number 3 happened"
    assert "the operator likes tea" in await desk.texts()


# --- promotion -----------------------------------------------------------------------------------------------


async def test_use_on_different_days_lifts_it_to_the_top(desk: Desk) -> None:
    number = (await desk.memory.remember("plex needs the GPU to be passed through", tier="conversation")).item.id
    for _ in range(5):
        kept = await use(desk, number)  # five times on one day count as one day
    assert (kept.tier, kept.uses) == ("conversation", 5)
    await desk.clock.advance(DAY)
    assert (await use(desk, number)).tier == "conversation"
    await desk.clock.advance(DAY)
    kept = await use(desk, number)
    assert kept.tier == "episodic"
    assert kept.expires_at == desk.clock.now() + 30 * DAY
    for _ in range(3):
        await desk.clock.advance(DAY)
        kept = await use(desk, number)
    assert (kept.tier, kept.expires_at) == ("lasting", None)


async def test_a_tainted_one_never_rises_however_often_it_is_of_use(desk: Desk) -> None:
    number = (await desk.memory.remember("the log says all is well", tier="conversation", trust="tainted")).item.id
    for _ in range(6):
        kept = await use(desk, number)
        await desk.clock.advance(DAY)
    assert (kept.tier, kept.uses) == ("conversation", 6)
    await desk.clock.advance(DAY)
    assert await desk.texts() == []


async def test_a_tainted_one_is_never_written_as_lasting(desk: Desk) -> None:
    kept = (await desk.memory.remember("the log says all is well", tier="lasting", trust="tainted")).item
    assert (kept.tier, kept.trust) == ("episodic", "tainted")


async def test_a_summary_stays_below_the_top(desk: Desk) -> None:
    number = (await desk.memory.remember("Asked about plex.", kind="summary", tier="conversation")).item.id
    for _ in range(12):
        kept = await use(desk, number)
        await desk.clock.advance(DAY)
    assert kept.tier == "episodic"


# --- one thing said anew -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("the NAS has 4 disks", "The NAS has six disks."),
        ("plex runs on agent1", "plex runs on agent"),
        ("the NAS's address is 192.168.1.5", "the address of the NAS is 192.168.1.9"),
        ("the modem is in the cellar", "the modem is now in the attic"),
        ("our provider is Telekom", "Our provider is now Init7"),
        ("the UPS is called Bertha", "the UPS is named Berta"),
    ],
)
async def test_the_newer_statement_of_one_thing_holds(desk: Desk, before: str, now: str) -> None:
    first = await desk.memory.remember(before, trust="operator")
    second = await desk.memory.remember(now, trust="operator")
    assert second.instead is not None
    assert second.instead.id == first.item.id
    assert await desk.texts() == [now]
    everything = await desk.memory.list_all(replaced=True)
    assert {one.id: one.superseded_by for one in everything} == {
        first.item.id: second.item.id, second.item.id: None,
    }  # fmt: skip
    await desk.clock.advance(30 * DAY)
    assert len(await desk.memory.list_all(replaced=True)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the NAS has 4 disks", "the NAS has 2 fans"),
        ("the NAS has 4 disks", "the backup NAS has 2 disks"),
        ("plex runs on agent1", "gitea runs on agent1"),
        ("the NAS is slow on Mondays", "the NAS is a Synology"),
        ("the fan of the NAS is loud", "the fan of the NAS is new"),
        ("my wife is Anna", "my wife is away on Fridays"),
        ("the cellar floods in spring", "the cellar has no window at all"),
    ],
)
async def test_different_things_stand_side_by_side(desk: Desk, one: str, other: str) -> None:
    await desk.memory.remember(one, trust="operator")
    await desk.memory.remember(other, trust="operator")
    assert sorted(await desk.texts()) == sorted([one, other])


async def test_the_same_said_again_is_one_memory_that_lives_on(desk: Desk) -> None:
    first = (await desk.memory.remember("the switch was replaced", tier="conversation", trust="operator")).item
    await desk.clock.advance(6 * DAY)
    again = await desk.memory.remember("The switch was REPLACED", tier="conversation", trust="operator")
    assert (again.how, again.item.id) == ("again", first.id)
    await desk.clock.advance(6 * DAY)
    assert await desk.texts() == ["the switch was replaced"]


@pytest.mark.parametrize("trust", ["tainted", "system"])
async def test_a_less_trusted_voice_replaces_nothing(desk: Desk, trust: Any) -> None:
    await desk.memory.remember("the NAS has 4 disks", trust="operator")
    said = await desk.memory.remember("the NAS has 99 disks", tier="conversation", trust=trust)
    assert said.instead is None
    assert {one.text: one.trust for one in await desk.all()} == {
        "the NAS has 4 disks": "operator", "the NAS has 99 disks": trust,
    }  # fmt: skip
    same = await desk.memory.remember("the NAS has 4 disks", tier="conversation", trust=trust)
    assert (same.item.trust, same.item.tier) == ("operator", "lasting")


async def test_to_forget_the_newer_brings_back_the_older(desk: Desk) -> None:
    first = (await desk.memory.remember("the NAS has 4 disks", trust="operator")).item
    second = (await desk.memory.remember("the NAS has 6 disks", trust="operator")).item
    third = (await desk.memory.remember("the NAS has 8 disks", trust="operator")).item
    _, again = await desk.memory.forget(second.id)  # one in the middle: nothing holds again
    assert again == []
    forgotten, again = await desk.memory.forget(third.id)
    assert (forgotten.text, again) == ("the NAS has 8 disks", [first.id])
    assert await desk.texts() == ["the NAS has 4 disks"]
    assert (await desk.memory.get(first.id)).expires_at is None
    assert (await desk.memory.remember("the NAS has 5 disks", trust="operator")).instead is not None


@pytest.mark.parametrize(
    "text", ["", "too short", "how many disks has the NAS", "the NAS has 4 disks?", "why is plex down"]
)
async def test_scraps_and_questions_are_not_kept(desk: Desk, text: str) -> None:
    with pytest.raises(JarvisError) as caught:
        await desk.memory.remember(text)
    assert caught.value.code == "invalid_params"
    assert await desk.all() == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I prefer short answers", "preference"),
        ("always answer in Celsius", "preference"),
        ("Never wake me before seven", "preference"),
        ("prefers tea over coffee", "preference"),
        ("the NAS has 4 disks", "fact"),
        ("Ivan preferred the old NAS", "fact"),
    ],
)
async def test_what_one_likes_is_a_preference(desk: Desk, text: str, kind: str) -> None:
    assert (await desk.memory.remember(text, trust="operator")).item.kind == kind


# --- switched off --------------------------------------------------------------------------------------------


async def test_switched_off_nothing_is_written_or_told(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await desk.memory.remember("the NAS has 4 disks", trust="operator")
    desk = await open_desk(desk.clock, enabled=False)
    with pytest.raises(JarvisError) as caught:
        await desk.memory.remember("the NAS has 6 disks", trust="operator")
    assert caught.value.code == "unavailable"
    await desk.memory.said("s1", "the attic is warm in summer")
    assert await desk.memory.session_ended("s1", []) is None
    assert (await desk.memory.block("nas disks", 1000, tokens)).text == ""
    assert await desk.texts() == ["the NAS has 4 disks"]


async def tokens(text: str) -> int:
    return len(text) // 4
