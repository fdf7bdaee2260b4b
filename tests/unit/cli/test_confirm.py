"""Questions at a real terminal: y/N for what disrupts, the target's name for what destroys, the pin unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.tools.approvals import hash_pin, pin_fits
from tests.integration.terminal import Terminal
from tests.unit.cli.served import Served, in_home


@pytest.fixture
def acts(served: Served) -> list[str]:
    return served.workshop.acts


def test_the_plan_is_shown_before_the_question(acts: list[str]) -> None:
    me = Terminal("guest", "stop", "103")
    me.answer("Go on? [y/N]:", "y")
    assert me.end() == 8
    shown = me.seen.partition("Go on?")[0]
    for told in ("Would: Pull the plug of plex.", "plex (guest:103)", "two users watch a film", "RED",
                 "jarvis guest start 103"):  # fmt: skip
        assert told in shown
    assert acts == ["stop_container guest:103"]


@pytest.mark.parametrize("answer", ["n", "", "N"])
def test_everything_but_a_yes_is_a_no(acts: list[str], answer: str) -> None:
    me = Terminal("guest", "reboot", "103")
    me.answer("Go on? [y/N]:", answer)
    assert me.end() == 1
    assert "Nothing was done" in me.seen
    assert acts == []


def test_what_needs_no_confirmation_asks_nothing(acts: list[str]) -> None:
    me = Terminal("guest", "start", "103")
    assert me.end() == 0
    assert "TASK OK" in me.seen
    assert "undo: jarvis guest shutdown 103" in me.seen
    assert acts == ["start_container guest:103"]


def test_what_destroys_wants_the_name_even_with_yes(acts: list[str]) -> None:
    me = Terminal("guest", "delete", "104", "--yes")
    me.answer("Type plex to go on:", "plx")
    assert me.end() == 1
    assert "That is not plex; nothing was done" in me.seen
    assert acts == []
    me = Terminal("guest", "delete", "104", "--yes")
    me.answer("Type plex to go on:", "plex")
    assert me.end() == 0
    assert acts == ["delete_guest guest:104"]


def test_no_input_never_asks_at_a_terminal_either(acts: list[str]) -> None:
    assert Terminal("guest", "stop", "103", "--no-input").end() == 2
    assert Terminal("guest", "delete", "104", "--no-input").end() == 2
    assert acts == []


def test_the_pin_is_asked_unseen(served: Served, acts: list[str]) -> None:
    served.tools.gate.approvals._pin = hash_pin("4711")
    me = Terminal("guest", "reboot", "103", "--yes")
    me.answer("Pin: ", "4712")
    assert me.end() == 5
    assert "The pin is wrong or missing" in me.seen
    me = Terminal("guest", "reboot", "103", "--yes")
    me.answer("Pin: ", "4711")
    assert me.end() == 0
    assert "4711" not in me.seen
    with PlainClient.connect(served.places.socket, client="mcp", role="agent", timeout_s=20) as agent:
        waiting = agent.call("tool.call", {"name": "start_container", "args": {"guest": "103"}})
        me = Terminal("approve", waiting["approval_id"])
        me.answer("Pin: ", "4711")
        assert me.end() == 0
    assert acts == ["reboot_container guest:103", "start_container guest:103"]
    assert Terminal("kill").end() == 0
    me = Terminal("unkill")
    me.answer("Pin: ", "4711")
    assert me.end() == 0
    assert "4711" not in me.seen


def test_a_pin_is_chosen_and_its_hash_is_all_that_is_kept(home: Path) -> None:
    me = Terminal("config", "pin")
    me.answer("Pin: ", "4711 x")
    me.answer("Again: ", "4711 x")
    assert me.end() == 0
    assert "4711" not in me.seen
    found = re.search(r'\[approvals\]\s+pin = "([^"]+)"', me.seen)
    assert found is not None
    assert pin_fits("4711 x", found[1])
    assert not pin_fits("4711", found[1])
    file = in_home(home).config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[approvals]\npin = "{found[1]}"\n')
    me = Terminal("config", "show")
    assert me.end() == 0
    assert "approvals.pin" in me.seen
    assert "scrypt" not in me.seen
    me = Terminal("config", "pin")
    me.answer("Pin: ", "4711")
    me.answer("Again: ", "4712")
    assert me.end() == 2
    me = Terminal("config", "pin")
    me.answer("Pin: ", "1")
    me.answer("Again: ", "1")
    assert me.end() == 2
    assert "at least 4" in me.seen
