"""The HUD as pictures: every mode at every size, in good and in bad days. `--snapshot-update` renews them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from jarvis_cli.hud.app import HudApp
from jarvis_cli.hud.options import Options, detect
from jarvis_cli.hud.panels.bars import TABS
from jarvis_cli.hud.screens.order import OrderScreen
from tests.hud.fixtures import break_pve, killed, link_of, make_app, night, one_endpoint, strange_names, two_wait
from tests.hud.script import Script

Compare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]
SIZES = {"240x67": (240, 67), "120x40": (120, 40), "80x24": (80, 24)}


def still() -> Options:
    """The colours that the environment asks for, with motion and boot off."""
    environ = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **os.environ}
    return Options(boot=False, motion=False, depth=detect(environ).depth)


def hud(pilot: Pilot[Any]) -> HudApp:
    assert isinstance(pilot.app, HudApp)
    return pilot.app


def in_mode(mode: str, *keys: str) -> Before:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        hud(pilot).show_mode(mode)
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()

    return before


async def lose_link(pilot: Pilot[Any]) -> None:
    await pilot.pause()
    link = link_of(hud(pilot))
    link.set_link("lost")
    await link.clock.advance(7)  # type: ignore[attr-defined]
    hud(pilot).tick()


@pytest.mark.parametrize("name", [f"{mode}-{size}" for mode in TABS for size in SIZES])
def test_mode(snap_compare: Compare, name: str) -> None:
    mode, size = name.rsplit("-", 1)
    app = make_app(change=two_wait if mode == "approvals" else None)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=in_mode(mode))


@pytest.mark.parametrize("name", ["phone-overview", "phone-guests", "phone-incidents"])
def test_phone(snap_compare: Compare, name: str) -> None:
    mode = name.removeprefix("phone-")
    assert snap_compare(make_app(change=break_pve), terminal_size=(46, 24), run_before=in_mode(mode))


@pytest.mark.parametrize(
    "name",
    [f"pve-down-{mode}-{size}" for mode in ("overview", "guests", "nodes") for size in SIZES]
    + ["pve-down-storage-80x24", "pve-down-feed-80x24"],
)
def test_node_down(snap_compare: Compare, name: str) -> None:
    mode, size = name.removeprefix("pve-down-").rsplit("-", 1)
    assert snap_compare(make_app(change=break_pve), terminal_size=SIZES[size], run_before=in_mode(mode))


@pytest.mark.parametrize("name", [f"no-color-{size}" for size in SIZES])
def test_no_color(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(change=break_pve, options=still())
    assert app.options.depth == "none"
    assert snap_compare(app, terminal_size=SIZES[name.removeprefix("no-color-")])


@pytest.mark.parametrize("name", [f"16-colours-{size}" for size in SIZES])
def test_sixteen_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "standard")
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    app = make_app(change=break_pve, options=still())
    assert app.options.depth == "16"
    assert snap_compare(app, terminal_size=SIZES[name.removeprefix("16-colours-")])


@pytest.mark.parametrize("name", [f"link-lost-{size}" for size in SIZES])
def test_link_lost(snap_compare: Compare, name: str) -> None:
    size = SIZES[name.removeprefix("link-lost-")]
    assert snap_compare(make_app(), terminal_size=size, run_before=lose_link)


@pytest.mark.parametrize("name", ["horizon-120x40"])
def test_colour_blind_theme(snap_compare: Compare, name: str) -> None:
    options = Options(boot=False, motion=False, theme="horizon")
    assert snap_compare(make_app(change=break_pve, options=options), terminal_size=(120, 40))


@pytest.mark.parametrize("name", ["ascii-120x40"])
def test_ascii(snap_compare: Compare, name: str) -> None:
    options = Options(boot=False, motion=False, ascii_only=True)
    assert snap_compare(make_app(change=strange_names, options=options), terminal_size=(120, 40))


@pytest.mark.parametrize("name", ["strange-names-120x40"])
def test_strange_names(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=strange_names), terminal_size=(120, 40), run_before=in_mode("guests"))


OPENED = {
    "describe-120x40": ("guests", "down", "down", "down", "enter"),
    "log-120x40": ("tasks", "enter"),
    "evidence-120x40": ("incidents", "enter"),
    "filter-120x40": ("guests", "slash", "e", "n", "t"),
    "help-120x40": ("overview", "question_mark"),
    "zoom-120x40": ("overview", "tab", "tab", "z"),
}


@pytest.mark.parametrize("name", OPENED)
def test_opened(snap_compare: Compare, name: str) -> None:
    mode, *keys = OPENED[name]
    assert snap_compare(make_app(), terminal_size=(120, 40), run_before=in_mode(mode, *keys))


@pytest.mark.parametrize("name", ["boot-80x24"])
def test_boot(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The list at its end; its own timers are set out of reach."""
    monkeypatch.setattr("jarvis_cli.hud.screens.boot.STEP_S", 1000.0)
    monkeypatch.setattr("jarvis_cli.hud.screens.boot.LONGEST_S", 1000.0)

    async def to_the_end(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        pilot.app.screen.pane.step = 20  # type: ignore[attr-defined]
        hud(pilot).redraw()

    assert snap_compare(
        make_app(options=Options(boot=True, motion=False)), terminal_size=(80, 24), run_before=to_the_end
    )


REBOOT: dict[str, Any] = {
    "text": "Would: Reboot plex.", "target_name": "plex",
    "effects": ["plex is managed by HA (started): its state is set there", "3 people are watching a film"],
}  # fmt: skip
DELETE: dict[str, Any] = {
    "text": "Would: Delete plex and its disks.", "target_name": "plex", "tier": "black", "needs": "typed_name",
    "effects": ["2 disks with 48.0 GiB on local-lvm go with it", "6 backups of it stay on externalhdd"],
}  # fmt: skip
STOP: dict[str, Any] = {
    "text": "Would: Shut down plex.", "target_name": "plex", "pin_needed": True,
    "undo": {"name": "start_container", "args": {"guest": "103"}},
}  # fmt: skip
LOG = ["shutting down CT 103", "stopped CT 103 after 11 s", "starting CT 103", "startup for container '103'"]
CONTRADICTED = {
    "outcome": "contradicted", "next": "Look before you try again: `jarvis task list`.",
    "text": "Reboot plex: it was sent, but what is read back contradicts it. plex is not running.",
}  # fmt: skip
VERIFIED = {"outcome": "verified", "text": "plex has been rebooted."}


def acting(script: Callable[[Script], None], *keys: str, guest: str = "plex") -> Before:
    """With a gate that answers as ``script`` says, and ``keys`` pressed on a guest."""

    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        script(link_of(hud(pilot)).script)
        hud(pilot).show_mode("guests", filter=guest)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            for _ in range(200):  # the plan and the run are tasks of their own
                await pilot.pause()
                screen = pilot.app.screen
                if not isinstance(screen, OrderScreen) or screen.order.stage != "asking":
                    break
        await pilot.pause()

    return before


def plan(answer: dict[str, Any], lines: list[str] | None = None, outcome: dict[str, Any] | None = None) -> Any:
    def script(given: Script) -> None:
        given.plan, given.lines, given.outcome = answer, lines or [], outcome

    return script


ACTS: dict[str, Before] = {
    "confirm-red": acting(plan(REBOOT), "R"),
    "confirm-black": acting(plan(DELETE), "ctrl+d", "p", "l"),
    "confirm-pin": acting(plan(STOP), "X", "y", "4", "7"),
    "choose-node": acting(plan(REBOOT), "M", "down"),
    "running": acting(plan(REBOOT, LOG), "R", "y"),
    "contradicted": acting(plan(REBOOT, LOG, CONTRADICTED), "R", "y"),
    "verified": acting(plan(REBOOT, LOG, VERIFIED), "R", "y"),
}


@pytest.mark.parametrize(
    "name",
    [f"{act}-{size}" for act in ("confirm-red", "confirm-black", "running", "contradicted") for size in SIZES]
    + ["confirm-pin-80x24", "choose-node-120x40", "verified-120x40"],
)
def test_act(snap_compare: Compare, name: str) -> None:
    act, size = name.rsplit("-", 1)
    assert snap_compare(make_app(), terminal_size=SIZES[size], run_before=ACTS[act])


@pytest.mark.parametrize("name", ["phone-confirm-red", "phone-running"])
def test_act_on_a_phone(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(), terminal_size=(46, 24), run_before=ACTS[name.removeprefix("phone-")])


@pytest.mark.parametrize("name", ["no-color-confirm-black-80x24", "no-color-contradicted-120x40"])
def test_act_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    act, size = name.removeprefix("no-color-").rsplit("-", 1)
    assert snap_compare(make_app(options=still()), terminal_size=SIZES[size], run_before=ACTS[act])


@pytest.mark.parametrize("name", [f"waiting-{size}" for size in SIZES])
def test_approvals_on_the_overview(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=two_wait), terminal_size=SIZES[name.removeprefix("waiting-")])


