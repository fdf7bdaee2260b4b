"""The watchman in the HUD: its level, its marks, its stories; setting the level is an order like any other."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_cli.hud.options import Options
from jarvis_cli.hud.screens.order import OrderScreen
from jarvis_cli.hud.states import REPAIRS, event_state, repair_state
from jarvis_cli.stories import MARKS
from tests.hud.fixtures import NOW, State, by_id, levels, link_of, make_app, night, one_endpoint, repair, warm
from tests.hud.test_app import DESK, WALL, screen_of, shown, text, typed


def test_every_status_of_the_contract_has_a_mark_here_and_in_the_shell() -> None:
    from typing import get_args

    from jarvis_daemon.protocol.state import RepairStatus

    assert set(get_args(RepairStatus)) == set(REPAIRS) == set(MARKS)
    assert repair_state({"status": "dreaming"}).word == "dreaming"


@pytest.mark.parametrize(
    ("kind", "severity", "role"),
    [
        ("repair.begun", "info", "light"), ("repair.repaired", "ok", "good"), ("repair.refused", "warning", "warn"),
        ("repair.escalated", "error", "bad"), ("heartbeat", "info", "faint"),
        ("repair.over", None, "faint"), ("repair.dreamt", "info", "light"), ("repair.holding", "info", "faint"),
    ],
)  # fmt: skip
def test_what_the_watchman_does_stands_out_in_the_feed(kind: str, severity: str | None, role: str) -> None:
    assert event_state({"kind": kind, "severity": severity}).role == role


@pytest.mark.parametrize("size", [WALL, DESK, (80, 24)])
async def test_the_footer_tells_the_level(size: tuple[int, int]) -> None:
    async with shown(size=size) as (app, pilot):
        assert "· autonomy L3 ·" in text(app, "status")
        why = "only one endpoint answers, so nobody agrees"
        link_of(app).mirror.state["approvals"] |= levels(3, 2, why)
        link_of(app).tell("approvals")
        await pilot.pause()
        status = text(app, "status")
        assert "autonomy L3→L2" in status
        assert ("only one endpoint answers" in status) == (size == WALL)
        assert "so nobody agrees" not in status


async def test_a_lost_link_claims_no_level_and_neither_does_a_daemon_that_tells_none() -> None:
    async with shown() as (app, pilot):
        link_of(app).set_link("lost")
        await pilot.pause()
        assert "autonomy" not in text(app, "status")

    def none(state: dict[str, State]) -> None:
        del state["approvals"]["autonomy"]

    async with shown(make_app(change=none)) as (app, pilot):
        assert "autonomy" not in text(app, "status")
        await typed(pilot, ":autonomy")
        assert "this daemon repairs nothing" in text(app, "keys")


async def test_repairs_show_beside_their_incidents() -> None:
    async with shown(make_app(change=night), DESK) as (app, _):
        rows = {line.split()[3]: line for line in text(app, "incidents").splitlines() if "error" in line}
        assert "► verifying" in rows["pihole"]
        assert "○ left alone" in rows["dev-sandbox"]
        assert "✖ yours now" in rows["smbd"]


async def test_what_is_under_way_is_told_of_an_acknowledged_incident_too() -> None:
    def acting(state: dict[str, State]) -> None:
        state["incidents"]["repairs"] = by_id([repair(1, warm(), "acting")])

    async with shown(make_app(change=acting), WALL) as (app, pilot):
        assert "► repairing" in text(app, "incidents")
        link = link_of(app)
        link.mirror.state["incidents"]["repairs"]["1"]["status"] = "refused"
        link.tell("incidents")
        await pilot.pause()
        assert "seen by john" in text(app, "incidents")


async def test_the_card_tells_the_story_and_goes_on_with_it() -> None:
    async with shown(make_app(change=night)) as (app, pilot):
        await pilot.press("5", "enter")
        await pilot.pause()
        card = text(app, "side")
        for told in ("REPAIR  ► verifying", "saw        21:46:23 pihole stopped",
                     "did        21:46:26 ✔ Start pihole: verified, 4 s", "1 of 2 fresh samples"):  # fmt: skip
            assert told in card
        link = link_of(app)
        link.mirror.state["incidents"]["repairs"]["1"] |= {"status": "repaired", "samples": [1.0, 2.0]}
        link.tell("incidents")
        await pilot.pause()
        assert "REPAIR  ✔ repaired" in text(app, "side")
        assert "2 fresh samples show it mended" in text(app, "side")


async def test_an_incident_that_opens_another_story_shows_the_last_three() -> None:
    def many(state: dict[str, State]) -> None:
        about = warm()
        state["incidents"]["repairs"] = by_id([repair(n, about, "over", text=f"tale {n}") for n in range(1, 6)])

    async with shown(make_app(change=many), WALL) as (app, pilot):
        await pilot.press("5", "enter")
        await pilot.pause()
        card = text(app, "side")
        assert [n for n in range(1, 6) if f"tale {n}" in card] == [3, 4, 5]


async def test_history_is_the_watchmans_part_of_the_feed() -> None:
    async with shown(make_app(change=night)) as (app, pilot):
        await typed(pilot, ":history")
        assert screen_of(app).MODE == "feed"
        feed = text(app, "feed")
        assert "4 of 13" in feed
        assert "21:46:48 and 21:46:58 verified by fresh readings." in feed
        assert "Heartbeat" not in feed
        await pilot.press("escape")
        await pilot.pause()
        assert "Heartbeat" in text(app, "feed")


async def test_autonomy_is_told_on_the_status_line() -> None:
    async with shown(make_app(change=one_endpoint), WALL) as (app, pilot):
        await typed(pilot, ":autonomy")
        assert "autonomy L3, but L2 recommend holds: only one endpoint of the cluster" in text(app, "keys")


async def test_setting_it_is_an_order_that_shows_its_plan() -> None:
    async with shown() as (app, pilot):
        link = link_of(app)
        link.script.tools["set_autonomy"] = "level"
        link.script.plan = {"text": "Would: Set the autonomy to 4.", "effects": ["it would have started plex once"],
                            "undo": {"name": "set_autonomy", "args": {"level": 3}}}  # fmt: skip
        await app.hands.learn()
        await typed(pilot, ":autonomy L4")
        for _ in range(50):
            await pilot.pause()
            if isinstance(app.screen, OrderScreen) and app.screen.order.stage == "plan":
                break
        assert isinstance(app.screen, OrderScreen)
        card = "\n".join("".join(run for run, _ in line) for line in app.screen.lines(90))
        for told in ("Set the autonomy to 4", "it would have started plex once", "now L3 act and report",
                     "jarvis autonomy set 3"):  # fmt: skip
            assert told in card
        assert app.screen.heading() == "SET autonomy L4"
        sent: list[dict[str, Any]] = [params for method, params in link.calls if method == "tool.call"]
        assert sent == [{"name": "set_autonomy", "args": {"level": 4}, "dry_run": True}]
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, OrderScreen)


async def test_a_wrong_level_and_a_hud_that_may_not_set_it() -> None:
    async with shown(size=WALL) as (app, pilot):
        await typed(pilot, ":autonomy 7")
        assert "'7' is no autonomy level" in text(app, "keys")
        await typed(pilot, ":autonomy 2")  # this daemon offers no such tool
        assert "this HUD cannot set it" in text(app, "keys")
    kiosk = make_app(options=Options(boot=False, motion=False, kiosk=True))
    async with shown(kiosk, WALL) as (app, pilot):
        link_of(app).script.tools["set_autonomy"] = "level"
        await typed(pilot, ":autonomy 2")
        assert "this HUD cannot set it" in text(app, "keys")
        assert all(method != "tool.call" for method, _ in link_of(app).calls)


async def test_the_palette_has_both_words() -> None:
    async with shown(make_app(change=night)) as (app, pilot):
        entries = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        entries["History"]()
        await pilot.pause()
        assert screen_of(app).MODE == "feed"
        entries["Autonomy"]()
        assert "autonomy L3 act and report" in text(app, "keys")


async def test_a_moment_among_the_evidence_is_told_as_one() -> None:
    def seen(state: dict[str, State]) -> None:
        state["incidents"]["incidents"]["3"]["evidence"] = {"last_running_at": NOW - 20.0, "cpu_at_most": 0.5}

    async with shown(make_app(change=seen)) as (app, pilot):
        await pilot.press("5", "enter")
        await pilot.pause()
        card = text(app, "side")
        assert "last running   Fri 20 Nov 21:46:43 (20 s ago)" in card
        assert "cpu_at_most    0.5" in card
