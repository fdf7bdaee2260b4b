"""The conversation in the HUD: pictures, and a real daemon's one under the fingers."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.events import Paste
from textual.pilot import Pilot

from jarvis_cli.hud.options import Options
from jarvis_cli.hud.panels.transcript import Transcript, folded
from jarvis_cli.hud.screens.chat import SayLine
from jarvis_cli.hud.widgets.cells import width
from jarvis_daemon.protocol.mind import ChatSend
from tests.hud.conversation import ASKING, AWAITING, DESTROYING, STREAM, TALK
from tests.hud.fixtures import State, approval, by_id, link_of, make_app
from tests.hud.gatehouse import OTHER, GateHouse, Seat, seated
from tests.hud.test_pictures import SIZES, Before, Compare, hud, still
from tests.unit.assistant.conversation.parlour import collected
from tests.unit.cli.parlour import Parlour

# --- pictures ---------------------------------------------------------------------------------------------


def talking(shown: dict[str, Any] | None, *keys: str, stream: bool = False) -> Before:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        link = link_of(hud(pilot))
        link.conversation = shown
        hud(pilot).talk.attach()
        hud(pilot).show_mode("chat")
        await pilot.pause()
        if stream:
            link.events["chat"] = deque(STREAM)
            link.tell("chat")
        await pilot.press(*keys)
        await pilot.pause()

    return before


def smbd_waits(state: dict[str, State]) -> None:
    """The approval of the conversation that awaits one."""
    waits = approval(1, "red", "Restart smbd on Home", 20, tool="restart_service", target="service:Home/smbd",
                     target_name="smbd", asked_by="agent:assistant")  # fmt: skip
    waits.id = "4f2a1c"
    state["approvals"]["approvals"] = by_id([waits])


CONVERSATIONS = {
    "talk": (TALK, ()), "talk-asks": (ASKING, ()), "talk-awaits": (AWAITING, ()),
    "talk-card": (ASKING, ("y",)), "talk-card-black": (DESTROYING, ("y", "d", "e", "v")),
    "talk-typed": (TALK, (*"how full is", "space", *"tank")),
}  # fmt: skip


@pytest.mark.parametrize("name", [f"{name}-{size}" for name in CONVERSATIONS for size in SIZES])
def test_a_conversation(snap_compare: Compare, name: str) -> None:
    kind, size = name.rsplit("-", 1)
    shown, keys = CONVERSATIONS[kind]
    app = make_app(change=smbd_waits if kind == "talk-awaits" else None)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=talking(shown, *keys))


@pytest.mark.parametrize("name", ["talk-told-80x24", "talk-told-120x40"])
def test_an_answer_that_is_being_told(snap_compare: Compare, name: str) -> None:
    before = talking(TALK, stream=True)
    assert snap_compare(make_app(), terminal_size=SIZES[name.rsplit("-", 1)[1]], run_before=before)


@pytest.mark.parametrize("name", ["phone-talk"])
def test_a_conversation_on_a_phone(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=smbd_waits), terminal_size=(46, 24), run_before=talking(AWAITING))


@pytest.mark.parametrize("name", ["ascii-talk-80x24"])
def test_a_conversation_in_ascii(snap_compare: Compare, name: str) -> None:
    app = make_app(options=Options(boot=False, motion=False, ascii_only=True))
    assert snap_compare(app, terminal_size=(80, 24), run_before=talking(TALK, stream=True))


@pytest.mark.parametrize("name", ["no-color-talk-80x24"])
def test_a_conversation_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(change=smbd_waits, options=still())
    assert snap_compare(app, terminal_size=(80, 24), run_before=talking(AWAITING))


# --- lines ------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab -*1.é云", max_size=80), st.integers(8, 40))
def test_folded_lines_fit_and_lose_nothing(text: str, cells: int) -> None:
    lines = folded(text, cells)
    assert all(width(line) <= cells for line in lines)
    letters = [c for c in text if not c.isspace()]
    assert [c for line in lines for c in line if not c.isspace()] == letters


# --- under the fingers ------------------------------------------------------------------------------------


@asynccontextmanager
async def talked(home: Path, *, kiosk: bool = False, pin: str | None = None) -> AsyncIterator[tuple[Parlour, Seat]]:
    house = GateHouse(home, pin=pin)
    await house.start()
    parlour = Parlour(house)
    await parlour.start()
    try:
        async with seated(house, kiosk=kiosk) as seat:
            if not kiosk:
                await seat.press("9")
                await seat.shows("how hot is pve")
            yield parlour, seat
    finally:
        await parlour.stop()
        await house.stop()


async def test_an_answer_grows_while_it_is_told(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        parlour.script["tell me"] = ["One, ", parlour.hold, "**two**."]
        await seat.type("tell me")
        await seat.shows("> tell me", "One,", "esc stops it")
        assert "two" not in seat.screen_text()
        parlour.go.set()
        await seat.shows("One, two.")
        await seat.shows_not("esc stops it")
        assert "--:--" not in seat.screen_text()


async def test_esc_stops_an_answer_and_keeps_what_was_said(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        parlour.script["tell me"] = ["One, ", parlour.hold, "two."]
        await seat.type("tell me")
        await seat.shows("One,")
        await seat.press("escape")
        await seat.shows("(cancelled)", "Stopped at your word.", "One,")
        assert seat.app.screen.MODE == "chat"  # type: ignore[attr-defined]
        await seat.press("escape")
        await seat.until(lambda: seat.app.screen.MODE == "overview", "the overview")  # type: ignore[attr-defined]


async def test_an_order_opens_its_card_and_runs_after_a_yes(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        house: Any = parlour.house
        await seat.type("reboot 103")
        await seat.shows("SHALL I?", "Reboot plex", "3 clients are watching", "your yes")
        assert house.guests.acts == []
        await seat.press("y")
        await seat.shows("verified", "plex obeys.")
        await seat.shows_not("shall I?")
        assert house.guests.acts == ["reboot_container {'guest': '103'}"]


@pytest.mark.parametrize("key", ["escape", "n"])
async def test_leaving_the_card_does_nothing_and_says_so(tmp_path: Path, key: str) -> None:
    async with talked(tmp_path) as (parlour, seat):
        house: Any = parlour.house
        await seat.type("reboot 103")
        await seat.shows("SHALL I?")
        await seat.press(key)
        await seat.shows("nothing was done", "denied")
        assert house.guests.acts == []


async def test_what_destroys_wants_its_name(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        house: Any = parlour.house
        await seat.type("delete 103")
        await seat.shows("the name plex typed")
        await seat.type("plx")
        await seat.shows("that is another name")
        assert house.guests.acts == []
        await seat.press("ctrl+u")
        await seat.type("plex")
        await seat.shows("verified")
        assert house.guests.acts == ["delete_guest {'guest': '103'}"]


async def test_a_model_s_call_is_authorized_in_the_same_hud(tmp_path: Path) -> None:
    """The approval is answered on a second session: the one that asked may not answer."""
    async with talked(tmp_path) as (parlour, seat):
        house: Any = parlour.house
        parlour.script["mend it"] = ["I propose this.", parlour.propose_as_asked]
        await seat.type("mend it")
        await seat.shows("awaiting", "it waits for your word", "from guest 103: from a line of a journal")
        await seat.press("8")
        await seat.shows("Reboot plex")
        await seat.press("down", "a")
        await seat.shows("AUTHORIZE?")
        await seat.press("y")
        await seat.until(lambda: bool(house.guests.acts), "the act")
        await seat.press("9")
        await seat.shows("reboot_container plex  RED  verified")
        await seat.shows_not("it waits for your word")
        assert house.guests.acts == ["reboot_container {'guest': '103'}"]


async def test_what_is_said_elsewhere_in_the_conversation_shows(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        parlour.script |= {"one": ["One."], "two": ["Two."]}
        await seat.type("one")
        await seat.shows("One.")
        await collected(parlour.chat.send(ChatSend(text="two", session="last"), OTHER))
        await seat.shows("> two", "Two.")
        await collected(parlour.chat.send(ChatSend(text="one"), OTHER))
        await collected(parlour.chat.send(ChatSend(text="two", session=seat.app.talk.session), OTHER))
        await seat.until(lambda: [t.asked for t in seat.app.talk.turns] == ["one", "two", "two"], "three turns")


async def test_a_lost_link_loses_nothing(tmp_path: Path) -> None:
    async with talked(tmp_path) as (parlour, seat):
        house: Any = parlour.house
        parlour.script["tell me"] = ["One, ", parlour.hold, "two."]
        await seat.type("tell me")
        await seat.shows("One,")
        await house.server.stop()
        await seat.shows("LINK LOST")
        await seat.type("lost words")
        assert seat.app.screen.query_one("#say", SayLine).value == "lost words"
        parlour.go.set()
        await house.reopen()
        await seat.shows("One, two.")
        assert len(parlour.asked) == 1
        await seat.press("enter")
        await seat.shows("> lost words")


async def test_asked_from_anywhere(tmp_path: Path) -> None:
    async with talked(tmp_path) as (_, seat):
        await seat.press("1")
        await seat.press(":")
        await seat.type("ask how hot")
        await seat.shows("> how hot", "agent is the hottest, at 79 °C.")
        assert seat.app.screen.MODE == "chat"  # type: ignore[attr-defined]
        first = seat.app.talk.session
        await seat.press(":")
        await seat.type("chat new")
        await seat.shows("what happened last night")
        await seat.type("how hot")
        await seat.shows("agent is the hottest")
        assert seat.app.talk.session not in {None, first}


async def test_keys_on_the_line(tmp_path: Path) -> None:
    async with talked(tmp_path) as (_, seat):
        line = seat.app.screen.query_one("#say", SayLine)
        await seat.press(*"quit [1]")
        assert line.value == "quit [1]"
        await seat.press("escape")
        assert line.value == ""
        await seat.type("how hot")
        await seat.shows("agent is the hottest")
        await seat.press("up")
        assert line.value == "how hot"
        await seat.press("down")
        assert line.value == ""
        await seat.press("]")
        await seat.until(lambda: seat.app.screen.MODE == "overview", "the mode after")  # type: ignore[attr-defined]


async def test_a_paste_is_one_text_whatever_lines_it_has(tmp_path: Path) -> None:
    pasted = "what is this?\n" + "a line of a journal\n" * 5000
    async with talked(tmp_path) as (parlour, seat):
        parlour.script[pasted.strip()] = ["A journal."]
        seat.app.screen.query_one("#say", SayLine).post_message(Paste(pasted))
        await seat.press("enter")
        await seat.shows("A journal.")
        assert parlour.asked[-1].asked == pasted.strip()


async def test_a_kiosk_has_no_conversation(tmp_path: Path) -> None:
    async with talked(tmp_path, kiosk=True) as (_, seat):
        assert "chat" not in seat.screen_text()
        await seat.press("9")
        assert seat.app.screen.MODE == "overview"  # type: ignore[attr-defined]
        await seat.press("left_square_bracket")
        await seat.until(lambda: seat.app.screen.MODE == "approvals", "the mode before")  # type: ignore[attr-defined]
        assert seat.app.talk.turns == []


async def test_a_daemon_without_conversations_says_so(tmp_path: Path) -> None:
    house = GateHouse(tmp_path)
    await house.start()
    try:
        async with seated(house) as seat:
            await seat.press("9")
            await seat.shows("this daemon holds no conversations")
            await seat.type("hello")
            assert seat.app.screen.query_one("#say", SayLine).value == "hello"
    finally:
        await house.stop()


async def test_only_what_was_said_draws_it_anew() -> None:
    """Neither the second of the clock nor a poll of the cluster costs this mode anything."""
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await talking(TALK)(pilot)
        panel = app.screen.query_one("#transcript", Transcript)
        assert not panel.due({"tick", "cluster", "tasks", "incidents", "feed"})
        assert panel.due({"chat"})
        assert panel.due({"approvals"})
        before = [id(line) for line in panel.body(100, 30)]
        assert [id(line) for line in panel.body(100, 30)] == before
