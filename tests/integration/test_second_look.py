"""Before an act: what another endpoint says of quorum and target, and in which order PVE starts guests."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from jarvis_daemon.protocol.state import Cluster
from tests.integration.node_house import NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def healed(house: NodeHouse) -> AsyncIterator[None]:
    yield
    await house.lab.heal()
    await house.until(lambda: all(n.status == "online" for n in house.nodes.values()), 30)
    await house.until(lambda: house.room.scene.quorum.quorate is True)


def believe(house: NodeHouse, kind: str, key: str, **changes: Any) -> Any:
    """Let our own picture be wrong until the next poll; answers what it was."""
    inventory = house.room.scene.inventory
    table: dict[str, Any] = (inventory.guests if kind == "guest" else inventory.nodes).entities
    before = table[key]
    table[key] = msgspec.structs.replace(before, **changes)
    return before


@pytest.mark.parametrize(
    "target", ["guest:103", "guest:104", "guest:9000", "node:pve", "service:Home/smbd", "storage:externalhdd"]
)
async def test_another_endpoint_agrees_with_what_is_so(house: NodeHouse, target: str) -> None:
    px = house.room.scene.px
    before, sent = px.last_endpoint, px.calls.total()
    opinion, why = await house.room.second_look(target)
    assert (opinion, why.endswith("sees it the same.")) == ("agrees", True), why
    assert not why.startswith("Home "), "the node that answers us is no second opinion"
    assert px.calls.total() >= sent + 2
    assert px.last_endpoint == before, "the other endpoint does not become the one in use"


@pytest.mark.parametrize(
    ("kind", "target", "wrong", "says"),
    [
        ("guest", "guest:103", {"status": "stopped"}, "says that plex is running; here it is stopped."),
        ("guest", "guest:103", {"node": "pve"}, "says that plex is on agent1; here it is on pve."),
        ("guest", "guest:104", {"status": "running"}, "says that jellyfin is stopped; here it is running."),
        ("node", "node:pve", {"status": "offline"}, "says that pve is online; here it is offline."),
    ],
)
async def test_what_is_seen_otherwise_there_disagrees(
    house: NodeHouse, kind: str, target: str, wrong: dict[str, Any], says: str
) -> None:
    async with house.room.monitor._beating:  # no poll mends our picture meanwhile
        before = believe(house, kind, target, **wrong)
        opinion, why = await house.room.second_look(target)
        believe(house, kind, target, **{key: getattr(before, key) for key in wrong})
    assert opinion == "disagrees"
    assert why.endswith(says)


async def test_a_target_that_nobody_knows_is_no_agreement(house: NodeHouse) -> None:
    opinion, why = await house.room.second_look("guest:4711")
    assert (opinion, why.endswith("nor we know guest:4711.")) == ("disagrees", True)


async def test_a_lost_quorum_is_agreed_upon_and_a_doubted_one_is_not(house: NodeHouse) -> None:
    quorum = house.room.scene.quorum
    async with house.room.monitor._beating:
        quorum.quorate = False
        assert (await house.room.second_look("guest:103"))[0] == "disagrees"
        quorum.quorate = None
        opinion, why = await house.room.second_look("guest:103")
        assert (opinion, "not known here" in why) == ("disagrees", True)
        quorum.quorate = True
    await house.lab.fault("quorum-loss")
    await house.until(lambda: quorum.quorate is False, 30)
    opinion, why = await house.room.second_look("storage:externalhdd")
    assert opinion == "agrees", why


async def test_without_another_endpoint_there_is_no_second_look(house: NodeHouse) -> None:
    scene = house.room.scene
    home = house.lab.endpoints["Home"]
    await house.until(lambda: scene.px.answered_by("cluster_resources") == home)
    others = [node for node in house.lab.world.nodes if node != "Home"]
    for node in others:
        await house.lab.fault("api-truncated", node)
    opinion, why = await house.room.second_look("guest:103")
    assert opinion == "none"
    assert "No other endpoint" in why
    scene.px.retry_now()


async def test_one_node_alone_agrees_and_nobody_is_asked(house: NodeHouse) -> None:
    quorum, px = house.room.scene.quorum, house.room.scene.px
    async with house.room.monitor._beating:
        quorum.standalone, sent = True, px.calls["cluster_status"]
        opinion, why = await house.room.second_look("guest:103")
        quorum.standalone = False
    assert (opinion, "one node alone" in why) == ("agrees", True)
    assert px.calls["cluster_status"] - sent <= 1, "at most the standby's own turn"


async def test_the_number_of_endpoints_is_told(house: NodeHouse) -> None:
    (cluster,) = house.bus.state("cluster").all("clusters", Cluster).values()
    assert cluster.endpoints_total == 4


# --- boot order --------------------------------------------------------------------------------------------


async def test_boot_orders_are_those_of_the_configurations(house: NodeHouse) -> None:
    px = house.room.scene.px
    wanted = ["guest:111", "guest:105", "guest:110", "guest:108", "guest:112", "guest:115", "guest:4711"]
    found = await house.room.boot_orders(wanted)
    assert found == {
        "guest:111": 1.0, "guest:105": 2.0, "guest:110": 3.0, "guest:108": 4.0, "guest:112": math.inf,
        "guest:115": math.inf,
    }  # fmt: skip
    sent = px.calls["vm_config"] + px.calls["ct_config"]
    assert await house.room.boot_orders(wanted) == found
    assert px.calls["vm_config"] + px.calls["ct_config"] == sent, "they are kept"


async def test_what_was_read_stays_known_while_a_node_is_down(house: NodeHouse) -> None:
    await house.room.boot_orders(["guest:110"])
    await house.lab.fault("node-down", "pve")
    await house.until(lambda: house.nodes["node:pve"].status == "offline")
    house.room._orders._due.clear()
    found = await house.room.boot_orders(["guest:110", "guest:101"])
    assert found == {"guest:110": 3.0}, "what was never read is left out, not made up"


async def test_at_most_twenty_configurations_are_read_at_once(house: NodeHouse) -> None:
    px, orders = house.room.scene.px, house.room._orders
    orders._known.clear()
    orders._due.clear()
    guests = house.room.scene.inventory.guests.entities
    more = {
        f"guest:{vmid}": msgspec.structs.replace(guests["guest:103"], id=f"guest:{vmid}", vmid=vmid)
        for vmid in range(6000, 6030)
    }
    async with house.room.monitor._beating:
        guests.update(more)
        sent = px.calls["ct_config"]
        assert await house.room.boot_orders(list(more)) == {}, "PVE knows none of them"
        assert px.calls["ct_config"] - sent == 20
        for key in more:
            del guests[key]


async def test_a_watch_may_be_stopped_twice() -> None:
    async with NodeHouse() as made:
        await made.room.monitor.stop()
        await made.room.monitor.stop()
