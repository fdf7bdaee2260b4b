"""Stories on disk: written before told, numbered once, kept with their facts, forgotten in time."""

from __future__ import annotations

import msgspec
import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Repair
from jarvis_daemon.remediation import telling
from jarvis_daemon.remediation.decision import judge
from jarvis_daemon.remediation.stories import SHOWN_MAX, SHOWN_S, Save, slim
from tests.unit.remediation.books import case
from tests.unit.remediation.ward import Ward


def repair(ward: Ward, **changes: object) -> Repair:
    now = ward.clock.now()
    given: dict[str, object] = {
        "incident": "1", "condition": "guest-crashed", "target": "guest:105", "target_name": "pihole",
        "runbook": "guest-crashed", "status": "refused", "seen": "pihole has stopped", "seen_at": now,
        "text": "No.",
    } | changes  # fmt: skip
    return msgspec.convert({"id": ""} | given, Repair)


async def test_what_was_not_committed_has_no_number_and_is_told_to_nobody(ward: Ward) -> None:
    """The disk fills up between the row and its body: the number would be another story's."""
    first = repair(ward)
    await ward.stories.save(Save(first))
    assert ward.store._full is not None
    pages = ward.store._full.execute("pragma page_count").fetchone()[0]
    ward.store._full.execute(f"pragma max_page_count = {pages}")
    big = repair(ward, text="x" * 500_000)
    with pytest.raises(JarvisError) as caught:
        await ward.stories.save(Save(big, telling.line(ward.feed, big)))
    assert caught.value.code == "store_failed"
    assert big.id == ""
    assert [r.id for r in ward.shown()] == ["1"]
    assert await ward.told() == []
    ward.store._full.execute("pragma max_page_count = 1000000")
    second = repair(ward)
    await ward.stories.save(Save(second))
    await ward.stories.save(Save(big))
    kept = await ward.stories.list(since_at=None, incident=None, limit=10)
    assert [(r.id, len(r.text)) for r in kept] == [("3", 500_000), ("2", 3), ("1", 3)]


async def test_a_line_of_the_feed_names_its_story(ward: Ward) -> None:
    story = repair(ward)
    await ward.stories.save(Save(story, telling.line(ward.feed, story)))
    (line,) = await ward.told()
    assert line.data["repair"] == story.id == "1"


async def test_the_facts_of_a_decision_judge_the_same_again(ward: Ward) -> None:
    ward.cluster.quorate = False
    ward.crash()
    await ward.poll()
    found = await ward.stories.case_of("1", "guest-crashed")
    assert found is not None
    kept_case, story = found
    again = judge(kept_case, story.level)
    assert (again.verdict, again.text, again.checks) == ("refuse", "The cluster has no quorum.", story.checks)
    assert await ward.stories.case_of("2", "guest-crashed") is None


async def test_facts_that_cannot_be_read_are_told(ward: Ward) -> None:
    story = repair(ward)
    await ward.stories.save(Save(story, None, case()))
    await ward.store.write(lambda db: db.execute("update repairs set facts = '{]'"))
    with pytest.raises(JarvisError) as caught:
        await ward.stories.case_of("1", "guest-crashed")
    assert "cannot be read" in caught.value.what


def test_kept_facts_hold_what_the_case_needs_and_judge_alike() -> None:
    whole = case()
    assert judge(slim(whole), 3) == judge(whole, 3)
    assert set(slim(whole).facts.guests) == {"guest:105"}
    assert slim(whole).facts.storages == {}


async def test_what_ended_leaves_the_screen_and_later_the_store(ward: Ward) -> None:
    now = ward.clock.now()
    for ended in (now - SHOWN_S - 1, now - 60, None):
        await ward.stories.save(Save(repair(ward, ended_at=ended, seen_at=now - 10)))
    ward.stories.sweep_shown()
    assert [r.ended_at for r in ward.shown()] == [now - 60, None]
    await ward.stories.sweep(now - 30)
    kept = await ward.stories.list(since_at=None, incident=None, limit=10)
    assert [r.ended_at for r in kept] == [None], "what has not ended is never swept"


async def test_no_more_than_some_are_shown(ward: Ward) -> None:
    now = ward.clock.now()
    many = [Save(repair(ward, ended_at=now - n)) for n in range(SHOWN_MAX + 20)]
    await ward.stories.save(*many)
    ward.stories.sweep_shown()
    shown = list(ward.shown())
    assert len(shown) == SHOWN_MAX
    assert min(r.ended_at or 0 for r in shown) == now - SHOWN_MAX + 1


async def test_history_by_time_and_incident_newest_first(ward: Ward) -> None:
    now = ward.clock.now()
    for number, ended in (("1", now - 5000), ("2", now - 50), ("3", None)):
        await ward.stories.save(Save(repair(ward, incident=number, ended_at=ended, seen_at=now - 6000)))
    assert [r.incident for r in await ward.stories.list(since_at=now - 100, incident=None, limit=10)] == ["3", "2"]
    assert [r.incident for r in await ward.stories.list(since_at=None, incident="1", limit=10)] == ["1"]
    assert [r.incident for r in await ward.stories.list(since_at=None, incident=None, limit=1)] == ["3"]