@pytest.mark.parametrize("name", ["authorize-120x40", "authorize-80x24"])
def test_authorize(snap_compare: Compare, name: str) -> None:
    keys = in_mode("approvals", "down", "a")
    assert snap_compare(make_app(change=two_wait), terminal_size=SIZES[name.split("-")[1]], run_before=keys)


@pytest.mark.parametrize("name", [f"killed-{size}" for size in SIZES])
def test_killed(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=killed), terminal_size=SIZES[name.removeprefix("killed-")])


@pytest.mark.parametrize("name", ["phone-killed"])
def test_killed_on_a_phone(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=killed), terminal_size=(46, 24), run_before=in_mode("guests"))


@pytest.mark.parametrize("name", ["no-color-killed-120x40", "no-color-killed-80x24"])
def test_killed_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    size = SIZES[name.removeprefix("no-color-killed-")]
    assert snap_compare(make_app(change=killed, options=still()), terminal_size=size)


@pytest.mark.parametrize("name", ["killed-link-lost-120x40"])
def test_killed_and_then_the_link_was_lost(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=killed), terminal_size=(120, 40), run_before=lose_link)


@pytest.mark.parametrize("name", ["release-120x40", "release-80x24"])
def test_release(snap_compare: Compare, name: str) -> None:
    keys = in_mode("overview", "ctrl+k", "r", "e", "l")
    assert snap_compare(make_app(change=killed), terminal_size=SIZES[name.split("-")[1]], run_before=keys)


