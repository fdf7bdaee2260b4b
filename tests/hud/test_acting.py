"""Orders, approvals and the kill switch under the fingers, through the real gate over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.events import Paste

from jarvis_cli.hud.screens.base import ModeScreen
from jarvis_cli.hud.screens.card import CardScreen
from jarvis_cli.hud.screens.order import OrderScreen
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Verdict
from jarvis_daemon.tools.approvals import hash_pin
from tests.hud.gatehouse import OTHER, GateHouse, Seat, seated


@pytest.fixture
async def house(home: Path) -> AsyncIterator[GateHouse]:
    made = GateHouse(home)
    await made.start()
    yield made
    await made.stop()


async def on_plex(seat: Seat, *keys: str) -> None:
    """The cursor on plex in the guests' table, then ``keys``."""
    await seat.type(":guests plex")
    await seat.press(*keys)


async def test_reboot_shows_the_plan_and_acts_only_when_told(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "R")
        shown = await seat.shows("REBOOT plex", "RED", "Reboot plex", "container 103 plex on agent1", "[y]")
        assert "3 clients are watching" in shown
        assert "nothing takes this back" in shown
        assert "your yes" in shown
        await seat.press("R", "enter", "x", "j")
        assert isinstance(seat.app.screen, OrderScreen)
        assert house.guests.acts == []
        await seat.press("y")
        await seat.shows("plex obeys.", "shutting down", "starting again", "verified after")
        assert house.guests.acts == ["reboot_container {'guest': '103'}"]
        assert [k for k in await house.kinds() if k != "kill"][:4] == ["asked", "approval", "intent", "step"]
        await seat.press("enter")
        assert isinstance(seat.app.screen, ModeScreen)


async def test_escape_leaves_the_plan_undone(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "X")
        await seat.shows("SHUTDOWN plex", "undo", ":start 103")
        await seat.press("escape")
        assert isinstance(seat.app.screen, ModeScreen)
        assert house.guests.acts == []


async def test_stop_is_the_graver_choice_with_a_plan_of_its_own(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "X")
        await seat.shows("[s] stop instead")
        await seat.press("s")
        await seat.shows("STOP plex", "Pull the plug of plex")
        assert house.guests.acts == []
        await seat.press("y")
        await seat.shows("plex obeys.")
        assert house.guests.acts == ["stop_container {'guest': '103'}"]
        await seat.press("u")
        await seat.shows("START plex", "YELLOW", "Start plex")
        await seat.press("y")
        await seat.shows("plex obeys.")
        assert house.guests.acts[-1] == "start_container {'guest': '103'}"


async def test_delete_wants_the_name_typed(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "ctrl+d")
        await seat.shows("DELETE plex", "BLACK", "destroys", "the name plex typed")
        await seat.press("y", "enter")
        await seat.shows("that is not its name")
        assert house.guests.acts == []
        await seat.press("backspace")
        await seat.type("plex")
        await seat.shows("plex obeys.")
        assert house.guests.acts == ["delete_guest {'guest': '103'}"]


async def test_a_card_obeys_taps_and_what_is_pasted(house: GateHouse) -> None:
    async with seated(house, (46, 24)) as seat:
        await on_plex(seat, "ctrl+d")
        await seat.shows("DELETE plex", "[enter] confirm")
        seat.app.post_message(Paste("plex\nand more"))
        await seat.shows("plex_")
        await seat.tap("[enter]")
        await seat.shows("plex obeys.")
        await seat.tap("[enter]")
        await on_plex(seat, "R")
        await seat.shows("[esc] leave it")
        await seat.tap("[esc]")
        assert isinstance(seat.app.screen, ModeScreen)
        await on_plex(seat, "R")
        await seat.shows("[y] yes, reboot")
        await seat.press("n")
        assert isinstance(seat.app.screen, ModeScreen)
        assert house.guests.acts == ["delete_guest {'guest': '103'}"]


