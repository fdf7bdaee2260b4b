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
from tests.hud.fixtures import break_pve, link_of, make_app, strange_names

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
    assert snap_compare(make_app(), terminal_size=SIZES[size], run_before=in_mode(mode))


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