@pytest.mark.parametrize("name", [f"night-{size}" for size in SIZES])
def test_the_watchman_at_work(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=night), terminal_size=SIZES[name.removeprefix("night-")])


STORIES = {"repairing": (), "left-alone": ("down",), "yours-now": ("down", "down")}


@pytest.mark.parametrize("name", [f"{story}-120x40" for story in STORIES] + ["yours-now-80x24"])
def test_a_story_in_the_card(snap_compare: Compare, name: str) -> None:
    story, size = name.rsplit("-", 1)
    keys = in_mode("incidents", *STORIES[story], "enter")
    assert snap_compare(make_app(change=night), terminal_size=SIZES[size], run_before=keys)


@pytest.mark.parametrize("name", ["history-120x40", "history-80x24"])
def test_history(snap_compare: Compare, name: str) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        hud(pilot).obey("history")
        await pilot.pause()

    assert snap_compare(make_app(change=night), terminal_size=SIZES[name.split("-")[1]], run_before=before)


@pytest.mark.parametrize("name", [f"less-autonomy-{size}" for size in SIZES])
def test_less_autonomy_than_was_chosen(snap_compare: Compare, name: str) -> None:
    assert snap_compare(make_app(change=one_endpoint), terminal_size=SIZES[name.removeprefix("less-autonomy-")])


@pytest.mark.parametrize("name", ["ascii-night-120x40"])
def test_a_story_in_ascii(snap_compare: Compare, name: str) -> None:
    options = Options(boot=False, motion=False, ascii_only=True)
    keys = in_mode("incidents", "down", "down", "enter")
    assert snap_compare(make_app(change=night, options=options), terminal_size=(120, 40), run_before=keys)


@pytest.mark.parametrize("name", ["no-color-night-120x40"])
def test_the_watchman_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(make_app(change=night, options=still()), terminal_size=(120, 40))
