"""Endpoints that are not in use: asked by turns while they are well, soon again when they fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pydantic
import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.inventory import Inventory
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.slow_watch import SlowWatch
from jarvis_daemon.cluster.sources import Sources
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.settings import ClusterSettings, Settings

from .pictures import node
from .pve_peer import Handler, Peer, Request, peer, reply

BEAT_S = 10.0
BROKEN = reply("", "503 Service Unavailable")


def well(name: str) -> Handler:
    """Answers any call; to ``cluster_status`` as the node ``name``."""
    members = f'{{"data":[{{"type":"node","name":"{name}","local":1,"online":1,"nodeid":1}}]}}'

    answers = {
        "/api2/json/cluster/status": members, "/api2/json/version": '{"data":{"version":"9.1.3"}}',
        "/api2/json/access/permissions": '{"data":{"/":{"Sys.Audit":1}}}',
    }  # fmt: skip

    def answer(request: Request, stream: object) -> bytes:
        return reply(answers.get(request.path.partition("?")[0], '{"data":[]}'))

    return answer


class Standby:
    """Four peers and the slow watch over them, on a clock that the test moves; the first one is in use."""

    def __init__(self, peers: list[Peer], folder: Path) -> None:
        self.peers = peers
        cluster = ClusterSettings(
            endpoints=[one.url for one in peers], token_id="j@pve!d", token_secret=pydantic.SecretStr("x"),
            tls="fingerprint", fingerprints=[peers[0].certificate.fingerprint],
        )  # fmt: skip
        self.clock = ManualClock()
        self.px = Proxmox(cluster, clock=self.clock)
        ssh = SshNodes(cluster, known_hosts=folder / "known_hosts", clock=self.clock)
        self.inventory = Inventory("homelab")
        sources = Sources("homelab", self.clock)
        self.scene = Scene(Settings(), cluster, self.clock, self.px, ssh, self.inventory, sources)

    async def begin(self) -> None:
        await self.px.call("cluster_status")
        self.watch = SlowWatch(self.scene)
        await self.settle()

    async def beats(self, count: int) -> None:
        for _ in range(count):
            await self.clock.advance(BEAT_S)
            await self.settle()

    async def settle(self) -> None:
        """Let the calls that are under way in their threads come back."""
        flights = self.px._flights
        async with asyncio.timeout(10):
            for _ in range(20):
                await asyncio.sleep(0)
                while flights:
                    await asyncio.sleep(0.001)

    def asked(self, at: int) -> int:
        return sum(request.path.endswith("/cluster/status") for request in self.peers[at].requests)


@pytest.fixture
async def standby(tmp_path: Path) -> AsyncIterator[Standby]:
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(peer(well(name), tmp_path)) for name in ("Home", "pve", "agent1", "agent")]
        standby = Standby(peers, tmp_path)
        await standby.begin()
        yield standby
        await standby.watch.stop()
        await standby.px.close()


async def test_those_that_are_well_are_asked_by_turns_once_a_minute(standby: Standby) -> None:
    await standby.beats(17)
    assert sum(standby.asked(at) for at in (1, 2, 3)) == 3
    assert set(standby.scene.endpoint_nodes.values()) == {"pve", "agent1", "agent"}


async def test_one_that_failed_is_asked_as_soon_as_its_pause_is_over(standby: Standby) -> None:
    """Else what was mended long ago would still be told as broken, and even be announced."""
    await standby.beats(17)
    standby.peers[3].handler = lambda request, stream: BROKEN
    await standby.beats(18)
    assert list(standby.px.endpoints_failed) == [standby.peers[3].url]
    asked = standby.asked(3)
    assert asked >= 4
    await standby.beats(60)
    assert standby.asked(3) - asked <= 11  # a minute apart, at most
    standby.peers[3].handler = well("agent")
    await standby.beats(7)
    assert standby.px.endpoints_failed == {}


async def test_one_whose_node_is_back_is_asked_at_once(standby: Standby) -> None:
    await standby.beats(17)
    nodes = standby.inventory.nodes.entities
    nodes["node:agent"] = node("agent", status="offline")
    standby.peers[3].handler = lambda request, stream: BROKEN
    await standby.beats(59)
    standby.peers[3].handler = well("agent")
    nodes["node:agent"] = node("agent")
    await standby.beats(1)
    assert standby.px.endpoints_failed == {}
