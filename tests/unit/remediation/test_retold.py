"""What a story may not say twice after a restart, may not say at all, and what one answer holds of many."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.state import Repair, RepairStep
from jarvis_daemon.remediation.stories import ANSWER_MAX, Save
from tests.unit.remediation.ward import START, Ward, kept


async def restarted(ward: Ward, times: int = 2) -> None:
    for _ in range(times):
        await ward.restart()
        await ward.poll(3)


async def test_what_is_left_alone_is_told_once_whoever_restarts(ward: Ward) -> None:
    ward.change("pihole", lock="backup")
    ward.crash()
    await ward.poll(3)
    await restarted(ward)
    assert await ward.kinds() == ["holding"]
    await ward.kill()  # another reason is news, after a restart too
    await restarted(ward)
    assert await ward.kinds() == ["holding", "refused"]


async def test_what_is_recommended_is_told_once_whoever_restarts(ward: Ward) -> None:
    await ward.levels.set("all", "", 2, "operator:cli")
    ward.crash()
    await ward.poll(3)
    await restarted(ward)
    assert await ward.kinds() == ["recommended"]


async def test_a_short_hold_that_lasts_over_a_restart_is_told(ward: Ward) -> None:
    ward.window = True
    ward.crash()
    await ward.poll(3)
    await ward.restart()
    assert await ward.kinds() == []
    await ward.poll(60)
    assert await ward.kinds() == ["holding"]


async def test_what_was_removed_meanwhile_is_not_called_mended(ward: Ward) -> None:
    lazy = START.replace("  facts:\n    - {fact: guest.status, is: running}\n", "")
    ward.books[:] = [kept(lazy)]
    ward.lies = True
    guest = ward.crash().target
    await ward.poll(2)
    assert ward.acts == ["start pihole"]
    del ward.guests[guest]
    ward.incidents.clear()
    ward.bus.state("cluster").remove("guests", guest)
    await ward.poll(80)
    assert ward.story().status in {"failed", "escalated"}
    assert "repaired" not in await ward.kinds()


async def test_an_answer_of_many_stories_fits_a_frame(ward: Ward) -> None:
    steps = [RepairStep(tool="get_journal", text="read", outcome="done", result={"lines": ["x" * 3900]})] * 12
    story = Repair(
        id="", incident="1", condition="guest-crashed", target="guest:105", target_name="pihole", runbook="r",
        status="reported", severity="error", seen="", seen_at=ward.clock.now(), text="t", steps=steps,
    )  # fmt: skip
    await ward.stories.save(*(Save(replace(story)) for _ in range(400)))
    found = await ward.stories.list(since_at=None, incident=None, limit=1000)
    assert [r.id for r in found] == [str(number) for number in range(400, 0, -1)]
    assert found[0].steps[0].result == {"lines": ["x" * 3900]}
    assert found[-1].steps[0].result == {"cut": "`jarvis history --incident` has it"}
    answer = m.RepairListResult(repairs=found)
    assert len(msgspec.json.encode(answer)) < 2 * ANSWER_MAX
