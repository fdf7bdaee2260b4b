"""A repair on its way: the kill switch, a full disk, a restart and a person at each of its points."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Repair
from jarvis_daemon.remediation.facts import Opinion
from jarvis_daemon.remediation.runbook import Step, When
from tests.unit.remediation.ward import FOUR, OPERATOR, Ward, kept

GUEST = {"guest": "{guest.vmid}"}
ASKS = Step(tool="start_guest", args=GUEST, approval="always")


def four(ward: Ward) -> None:
    ward.books[:] = [kept(FOUR)]


def broken(ward: Ward, on: bool) -> None:
    """A file system that became read-only under the store."""
    assert ward.store._full is not None
    ward.store._full.execute(f"pragma query_only = {'on' if on else 'off'}")


# --- the kill switch -----------------------------------------------------------------------------------------


async def test_engaged_before_the_round_nothing_is_begun_and_the_feed_says_why(ward: Ward) -> None:
    await ward.kill()
    ward.crash()
    await ward.poll(30)
    assert (ward.acts, await ward.audit("asked")) == ([], [])
    (line,) = await ward.told()
    assert line.kind == "repair.refused"
    assert "I leave it alone: the kill switch is engaged (work on the rack)." in line.text
    await ward.kill(False)
    await ward.poll(4)
    assert ward.story().status == "repaired"


async def test_engaged_between_decision_and_begin(ward: Ward) -> None:
    async def ask(target: str) -> tuple[Opinion, str]:
        await ward.kill()
        return "agrees", ""

    ward.engine._carrier._ask_second = ask
    ward.crash()
    await ward.poll(5)
    assert (ward.acts, await ward.audit("intent")) == ([], [])
    assert await ward.kinds() == ["refused"]


async def test_engaged_during_step_two_of_four_the_third_never_reaches_a_tool(ward: Ward) -> None:
    async def pull(word: str) -> None:
        if word == "mark two":
            await ward.kill()

    four(ward)
    ward.before_act = pull
    ward.crash()
    await ward.poll(10)
    assert ward.acts == ["mark one", "mark two"]
    assert await ward.audit("asked") == await ward.audit("intent") == ["mark_guest", "mark_guest"]
    story = ward.story()
    assert story.status == "cancelled"
    assert story.text == (
        "I stopped before step 3: The kill switch is engaged (work on the rack). 2 of 4 steps were not done."
    )
    assert [s.text for s in story.steps] == ["mark one", "mark two"]
    (line,) = await ward.told("repair.cancelled")
    assert "I stopped before step 3" in line.text
    assert (await ward.kinds()).count("cancelled") == 1


async def test_engaged_while_a_person_is_asked(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    await ward.kill()
    await ward.poll(5)
    assert (ward.acts, ward.pending()) == ([], [])
    assert ward.story().status == "cancelled"
    assert "I stopped before step 1" in ward.story().text
    await ward.kill(False)
    await ward.poll()
    assert len(ward.pending()) == 1, "asked anew; the old answer would not count"


async def test_engaged_while_it_is_verified_it_is_verified_all_the_same(ward: Ward) -> None:
    ward.crash()
    await ward.poll()
    await ward.kill()
    await ward.poll(2)
    assert ward.story().status == "repaired", "looking is no act"


# --- between two steps ---------------------------------------------------------------------------------------


async def test_each_step_waits_for_a_newer_picture(ward: Ward) -> None:
    four(ward)
    ward.crash()
    await ward.poll()
    assert ward.acts == ["mark one"]
    await ward.engine.round()
    await ward.quiet()
    assert ward.acts == ["mark one"], "a round on the old picture is no new one"
    await ward.poll(3)
    assert ward.acts == ["mark one", "mark two", "mark three", "start pihole"]
    await ward.poll(2)
    assert ward.story().status == "repaired"


async def test_a_guardrail_between_two_steps_stops_it(ward: Ward) -> None:
    async def lock(word: str) -> None:
        ward.change("pihole", lock="migrate")

    four(ward)
    ward.before_act = lock
    ward.crash()
    await ward.poll(5)
    assert ward.acts == ["mark one"]
    story = next(r for r in ward.shown() if r.id == "1")
    assert story.status == "cancelled"
    assert story.text == "I stopped before step 2: pihole is locked (migrate). 3 of 4 steps were not done."


async def test_a_step_whose_facts_do_not_hold_is_left_out(ward: Ward) -> None:
    steps = [
        Step(tool="mark_guest", args=GUEST | {"word": "no"}, when=[When(fact="guest.kind", equals="vm")]),
        Step(tool="peek_guest", args=GUEST),
        Step(tool="start_guest", args=GUEST),
    ]
    ward.books[:] = [kept(steps=steps)]
    ward.crash()
    await ward.poll(3)
    assert ward.acts == ["start pihole"]
    assert [(s.tool, s.outcome) for s in ward.story().steps] == [
        ("peek_guest", "done"),
        ("start_guest", "verified"),
    ]
    assert ward.story().steps[0].result == {"status": "stopped"}


async def test_an_optional_step_that_fails_does_not_end_it(ward: Ward) -> None:
    steps = [Step(tool="mark_guest", args={"guest": "{guest.pool}"}, optional=True), *kept().runbook.steps]
    ward.books[:] = [kept(steps=steps)]
    ward.crash()
    await ward.poll(4)
    assert [s.outcome for s in ward.story().steps] == ["refused", "verified"]
    assert ward.story().status == "repaired"


async def test_it_mended_itself_between_judging_and_acting(ward: Ward) -> None:
    async def ask(target: str) -> tuple[Opinion, str]:
        ward.change("pihole", status="running")
        ward.publish()
        return "agrees", ""

    ward.engine._carrier._ask_second = ask
    ward.crash()
    await ward.poll(5)
    assert ward.acts == []
    assert ward.runs() == []


# --- the store -----------------------------------------------------------------------------------------------


async def test_a_store_that_cannot_write_means_that_nothing_is_done(ward: Ward) -> None:
    broken(ward, True)
    ward.crash()
    await ward.poll(60)
    assert ward.acts == []
    assert ward.runs() == []
    broken(ward, False)
    await ward.poll(15)
    assert ward.acts == ["start pihole"]
    assert ward.story().status == "repaired"
    assert set(await ward.kinds()) <= {"begun", "holding", "repaired"}
    assert len(await ward.kinds()) <= 3
    assert len(await ward.stories.list(since_at=None, incident="1", limit=100)) == 1


async def test_the_disk_fills_during_the_act_and_the_end_is_told_when_there_is_room_again(ward: Ward) -> None:
    async def fill(word: str) -> None:
        broken(ward, True)

    ward.before_act = fill
    ward.crash()
    await ward.poll(20)
    assert ward.acts == ["start pihole"], "what was begun is done once"
    broken(ward, False)
    await ward.poll(5)
    (kept_,) = await ward.stories.list(since_at=None, incident="1", limit=10)
    assert kept_.status in {"repaired", "failed"}
    assert kept_.ended_at is not None
    assert ward.acts == ["start pihole"]


async def test_a_report_that_cannot_be_written_is_written_later(ward: Ward) -> None:
    ward.books[:] = [kept(scope="report", steps=[Step(tool="peek_guest", args=GUEST)])]
    broken(ward, True)
    ward.crash()
    await ward.poll(3)
    assert ward.runs() == []
    broken(ward, False)
    await ward.poll(3)
    assert await ward.kinds() == ["reported"]
    assert ward.story().steps[0].result == {"status": "stopped"}


# --- restarts ------------------------------------------------------------------------------------------------


async def test_killed_before_the_tool_acted_it_is_not_repeated_but_looked_at(ward: Ward) -> None:
    ward.before_act = ward.hang
    ward.crash()
    await ward.poll()
    assert (ward.story().status, ward.acts) == ("acting", [])
    await ward.restart()
    assert ward.story().status == "verifying"
    await ward.poll(70)
    assert ward.acts == []
    story = next(r for r in ward.shown() if r.id == "1")
    assert story.status == "failed"
    assert [s.outcome for s in story.steps] == ["unverified"]
    await ward.poll(10, seconds=65)
    assert ward.acts == ["start pihole"], "after the cool-down, as a second attempt"
    assert ward.story().attempt == 2


async def test_killed_after_the_act_it_ends_as_repaired(ward: Ward) -> None:
    ward.crash()
    await ward.poll()
    assert ward.story().status == "verifying"
    await ward.restart()
    await ward.poll(5)
    assert (ward.story().status, ward.acts) == ("repaired", ["start pihole"])
    assert len(list(ward.shown())) == 1
    assert (await ward.kinds()).count("repaired") == 1


async def test_killed_while_a_person_was_asked_it_is_judged_anew(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    await ward.restart()
    assert ward.story().status == "over"
    assert "before anything was done" in ward.story().text
    await ward.poll()
    assert (len(ward.pending()), ward.acts) == (1, [])
    assert ward.story().id == "2"


async def test_killed_in_an_act_that_was_approved_it_is_not_repeated(ward: Ward) -> None:
    """What is on disk then has to know that the person had answered."""
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    ward.before_act = ward.hang
    (one,) = ward.pending()
    held = ward.tools.gate.approvals.get(one.id)
    ward.tools.gate.approvals.answer(held.approval.id, True, OPERATOR)
    while not ward.stuck:
        await asyncio.sleep(0.001)
    await ward.restart()
    assert ward.story().status == "verifying"
    await ward.poll(3)
    assert (ward.pending(), ward.acts) == ([], [])


async def test_killed_in_the_second_step_the_rest_is_left(ward: Ward) -> None:
    four(ward)
    ward.crash()
    await ward.poll()
    ward.before_act = ward.hang
    await ward.poll()
    assert ward.acts == ["mark one"]
    await ward.restart()
    await ward.poll(70)
    assert ward.acts == ["mark one"]
    story = next(r for r in ward.shown() if r.id == "1")
    assert (story.status, [s.outcome for s in story.steps]) == ("failed", ["verified", "unverified"])


async def test_killed_and_the_runbook_is_gone(ward: Ward) -> None:
    ward.crash()
    await ward.poll()
    ward.books.clear()
    await ward.restart()
    assert ward.story().status == "failed"
    assert "the runbook guest-crashed is gone" in ward.story().text
    assert (await ward.kinds())[-1] == "failed"


async def test_attempts_and_cool_down_outlive_a_restart(ward: Ward) -> None:
    ward.lies, ward.verdict = True, "contradicted"
    ward.crash()
    for attempt, minutes in ((1, 7), (2, 27), (3, 60)):
        await ward.poll(2)
        assert len(ward.acts) == attempt
        await ward.restart()
        await ward.poll(4, seconds=60)
        assert len(ward.acts) == attempt, "no sooner for it"
        await ward.poll(minutes, seconds=60)
        await ward.restart()
    await ward.poll(100, seconds=60)
    assert len(ward.acts) == 3
    assert (await ward.kinds()).count("escalated") == 1


# --- by hand -------------------------------------------------------------------------------------------------


async def run(ward: Ward) -> str:
    incident = next(iter(ward.incidents.values()))
    asked = spawn(ward.engine.by_hand(ward.books[0], incident, "operator:cli"), name="by-hand")
    await ward.poll_until(asked.done)
    story: Repair = await asked
    return story.status


async def test_by_hand_it_runs_where_it_was_only_recommended(ward: Ward) -> None:
    await ward.levels.set("all", "", 2, "a person")
    ward.books[:] = [kept(trusted=False)]
    ward.crash()
    await ward.poll(2)
    assert ward.story().status == "recommended"
    assert await run(ward) == "repaired"
    assert ward.acts == ["start pihole"]
    assert (ward.story().id, ward.story().by) == ("1", "operator:cli")


async def test_by_hand_attempts_and_cool_down_do_not_bind_the_rest_does(ward: Ward) -> None:
    ward.lies, ward.verdict = True, "contradicted"
    ward.crash()
    await ward.poll(2)
    assert ward.story().status == "failed"
    ward.lies, ward.verdict = False, ""
    assert await run(ward) == "repaired"
    ward.crash(number="2")
    ward.change("pihole", lock="backup")
    ward.publish()
    with pytest.raises(JarvisError, match="pihole is locked"):
        await ward.engine.by_hand(ward.books[0], ward.incidents["2"], "operator:cli")
    await ward.kill()
    with pytest.raises(JarvisError, match="kill switch is engaged"):
        await ward.engine.by_hand(ward.books[0], ward.incidents["2"], "operator:cli")


async def test_by_hand_twice_is_busy(ward: Ward) -> None:

    ward.before_act = ward.hang
    ward.crash()
    await ward.levels.set("all", "", 2, "a person")
    first = spawn(ward.engine.by_hand(ward.books[0], ward.incidents["1"], "operator:cli"), name="by-hand")
    ward.publish()
    while not ward.stuck:
        await asyncio.sleep(0.001)
    with pytest.raises(JarvisError) as caught:
        await ward.engine.by_hand(ward.books[0], ward.incidents["1"], "operator:hud")
    assert caught.value.code in {"busy", "refused"}
    first.cancel()
    assert ward.acts == []


# --- others who act meanwhile --------------------------------------------------------------------------------


async def test_ha_takes_the_guest_between_judging_and_acting(ward: Ward) -> None:
    async def ask(target: str) -> tuple[Opinion, str]:
        ward.change("pihole", ha_state="migrate", node="pve")
        ward.publish()
        return "agrees", ""

    ward.engine._carrier._ask_second = ask
    ward.crash()
    await ward.poll(5)
    assert (ward.acts, await ward.audit("intent")) == ([], [])
    (line,) = await ward.told("repair.refused")
    assert "pihole is managed by HA (migrate); it is HA's to repair." in line.text


async def test_it_moved_between_two_steps_and_the_rest_goes_where_it_is(ward: Ward) -> None:
    async def move(word: str) -> None:
        ward.change("pihole", node="pve")

    four(ward)
    steps = [*ward.books[0].runbook.steps[:3], Step(tool="start_guest", args=GUEST, say="start it on {guest.node}")]
    ward.books[:] = [kept(FOUR, steps=steps)]
    ward.before_act = move
    ward.crash()
    await ward.poll(6)
    assert ward.story().steps[-1].text == "start it on pve"
    assert ward.story().status == "repaired"


async def test_somebody_takes_it_in_hand_between_two_steps(ward: Ward) -> None:
    async def work(word: str) -> None:
        ward.task("t9", "pihole", "vzrestore", "root@pam", status="running")

    four(ward)
    ward.before_act = work
    ward.crash()
    await ward.poll(5)
    assert ward.acts == ["mark one"]
    story = next(r for r in ward.shown() if r.id == "1")
    assert story.text.startswith("I stopped before step 2: vzrestore runs on pihole.")


async def test_a_node_that_is_lost_between_two_steps_with_another_stops_it(ward: Ward) -> None:
    async def fall(word: str) -> None:
        for name in ("node:pve", "node:agent1"):
            ward.nodes[name] = msgspec.structs.replace(ward.nodes[name], status="offline")

    four(ward)
    ward.before_act = fall
    ward.crash()
    await ward.poll(5)
    assert ward.acts == ["mark one"]
    story = next(r for r in ward.shown() if r.id == "1")
    assert "2 nodes cannot be reached: agent1, pve." in story.text
