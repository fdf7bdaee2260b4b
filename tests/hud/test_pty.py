"""The real program on a real pseudo-terminal, attached to the real front door: it paints, obeys, reconnects."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jarvis_daemon.bus import Bus
from jarvis_daemon.bus.events import EventTopic
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.state import COLLECTIONS, FeedEvent, Node
from jarvis_daemon.server import Server, Tickets
from tests.hud.fixtures import NOW, cluster_state, feed
from tests.hud.terminal import Terminal

PROGRAM = (
    "import sys; from pathlib import Path; from jarvis_cli.hud.app import run; sys.exit(run(Path(sys.argv[1])))"
)


def homelab_now(clock: SystemClock) -> dict[str, dict[str, Any]]:
    """The fixture's homelab as structs, its times moved to this moment."""
    shift = clock.now() - NOW
    out: dict[str, dict[str, Any]] = {}
    for collection, entities in cluster_state().items():
        struct = COLLECTIONS[collection][1]
        for entity in entities.values():
            moved = {k: v + shift if k.endswith("_at") and v is not None else v for k, v in entity.items()}
            out.setdefault(collection, {})[entity["id"]] = msgspec.convert(moved, struct)
    return out


class House:
    """Bus and front door of a daemon, on a socket."""

    def __init__(self, socket: Path) -> None:
        self.clock = SystemClock()
        self.socket = socket
        self.bus = Bus()
        topic = self.bus.state("cluster")
        topic.apply(homelab_now(self.clock))
        topic.settled.set()
        self.bus.add_events(EventTopic("feed", self._events))
        for name in ("tasks", "incidents", "health"):
            self.bus.state(name).settled.set()
        self.server = self._make()

    async def _events(
        self, after: int | None, before: int | None, since_at: float | None, limit: int
    ) -> list[FeedEvent]:
        return [e for e in msgspec.convert(feed(), list[FeedEvent]) if e.seq > (after or 0)][-limit:]

    def _make(self) -> Server:
        return Server(
            self.bus, self.clock, self.socket, version="0.1.0", simulated=True, tickets=Tickets(self.clock)
        )

    async def restart(self) -> None:
        self.server = self._make()
        await self.server.start()


@pytest.fixture
async def house(home: Path) -> AsyncIterator[House]:
    made = House(home / "s")
    await made.server.start()
    yield made
    await made.server.stop()


def open_terminal(house: House, width: int = 120, height: int = 40, **environ: str) -> Terminal:
    base = {k: v for k, v in os.environ.items() if not k.startswith("TEXTUAL") and k not in {"COLUMNS", "LINES"}}
    base |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "TEXTUAL_ANIMATIONS": "none"}
    return Terminal([sys.executable, "-c", PROGRAM, str(house.socket)], {**base, **environ}, width, height)


async def test_it_paints_obeys_and_leaves(house: House) -> None:
    terminal = open_terminal(house)
    try:
        await terminal.shows("MACHINE ROOM", "homelab · quorate 4/4", "SIMULATED", "vaultwarden", "link ")
        terminal.type("2")
        await terminal.shows("GUESTS", "mem%", "debian12-template")
        terminal.type("/plex\r")
        await terminal.until(lambda text: "plex" in text and "vaultwarden" not in text, "only plex")
        terminal.type("?")
        await terminal.shows("KEYS AND COMMANDS")
        terminal.type("?")
        await terminal.shows("/plex 1 of 18")
        terminal.type("q")
        assert await terminal.ends() == 0
    finally:
        terminal.close()


async def test_a_lost_link_keeps_the_picture_and_mends_itself(house: House) -> None:
    terminal = open_terminal(house)
    try:
        await terminal.shows("vaultwarden", "link ")
        await house.server.stop()
        await terminal.shows("LINK LOST 00:0", "vaultwarden")
        await house.restart()
        await terminal.until(lambda text: "LINK LOST" not in text and "vaultwarden" in text, "the link again")
    finally:
        terminal.close()


async def test_a_change_in_the_daemon_reaches_the_screen(house: House) -> None:
    terminal = open_terminal(house, 240, 67)
    try:
        await terminal.shows("pve 9.1.3", "4 of 4 online")
        node = house.bus.state("cluster").get("nodes", "node:pve", Node)
        assert node is not None
        down = msgspec.structs.replace(node, status="offline")
        house.bus.state("cluster").apply({"nodes": {"node:pve": down}})
        await terminal.shows("✖ DOWN", "3 of 4 online")
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({"NO_COLOR": "1"}, r"0|1|2|7|39|49"),
        ({"TEXTUAL_COLOR_SYSTEM": "standard", "COLORTERM": ""}, r"0|1|2|7|39|49|[349][0-7]|10[0-7]"),
    ],
    ids=["no-color", "16-colours"],
)
async def test_only_the_colours_that_were_asked_for_are_sent(
    house: House, environ: dict[str, str], allowed: str
) -> None:  # fmt: skip
    terminal = open_terminal(house, 80, 24, **environ)
    try:
        await terminal.shows("MACHINE ROOM", "SIMULATED", "agent1", "link ")
        terminal.type("5")
        await terminal.shows("INCIDENTS", "all is well")
        codes = {code for style in terminal.screen.styles for code in style.split(";") if code}
        assert not {code for code in codes if not re.fullmatch(allowed, code)}
    finally:
        terminal.close()


async def test_a_terminal_without_utf8_gets_ascii(house: House) -> None:
    terminal = open_terminal(house, 80, 24, LC_ALL="C", PYTHONUTF8="1")
    try:
        text = await terminal.shows("MACHINE ROOM", "* online", "link ")
        assert text.isascii()
    finally:
        terminal.close()
