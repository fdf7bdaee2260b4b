"""What people ask of incidents: list, ack, silence, unsilence, maintenance."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.incidents import Observation
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import (
    IncidentAck,
    IncidentList,
    IncidentSilence,
    IncidentUnsilence,
    Message,
)
from jarvis_daemon.protocol.spawn import spawn

from .conftest import Desk, OpenDesk

ROY = Principal(session="s1", role="operator", client="cli")
WALL = Principal(session="s2", role="viewer", client="hud")


def fault(target: str = "guest:103", condition: str = "guest-crashed") -> Observation:
    return Observation(condition, target, "error", "plex stopped by itself", evidence={"node": "agent1"})


async def rounds(desk: Desk, count: int, *observations: Observation) -> None:
    for _ in range(count):
        await desk.incidents.observe("cluster", observations, {"guest-crashed", "node-unreachable"})
        desk.clock._step_to(desk.clock.monotonic() + 10)


async def ask(desk: Desk, method: str, params: Message, principal: Principal = ROY) -> dict[str, Any]:
    answer = await desk.bus.ask(method, params, principal)
    assert isinstance(answer, dict)
    return answer


async def test_an_ack_is_saved_shown_and_survives(open_desk: OpenDesk) -> None:
    clock = ManualClock()
    desk = await open_desk(clock)
    await rounds(desk, 2, fault())
    answer = await ask(desk, "incident.ack", IncidentAck(id="1", by="roy"))
    assert answer["acked_by"] == "roy"
    desk = await open_desk(clock)
    assert desk.shown()["1"].acked_by == "roy"
    await rounds(desk, 20, fault())
    assert desk.shown()["1"].acked_by == "roy"
    assert await desk.kinds() == ["incident.acked"]  # a person knows: no announcement
    await ask(desk, "incident.ack", IncidentAck(id="1", by="moss"))
    assert desk.shown()["1"].acked_by == "roy"
    await rounds(desk, 1)
    assert await desk.kinds() == ["incident.acked", "incident.closed"]


@pytest.mark.parametrize("wrong", ["7", "", "x", "٣", "9" * 40])
async def test_an_unknown_incident_is_named(open_desk: OpenDesk, wrong: str) -> None:
    desk = await open_desk()
    with pytest.raises(JarvisError) as caught:
        await ask(desk, "incident.ack", IncidentAck(id=wrong))
    assert caught.value.code == "not_found"


async def test_viewers_read_and_nothing_more(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    assert len((await ask(desk, "incident.list", IncidentList(), WALL))["incidents"]) == 1
    for method, params in (("incident.ack", IncidentAck(id="1")), ("incident.silence", IncidentSilence(id="1"))):
        with pytest.raises(JarvisError) as caught:
            await ask(desk, method, params, WALL)
        assert caught.value.code == "forbidden"


async def test_a_silenced_incident_is_kept_and_not_announced_until_the_silence_ends(open_desk: OpenDesk) -> None:
    clock = ManualClock()
    desk = await open_desk(clock)
    await rounds(desk, 2, fault())
    answer = await ask(desk, "incident.silence", IncidentSilence(id="1", duration_s=600, reason="known", by="roy"))
    assert answer["incidents"] == ["1"]
    assert desk.shown()["1"].silenced_until == answer["silence"]["ends_at"]
    desk = await open_desk(clock)
    await rounds(desk, 30, fault())
    assert await desk.kinds() == ["incident.silenced"]
    clock._step_to(clock.monotonic() + 600)
    await desk.incidents.tick()
    assert desk.shown()["1"].silenced_until is None
    assert await desk.kinds() == ["incident.silenced", "incident.opened"]


async def test_a_pattern_silences_what_comes(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    params = IncidentSilence(condition="guest-*", target="guest:10?", duration_s=7200, reason="rebuilding")
    silence = (await ask(desk, "incident.silence", params))["silence"]
    await rounds(desk, 20, fault("guest:103"), fault("guest:200"))
    assert [e.target for e in await desk.told() if e.kind == "incident.opened"] == ["guest:200"]
    await ask(desk, "incident.unsilence", IncidentUnsilence(id=silence["id"]))
    await rounds(desk, 1, fault("guest:103"), fault("guest:200"))
    assert [e.target for e in await desk.told() if e.kind == "incident.opened"] == ["guest:200", "guest:103"]
    with pytest.raises(JarvisError):
        await ask(desk, "incident.unsilence", IncidentUnsilence(id=silence["id"]))


async def test_maintenance_of_a_node_covers_its_guests_in_its_window_only(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    window = IncidentSilence(
        target="node:agent1", duration_s=3600, reason="new fan", maintenance=True, starts_at=desk.clock.now() + 100
    )
    await ask(desk, "incident.silence", window)
    await rounds(desk, 5, fault())
    assert desk.shown()["1"].silenced_until is None
    desk.clock._step_to(desk.clock.monotonic() + 100)
    await desk.incidents.tick()
    assert desk.shown()["1"].silenced_until is not None


@pytest.mark.parametrize(
    "params",
    [
        IncidentSilence(condition="guest-crashed", duration_s=60),
        IncidentSilence(condition="guest-crashed", duration_s=60, reason=" \x1b[2J "),
        IncidentSilence(condition="guest-crashed", duration_s=31 * 86400, reason="long"),
        IncidentSilence(condition="guest-crashed", duration_s=0, reason="none"),
        IncidentSilence(condition="guest-crashed", duration_s=float("nan"), reason="none"),
        IncidentSilence(condition="guest-crashed", starts_at=5.0, reason="past"),
        IncidentSilence(reason="all of it"),
    ],
)
async def test_a_silence_needs_reason_scope_and_end(open_desk: OpenDesk, params: IncidentSilence) -> None:
    desk = await open_desk()
    with pytest.raises(JarvisError) as caught:
        await ask(desk, "incident.silence", params)
    assert caught.value.code == "invalid_params"


async def test_the_list_has_closed_ones_and_takes_a_status(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault("guest:1"), fault("guest:2"))
    await rounds(desk, 1, fault("guest:2"))
    listed = (await ask(desk, "incident.list", IncidentList()))["incidents"]
    assert [(i["id"], i["status"]) for i in listed] == [("2", "open"), ("1", "closed")]
    closed = (await ask(desk, "incident.list", IncidentList(status="closed")))["incidents"]
    assert [i["id"] for i in closed] == ["1"]


async def test_who_leaves_while_it_is_saved_leaves_no_hole_in_the_feed(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await rounds(desk, 2, fault())
    told: list[int] = []
    desk.feed.topic.listen(lambda event: told.append(event.seq))
    held = threading.Event()
    busy = spawn(desk.store.write(lambda db: held.wait(10)), name="busy")
    leaving = [
        spawn(ask(desk, "incident.ack", IncidentAck(id="1", by="roy")), name="ack"),
        spawn(desk.feed.post("x", "Somebody knocked."), name="post"),
    ]
    for _ in range(5):
        await asyncio.sleep(0)  # both are queued behind what the writer is busy with
    for task in leaving:
        task.cancel()
    held.set()
    assert await busy
    await asyncio.gather(*leaving, return_exceptions=True)
    await desk.store.write(lambda db: None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert told == [event.seq for event in await desk.told()] == [1, 2]
    assert desk.shown()["1"].acked_by == "roy"
