"""The front door over a real socket: hello, roles, subscriptions, bad clients."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

from jarvis_daemon.bus import Feed, Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import ERRORS, JarvisError
from jarvis_daemon.protocol.plain import PROTOCOL_RANGE, PlainClient
from jarvis_daemon.protocol.state import Guest, Node
from jarvis_daemon.server import roles
from jarvis_daemon.store import Store
from tests.unit.server.conftest import House


def node(cpu: float, status: Any = "online") -> dict[str, dict[str, Node]]:
    return {"nodes": {"node:pve": Node(id="node:pve", name="pve", cpu=cpu, status=status)}}


async def raw(house: House):  # type: ignore[no-untyped-def]
    return await unix_connect(str(house.socket), uri="ws://jarvis/", compression=None)


async def say(socket: Any, method: str, call_id: int = 1, **params: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}))
    return json.loads(await socket.recv())


async def test_snapshot_then_deltas_reach_the_mirror(house: House) -> None:
    topic = house.bus.state("cluster")
    topic.apply(node(0.1))
    async with house.link(topics=["cluster"], max_hz=30) as link:
        assert await link.wait_for(lambda it: "cluster" in it.mirror.state, 5)
        topic.apply(node(0.2))
        topic.apply({"guests": {"guest:1": Guest(id="guest:1", name="web")}})
        assert await link.wait_for(lambda it: "guest:1" in it.mirror.state["cluster"]["guests"], 5)
        assert link.mirror.state["cluster"] == topic.plain
        assert link.mirror.seq["cluster"] == topic.seq


async def test_numbers_wait_for_max_hz_and_status_does_not(house: House) -> None:
    topic = house.bus.state("cluster")
    topic.apply(node(0.1))
    async with house.link(topics=["cluster"], max_hz=0.05) as link:
        assert await link.wait_for(lambda it: "cluster" in it.mirror.state, 5)
        mine = link.mirror.state["cluster"]["nodes"]["node:pve"]
        topic.apply(node(0.2))
        await house.feed.post("x", "passes through the same writer")
        await link.call("state.get", {"topics": ["cluster"]})
        assert mine["cpu"] == 0.1
        topic.apply(node(0.3, "offline"))
        assert await link.wait_for(lambda it: mine["status"] == "offline", 2)
        assert mine["cpu"] == 0.3  # what waited goes with it


async def test_a_reconnecting_client_gets_only_what_it_missed(house: House) -> None:
    topic = house.bus.state("cluster")
    topic.apply(node(0.1))
    async with await raw(house) as socket:
        welcome = await say(socket, "hello", role="viewer")
        boot = welcome["result"]["boot_id"]
        seq = topic.seq
        topic.apply(node(0.2, "offline"))
        wanted = {"topics": ["cluster"], "since": {"cluster": seq}, "boot_id": boot}
        await socket.send(json.dumps({"id": 2, "method": "subscribe", "params": wanted}))
        messages = [json.loads(await socket.recv()) for _ in range(2)]
    deltas = [x["params"] for x in messages if x.get("method") == "delta"]
    assert deltas == [
        {
            "topic": "cluster",
            "seq": seq + 1,
            "set": {"nodes/node:pve": {"cpu": 0.2, "status": "offline"}},
            "del": [],
        }
    ]


async def test_another_boot_gets_a_snapshot(house: House) -> None:
    topic = house.bus.state("cluster")
    topic.apply(node(0.1))
    async with house.link(topics=["cluster"]) as link:
        assert await link.wait_for(lambda it: "cluster" in it.mirror.state, 5)
        first = link.welcome["boot_id"]
        topic.apply(node(0.2))
        await house.restart()
        assert await link.wait_for(lambda it: it.status == "up" and it.welcome["boot_id"] != first, 10)
        assert await link.wait_for(lambda it: it.mirror.state["cluster"]["nodes"]["node:pve"]["cpu"] == 0.2, 5)


async def test_events_resume_without_hole_or_double_over_a_restart(house: House) -> None:
    for i in range(5):
        await house.feed.post("x", str(i))
    async with house.link(topics=["feed"]) as link:
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 5, 5)
        await house.restart()
        for i in range(1500):  # more than the ring holds: the store answers
            await house.store.write(
                lambda db, i=i: house.feed.publish(house.feed.append(db, house.feed.make("x", str(i))))
            )
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 1505, 20)
        numbers = [event["seq"] for event in link.events["feed"]]
        assert numbers == list(range(numbers[0], 1506))


async def test_a_client_that_never_reads_costs_little_and_slows_nobody(house: House) -> None:
    topic = house.bus.state("cluster")
    guests = {f"guest:{i}": Guest(id=f"guest:{i}", vmid=i, name="x" * 200) for i in range(2000)}
    topic.apply({"guests": guests})
    socket = await raw(house)
    await say(socket, "hello", role="viewer")
    socket.transport.pause_reading()  # it never reads again
    await socket.send(json.dumps({"id": 2, "method": "subscribe", "params": {"topics": ["cluster", "feed"]}}))
    async with house.link(topics=["cluster", "feed"], max_hz=30) as link:
        for step in range(1200):
            topic.apply(node(step / 1200))
            await house.store.write(lambda db: house.feed.publish(house.feed.append(db, house.feed.make("x", "y"))))
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 1200, 20)
        slow = [s for s in house.server._sessions if s.principal.role == "viewer"]
        assert len(slow) == 1
        assert slow[0].outbox.pending <= 1
    socket.transport.abort()


async def test_lagged_is_told_and_the_client_catches_up(house: House) -> None:
    async with await raw(house) as socket:
        await say(socket, "hello", role="viewer")
        await say(socket, "subscribe", topics=["feed"])
        session = next(iter(house.server._sessions))
        session.outbox._events["feed"].from_store = False
        events = await house.store.write(
            lambda db: [house.feed.append(db, house.feed.make("x", "y")) for _ in range(1100)]
        )
        house.feed.publish(*events)
        assert json.loads(await socket.recv())["method"] == "lagged"
        await socket.send(
            json.dumps({"id": 3, "method": "subscribe", "params": {"topics": ["feed"], "since": {"feed": 0}}})
        )
        seen = []
        while len(seen) < 1100:
            message = json.loads(await socket.recv())
            if message.get("method") == "event":
                seen.append(message["params"]["event"]["seq"])
        assert seen == list(range(1, 1101))


async def test_no_common_protocol_names_the_command(house: House) -> None:
    async with await raw(house) as socket:
        answer = await say(socket, "hello", role="operator", protocol=[7, 9], version="9")
    error = answer["error"]
    assert error["data"]["code"] == "protocol_mismatch"
    assert "jarvis daemon restart" in error["data"]["next"]
    assert error["code"] == ERRORS["protocol_mismatch"].number


async def test_nothing_is_heard_before_hello(house: House) -> None:
    async with await raw(house) as socket:
        assert (await say(socket, "state.get", topics=["cluster"]))["error"]["data"]["code"] == "hello_required"
        with pytest.raises(ConnectionClosed):
            await socket.recv()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "parse_error"),
        ("[1, 2]", "invalid_request"),
        ('{"id": 1}', "invalid_request"),
        ('{"id": 1, "method": "no.such"}', "method_not_found"),
        ('{"id": 1, "method": "subscribe", "params": {"topics": 3}}', "invalid_params"),
        ('{"id": 1, "method": "subscribe", "params": {"topics": ["nope"]}}', "unknown_topic"),
        ('{"id": 1, "method": "worker.heartbeat"}', "forbidden"),
        ('{"id": 1, "method": "incident.ack", "params": {"id": "1"}}', "method_not_found"),
    ],
)
async def test_garbage_gets_a_clear_answer_and_the_session_lives_on(house: House, frame: str, code: str) -> None:
    async with await raw(house) as socket:
        await say(socket, "hello", role="operator")
        await socket.send(frame)
        error = json.loads(await socket.recv())["error"]
        assert error["data"]["code"] == code
        assert error["data"]["next"]
        assert "result" in await say(socket, "state.get", topics=["cluster"])


async def test_a_flood_of_garbage_ends_the_session_and_no_other(house: House) -> None:
    async with house.link() as other, await raw(house) as socket:
        await say(socket, "hello", role="operator")

        async def flood() -> None:
            for _ in range(100):
                await socket.send("\x00not json")
                await socket.recv()

        with pytest.raises(ConnectionClosed):
            await flood()
        assert await other.call("state.get", {"topics": []})


async def test_a_frame_of_ten_megabytes_ends_the_session_with_the_reason(house: House) -> None:
    async with house.link() as other:
        socket = await raw(house)  # closed by the daemon: nothing to leave
        await say(socket, "hello", role="operator")
        await socket.send("x" * 10_000_000)
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        assert await other.call("state.get", {"topics": []})


async def test_a_viewer_may_only_look_and_rights_are_dropped_not_gained(house: House) -> None:
    house.bus.offer("incident.ack", lambda params, who: m.Ok(), roles={"operator"})
    async with house.link() as link:
        assert await link.call("incident.ack", {"id": "1"}) == {"ok": True}
        await link.call("drop", {"role": "viewer"})
        for method, params in (("incident.ack", {"id": "1"}), ("daemon.stop", {}), ("drop", {"role": "operator"})):
            with pytest.raises(JarvisError) as caught:
                await link.call(method, params)
            assert caught.value.code == "forbidden"


def test_dropping_never_gains_a_call() -> None:
    for current in roles.ALLOWED:
        for wanted in roles.ALLOWED:
            if roles.may_drop(current, wanted):
                assert roles.ALLOWED[wanted] <= roles.ALLOWED[current]
    assert roles.may_drop("operator", "viewer")
    assert not roles.may_drop("viewer", "operator")
    assert not roles.may_drop("worker", "viewer")
    assert not roles.may_drop("front", "worker"), "streams are offered to workers by role"
    assert not roles.may_drop("viewer", "agent")


async def test_another_account_may_only_look(house: House) -> None:
    assert house.server.may_take(os.getuid(), "operator")
    assert not house.server.may_take(12345, "operator")
    assert house.server.may_take(12345, "viewer")


async def test_a_worker_needs_a_ticket_that_is_good_once(house: House) -> None:
    ticket = house.tickets.issue("echo")
    async with house.link(role="worker", ticket=ticket) as link:
        assert link.status == "up"
        assert link.welcome["role"] == "worker"
    for wrong in (ticket, "made up", None, house.tickets.issue("echo", "front")):
        async with house.link(role="worker", ticket=wrong) as link:
            assert link.status == "refused"
            assert link.error is not None
            assert link.error.code == "forbidden"


async def test_long_calls_report_progress_and_can_be_cancelled(house: House) -> None:
    cancelled = asyncio.Event()

    async def log(params: m.TaskLog, who: Principal) -> AsyncIterator[Any]:
        yield {"lines": ["one"]}
        yield {"lines": ["two"]}
        if params.follow:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        yield m.TaskLogResult(upid=params.upid, status="ok")

    house.bus.offer("task.log", log)
    async with house.link() as link:
        items = [item async for item in link.stream("task.log", {"upid": "u"})]
        assert items[:2] == [{"lines": ["one"]}, {"lines": ["two"]}]
        assert items[2]["status"] == "ok"
        stream = link.stream("task.log", {"upid": "u", "follow": True})
        assert await anext(stream) == {"lines": ["one"]}
        await stream.aclose()
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_a_room_that_fails_says_so_without_its_insides(house: House) -> None:
    def broken(params: Any, who: Principal) -> None:
        raise RuntimeError("secret detail /etc/passwd")

    house.bus.offer("guest.describe", broken)
    async with house.link() as link:
        with pytest.raises(JarvisError) as caught:
            await link.call("guest.describe", {"id": "guest:1"})
    assert caught.value.code == "internal"
    assert "secret" not in caught.value.sentence()


async def test_binary_streams_carry_frames_both_ways(house: House) -> None:
    async def echo(who: Principal, incoming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for payload in incoming:
            yield payload.upper()

    house.bus.offer_stream("echo", echo, roles={"operator"})
    got: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
    async with house.link() as link:
        link.on_binary = lambda stream, payload: got.put_nowait((stream, payload))
        opened = await link.call("stream.open", {"kind": "echo"})
        await link.send_binary(opened["stream"], b"abc")
        await link.send_binary(999, b"of no stream")
        assert await asyncio.wait_for(got.get(), 5) == (opened["stream"], b"ABC")
        await link.call("stream.close", {"stream": opened["stream"]})
        with pytest.raises(JarvisError, match="no stream of kind"):
            await link.call("stream.open", {"kind": "nope"})


async def test_the_clients_topic_lists_who_is_attached(house: House) -> None:
    async with house.link(topics=["clients"], version="3") as link:
        assert await link.wait_for(lambda it: bool(it.mirror.state.get("clients", {}).get("clients")), 5)
        (mine,) = link.mirror.state["clients"]["clients"].values()
        assert (mine["client"], mine["role"], mine["pid"], mine["version"]) == (
            "test",
            "operator",
            os.getpid(),
            "3",
        )


async def test_the_plain_client_speaks_the_same_contract(house: House) -> None:
    house.bus.state("cluster").apply(node(0.5))
    await house.feed.post("x", "Grüße", severity="ok")

    def blocking() -> tuple[Any, ...]:
        with PlainClient.connect(house.socket, role="operator", version="1") as client:
            state = client.call("state.get", {"topics": ["cluster"]})
            with pytest.raises(JarvisError) as caught:
                client.call("state.get", {"topics": ["nope"]})
            client.subscribe(["feed"], history=10)
            event = next(n for n in client.notifications() if n["method"] == "event")
            return client.welcome, state, caught.value.code, event

    welcome, state, code, event = await asyncio.to_thread(blocking)
    assert welcome["role"] == "operator"
    assert state["topics"]["cluster"]["state"]["nodes"]["node:pve"]["cpu"] == 0.5
    assert code == "unknown_topic"
    assert event["params"]["event"]["text"] == "Grüße"


async def test_the_plain_client_takes_big_frames_and_says_when_nobody_is_there(house: House) -> None:
    guests = {f"guest:{i}": Guest(id=f"guest:{i}", vmid=i, name="x" * 50) for i in range(5000)}
    house.bus.state("cluster").apply({"guests": guests})

    def blocking() -> int:
        with PlainClient.connect(house.socket) as client:
            return len(client.call("state.get", {"topics": ["cluster"]})["topics"]["cluster"]["state"]["guests"])

    assert await asyncio.to_thread(blocking) == 5000
    with pytest.raises(JarvisError) as caught:
        PlainClient.connect(house.socket.with_name("none.sock"))
    assert caught.value.exit_code == 3


def test_the_plain_client_and_the_contract_name_one_protocol() -> None:
    assert PROTOCOL_RANGE == (m.PROTOCOL_MIN, m.PROTOCOL_MAX)


async def test_state_get_waits_for_the_first_picture(house: House) -> None:
    topic = house.bus.state("cluster")
    async with house.link() as link:
        early = await link.call("state.get", {"topics": ["cluster"]})
        assert early["topics"]["cluster"]["settled"] is False
        waiting = asyncio.ensure_future(link.call("state.get", {"topics": ["cluster"], "wait_s": 10}))
        await link.call("state.get", {"topics": []})
        topic.apply(node(0.1))
        topic.settled.set()
        answer = await waiting
        assert answer["topics"]["cluster"]["settled"] is True
        assert answer["topics"]["cluster"]["state"]["nodes"]


async def test_a_feed_that_began_anew_is_followed_from_its_new_beginning(house: House, tmp_path: Path) -> None:
    for n in range(5):
        await house.feed.post("x", f"old {n}")
    async with house.link(topics=["feed"]) as link:
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 5, 5)
        other = Store(tmp_path / "other.db")
        await other.open()
        house.bus._events.clear()
        feed = Feed(other, house.bus, house.server.clock)  # somebody moved the store aside
        await feed.post("x", "new 0")
        await house.restart()
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 1, 10)
        await feed.post("x", "new 1")
        assert await link.wait_for(lambda it: it.event_seq.get("feed") == 2, 5)
        assert [event["text"] for event in link.events["feed"]] == ["new 0", "new 1"]
        await other.close()