async def test_without_a_link_nothing_is_sent_and_that_is_told(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await house.server.stop()
        await seat.shows("LINK LOST")
        await seat.press("y")
        await seat.shows("nothing was sent")
        assert house.guests.acts == []


async def test_a_held_picture_tells_the_kill_switch_all_the_same(house: GateHouse) -> None:
    async with seated(house) as seat:
        await seat.press("p")
        await house.tools.kill.set(True, by="test", reason="")
        await seat.shows("PAUSED", "KILLED since")


async def test_migrate_asks_for_the_node(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "M")
        shown = await seat.shows("MIGRATE plex", "Where to? It is on agent1 now.", "pve")
        assert "agent1  " not in shown.split("Where to?")[1]
        await seat.press("down", "down", "enter")
        await seat.shows("Migrate plex", "your yes")
        await seat.press("y")
        await seat.shows("plex obeys.")
        assert house.guests.acts == ["migrate_guest {'guest': '103', 'node': 'pve'}"]


async def test_snapshot_proposes_a_name(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "n")
        await seat.shows("SNAPSHOT plex", "hud-")
        await seat.press("ctrl+u")
        await seat.type("before")
        await seat.shows("Snapshot plex")
        await seat.press("y")
        await seat.shows("plex obeys.")
        assert house.guests.acts == ["create_snapshot {'guest': '103', 'name': 'before'}"]


async def test_the_same_by_command(house: GateHouse) -> None:
    async with seated(house) as seat:
        await seat.type(":migrate plex pve")
        await seat.shows("MIGRATE plex", "Migrate plex")
        await seat.press("escape")
        await seat.type(":reboot 103")
        await seat.shows("REBOOT plex")
        await seat.press("escape")
        await seat.type(":drain pve")
        await seat.shows("DRAIN pve", "node pve")
        await seat.press("escape")
        await seat.type(":reboot plxe")
        await seat.shows("no guest `plxe`; did you mean `plex`?")
        await seat.type(":migrate plex nowhere")
        await seat.shows("no node `nowhere`")
        await seat.type(":reboot management")  # a VM, of which this daemon has no tool
        await seat.shows("cannot reboot management")
        assert house.guests.acts == []


async def test_two_guests_of_one_name_are_refused_with_their_vmids(house: GateHouse) -> None:
    async with seated(house) as seat:
        seat.app.model.collection("guests")["guest:105"]["name"] = "plex"
        seat.app.model.touch("cluster")
        await seat.type(":reboot plex")
        await seat.shows("2 guests are called plex: vmids 103, 105")


async def test_the_palette_offers_acts(house: GateHouse) -> None:
    async with seated(house) as seat:
        titles = {command.title for command in seat.app.get_system_commands(seat.app.screen)}
        assert {"Reboot plex", "Migrate plex", "Drain pve", "Kill switch"} <= titles
        assert "Start plex" not in titles
        assert "Start jellyfin" in titles
        assert "Reboot management" not in titles


async def test_wake_is_about_nodes_that_are_away(house: GateHouse) -> None:
    async with seated(house) as seat:
        await seat.press("6", "W")
        await seat.shows("every node is awake")
        seat.app.model.collection("nodes")["node:pve"]["status"] = "offline"
        seat.app.model.touch("cluster")
        await seat.press("W")
        await seat.shows("WAKE pve", "Wake pve")
        await seat.press("y")
        await seat.shows("pve obeys.")
        assert house.guests.acts == ["wake_node {'node': 'pve'}"]


async def test_a_refusal_tells_why_and_the_next_step(house: GateHouse) -> None:
    async with seated(house) as seat:
        house.guests.refuse = "vzdump runs on plex"
        await on_plex(seat, "R")
        await seat.shows("vzdump runs on plex", "jarvis task list", "[r]")
        house.guests.refuse = ""
        await seat.press("r")
        await seat.shows("[y] yes, reboot")


async def test_a_plan_that_changed_is_not_carried_out(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "R")
        await seat.shows("[y]")
        house.guests.effects = ("the roof comes down",)
        await seat.press("y")
        await seat.shows("changed since the plan was shown")
        assert house.guests.acts == []
        await seat.press("r")
        await seat.shows("the roof comes down", "[y]")


async def test_a_contradicted_read_back_is_red(house: GateHouse) -> None:
    async with seated(house) as seat:
        house.guests.verdict = Verdict("contradicted", "plex is not running.")
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await seat.press("y")
        await seat.shows("contradicts it. plex is not running.", "contradicted after")
        screen = seat.app.screen
        assert isinstance(screen, OrderScreen)
        assert screen.order.mark == ("down", "bad")


async def test_a_failed_task_is_red(house: GateHouse) -> None:
    async with seated(house) as seat:
        house.guests.raises = JarvisError("cluster_refused", "The task vzreboot failed", why="no such lock")
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await seat.press("y")
        await seat.shows("The task vzreboot failed", "no such lock", "failed after")


async def test_left_alone_it_goes_on_and_tells_its_end(house: GateHouse) -> None:
    async with seated(house) as seat:
        house.guests.hold = asyncio.Event()
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await seat.press("y")
        await seat.shows("running 00:0", "[esc] leave it running", "shutting down")
        await seat.press("escape")
        assert isinstance(seat.app.screen, ModeScreen)
        assert len(seat.app.hands.orders) == 1
        house.guests.hold.set()
        await seat.shows("plex obeys.")
        assert seat.app.hands.orders == []
        assert (await house.kinds())[-1] == "outcome"


async def test_a_link_that_breaks_is_told_and_the_same_key_tells_the_outcome(house: GateHouse) -> None:
    async with seated(house) as seat:
        house.guests.hold = asyncio.Event()
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await seat.press("y")
        await seat.shows("shutting down")
        await house.server.stop()
        await seat.shows("not known here: the link broke")
        house.guests.hold.set()
        await house.reopen()
        await seat.until(lambda: seat.app.model.linked, "the link again")
        await seat.press("r")
        await seat.shows("plex obeys.")
        assert len(house.guests.acts) == 1


async def test_tools_that_are_not_offered_have_no_key_and_no_word(home: Path) -> None:
    made = GateHouse(home, leave_out=frozenset({"reboot_container", "stop_container", "wake_node"}))
    await made.start()
    try:
        async with seated(made) as seat:
            await on_plex(seat, "R")
            assert isinstance(seat.app.screen, ModeScreen)
            await seat.type(":reboot plex")
            await seat.shows("no command `reboot`")
            await seat.press("question_mark")
            shown = await seat.shows("KEYS AND COMMANDS", "ask a guest to shut down")
            assert "reboot a guest" not in shown
            await seat.press("escape")
            await on_plex(seat, "X")
            assert "[s]" not in await seat.shows("SHUTDOWN plex", "[y]")
    finally:
        await made.stop()


async def test_a_pin_is_asked_for_where_one_is_set(home: Path) -> None:
    made = GateHouse(home, pin=hash_pin("4711"))
    await made.start()
    try:
        async with seated(made) as seat:
            await on_plex(seat, "R")
            await seat.shows("your yes and your pin")
            await seat.press("y")
            await seat.type("4711")
            await seat.shows("plex obeys.")
            assert "4711" not in seat.screen_text()
            await made.tools.kill.set(True, by="test", reason="")
            await seat.shows("KILLED")
            await seat.press("ctrl+k")
            await seat.type("release")
            await seat.shows("type pin")
            await seat.type("4711")
            await seat.shows_not("KILLED")
    finally:
        await made.stop()


# --- approvals -------------------------------------------------------------------------------------------


async def test_an_approval_is_shown_read_and_authorized(house: GateHouse) -> None:
    async with seated(house) as seat:
        await house.ask("reboot_container", {"guest": "103"})
        await seat.shows("1 approval ", "APPROVALS", "agent:mcp-desk asks: Reboot plex", "[a] authorize")
        await seat.press("8", "a")
        await seat.shows("AUTHORIZE?", "3 clients are watching", "time left", "guest=103")
        assert house.guests.acts == []
        await seat.press("y")
        await seat.shows("plex obeys.")
        assert house.guests.acts == ["reboot_container {'guest': '103'}"]
        await seat.shows("approved by jarvis-hud")


async def test_an_approval_is_denied(house: GateHouse) -> None:
    async with seated(house) as seat:
        await house.ask("reboot_container", {"guest": "103"})
        await seat.press("8")
        await seat.shows("waiting")
        await seat.press("d")
        await seat.shows("denied by jarvis-hud")
        assert house.guests.acts == []


async def test_answered_elsewhere_it_disappears_with_a_word(house: GateHouse) -> None:
    async with seated(house) as seat:
        asked = await house.ask("reboot_container", {"guest": "103"})
        await seat.shows("1 approval ", "[a] authorize")
        answer = m.ApprovalAnswer(id=asked.approval_id or "", approve=True)
        await house.tools.gate.answer(answer, OTHER)
        await seat.shows("Reboot plex: approved by jarvis-cli")
        await seat.shows_not("1 approval ", "[a] authorize")


# --- kill switch -----------------------------------------------------------------------------------------


async def test_the_kill_switch_engages_at_once_and_is_released_by_a_word(house: GateHouse) -> None:
    async with seated(house) as seat:
        await seat.press("ctrl+k")
        await seat.shows("KILLED since", "by jarvis-hud")
        assert house.tools.kill.engaged
        await seat.type("smoke in the rack")
        await seat.until(lambda: house.tools.kill.state().reason == "smoke in the rack", "the reason")
        await on_plex(seat, "R")
        await seat.shows("The kill switch is engaged", "[y]")
        await seat.press("y")
        await seat.shows("nothing is done", "jarvis unkill")
        assert house.guests.acts == []
        await seat.press("enter", "ctrl+k")
        await seat.shows("RELEASE THE KILL SWITCH?", "smoke in the rack")
        await seat.type("yes")
        await seat.shows("type release, or esc")
        assert house.tools.kill.engaged
        await seat.press("ctrl+u")
        await seat.type("release")
        await seat.shows("armed")
        assert not house.tools.kill.engaged


async def test_it_engages_from_a_card_and_from_the_prompt(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "R")
        await seat.shows("[y]")
        await seat.press("ctrl+k")
        await seat.shows("KILLED", "The kill switch is engaged")
        await house.tools.kill.set(False, by="test", reason="")
        await seat.shows_not("KILLED")
        await seat.press("escape", "colon", "g")
        await seat.press("ctrl+k")
        await seat.shows("KILLED")
        await seat.press("escape")
        await house.tools.kill.set(False, by="test", reason="")
        await seat.type(":kill the cat is in the rack")
        await seat.until(lambda: house.tools.kill.state().reason == "the cat is in the rack", "the reason")
        await seat.type(":unkill")
        await seat.shows("RELEASE THE KILL SWITCH?", "the cat is in the rack")


@pytest.mark.parametrize("size", [(240, 67), (120, 40), (80, 24), (46, 24)])
async def test_its_state_is_told_in_every_mode_and_quietly_without_a_link(
    house: GateHouse, size: tuple[int, int]
) -> None:  # fmt: skip
    async with seated(house, size) as seat:
        for mode in ("overview", "guests", "nodes", "approvals"):
            seat.app.show_mode(mode)
            assert "armed" in (await seat.shows("armed")).splitlines()[-1]
        await house.tools.kill.set(True, by="operator:jarvis-cli:0", reason="")
        await seat.shows("KILLED")
        header, status = (seat.app.screen.query_one(f"#{name}") for name in ("header", "status"))
        assert "KILLED" in header.text()  # type: ignore[attr-defined]
        assert "KILLED" in status.text()  # type: ignore[attr-defined]
        await house.server.stop()
        await seat.shows("was ✖ KILLED")


async def test_a_kiosk_has_no_acting_key(house: GateHouse) -> None:
    async with seated(house, kiosk=True) as seat:
        await house.ask("reboot_container", {"guest": "103"})
        await seat.shows("1 approval ")
        await on_plex(seat, "R", "X", "S", "M", "n", "B", "ctrl+d")
        assert not isinstance(seat.app.screen, CardScreen)
        await seat.type(":reboot plex")
        await seat.shows("no command `reboot`")
        await seat.press("8", "a", "d", "ctrl+k")
        await seat.shows("this HUD only looks")
        assert not isinstance(seat.app.screen, CardScreen)
        assert not house.tools.kill.engaged
        assert house.guests.acts == []
        await seat.press("question_mark")
        shown = await seat.shows("KEYS AND COMMANDS")
        assert "reboot" not in shown
        assert "kill" not in shown


async def test_a_card_survives_news_before_it_is_put_together_and_after_it_was_left(house: GateHouse) -> None:
    async with seated(house) as seat:
        await on_plex(seat, "R")
        await seat.shows("[y]")
        card = seat.app.screen
        assert isinstance(card, OrderScreen)
        again = OrderScreen(card.order)
        seat.app.push_screen(again)
        again.redraw({"feed"})
        again.changed()
        await seat.shows("REBOOT plex")
        await seat.press("escape", "escape")
        assert isinstance(seat.app.screen, ModeScreen)
        again.ask_for("pin")
        card.redraw()
        card.changed()
        await seat.shows("GUESTS")
