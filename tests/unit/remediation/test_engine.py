"""The life of a story, over a real store, feed and gate: seen, judged, done, verified, told once; or why not."""

from __future__ import annotations

import pytest

from tests.unit.remediation.ward import Ward, kept


async def test_what_stopped_is_started_verified_and_told_once(ward: Ward) -> None:
    ward.crash()
    await ward.poll()
    assert ward.acts == ["start pihole"]
    assert ward.story().status == "verifying"
    await ward.poll()
    assert ward.story().status == "verifying", "one reading proves nothing"
    await ward.poll()
    story = ward.story()
    assert (story.status, story.attempt, story.level, len(story.samples)) == ("repaired", 1, 3, 2)
    assert [s.outcome for s in story.steps] == ["verified"]
    assert story.decided == "start pihole (runbook guest-crashed, L3)"
    assert story.ended_at == ward.clock.now()
    assert {c.verdict for c in story.checks} == {"pass"}
    await ward.poll(5)
    assert await ward.kinds() == ["begun", "repaired"]
    assert ward.acts == ["start pihole"]
    assert await ward.audit("intent") == await ward.audit("outcome") == ["start_guest"]


async def test_one_reading_counts_once(ward: Ward) -> None:
    """Rounds without a new poll, such as the ticks of five seconds, prove nothing."""
    ward.crash()
    await ward.poll(2)
    for _ in range(5):
        await ward.engine.round()
    assert ward.story().status == "verifying"
    await ward.poll()
    assert ward.story().status == "repaired"


async def test_readings_have_to_follow_each_other(ward: Ward) -> None:
    ward.crash()
    await ward.poll(2)
    ward.change("pihole", status="stopped")
    await ward.poll()
    ward.change("pihole", status="running")
    await ward.poll()
    assert ward.story().status == "verifying"
    await ward.poll()
    assert ward.story().status == "repaired"


async def test_it_is_not_mended_while_the_same_fault_is_open_under_another_number(ward: Ward) -> None:
    ward.books[:] = [kept(verify=kept().runbook.verify.__class__(within_s=30.0))]
    ward.crash()
    await ward.poll()
    ward.crash(number="2")
    del ward.incidents["1"]
    await ward.poll(30)
    assert [r.status for r in ward.shown() if r.id == "1"] == ["failed"]


@pytest.mark.parametrize("outcome", ["contradicted", "unverified", "verified"])
async def test_what_does_not_hold_fails_cools_down_and_goes_to_a_person(ward: Ward, outcome: str) -> None:
    ward.lies, ward.verdict = True, outcome
    ward.crash()
    began: list[float] = []
    for minutes in (10, 30):
        await ward.poll()
        began.append(ward.clock.monotonic())
        await ward.poll(1 if outcome == "contradicted" else 60)
        assert ward.story().status == "failed"
        assert ward.story().next_at is not None
        assert f"I try again in {minutes} min" in ward.story().text
        ended = ward.story().ended_at or 0.0
        assert ward.story().next_at == ended + 60 * minutes
        acts = len(ward.acts)
        while ward.clock.now() < ended + 60 * minutes - 3:
            await ward.poll(seconds=min(60.0, ended + 60 * minutes - 2 - ward.clock.now()))
        assert len(ward.acts) == acts, "not before the cool-down is over"
        await ward.poll(seconds=2)
    await ward.poll(1 if outcome == "contradicted" else 61)
    assert ward.acts == ["start pihole"] * 3
    story = ward.story()
    assert (story.status, story.attempt, story.next_at) == ("escalated", 3, None)
    assert "pihole does not stay up. I hand it over." in story.text
    await ward.poll(200, seconds=60)
    assert len(ward.acts) == 3, "three times, then it is a person's"
    assert (await ward.kinds()).count("escalated") == 1


# --- a person's word -----------------------------------------------------------------------------------------

ASKS = kept().runbook.steps[0].__class__(tool="start_guest", args={"guest": "{guest.vmid}"}, approval="always")


