"""Turns: kept, told once and in order, interrupted, resumed, cut by a daemon's death; a person's own orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.bus import ASKED, Principal
from jarvis_daemon.protocol import mind
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from tests.unit.assistant.conversation.parlour import Parlour, collected, parlour, said
from tests.unit.tools.conftest import OPERATOR

FRONT = Principal(session="s-web", role="front", client="web")


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Parlour]:
    async with parlour(tmp_path) as found:
        yield found


def approve(reply: mind.ChatReply) -> mind.ChatConfirm:
    return mind.ChatConfirm(turn=reply.turn, call="1", approve=True)


async def test_a_question_is_answered_from_state(room: Parlour) -> None:
    events, reply = await room.send("how bright")
    assert [event["kind"] for event in events] == ["chat.asked", "chat.text", "chat.done"]
    assert reply.text == said(events) == "The hall is at 0."
    assert (reply.status, reply.backend, reply.calls) == ("done", "intents", [])


async def test_a_yellow_order_runs_at_once_and_a_red_one_asks(room: Parlour) -> None:
    _, reply = await room.send("light hall")
    assert (room.lamps.acts, reply.calls[0].status, reply.calls[0].tier) == (["hall"], "verified", "yellow")
    _, reply = await room.send("flood hall")
    assert reply.status == "asks"
    assert reply.calls[0].needs == "confirm"
    assert room.lamps.acts == ["hall"]
    _, reply = await collected(
        room.chat.confirm(mind.ChatConfirm(turn=reply.turn, call="1", approve=True), OPERATOR)
    )
    assert (reply.status, reply.calls[0].status) == ("done", "verified")
    assert room.lamps.acts == ["hall", "hall"]


async def test_a_yes_in_words_confirms_once_and_a_no_leaves_it(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    _, reply = await room.send("no", session=first.session)
    assert reply.calls[0].status == "denied"
    assert room.lamps.acts == []
    _, second = await room.send("flood hall", session=first.session)
    _, reply = await room.send("Yes, Jarvis.", session=first.session)
    assert reply.calls[0].status == "verified"
    _, again = await room.send("yes", session=first.session)
    assert again.calls == []
    assert room.lamps.acts == ["hall"]
    with pytest.raises(JarvisError, match="Nothing waits"):
        await collected(room.chat.confirm(approve(second), OPERATOR))


async def test_anything_else_takes_the_plan_off(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    await room.send("how bright", session=first.session)
    _, reply = await room.send("yes", session=first.session)
    assert reply.calls == []
    assert room.lamps.acts == []


async def test_what_destroys_wants_the_name(room: Parlour) -> None:
    _, first = await room.send("smash hall")
    assert first.calls[0].needs == "typed_name"
    _, reply = await room.send("yes", session=first.session)
    assert room.lamps.acts == []
    _, first = await room.send("smash hall", session=first.session)
    _, reply = await room.send("hall", session=first.session)
    assert reply.calls[0].status == "verified"


async def test_a_plan_that_waits_too_long_is_forgotten(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    await room.clock.advance(301)
    with pytest.raises(JarvisError, match="Nothing waits"):
        await collected(room.chat.confirm(approve(first), OPERATOR))
    await room.send("yes", session=first.session)
    assert room.lamps.acts == []


async def test_a_yes_by_voice_or_from_the_web_confirms_nothing(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    await room.send("yes", session=first.session, brevity="voice")
    _, first = await room.send("flood hall")
    await room.send("yes", FRONT, session=first.session)
    assert room.lamps.acts == []


async def test_the_web_s_order_waits_for_an_approval(room: Parlour) -> None:
    _, reply = await room.send("light hall", FRONT)
    assert reply.calls[0].status == "awaiting"
    assert reply.calls[0].approval_id
    assert room.lamps.acts == []


async def test_a_suggestion_is_only_asked_and_taken_up_by_yes(room: Parlour) -> None:
    _, first = await room.send("maybe hall")
    assert first.suggestion == "light hall"
    assert await room.intents() == 0
    _, reply = await room.send("yes", session=first.session)
    assert reply.calls[0].status == "verified"
    _, other = await room.send("yes")
    assert other.calls == []


async def test_without_a_model_the_rest_is_honestly_not_understood(room: Parlour) -> None:
    _, reply = await room.send("what is the meaning of life")
    assert "no language model" in reply.text
    _, reply = await room.send("not light hall")
    assert reply.text == "I do nothing that is negated."
    assert await room.intents() == 0


async def test_what_is_held_back_is_not_handed_to_a_model(room: Parlour) -> None:
    room.model.there, room.model.script = True, ["Shall I?"]
    _, reply = await room.send("not light hall")
    assert reply.text.startswith("I do nothing that is negated.")
    assert room.model.turns == []
    _, reply = await room.send("not light hall", backend="local")
    assert reply.text == "Shall I?"


async def test_the_same_key_is_the_same_turn(room: Parlour) -> None:
    _, first = await room.send("light hall", key="k1")
    _, again = await room.send("light hall", key="k1")
    assert first.turn == again.turn
    assert room.lamps.acts == ["hall"]
    _, other = await room.send("light hall", Principal(session="x", role="operator", client="hud"), key="k1")
    assert other.turn != first.turn


async def test_a_client_that_goes_away_ends_nothing_and_hears_the_rest_once(room: Parlour) -> None:
    room.model.there, room.model.script = True, ["one ", "two ", None, "three"]
    stream = room.chat.send(mind.ChatSend(text="count"), OPERATOR)
    heard = []
    async for item in stream:
        heard.append(item)
        if said(heard) == "one ":
            break
    await stream.aclose()
    number = heard[0]["data"]["turn"]
    following = spawn(
        collected(room.chat.follow(mind.ChatFollow(turn=number, after=heard[-1]["seq"]), OPERATOR)), name="f"
    )
    await asyncio.sleep(0)
    room.model.go.set()
    while not following.done():
        await room.clock.advance(0.1)
        await asyncio.sleep(0.001)
    rest, reply = following.result()
    assert said(heard + rest) == reply.text == "one two three"
    seqs = [event["seq"] for event in heard + rest]
    assert seqs == sorted(set(seqs))
    late, again = await collected(room.chat.follow(mind.ChatFollow(turn=number), OPERATOR))
    assert said(late) == "one two three"
    assert again.status == "done"


async def test_cancelling_the_call_stops_the_turn_and_keeps_what_was_said(room: Parlour) -> None:
    room.model.there, room.model.script = True, ["one ", None, "two"]
    stream = room.chat.send(mind.ChatSend(text="count"), OPERATOR)
    heard = [await anext(stream), await anext(stream)]
    waiting = spawn(collected(stream), name="rest")
    await asyncio.sleep(0.01)
    waiting.cancel(ASKED)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    _, reply = await collected(room.chat.follow(mind.ChatFollow(turn=heard[0]["data"]["turn"]), OPERATOR))
    assert (reply.status, reply.text) == ("cancelled", "one ")


async def test_a_daemon_that_dies_in_the_middle_leaves_it_cut_and_goes_on(tmp_path: Path) -> None:
    async with parlour(tmp_path) as room:
        room.model.there, room.model.script = True, ["one ", None]
        stream = room.chat.send(mind.ChatSend(text="count"), OPERATOR)
        heard = [await anext(stream), await anext(stream)]
        turn, session = heard[0]["data"]["turn"], heard[0]["data"]["session"]
        (tmp_path / "copy").mkdir()
        for file in tmp_path.glob("jarvis.db*"):  # as kill -9 leaves it
            (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
        await stream.aclose()
    async with parlour(tmp_path / "copy") as room:
        late, reply = await collected(
            room.chat.follow(mind.ChatFollow(turn=turn, after=heard[-1]["seq"]), OPERATOR)
        )
        assert (reply.status, reply.text) == ("cut", "one ")
        assert "what had been said is kept" in reply.notes[0]
        assert [event["kind"] for event in late] == ["chat.note", "chat.done"]
        _, reply = await room.send("how bright", session=session)
        assert reply.status == "done"
        shown = await room.chat.show(mind.ChatShow(session="last"), OPERATOR)
        assert [one.reply.status for one in shown.turns] == ["cut", "done"]


async def test_turns_of_one_session_wait_for_each_other(room: Parlour) -> None:
    room.model.there, room.model.script = True, [None, "late"]
    slow = spawn(room.send("slow"), name="slow")
    while not room.model.turns:
        await asyncio.sleep(0.001)
    session = room.model.turns[0].session
    quick = spawn(room.send("light hall", session=session), name="quick")
    other = await room.send("light attic")
    assert other[1].calls[0].status == "verified"
    assert not quick.done()
    room.model.go.set()
    (_, first), (_, second) = await slow, await quick
    assert (first.text, second.calls[0].status) == ("late", "verified")
    assert first.turn < second.turn


async def test_a_failure_inside_is_one_sentence_and_the_words_are_kept(room: Parlour) -> None:
    room.model.there, room.model.script, room.model.raises = True, ["half "], ValueError("secret detail")
    _, reply = await room.send("think")
    assert (reply.status, reply.text) == ("failed", "half ")
    assert "secret detail" not in str(reply)
    shown = await room.chat.show(mind.ChatShow(session=reply.session), OPERATOR)
    assert shown.turns[0].asked == "think"


async def test_what_is_said_is_bounded_cleaned_and_redacted(room: Parlour) -> None:
    with pytest.raises(JarvisError, match="Nothing was said"):
        await room.send(" \n ")
    with pytest.raises(JarvisError, match="longer than"):
        await room.send("x" * 300_000)
    _, reply = await room.send("the password: hunter2hunter2 \x1b[31m is red")
    shown = await room.chat.show(mind.ChatShow(session=reply.session), OPERATOR)
    assert "hunter2" not in shown.turns[0].asked
    assert "\x1b" not in shown.turns[0].asked


async def test_a_session_can_be_listed_resumed_and_forgotten(room: Parlour) -> None:
    _, first = await room.send("how bright")
    _, second = await room.send("light hall", session="last")
    assert first.session == second.session
    listed = await room.chat.list(mind.ChatList(), OPERATOR)
    assert [(one.id, one.title, one.turns) for one in listed.sessions] == [(first.session, "how bright", 2)]
    await room.chat.forget(mind.ChatForget(session=first.session), OPERATOR)
    assert (await room.chat.list(mind.ChatList(), OPERATOR)).sessions == []
    with pytest.raises(JarvisError, match="There is no conversation"):
        await room.send("hello", session=first.session)


async def test_a_trace_tells_where_the_time_went(room: Parlour) -> None:
    _, reply = await room.send("light hall")
    shown = await room.chat.trace(mind.TraceShow(), OPERATOR)
    assert shown.turn == reply.turn
    assert {"queue", "intent", "tool", "total"} <= {span.name for span in shown.spans}


async def test_an_agent_may_not_talk(room: Parlour) -> None:
    with pytest.raises(JarvisError) as caught:
        await room.bus.ask("chat.send", mind.ChatSend(text="light hall"), Principal(session="a", role="agent"))
    assert caught.value.code == "forbidden"


HUD = Principal(session="s-hud", role="operator", client="hud", uid=0)


async def test_a_yes_that_was_on_its_way_before_the_plan_confirms_nothing(room: Parlour) -> None:
    room.model.there, room.model.script = True, [None, "Shall I look?"]
    first = spawn(room.send("think"), name="first")
    while not room.model.turns:
        await asyncio.sleep(0.001)
    session = room.model.turns[0].session
    order = spawn(room.send("flood hall", session=session), name="order")
    yes = spawn(room.send("yes", session=session), name="yes")
    await asyncio.sleep(0.02)
    await room.clock.advance(1)
    room.model.go.set()
    await asyncio.gather(first, order, yes)
    assert room.lamps.acts == []
    _, reply = order.result()
    _, reply = await collected(room.chat.confirm(approve(reply), OPERATOR))
    assert reply.calls[0].status == "verified"


async def test_a_denial_and_a_yes_at_once_are_one_answer(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    denial = mind.ChatConfirm(turn=first.turn, call="1", approve=False)
    found = await asyncio.gather(
        room.send("yes", session=first.session), collected(room.chat.confirm(denial, OPERATOR)),
        return_exceptions=True,
    )  # fmt: skip
    done = [one for one in found if not isinstance(one, BaseException) and one[1].calls]
    assert len(done) == 1
    shown = await room.chat.show(mind.ChatShow(session=first.session), OPERATOR)
    assert "open" not in {one.reply.status for one in shown.turns}


async def test_a_queued_turn_knows_the_one_before(room: Parlour) -> None:
    _, first = await room.send("how bright")
    room.model.there, room.model.script = True, [None, "there"]
    slow = spawn(room.send("think", session=first.session), name="slow")
    while not room.model.turns:
        await asyncio.sleep(0.001)
    hint = spawn(room.send("maybe hall", session=first.session, backend="intents"), name="hint")
    while len(room.chat.course.running) < 2:
        await asyncio.sleep(0.001)
    yes = spawn(room.send("yes", session=first.session), name="yes")
    while len(room.chat.course.running) < 3:
        await asyncio.sleep(0.001)
    room.model.go.set()
    await asyncio.gather(slow, hint)
    _, reply = await yes
    assert reply.calls[0].status == "verified"


async def test_a_suggestion_that_is_old_or_another_role_s_is_not_taken_up(room: Parlour) -> None:
    _, first = await room.send("maybe hall")
    await room.clock.advance(301)
    _, reply = await room.send("yes", session=first.session)
    assert reply.calls == []
    _, planted = await room.send("maybe hall", FRONT)
    _, reply = await room.send("yes", session=planted.session)
    assert reply.calls == []
    assert room.lamps.acts == []


async def test_a_plan_is_confirmed_at_another_screen_and_not_dropped_by_the_web(room: Parlour) -> None:
    _, first = await room.send("flood hall")
    await room.send("how bright", FRONT, session=first.session)
    _, reply = await collected(room.chat.confirm(approve(first), HUD))
    assert reply.calls[0].status == "verified"


async def test_a_turn_that_waits_can_be_cancelled(room: Parlour) -> None:
    room.model.there, room.model.script = True, [None, "late"]
    slow = spawn(room.send("slow"), name="slow")
    while not room.model.turns:
        await asyncio.sleep(0.001)
    session = room.model.turns[0].session
    quick = spawn(room.send("light hall", session=session), name="quick")
    while len(room.chat.course.running) < 2:
        await asyncio.sleep(0.001)
    room.chat.cancel(mind.ChatCancel(turn=max(room.chat.course.running)), OPERATOR)
    _, reply = await quick
    assert reply.status == "cancelled"
    room.model.go.set()
    await slow
    assert room.lamps.acts == []


async def test_who_keeps_something_of_a_session_forgets_it_too(room: Parlour) -> None:
    gone: list[str] = []

    async def forget(session: str) -> None:
        gone.append(session)

    room.chat.on_forgotten.append(forget)
    _, reply = await room.send("how bright")
    await room.chat.forget(mind.ChatForget(session=reply.session), OPERATOR)
    assert gone == [reply.session]


async def test_a_slip_of_the_pen_is_asked_back_before_any_model_and_its_words_are_labelled(room: Parlour) -> None:
    room.model.there, room.model.script = True, ["Blue."]
    _, reply = await room.send("maybe hall")
    assert (reply.suggestion, room.model.turns) == ("light hall", [])
    _, reply = await room.send("why is the sky blue", backend="cloud")
    assert reply.text == "Blue."
    assert reply.notes == [
        "No cloud model is enabled; the one that is was asked.", "A language model's words (local test).",
    ]  # fmt: skip


async def test_an_act_under_way_when_the_daemon_dies_is_not_known_and_not_done_again(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    async with parlour(tmp_path) as room:
        begun, go = asyncio.Event(), asyncio.Event()

        async def before_step(act: Any) -> None:
            begun.set()
            await go.wait()

        room.lamps.before_step = before_step
        acting = spawn(room.send("light hall"), name="acting")
        await begun.wait()
        for file in tmp_path.glob("jarvis.db*"):  # as kill -9 leaves it
            (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
        go.set()
        await acting
    async with parlour(tmp_path / "copy") as room:
        shown = await room.chat.show(mind.ChatShow(session="last"), OPERATOR)
        reply = shown.turns[0].reply
        assert (reply.status, [call.status for call in reply.calls]) == ("cut", ["unverified"])
        assert "jarvis audit list" in reply.calls[0].text
        assert room.lamps.acts == []


async def test_a_plan_of_a_daemon_that_is_gone_asks_no_more(tmp_path: Path) -> None:
    async with parlour(tmp_path) as room:
        _, asked = await room.send("flood hall")
        assert asked.status == "asks"
    async with parlour(tmp_path) as room:
        shown = await room.chat.show(mind.ChatShow(session="last"), OPERATOR)
        assert shown.turns[0].reply.status == "done"
        with pytest.raises(JarvisError, match="Nothing waits"):
            await collected(room.chat.confirm(approve(asked), OPERATOR))
        _, reply = await room.send("yes", session=asked.session)
        assert (reply.calls, room.lamps.acts) == ([], [])


async def test_an_answer_that_cannot_be_kept_says_so_and_ends(
    room: Parlour, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.model.there, room.model.script = True, [None, "words"]
    asking = spawn(room.send("think"), name="asking")
    while not room.model.turns:
        await asyncio.sleep(0.001)

    async def full(*args: Any, **kwargs: Any) -> Any:
        raise JarvisError("store_failed", "It could not be saved", why="database or disk is full")

    monkeypatch.setattr(room.store, "write", full)
    room.model.go.set()
    _, reply = await asking
    assert reply.status == "failed"
    assert "could not be saved" in str(reply.notes)
    monkeypatch.undo()
    _, reply = await room.send("how bright")
    assert reply.status == "done"
