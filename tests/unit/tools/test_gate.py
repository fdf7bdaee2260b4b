"""The gate: who may, what is asked, what is written down, what a person is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Approval, KillSwitchState
from jarvis_daemon.tools import Act, Tier, Undo
from jarvis_daemon.tools.tiers import rule
from tests.unit.tools.conftest import AGENT, OPERATOR, SECOND, VIEWER, Yard


def test_the_table_of_who_may_run_what_is_pinned() -> None:
    table = {
        role: [rule(role, tier) for tier in Tier]  # type: ignore[arg-type]
        for role in ("operator", "agent", "front", "viewer", "worker", "nobody")
    }
    assert table == {
        "operator": ["run", "run", "confirm", "type_name"],
        "agent": ["run", "approval", "approval", "refuse"],
        "front": ["run", "approval", "approval", "refuse"],
        "viewer": ["run", "refuse", "refuse", "refuse"],
        "worker": ["refuse"] * 4,
        "nobody": ["refuse"] * 4,
    }
    assert rule("agent", Tier.YELLOW, agents_run_yellow=True) == "run"
    assert rule("agent", Tier.RED, agents_run_yellow=True) == "approval"
    assert rule("viewer", Tier.YELLOW, agents_run_yellow=True) == "refuse"


async def test_an_operator_runs_yellow_at_once_and_it_is_verified_and_written_down(yard: Yard) -> None:
    outcome = await yard.call("light")
    assert (outcome.outcome, outcome.text, outcome.target) == ("verified", "hall is lit.", "lamp:hall")
    assert outcome.undo == {"name": "light", "args": {"lamp": "hall", "level": 0}}
    assert await yard.kinds() == ["asked", "intent", "step", "outcome"]
    event = yard.feed.topic.recent(0) or []
    assert [e.kind for e in event] == ["tool.verified"]


async def test_red_wants_the_confirmation_of_what_was_shown(yard: Yard) -> None:
    bare = await yard.call("flood")
    assert (bare.outcome, bare.needs) == ("refused", "confirm")
    plan = await yard.call("flood", dry_run=True)
    assert (plan.outcome, plan.needs, plan.effects) == ("planned", "confirm", ["moths"])
    assert yard.lamps.acts == []
    assert (await yard.call("flood", confirm=plan.digest)).outcome == "verified"
    changed = await yard.call("flood", confirm=plan.digest, args={"lamp": "hall", "level": 3})
    assert changed.outcome == "refused"
    assert "changed" in changed.text
    assert yard.lamps.acts == ["hall"]


async def test_black_wants_the_name_typed(yard: Yard) -> None:
    plan = await yard.call("smash", dry_run=True)
    assert plan.needs == "typed_name"
    for typed in (None, "", "Hall", "yes"):
        refused = await yard.call("smash", confirm=plan.digest, typed=typed)
        assert (refused.outcome, refused.needs) == ("refused", "typed_name")
    assert (await yard.call("smash", confirm=plan.digest, typed="hall")).outcome == "verified"


async def test_protected_and_undeclared_are_graver(yard: Yard) -> None:
    assert (await yard.call("light", dry_run=True, args={"lamp": "attic"})).tier == "red"
    assert (await yard.call("flood", dry_run=True, args={"lamp": "attic"})).tier == "black"
    assert (await yard.call("undeclared", dry_run=True)).tier == "black"
    yard.lamps.tier = Tier.GREEN
    assert (await yard.call("flood", dry_run=True)).tier == "red", "a room may raise a tier, never lower it"
    yard.lamps.tier = Tier.BLACK
    assert (await yard.call("light", dry_run=True)).tier == "black"


@pytest.mark.parametrize(
    ("who", "tool", "outcome"),
    [
        (AGENT, "look", "done"), (VIEWER, "look", "done"), (VIEWER, "light", "refused"),
        (VIEWER, "flood", "refused"), (AGENT, "light", "awaiting"), (AGENT, "flood", "awaiting"),
        (AGENT, "smash", "refused"), (AGENT, "undeclared", "refused"), (OPERATOR, "sneak", "refused"),
    ],
)  # fmt: skip
async def test_others_run_reads_only(yard: Yard, who: Principal, tool: str, outcome: str) -> None:
    found = await yard.call(tool, who)
    assert found.outcome == outcome
    assert yard.lamps.acts == []


async def test_confirmed_as_an_argument_is_refused_and_does_nothing(yard: Yard) -> None:
    for extra in ({"confirmed": True}, {"confirm": True}, {"approval": "x"}):
        outcome = await yard.call("flood", AGENT, args={"lamp": "hall", **extra})
        assert (outcome.outcome, outcome.code) == ("refused", "invalid_params")
    forged = await yard.call("flood", AGENT, confirm="0" * 64, typed="hall")
    assert forged.outcome == "awaiting"
    assert yard.lamps.acts == []


@pytest.mark.parametrize("args", [{}, {"lamp": ""}, {"lamp": "x" * 99}, {"lamp": "hall", "level": 99}, {"lamp": 3}])
async def test_arguments_out_of_bounds_are_refused_naming_them(yard: Yard, args: dict[str, Any]) -> None:
    outcome = await yard.call("light", args=args)
    assert (outcome.outcome, outcome.code) == ("refused", "invalid_params")
    assert "lamp" in outcome.why or "level" in outcome.why
    assert (await yard.kinds())[-1] == "refused"


async def approval_of(yard: Yard) -> Approval:
    async with asyncio.timeout(5):
        while True:
            waiting = [a for a in yard.bus.state("approvals").all("approvals", Approval).values()
                       if a.status == "pending"]  # fmt: skip
            if waiting:
                return waiting[0]
            await asyncio.sleep(0)


async def test_an_agents_call_waits_runs_once_and_a_replay_fails(yard: Yard) -> None:
    call = asyncio.ensure_future(yard.call("flood", AGENT, wait_s=100))
    approval = await approval_of(yard)
    with pytest.raises(JarvisError, match="Only an operator"):
        await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), AGENT)
    answered = await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), OPERATOR)
    assert answered.outcome == "verified"
    assert (await call).outcome == "verified"
    for _ in range(2):
        with pytest.raises(JarvisError, match="approved already by operator:cli"):
            await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), SECOND)
    assert yard.lamps.acts == ["hall"]
    assert await yard.kinds() == ["asked", "approval", "intent", "step", "outcome"]
    waited = await yard.room.gate.wait(m.ToolWait(id=approval.id), AGENT)
    assert waited.outcome == "verified"


async def test_who_waits_is_told_how_far_it_is(yard: Yard) -> None:
    """Though its call answered long before the work began."""
    entered, go = asyncio.Event(), asyncio.Event()

    async def work(act: Act) -> None:
        act.progress(lines=["unpacking", "half way\x1b[31m"])
        entered.set()
        await go.wait()

    yard.lamps.before_step = work
    asked = await yard.call("flood", AGENT)
    answering = asyncio.ensure_future(
        yard.room.gate.answer(m.ApprovalAnswer(id=asked.approval_id or "", approve=True), OPERATOR)
    )
    await entered.wait()
    told = await yard.room.gate.wait(m.ToolWait(id=asked.call_id, wait_s=0), AGENT)
    assert (told.outcome, told.text) == ("awaiting", "It is running: half way")
    go.set()
    assert (await answering).outcome == "verified"


async def test_denied_and_expired_do_nothing(yard: Yard) -> None:
    call = asyncio.ensure_future(yard.call("flood", AGENT, wait_s=100))
    approval = await approval_of(yard)
    denied = await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=False), OPERATOR)
    assert (denied.outcome, (await call).outcome) == ("denied", "denied")
    late = await yard.call("flood", AGENT)
    assert late.outcome == "awaiting"
    await yard.clock.advance(301)
    assert late.approval_id is not None
    assert (await yard.room.gate.wait(m.ToolWait(id=late.approval_id), AGENT)).outcome == "expired"
    with pytest.raises(JarvisError, match="expired already"):
        await yard.room.gate.answer(m.ApprovalAnswer(id=late.approval_id, approve=True), OPERATOR)
    assert yard.lamps.acts == []


async def test_what_moved_between_approval_and_act_is_not_acted_on(yard: Yard) -> None:
    call = asyncio.ensure_future(yard.call("flood", AGENT, wait_s=100))
    approval = await approval_of(yard)
    yard.lamps.vmid = 2  # another thing of the same name
    outcome = await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), OPERATOR)
    assert (outcome.outcome, (await call).outcome) == ("refused", "refused")
    assert "changed between approval and act" in outcome.text
    assert yard.lamps.acts == []


async def test_an_approval_tells_what_became_of_it_and_is_forgotten_in_time(yard: Yard) -> None:
    refused = asyncio.ensure_future(yard.call("flood", AGENT, wait_s=100))
    approval = await approval_of(yard)
    yard.lamps.vmid = 2
    await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), OPERATOR)
    shown = yard.bus.state("approvals").get("approvals", approval.id, Approval)
    assert shown is not None
    assert (shown.status, shown.outcome) == ("approved", "refused")
    assert (await refused).outcome == "refused"
    await yard.clock.advance(1000)
    assert yard.bus.state("approvals").all("approvals", Approval) == {}
    late = await yard.room.gate.wait(m.ToolWait(id=(await refused).call_id), AGENT)
    assert late.outcome == "refused", "the outcome is known longer than the approval is shown"


async def test_a_call_that_outlives_its_approval_does_not_bring_it_back(yard: Yard) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(act: Act) -> None:
        entered.set()
        await go.wait()

    yard.lamps.before_step = hold
    call = asyncio.ensure_future(yard.call("flood", AGENT, wait_s=100))
    approval = await approval_of(yard)
    answer = asyncio.ensure_future(yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), OPERATOR))
    await entered.wait()
    await yard.clock.advance(1000)
    go.set()
    assert (await call).outcome == (await answer).outcome == "verified"
    assert yard.bus.state("approvals").all("approvals", Approval) == {}


async def test_only_another_session_than_the_askers_answers(yard: Yard) -> None:
    same = Principal(session=AGENT.session, role="operator", client="cli", uid=0)
    await yard.call("flood", AGENT)
    approval = await approval_of(yard)
    with pytest.raises(JarvisError, match="session that asked"):
        await yard.room.gate.answer(m.ApprovalAnswer(id=approval.id, approve=True), same)


async def test_engaged_again_it_tells_the_newer_reason_and_keeps_its_time(yard: Yard) -> None:
    first = await yard.room.kill.set(True, by="hud", reason="")
    await yard.clock.advance(5)
    again = await yard.room.kill.set(True, by="hud", reason="smoke")
    shown = yard.bus.state("approvals").get("killswitch", "killswitch:main", KillSwitchState)
    assert shown is not None
    assert (again.since_at, shown.since_at, shown.reason) == (first.since_at, first.since_at, "smoke")


async def test_the_kill_switch_refuses_writes_voids_what_waits_and_leaves_reads(yard: Yard) -> None:
    waiting = await yard.call("flood", AGENT)
    await yard.room.kill.set(True, by="test", reason="drill")
    assert waiting.approval_id is not None
    assert (await yard.room.gate.wait(m.ToolWait(id=waiting.approval_id), AGENT)).outcome == "cancelled"
    refused = await yard.call("light")
    assert (refused.outcome, refused.code) == ("refused", "killed")
    assert (await yard.call("look")).outcome == "done"
    assert yard.lamps.acts == []
    await yard.room.kill.set(False, by="test", reason="")
    assert (await yard.call("light")).outcome == "verified"


@pytest.mark.parametrize("how", ["row", "file", "unreadable", "missing"])
async def test_pulled_in_the_middle_the_next_side_effect_never_happens(yard: Yard, how: str) -> None:
    async def pull(act: Act) -> None:
        if how == "row":
            await yard.room.kill.set(True, by="test", reason="stop")
        elif how == "file":
            yard.room.kill.sentinel.touch()
        elif how == "unreadable":
            await yard.store.write(lambda db: db.execute("update kv set value = 'x' where key = 'killswitch'"))
        else:
            await yard.store.write(lambda db: db.execute("delete from kv where key = 'killswitch'"))

    yard.lamps.before_step = pull
    outcome = await yard.call("light")
    assert (outcome.outcome, outcome.code) == ("cancelled", "killed")
    assert "Nothing was done" in outcome.text
    assert yard.lamps.acts == []


async def test_the_file_takes_effect_within_a_tenth_of_a_second(yard: Yard) -> None:
    yard.room.kill.sentinel.touch()
    await yard.clock.advance(0.1)
    assert yard.room.kill.engaged
    yard.room.kill.sentinel.unlink()
    await yard.clock.advance(0.1)
    assert not yard.room.kill.engaged


async def test_what_is_read_back_decides(yard: Yard) -> None:
    yard.lamps.lies = True
    outcome = await yard.call("light")
    assert (outcome.outcome, outcome.evidence) == ("contradicted", {"level": 0})
    assert outcome.undo is None


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (JarvisError("cluster_refused", "It said no"), "failed"),
        (RuntimeError("bug"), "failed"),
        (JarvisError("cluster_unreachable", "It went away"), "contradicted"),
        (TimeoutError(), "contradicted"),
    ],
)
async def test_errors_in_the_middle_have_one_clear_ending(yard: Yard, error: Exception, word: str) -> None:
    yard.lamps.raises, yard.lamps.lies = error, True
    outcome = await yard.call("light")
    assert outcome.outcome == word
    assert outcome.text
    assert (await yard.kinds())[-2:] == ["step", "outcome"]


async def test_stale_evidence_is_refused(yard: Yard) -> None:
    yard.lamps.observed_at = yard.clock.now() - 61
    outcome = await yard.call("light")
    assert outcome.outcome == "refused"
    assert "too old" in outcome.text


async def test_the_same_key_answers_the_first_outcome(yard: Yard) -> None:
    first = await yard.call("light", idempotency_key="k1")
    again = await yard.call("light", idempotency_key="k1")
    assert (again.outcome, again.call_id) == ("verified", first.call_id)
    other = await yard.call("light", idempotency_key="k1", args={"lamp": "hall", "level": 2})
    assert other.outcome == "refused"
    assert (await yard.call("light", AGENT, idempotency_key="k1")).outcome == "awaiting"
    assert yard.lamps.acts == ["hall"]
    yard.clock.jump(86401)
    assert (await yard.call("light", idempotency_key="k1")).call_id != first.call_id


async def test_two_writes_never_meet_on_one_target(yard: Yard) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def hold(act: Act) -> None:
        entered.set()
        await go.wait()

    yard.lamps.before_step = hold
    first = asyncio.ensure_future(yard.call("light"))
    await entered.wait()
    second = await yard.call("light", SECOND)
    assert (second.outcome, second.code) == ("refused", "busy")
    go.set()
    assert (await first).outcome == "verified"


async def test_an_intent_without_outcome_is_told_at_the_next_start_and_not_repeated(yard: Yard) -> None:
    from jarvis_daemon.tools.audit import Entry

    await yard.room.audit.write(Entry("intent", "c1", "operator:cli:0", "light", "yellow", "lamp:hall"))
    await yard.room.stop()
    for _ in range(2):
        await yard.room.start()
        await yard.room.stop()
    told = [e.text for e in yard.feed.topic.recent(0) or [] if e.kind == "tool.open_intent"]
    assert len(told) == 1
    assert "not be repeated" in told[0]
    assert yard.lamps.acts == []


async def test_a_pin_is_asked_for_where_one_is_set(yard: Yard) -> None:
    from jarvis_daemon.tools.approvals import hash_pin

    yard.room.gate.approvals._pin = hash_pin("4711")
    plan = await yard.call("flood", dry_run=True)
    assert plan.pin_needed
    assert not (await yard.call("light", dry_run=True)).pin_needed, "what needs no confirmation needs no pin"
    assert (await yard.call("flood", confirm=plan.digest, pin="0000")).code == "forbidden"
    assert (await yard.call("flood", confirm=plan.digest, pin="4711")).outcome == "verified"


async def test_an_unknown_tool_names_the_nearest(yard: Yard) -> None:
    outcome = await yard.call("lihgt")
    assert (outcome.outcome, outcome.code, outcome.tier) == ("refused", "not_found", "black")
    assert "light" in outcome.why


async def test_a_plan_tells_its_undo_as_far_as_it_is_known(yard: Yard) -> None:
    assert (await yard.call("flood", dry_run=True)).undo == {"name": "flood", "args": {"lamp": "hall", "level": 0}}
    yard.room.registry.add(yard.lamps.spec(
        "mint", Tier.YELLOW, undo=lambda a, t, result: Undo("mint", {"lamp": str(result.level)})
    ))  # fmt: skip
    plan = await yard.call("mint", dry_run=True)
    assert (plan.outcome, plan.undo) == ("planned", None)