async def test_denied_is_not_asked_again_for_this_incident_not_after_a_restart_either(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    assert ward.story().status == "asking"
    assert ward.story().approval_id == ward.pending()[0].id
    (begun,) = await ward.told("repair.begun")
    assert begun.text.startswith("pihole has stopped by itself. I shall ask before I start_guest")
    await ward.answer(approve=False)
    assert (ward.story().status, ward.story().attempt) == ("cancelled", 0)
    assert "denied by operator:cli" in ward.story().text
    await ward.poll(50, seconds=60)
    await ward.restart()
    await ward.poll(50, seconds=60)
    assert ward.pending() == []
    assert ward.acts == []
    assert await ward.kinds() == ["begun", "asking", "cancelled"]
    del ward.incidents["1"]
    ward.crash(number="2")
    await ward.poll(2)
    assert len(ward.pending()) == 1, "another fault is another question"


async def test_nobody_answers_and_it_is_asked_again_after_an_hour(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    (first,) = ward.pending()
    await ward.poll(6, seconds=60)
    assert ward.story().status == "recommended"
    assert "nobody answered within 5 minutes" in ward.story().text
    assert "`jarvis runbook run guest-crashed pihole` does it." in ward.story().text
    await ward.poll(50, seconds=60)
    assert ward.pending() == []
    await ward.poll(12, seconds=60)
    assert [a.id for a in ward.pending()] not in ([], [first.id])
    await ward.answer(approve=True)
    assert ward.acts == ["start pihole"]
    await ward.poll(2)
    assert ward.story().status == "repaired"
    assert len(list(ward.shown())) == 1, "one story, however long it took"


@pytest.mark.parametrize("level", [3, 4])
async def test_approval_always_asks_at_every_level(ward: Ward, level: int) -> None:
    await ward.levels.set("all", "", level, "a person")
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    assert (ward.acts, len(ward.pending())) == ([], 1)
    await ward.answer(approve=True)
    assert ward.acts == ["start pihole"]


@pytest.mark.parametrize(("level", "asked"), [(3, 1), (4, 0)])
async def test_a_red_step_runs_alone_at_the_silent_level_only(ward: Ward, level: int, asked: int) -> None:
    await ward.levels.set("all", "", level, "a person")
    ward.books[:] = [kept(steps=[ASKS.__class__(tool="reboot_guest", args={"guest": "{guest.vmid}"})])]
    ward.crash()
    await ward.poll()
    assert len(ward.pending()) == asked
    assert ward.acts == ["mark pihole"] * (1 - asked)
    if not asked:
        (begun,) = await ward.told("repair.begun")
        assert begun.data["silent"] is True


async def test_what_changed_while_a_person_thought_is_not_done(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    ward.change("pihole", lock="backup")
    ward.publish()
    await ward.answer(approve=True)
    assert ward.acts == []
    assert ward.story().status == "holding"
    assert "pihole is locked (backup)" in ward.story().text
    assert await ward.audit("intent") == []


# --- the levels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "kinds", "acts"),
    [
        (0, [], 0), (1, [], 0), (2, ["recommended"], 0), (3, ["begun", "repaired"], 1),
        (4, ["begun", "repaired"], 1),
    ],
)  # fmt: skip
async def test_each_level(ward: Ward, level: int, kinds: list[str], acts: int) -> None:
    await ward.levels.set("all", "", level, "a person")
    ward.crash()
    await ward.poll(5)
    assert (await ward.kinds(), len(ward.acts)) == (kinds, acts)


async def test_one_reachable_endpoint_means_that_it_only_recommends(ward: Ward) -> None:
    ward.cluster.endpoints_failed = {"https://127.0.0.1:2": "it does not answer"}
    ward.crash()
    await ward.poll(5)
    assert ward.acts == []
    assert "only one endpoint of the cluster can be reached" in ward.story().text
    assert (ward.levels.state.level, ward.levels.state.effective) == (3, 2)
    ward.cluster.endpoints_failed = {}
    await ward.poll(4)
    assert ward.story().status == "repaired"


async def test_the_level_of_a_target_goes_before_that_of_its_condition(ward: Ward) -> None:
    await ward.levels.set("condition", "guest-crashed", 2, "a person")
    await ward.levels.set("target", "guest:105", 3, "a person")
    ward.crash("pihole")
    ward.crash("plex", number="2")
    await ward.poll(5)
    assert ward.acts == ["start pihole"]
    assert [r.status for r in ward.shown() if r.target_name == "plex"] == ["recommended"]


async def test_a_runbook_that_is_not_trusted_only_recommends(ward: Ward) -> None:
    ward.books[:] = [kept(trusted=False)]
    ward.crash()
    await ward.poll(5)
    assert ward.acts == []
    assert "The runbook guest-crashed is not trusted." in ward.story().text
    assert await ward.kinds() == ["recommended"]


# --- what speaks against it ----------------------------------------------------------------------------------


async def test_a_refusal_is_told_once_and_stays_a_story_when_it_is_over(ward: Ward) -> None:
    ward.cluster.quorate = False
    ward.crash()
    await ward.poll(30)
    assert ward.acts == []
    (line,) = await ward.told()
    assert line.kind == "repair.refused"
    assert "pihole has stopped by itself. I leave it alone: the cluster has no quorum." in line.text
    ward.cluster.quorate = True
    await ward.poll(3)
    assert ward.acts == ["start pihole"]
    assert [r.status for r in ward.shown()] == ["refused", "repaired"]
    assert all(r.ended_at is not None for r in ward.shown())


@pytest.mark.parametrize("opinion", ["disagrees", "none"])
async def test_a_second_endpoint_that_does_not_agree_stops_it_before_anything_is_begun(
    ward: Ward, opinion: str
) -> None:
    ward.second = opinion  # type: ignore[assignment]
    ward.crash()
    await ward.poll(60)
    assert (ward.acts, await ward.audit("asked")) == ([], [])
    assert await ward.kinds() == ["refused"]
    assert ward.story().attempt == 0
    ward.second = "agrees"
    await ward.poll(15)
    assert ward.story().status == "repaired"


async def test_a_short_hold_is_nobody_s_news_a_long_one_is_told_once(ward: Ward) -> None:
    ward.task("t", "pihole", "vzmigrate", "root@pam", status="running")
    ward.crash()
    await ward.poll(25)
    assert await ward.kinds() == []
    await ward.poll(60)
    (line,) = await ward.told()
    assert (line.kind, "I wait: vzmigrate runs on pihole." in line.text) == ("repair.holding", True)


async def test_a_refusal_before_a_side_effect_is_no_attempt_and_is_repeated_with_patience(ward: Ward) -> None:
    """The tool itself says no, each time: told once, tried less and less often."""
    from jarvis_daemon.protocol.errors import JarvisError

    ward.raises = JarvisError("refused", "pihole has no disk")
    ward.crash()
    await ward.poll(30 * 60)
    tries = await ward.audit("intent")
    assert ward.acts == []
    assert 5 <= len(tries) <= 8, "20, 40, 80 … seconds apart"
    assert await ward.kinds() == ["begun", "holding"]
    assert "pihole has no disk" in (await ward.told())[-1].text
    ward.raises = None
    await ward.poll(3600)
    assert (ward.story().status, ward.story().attempt) == ("repaired", 1)


async def test_none_of_its_steps_fits_and_it_is_not_tried_in_every_round(ward: Ward) -> None:
    steps = [ASKS.__class__(tool="start_guest", args={"guest": "{guest.pool}"}, optional=True)]
    ward.books[:] = [kept(steps=steps)]
    ward.crash()
    await ward.poll(300)
    assert await ward.kinds() == ["begun", "holding"]
    assert ward.story().status == "holding"
    assert len(list(ward.shown())) == 1


async def test_thirty_at_once_two_are_repaired_at_a_time_and_one_line_tells_of_the_rest(ward: Ward) -> None:
    for number in range(30):
        ward.add(200 + number, f"guest{number}")
        ward.crash(f"guest{number}", number=str(number + 1))
    await ward.poll()
    assert sorted(ward.acts) == ["start guest0", "start guest1"]
    await ward.poll()
    assert len(ward.acts) == 2
    await ward.poll(2)
    assert ward.acts[2:4] == ["start guest2", "start guest3"], "in their boot order"
    await ward.poll(40)
    assert len(ward.acts) == 6, "six an hour, then a person is asked"
    assert len(ward.pending()) == 2
    held = await ward.told("repair.holding")
    assert [len(line.data["incidents"]) for line in held] == [22]
    assert held[0].text.startswith("I hold back on 22 faults (guest8, guest9, ")


async def test_thirty_without_quorum_are_one_line(ward: Ward) -> None:
    ward.cluster.quorate = False
    for number in range(30):
        ward.add(200 + number, f"guest{number}")
        ward.crash(f"guest{number}", number=str(number + 1))
    await ward.poll(50)
    (line,) = await ward.told()
    assert "I hold back on 30 faults" in line.text
    assert "The cluster has no quorum." in line.text
    assert len([r for r in ward.shown() if r.status == "refused"]) == 30, "each has its story all the same"


async def test_what_flaps_is_handed_over(ward: Ward) -> None:
    for number in ("1", "2"):
        ward.crash(number=number)
        await ward.poll(3)
        assert ward.story().status == "repaired"
        await ward.poll(10, seconds=70)
    ward.crash(number="3")
    await ward.poll(5)
    assert len(ward.acts) == 2
    assert ward.story().status == "escalated"
    assert "it came 3 times within 60 min: it flaps." in ward.story().text
    assert (await ward.kinds())[-1] == "escalated"


async def test_what_went_away_by_itself_ends_its_story(ward: Ward) -> None:
    ward.cluster.quorate = False
    ward.crash()
    await ward.poll(2)
    ward.change("pihole", status="running")
    await ward.poll(2)
    assert ward.story().status == "over"
    assert ward.story().text.endswith("It has gone away without me.")
    ward.cluster.quorate = True
    await ward.poll(5)
    assert ward.acts == []


async def test_thirty_that_are_only_recommended_are_one_line_and_thirty_stories(ward: Ward) -> None:
    await ward.levels.set("all", "", 2, "a person")
    for number in range(30):
        ward.add(200 + number, f"guest{number}")
        ward.crash(f"guest{number}", number=str(number + 1))
    await ward.poll(5)
    (line,) = await ward.told("repair.recommended")
    assert line.text.startswith("I would act on 30 faults (guest0, guest1, ")
    assert line.text.endswith("and 22 more). `jarvis runbook run guest-crashed NAME` does one.")
    assert [r.status for r in ward.shown()] == ["recommended"] * 30
    assert ward.acts == []
    for number in range(30):
        ward.change(f"guest{number}", status="running")
    await ward.poll(2)
    (line,) = await ward.told("repair.over")
    assert line.text.startswith("30 faults (guest0, guest1, ")
    assert line.text.endswith("and 22 more) are over, and I did nothing.")
    assert [r.status for r in ward.shown()] == ["over"] * 30


async def test_a_question_that_nobody_answers_about_a_fault_that_is_gone_recommends_nothing(ward: Ward) -> None:
    ward.books[:] = [kept(steps=[ASKS])]
    ward.crash()
    await ward.poll()
    ward.change("pihole", status="running")
    await ward.poll(6, seconds=60)
    assert ward.story().status == "over"
    assert ward.story().text.endswith("It has gone away meanwhile.")
    assert await ward.told("repair.recommended") == []


async def test_what_another_runbook_mended_has_not_gone_away_by_itself(ward: Ward) -> None:
    ward.books[:] = [kept(name="aa-mine", trusted=False), kept()]
    ward.crash()
    await ward.poll(6)
    stories = {r.runbook: r for r in ward.shown()}
    assert stories["guest-crashed"].status == "repaired"
    assert stories["aa-mine"].status == "over"
    assert stories["aa-mine"].text.endswith("Another runbook saw to it.")
