"""The HUD under the fingers: keys, commands, filters, calls, the link that comes and goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from jarvis_cli.hud.app import HudApp
from jarvis_cli.hud.options import Options
from jarvis_cli.hud.panels.bars import TABS
from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.screens.base import ModeScreen
from jarvis_cli.hud.screens.boot import BootScreen
from jarvis_cli.hud.screens.help import Help
from jarvis_cli.hud.widgets.pane import Pane
from jarvis_daemon.protocol.errors import JarvisError
from tests.hud.fixtures import NOW, break_pve, link_of, make_app

Shown = AsyncIterator[tuple[HudApp, Pilot[Any]]]
WALL, DESK, SSH = (240, 67), (120, 40), (80, 24)


@asynccontextmanager
async def shown(
    app: HudApp | None = None, size: tuple[int, int] = DESK
) -> AsyncIterator[tuple[HudApp, Pilot[Any]]]:
    app = app or make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


def screen_of(app: HudApp) -> ModeScreen:
    assert isinstance(app.screen, ModeScreen)
    return app.screen


def text(app: HudApp, pane: str) -> str:
    return app.screen.query_one(f"#{pane}", Pane).text()


def everything(app: HudApp) -> str:
    return "\n".join(pane.text() for pane in app.screen.query(Pane) if pane.display)


async def typed(pilot: Pilot[Any], line: str, *, enter: bool = True) -> None:
    names = {" ": "space", ":": "colon", "/": "slash", "!": "exclamation_mark", "~": "tilde", "-": "minus"}
    await pilot.press(*(names.get(character, character) for character in line), *(["enter"] if enter else []))
    await pilot.pause()


async def test_number_keys_and_brackets_switch_modes() -> None:
    async with shown() as (app, pilot):
        for number, mode in enumerate(TABS, start=1):
            await pilot.press(str(number))
            await pilot.pause()
            assert mode == screen_of(app).MODE
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert screen_of(app).MODE == "overview"
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert TABS[-1] == screen_of(app).MODE
        await pilot.press("escape")
        await pilot.pause()
        assert screen_of(app).MODE == "overview"


async def test_a_tap_on_a_tab_switches_modes() -> None:
    async with shown() as (app, pilot):
        await pilot.click("#tabs", offset=(15, 0))
        await pilot.pause()
        assert screen_of(app).MODE == "guests"


async def test_the_overview_grows_with_what_arrives() -> None:
    """The plan is made anew when nodes come, not only when the terminal changes."""
    kept: dict[str, Any] = {}

    def nothing_yet(state: dict[str, Any]) -> None:
        kept.update(state["cluster"])
        state["cluster"] = {}

    async with shown(make_app(change=nothing_yet), WALL) as (app, pilot):
        before = app.screen.query_one("#room").size.height
        assert "waiting for the first picture" in text(app, "header")
        link_of(app).mirror.snapshot("cluster", 2, kept)
        link_of(app).tell("cluster")
        await pilot.pause()
        assert app.screen.query_one("#room").size.height > before
        assert "quorate 4/4" in text(app, "header")


async def test_filter_words_inverse_and_letters() -> None:
    async with shown() as (app, pilot):
        await pilot.press("2")
        await typed(pilot, "/agent1 ct")
        assert "plex" in text(app, "guests")
        assert "immich" not in text(app, "guests")
        await typed(pilot, "/!agent1")
        assert "plex" not in text(app, "guests")
        assert "pihole" in text(app, "guests")
        await typed(pilot, "/~vltw")
        assert "vaultwarden" in text(app, "guests")
        assert "1 of 18" in text(app, "guests")
        await pilot.press("escape")
        await pilot.pause()
        assert "plex" in text(app, "guests")
        assert screen_of(app).MODE == "guests"


async def test_commands() -> None:
    async with shown() as (app, pilot):
        await typed(pilot, ":guests nextc")
        assert screen_of(app).MODE == "guests"
        assert "nextcloud" in text(app, "guests")
        assert "plex" not in text(app, "guests")
        await typed(pilot, ":node pve")
        assert screen_of(app).MODE == "nodes"
        assert "i5-9500T" in text(app, "grid")
        assert "i7-1370P" not in text(app, "grid")
        await typed(pilot, ":gusets")
        assert "did you mean `guests`?" in text(app, "keys")
        await typed(pilot, ":guest plox")
        assert "did you mean `plex`?" in text(app, "keys")
        await typed(pilot, ":logs 113")
        assert screen_of(app).MODE == "tasks"
        assert "creating vzdump archive" in text(app, "side")


async def test_detach_by_command() -> None:
    async with shown() as (app, pilot):
        await typed(pilot, ":q")
    assert app.return_value == 0


async def test_describe_asks_and_shows() -> None:
    async with shown() as (app, pilot):
        await typed(pilot, ":guest 103")
        assert ("guest.describe", {"id": "guest:103"}) in link_of(app).calls
        assert "192.168.1.80" in text(app, "side")
        assert "before-upgrade" in text(app, "side")
        await pilot.press("escape")
        await pilot.pause()
        assert not app.screen.query_one("#side").display
        await pilot.press("y")
        await pilot.pause()
        assert '"vmid": 103' in text(app, "side")


async def test_an_error_is_told_with_the_next_step() -> None:
    async with shown() as (app, pilot):
        link_of(app).refusal = JarvisError(
            "cluster_denied", "The token may not read guest 103", why="VM.Audit is missing"
        )
        await typed(pilot, ":guest 103")
        assert "may not read guest 103: VM.Audit" in text(app, "side")
        assert "jarvis setup" in text(app, "side")


async def test_ack_and_silence() -> None:
    async with shown(make_app(change=break_pve)) as (app, pilot):
        await pilot.press("5", "a")
        await pilot.pause()
        assert ("incident.ack", {"id": "4"}) in link_of(app).calls
        assert "acknowledged" in text(app, "keys")
        await pilot.press("down", "m")
        await pilot.pause()
        method, params = link_of(app).calls[-1]
        assert (method, params["id"], params["duration_s"]) == ("incident.silence", "3", 3600.0)
        assert params["reason"]


async def test_a_kiosk_reads_only_and_cannot_be_left() -> None:
    app = make_app(change=break_pve, options=Options(kiosk=True, boot=False, motion=False))
    async with shown(app) as (app, pilot):
        await pilot.press("q", "ctrl+q")
        await typed(pilot, ":q")
        assert app.is_running
        await pilot.press("5", "a", "m")
        await pilot.pause()
        assert not [method for method, _ in link_of(app).calls if method.startswith("incident.")]
        assert "acknowledge" not in text(app, "keys")
        await pilot.press("question_mark")
        await pilot.pause()
        assert "detach" not in everything(app)


async def test_link_lost_keeps_the_picture_and_comes_back() -> None:
    async with shown() as (app, pilot):
        link = link_of(app)
        link.set_link("lost")
        await link.clock.advance(7)  # type: ignore[attr-defined]
        app.tick()
        await pilot.pause()
        assert "LINK LOST 00:07" in text(app, "status")
        assert "plex" in text(app, "guests")
        assert app.palette.dimmed
        link.set_link("up")
        await pilot.pause()
        assert "LINK LOST" not in text(app, "status")
        assert not app.palette.dimmed


async def test_stale_data_is_told() -> None:
    async with shown() as (app, pilot):
        await link_of(app).clock.advance(40)  # type: ignore[attr-defined]
        app.tick()
        await pilot.pause()
        assert "data 44 s old" in text(app, "status")
        assert "stale" in text(app, "status")


async def test_a_dead_node_shows_no_green_guest() -> None:
    async with shown(make_app(change=break_pve), WALL) as (app, _):
        assert "DOWN" in text(app, "room")
        assert "last seen 21:46:51 (12 s)" in text(app, "room")
        for line in text(app, "guests").splitlines():
            if " pve " in line:
                assert "unknown" in line or "template" in line
                assert "run" not in line


async def test_simulated_is_always_told() -> None:
    for size in (WALL, DESK, SSH, (46, 24)):
        async with shown(size=size) as (app, pilot):
            for mode in TABS:
                app.show_mode(mode)
                await pilot.pause()
                assert "SIMULATED" in text(app, "header"), (size, mode)


async def test_pause_holds_the_picture() -> None:
    async with shown() as (app, pilot):
        await pilot.press("p")
        guest = link_of(app).mirror.state["cluster"]["guests"]["guest:103"]
        guest["name"] = "renamed"
        link_of(app).tell("cluster")
        await pilot.pause()
        assert "PAUSED" in text(app, "keys")
        assert "renamed" not in text(app, "guests")
        await pilot.press("p")
        await pilot.pause()
        assert "renamed" in text(app, "guests")


async def test_theme_toggles() -> None:
    async with shown() as (app, pilot):
        await pilot.press("t")
        assert app.palette.name == "horizon"
        await typed(pilot, ":theme tron")
        assert app.palette.name == "tron"
        assert screen_of(app).query_one("#guests", Pane).palette is app.palette


async def test_table_cursor_order_and_faults() -> None:
    async with shown(make_app(change=break_pve)) as (app, pilot):
        await pilot.press("2")
        await pilot.pause()
        table = app.screen.query_one("#guests", TablePanel)
        assert table.view.chosen is not None
        assert table.view.chosen["vmid"] == 100
        await pilot.press("end")
        assert table.view.chosen["vmid"] == 9000
        await pilot.press("o", "o")  # by vmid, by name
        assert table.view.sort_key == "name"
        assert [row["name"] for row in table.view.rows][:2] == ["code-server", "debian12-template"]
        await pilot.press("O")
        assert table.view.rows[0]["name"] == "windows11"
        await pilot.press("f")
        assert {row["node"] for row in table.view.rows} == {"pve"}


async def test_zoom_and_tab() -> None:
    async with shown(size=WALL) as (app, pilot):
        await pilot.press("tab", "z")
        await pilot.pause()
        assert [pane.id for pane in app.screen.query("#body > *") if pane.display] == ["room"]
        await pilot.press("z")
        await pilot.pause()
        assert app.screen.query_one("#storage").display
        await pilot.press("enter")
        await pilot.pause()
        assert screen_of(app).MODE == "nodes"


async def test_help_opens_and_closes() -> None:
    async with shown() as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert "command line" in everything(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ModeScreen)


async def test_palette_offers_every_mode() -> None:
    async with shown() as (app, pilot):
        await pilot.press("ctrl+p")
        await pilot.pause()
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert {mode.capitalize() for mode in TABS} <= offered
        await pilot.press(*"incid")
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.press("enter")
        await pilot.pause()
        assert screen_of(app).MODE == "incidents"


async def test_boot_leaves_on_any_key_and_tells_real_checks() -> None:
    async with shown(make_app(options=Options(boot=True, motion=False))) as (app, pilot):
        assert isinstance(app.screen, BootScreen)
        checks = {name: found for name, found, _ in app.screen.pane.checks()}
        assert checks["daemon"] == "0.1.0"
        assert checks["cluster"] == "homelab, quorate 4/4"
        assert checks["guests"] == "14 running of 17"
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(app.screen, ModeScreen)


async def test_what_arrives_behind_the_boot_screen_is_shown_after_it() -> None:
    kept: dict[str, Any] = {}

    def no_tasks_yet(state: dict[str, Any]) -> None:
        kept.update(state["tasks"])
        state["tasks"] = {}

    app = make_app(change=no_tasks_yet, options=Options(boot=True, motion=False))
    async with shown(app, WALL) as (app, pilot):
        assert isinstance(app.screen, BootScreen)
        link_of(app).mirror.snapshot("tasks", 2, kept)
        link_of(app).tell("tasks")
        await pilot.pause()
        await pilot.press("x")
        await pilot.pause()
        assert "vzdump" in text(app, "tasks")


async def test_sparklines_are_seeded_from_history() -> None:
    async with shown() as (app, _):
        asked = [params for method, params in link_of(app).calls if method == "metrics.history"]
        assert asked
        assert set(asked[0]["ids"]) == {"node:Home", "node:pve", "node:agent", "node:agent1"}
        values = app.model.rings.values("node:pve", "cpu")
        assert sum(value is not None for value in values) >= 58


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (80, 8), (300, 100)])
async def test_any_size_is_survived(size: tuple[int, int]) -> None:
    async with shown(size=size) as (app, pilot):
        for mode in TABS:
            app.show_mode(mode)
            await pilot.pause()
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "JARVIS" in text(app, "header")


async def test_resize_changes_the_form() -> None:
    async with shown(size=WALL) as (app, pilot):
        assert screen_of(app).form == "wall"
        for size, form in ((DESK, "desk"), (SSH, "ssh"), ((50, 30), "phone"), (WALL, "wall")):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert screen_of(app).form == form
            assert app.screen.query_one("#room", Pane).size.width <= size[0]


async def test_a_status_change_repaints_only_what_changed() -> None:
    """One guest stops: one line of the table and the lines that count guests, nothing else."""
    async with shown(size=WALL) as (app, pilot):
        table = app.screen.query_one("#guests", Pane)
        before = table.text().splitlines()
        guest = link_of(app).mirror.state["cluster"]["guests"]["guest:115"]
        guest |= {"status": "stopped", "last_seen_at": NOW}
        link_of(app).tell("cluster")
        await pilot.pause()
        after = table.text().splitlines()
        assert any("minecraft" in line and "stop" in line for line in after)
        assert sum(a != b for a, b in zip(before, after, strict=True)) <= 4
