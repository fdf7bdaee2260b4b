"""The client against a TLS peer that answers odd bytes: errors, failover, breakers, deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from tests.unit.cluster.pve_peer import Handler, Peer, Request, peer, reply

StartPeer = Callable[..., Peer]
Connect = Callable[..., Proxmox]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartPeer]:
    with contextlib.ExitStack() as stack:
        yield lambda handler, name="pve": stack.enter_context(peer(handler, tmp_path, name))


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[Proxmox] = []

    def make(*peers: Peer, clock: ManualClock | None = None, **changes: Any) -> Proxmox:
        settings = {
            "endpoints": [one.url for one in peers],
            "token_id": "jarvis@pve!daemon",
            "token_secret": pydantic.SecretStr("s3cret"),
            "tls": "fingerprint",
            "fingerprints": list({one.certificate.fingerprint for one in peers}),
            "call_timeout_s": 5.0,
        } | changes
        proxmox = Proxmox(ClusterSettings.model_validate(settings), clock=clock or ManualClock())
        made.append(proxmox)
        return proxmox

    yield make
    for proxmox in made:
        await proxmox.close()


def always(answer: bytes) -> Handler:
    return lambda request, stream: answer


RESOURCES = reply('{"data":[{"type":"node","node":"pve","status":"online"}]}')
STATUS = reply('{"data":[]}')


async def failing(proxmox: Proxmox, name: str = "cluster_status", **arguments: Any) -> JarvisError:
    with pytest.raises(JarvisError) as caught:
        await proxmox.call(name, **arguments)
    return caught.value


class TestCall:
    async def test_the_data_of_the_reply_comes_back(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(RESOURCES))
        assert await connect(one).call("cluster_resources", type="node") == [
            {"type": "node", "node": "pve", "status": "online"}
        ]
        [request] = one.requests
        assert (request.method, request.path) == ("GET", "/api2/json/cluster/resources?type=node")
        assert request.headers["authorization"] == "PVEAPIToken=jarvis@pve!daemon=s3cret"

    async def test_a_upid_travels_in_the_path(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(STATUS))
        upid = "UPID:pve:002CE248:15D28C02:687868CB:aptupdate::jarvis@pve!daemon:"
        await connect(one).call("task_log", node="pve", upid=upid, start=5)
        assert one.requests[0].path == f"/api2/json/nodes/pve/tasks/{upid}/log?start=5"

    async def test_a_connection_is_kept(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(STATUS))
        proxmox = connect(one)
        for _ in range(6):
            await proxmox.call("cluster_status")
        assert len(one.requests) == 6
        assert one.connections <= 2  # one a thread, two threads for what concerns the whole cluster

    async def test_a_kept_connection_that_the_server_closed_is_made_anew(
        self, start: StartPeer, connect: Connect
    ) -> None:
        def once(request: Request, stream: ssl.SSLSocket) -> None:
            stream.sendall(STATUS)

        one = start(once)
        proxmox = connect(one)
        for _ in range(4):
            await proxmox.call("cluster_status")
        assert proxmox.endpoints_failed == {}

    async def test_calls_and_bytes_are_counted(self, start: StartPeer, connect: Connect) -> None:
        clock = ManualClock()
        proxmox = connect(start(always(STATUS)), clock=clock)
        await proxmox.call("cluster_status")
        await clock.advance(59)
        await proxmox.call("cluster_status")
        assert (proxmox.calls_per_minute, proxmox.calls["cluster_status"]) == (2, 2)
        assert proxmox.received_bytes == 2 * len(b'{"data":[]}')
        await clock.advance(2)
        assert proxmox.calls_per_minute == 1

    async def test_the_version_is_remembered_and_gates_newer_calls(
        self, start: StartPeer, connect: Connect
    ) -> None:
        one = start(always(reply('{"data":{"version":"8.0.4","release":"8.0"}}')))
        proxmox = connect(one)
        await proxmox.call("version")
        error = await failing(proxmox, "metrics_export")
        assert error.code == "unavailable"
        assert len(one.requests) == 1

    async def test_an_empty_node_name_is_never_sent(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(STATUS))
        assert (await failing(connect(one), "node_status", node="")).code == "invalid_params"
        assert one.requests == []

    async def test_nothing_is_logged_of_a_body(
        self, start: StartPeer, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        """proxmoxer writes the body of each POST at INFO."""
        from proxmoxer.core import ProxmoxResource

        from jarvis_daemon.cluster.transport import Serializer

        class Session:
            def request(self, *args: Any, **kwargs: Any) -> Any:
                return type("Answer", (), {"status_code": 200, "content": b'{"data":null}'})

        logging.getLogger("proxmoxer.core").setLevel(logging.DEBUG)
        with caplog.at_level(logging.DEBUG):
            ProxmoxResource(base_url="https://x", session=Session(), serializer=Serializer()).post(
                password="hunter2"
            )
        assert "hunter2" not in caplog.text


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (reply('{"data":[{"type":"no'), "half a document"),
            (reply("<html>It works</html>"), "no JSON"),
            (reply(""), "no JSON"),
            (reply("[]"), "no data"),
            (reply('{"errors":"x"}'), "no data"),
            (reply('{"data":{"not":"a list"}}'), "no list"),
            (reply('{"data":null}'), "no list"),
            (reply(b'{"data":["\xff\xfe"]}'), "no UTF-8"),
            (reply("", "302 Found", "Location: https://evil.example/"), "redirects to https://evil.example/"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"data\":[", "half a document"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        ],
    )  # fmt: skip
    async def test_they_are_no_usable_answer(
        self, start: StartPeer, connect: Connect, answer: bytes, why: str
    ) -> None:
        def send(request: Request, stream: ssl.SSLSocket) -> None:
            stream.sendall(answer)

        one = start(send)
        error = await failing(connect(one))
        assert error.code == "cluster_unreachable"
        assert why in error.why
        assert one.url in error.what

    async def test_a_redirect_gets_no_second_request(self, start: StartPeer, connect: Connect) -> None:
        other = start(always(STATUS))
        one = start(always(reply("", "307 Temporary Redirect", f"Location: {other.url}/api2/json/cluster/status")))
        await failing(connect(one))
        assert other.requests == []

    async def test_a_body_without_end_is_cut(
        self, start: StartPeer, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jarvis_daemon.cluster.transport.MAX_REPLY_BYTES", 1024 * 1024)

        def flood(request: Request, stream: ssl.SSLSocket) -> None:
            stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(100):
                stream.sendall(b" " * 65536)

        error = await failing(connect(start(flood)))
        assert "larger than 1 MB" in error.why

    async def test_a_peer_that_hangs_up(self, start: StartPeer, connect: Connect) -> None:
        error = await failing(connect(start(lambda request, stream: None)))
        assert "closed the connection" in error.why

    async def test_nobody_there(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(STATUS))
        proxmox = connect(one)
        one.close()
        error = await failing(proxmox)
        assert (error.code, error.why) == ("cluster_unreachable", "connection refused")


class TestDeadline:
    async def test_a_peer_that_never_answers(self, start: StartPeer, connect: Connect) -> None:
        def hang(request: Request, stream: ssl.SSLSocket) -> None:
            one.stopping.wait(10)

        one = start(hang)
        began = asyncio.get_running_loop().time()
        error = await failing(connect(one, call_timeout_s=0.3))
        assert (error.code, error.why) == ("cluster_unreachable", "it does not answer")
        assert asyncio.get_running_loop().time() - began < 1.5

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
    async def test_a_peer_that_dribbles_is_held_to_the_whole_calls_deadline(
        self, start: StartPeer, connect: Connect, head: bytes
    ) -> None:
        """Each byte would start a socket's own time-out anew."""

        def dribble(request: Request, stream: ssl.SSLSocket) -> None:
            stream.sendall(head)
            while not one.stopping.wait(0.05):
                stream.sendall(b"H")

        one = start(dribble)
        proxmox = connect(one, call_timeout_s=0.4)
        began = asyncio.get_running_loop().time()
        assert (await failing(proxmox)).why == "it does not answer"
        assert asyncio.get_running_loop().time() - began < 1.5

    async def test_the_thread_is_free_again(self, start: StartPeer, connect: Connect) -> None:
        """More hung calls than there are threads, then a good one."""
        hanging = True

        def handle(request: Request, stream: ssl.SSLSocket) -> bytes | None:
            if not hanging:
                return reply('{"data":{}}')
            one.stopping.wait(0.2)
            stream.sendall(b"HTTP")
            one.stopping.wait(10)
            return None

        one = start(handle)
        proxmox = connect(one, call_timeout_s=0.4)
        await asyncio.gather(*(failing(proxmox, "node_status", node="pve") for _ in range(9)))
        hanging = False
        assert await proxmox.call("node_status", node="pve") == {}

    async def test_a_dead_node_does_not_hold_up_the_cluster(self, start: StartPeer, connect: Connect) -> None:
        def handle(request: Request, stream: ssl.SSLSocket) -> bytes | None:
            if "/nodes/" in request.path:
                one.stopping.wait(10)
                return None
            return STATUS

        one = start(handle)
        proxmox = connect(one, call_timeout_s=2.0)
        stuck = [asyncio.ensure_future(failing(proxmox, "node_status", node="pve")) for _ in range(8)]
        assert await proxmox.call("cluster_status", timeout_s=1.0) == []
        errors = await asyncio.gather(*stuck)
        assert {error.what for error in errors} == {f"The node pve is unreachable through the endpoint {one.url}"}
        assert proxmox.endpoints_failed == {}

    async def test_a_cancelled_call_lets_go_of_its_socket(self, start: StartPeer, connect: Connect) -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang(request: Request, stream: ssl.SSLSocket) -> None:
            loop.call_soon_threadsafe(asked.set)
            with contextlib.suppress(OSError):
                stream.recv(1)  # answers when the client is gone
            loop.call_soon_threadsafe(gone.set)

        gone = asyncio.Event()
        proxmox = connect(start(hang), call_timeout_s=30)
        call = asyncio.ensure_future(proxmox.call("cluster_status"))
        await asyncio.wait_for(asked.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 3)

    async def test_closing_does_not_wait_for_a_hung_peer(self, start: StartPeer, connect: Connect) -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang(request: Request, stream: ssl.SSLSocket) -> None:
            loop.call_soon_threadsafe(asked.set)
            one.stopping.wait(10)

        one = start(hang)
        proxmox = connect(one, call_timeout_s=30)
        call = asyncio.ensure_future(failing(proxmox))
        await asyncio.wait_for(asked.wait(), 5)
        await asyncio.wait_for(proxmox.close(), 2)
        assert (await call).code == "cluster_unreachable"
        assert (await failing(proxmox)).code == "unavailable"


class TestErrorAnswers:
    async def test_8_tells_in_the_reason_phrase(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply('{"data":null}', "403 Permission check failed (/nodes/pve, Sys.Audit)")))
        error = await failing(connect(one), "node_status", node="pve")
        assert error.code == "cluster_denied"
        assert error.what == "The API token jarvis@pve!daemon lacks Sys.Audit on /nodes/pve"
        assert "on the user jarvis@pve too" in error.why
        assert "pveum acl modify /nodes/pve --roles PVEAuditor --tokens 'jarvis@pve!daemon'" in error.next

    async def test_9_tells_in_the_message_of_the_body(self, start: StartPeer, connect: Connect) -> None:
        body = '{"data":null,"message":"Permission check failed (/vms/100, VM.Monitor|VM.GuestAgent.Audit)\\n"}'
        error = await failing(
            connect(start(always(reply(body, "403 Forbidden")))), "vm_addresses", node="a", vmid=100
        )
        assert "lacks VM.Monitor or VM.GuestAgent.Audit on /vms/100" in error.what
        assert error.data["privileges"] == ["VM.Monitor", "VM.GuestAgent.Audit"]
        assert error.data["path"] == "/vms/100"
        assert "\n" not in error.why

    async def test_a_403_without_details_names_what_the_call_needs(
        self, start: StartPeer, connect: Connect
    ) -> None:
        error = await failing(connect(start(always(reply("", "403 Forbidden")))), "node_status", node="pve")
        assert error.what == "The API token jarvis@pve!daemon lacks Sys.Audit on /nodes/pve"

    async def test_a_403_is_no_fault_of_the_endpoint(self, start: StartPeer, connect: Connect) -> None:
        first, second = start(always(reply("", "403 Forbidden"))), start(always(STATUS))
        proxmox = connect(first, second)
        await failing(proxmox)
        assert second.requests == []
        assert proxmox.endpoints_failed == {}

    @pytest.mark.parametrize(
        "status", ["595 No route to host", "596 Connection timed out", "599 Too many redirections"]
    )
    async def test_59x_with_an_empty_body_is_a_node_out_of_reach(
        self, start: StartPeer, connect: Connect, status: str
    ) -> None:
        one = start(always(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))
        proxmox = connect(one)
        error = await failing(proxmox, "node_status", node="agent1")
        assert error.code == "cluster_unreachable"
        assert error.what == f"The node agent1 is unreachable through the endpoint {one.url}"
        assert error.why == status[4:]
        assert proxmox.endpoints_failed == {}

    async def test_595_is_asked_of_another_endpoint_once(self, start: StartPeer, connect: Connect) -> None:
        first = start(always(reply("", "595 No route to host")))
        second, third = start(always(reply('{"data":{"cpu":1}}'))), start(always(STATUS))
        assert await connect(first, second, third).call("node_status", node="pve") == {"cpu": 1}
        assert third.requests == []

    async def test_a_missing_guest_is_500_and_not_404(self, start: StartPeer, connect: Connect) -> None:
        text = "500 Configuration file 'nodes/pve/qemu-server/101.conf' does not exist"
        error = await failing(
            connect(start(always(reply('{"data":null}', text)))), "vm_config", node="pve", vmid=101
        )
        assert (error.code, error.what) == ("not_found", "The guest 101 on node pve is not there")
        assert "qemu-server/101.conf" in error.why

    async def test_400_tells_each_parameter(self, start: StartPeer, connect: Connect) -> None:
        body = '{"data":null,"errors":{"timeframe":"value \'x\' does not have a value in the enumeration"}}'
        one = start(always(reply(body, "400 Parameter verification failed.")))
        error = await failing(connect(one), "node_rrd", node="pve", timeframe="x")
        assert error.code == "cluster_refused"
        assert "timeframe: value 'x'" in error.why
        assert list(error.data["errors"]) == ["timeframe"]

    async def test_501_is_an_unknown_call(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply("no such file '/version'", "501 no such file '/version'")))
        error = await failing(connect(one), "version")
        assert error.code == "cluster_refused"
        assert "does not know the call version" in error.what

    async def test_any_other_500_is_told_as_it_is(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply('{"data":null}', "500 QEMU guest agent is not running")))
        error = await failing(connect(one), "vm_addresses", node="pve", vmid=100)
        assert (error.code, error.why) == ("cluster_refused", "QEMU guest agent is not running")

    async def test_a_node_whose_cluster_file_system_hangs_is_left_for_another(
        self, start: StartPeer, connect: Connect
    ) -> None:
        first = start(always(reply("", "500 ipcc_send_rec[1] failed: Connection refused")))
        proxmox = connect(first, start(always(STATUS)))
        assert await proxmox.call("cluster_status") == []
        assert list(proxmox.endpoints_failed) == [first.url]

    async def test_texts_of_the_server_are_cleaned(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply('{"message":"\\u001b[31mno\\u202e"}', "500 x")))
        assert (await failing(connect(one))).why == "no"

    async def test_an_umlaut_in_the_reason_phrase(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply("", "500 Gerät fehlt")))
        assert (await failing(connect(one))).why == "Gerät fehlt"


class TestBadToken:
    DENIED = reply("", "401 invalid token value!")

    async def test_it_names_the_token_and_never_its_secret(self, start: StartPeer, connect: Connect) -> None:
        error = await failing(connect(start(always(self.DENIED))))
        assert error.code == "cluster_denied"
        assert error.what == "Proxmox VE does not accept the API token jarvis@pve!daemon"
        assert error.why == "invalid token value!"
        assert "s3cret" not in repr(error.to_wire())

    async def test_it_is_asked_again_ever_more_seldom(self, start: StartPeer, connect: Connect) -> None:
        """PVE delays each refusal by 3 s: never hammer; yet one that is mended at once is seen soon."""
        clock = ManualClock()
        one = start(always(self.DENIED))
        proxmox = connect(one, clock=clock)
        for _ in range(5):
            assert (await failing(proxmox)).code == "cluster_denied"
        asked_after: list[float] = []
        for second in range(1, 1200):
            await clock.advance(1)
            before = len(one.requests)
            await failing(proxmox)
            if len(one.requests) > before:
                asked_after.append(second - sum(asked_after))
        assert asked_after == [30, 60, 120, 240, 300, 300]

    async def test_a_mended_token_works_after_the_pause_or_at_once_on_demand(
        self, start: StartPeer, connect: Connect
    ) -> None:
        one = start(always(self.DENIED))
        proxmox = connect(one)
        await failing(proxmox)
        one.handler = always(STATUS)
        assert (await failing(proxmox)).code == "cluster_denied"
        proxmox.retry_now()
        assert await proxmox.call("cluster_status") == []
        assert proxmox.endpoints_failed == {}

    async def test_a_second_endpoint_is_asked_once(self, start: StartPeer, connect: Connect) -> None:
        """A node that lost the cluster may know old tokens only."""
        first, second = start(always(self.DENIED)), start(always(STATUS))
        assert await connect(first, second).call("cluster_status") == []

    async def test_a_refused_token_outweighs_a_silent_endpoint(self, start: StartPeer, connect: Connect) -> None:
        first, second = start(always(STATUS)), start(always(self.DENIED))
        proxmox = connect(first, second)
        first.close()
        assert (await failing(proxmox)).code == "cluster_denied"
        assert (await failing(proxmox)).code == "cluster_denied"


class TestFailover:
    async def test_the_next_endpoint_serves(self, start: StartPeer, connect: Connect) -> None:
        first, second = start(always(STATUS)), start(always(STATUS))
        proxmox = connect(first, second)
        first.close()
        assert await proxmox.call("cluster_status") == []
        assert proxmox.last_endpoint == second.url
        assert list(proxmox.endpoints_failed) == [first.url]
        assert "connection refused" in proxmox.endpoints_failed[first.url]

    async def test_half_a_document_is_asked_of_another(self, start: StartPeer, connect: Connect) -> None:
        first, second = start(always(reply('{"data":['))), start(always(RESOURCES))
        assert len(await connect(first, second).call("cluster_resources")) == 1

    async def test_a_hung_endpoint_leaves_time_for_the_next(self, start: StartPeer, connect: Connect) -> None:
        def hang(request: Request, stream: ssl.SSLSocket) -> None:
            first.stopping.wait(10)

        first, second = start(hang), start(always(STATUS))
        began = asyncio.get_running_loop().time()
        assert await connect(first, second, call_timeout_s=1.0).call("cluster_status") == []
        assert asyncio.get_running_loop().time() - began < 1.0

    async def test_a_failed_one_is_left_alone_then_tried_then_first_again(
        self, start: StartPeer, connect: Connect
    ) -> None:
        clock = ManualClock()
        first, second = start(always(reply("", "503 Service Unavailable"))), start(always(STATUS))
        proxmox = connect(first, second, clock=clock)
        await proxmox.call("cluster_status")
        await proxmox.call("cluster_status")
        assert len(first.requests) == 1
        await clock.advance(2)
        await proxmox.call("cluster_status")
        await clock.advance(2)
        await proxmox.call("cluster_status")
        assert len(first.requests) == 2  # the pause has doubled
        first.handler = always(STATUS)
        await clock.advance(60)
        await proxmox.call("cluster_status")
        assert proxmox.last_endpoint == first.url
        assert proxmox.endpoints_failed == {}

    async def test_calls_that_fail_together_are_one_outage(self, start: StartPeer, connect: Connect) -> None:
        clock = ManualClock()
        one = start(always(reply("", "503 Busy")))
        proxmox = connect(one, clock=clock)
        await asyncio.gather(*(failing(proxmox) for _ in range(6)))
        one.handler = always(STATUS)
        await clock.advance(2)
        assert await proxmox.call("cluster_status") == []

    async def test_an_error_that_is_kept_keeps_no_frames(self, start: StartPeer, connect: Connect) -> None:
        one = start(always(reply("", "503 Busy")))
        proxmox = connect(one)
        for _ in range(3):
            await failing(proxmox)
        kept = proxmox.errors[one.url]
        assert (kept.__traceback__, kept.__context__) == (None, None)

    async def test_one_endpoint_can_be_asked_and_an_unknown_one_not(
        self, start: StartPeer, connect: Connect
    ) -> None:
        first, second = start(always(STATUS)), start(always(STATUS))
        proxmox = connect(first, second)
        assert await proxmox.ask_at(second.url, "cluster_status") == []
        assert first.requests == []
        with pytest.raises(JarvisError, match="no such endpoint"):
            await proxmox.ask_at("https://127.0.0.1:1", "cluster_status")

    async def test_when_none_answers_each_is_named(self, start: StartPeer, connect: Connect) -> None:
        first, second = start(always(STATUS)), start(always(reply("", "503 Busy")))
        proxmox = connect(first, second)
        first.close()
        for _ in range(2):
            error = await failing(proxmox)
            assert error.what == "No endpoint of the cluster answers"
            assert f"{first.url}: connection refused" in error.why
            assert f"{second.url}: Busy" in error.why

    async def test_only_one_call_tries_a_failed_endpoint(self, start: StartPeer, connect: Connect) -> None:
        clock = ManualClock()
        first, second = start(always(reply("", "503 Busy"))), start(always(STATUS))
        proxmox = connect(first, second, clock=clock)
        await proxmox.call("cluster_status")
        await clock.advance(2)
        await asyncio.gather(*(proxmox.call("cluster_status") for _ in range(5)))
        assert len(first.requests) == 2


class TestSecondOpinion:
    async def test_it_is_asked_of_the_other_endpoint(self, start: StartPeer, connect: Connect) -> None:
        first = start(always(reply('{"data":[{"type":"cluster","quorate":0}]}')))
        second = start(always(reply('{"data":[{"type":"cluster","quorate":1}]}')))
        proxmox = connect(first, second)
        assert await proxmox.call("cluster_status") == [{"type": "cluster", "quorate": 0}]
        assert await proxmox.ask_other("cluster_status") == [{"type": "cluster", "quorate": 1}]
        assert (len(first.requests), len(second.requests)) == (1, 1)

    async def test_the_endpoint_of_this_call_counts_not_that_of_another(
        self, start: StartPeer, connect: Connect
    ) -> None:
        def only_tasks(request: Request, stream: ssl.SSLSocket) -> bytes:
            return STATUS if "tasks" in request.path else reply("", "500 ipcc_send_rec failed")

        clock = ManualClock()
        first, second = start(only_tasks), start(always(STATUS))
        proxmox = connect(first, second, clock=clock)
        await proxmox.call("cluster_status")
        await clock.advance(10)
        await proxmox.call("cluster_tasks")
        assert proxmox.last_endpoint == first.url
        first.handler = always(reply('{"data":[1]}'))
        assert await proxmox.ask_other("cluster_status") == [1]

    async def test_with_one_endpoint_there_is_none(self, start: StartPeer, connect: Connect) -> None:
        proxmox = connect(start(always(STATUS)))
        await proxmox.call("cluster_status")
        with pytest.raises(JarvisError) as caught:
            await proxmox.ask_other("cluster_status")
        assert caught.value.code == "unavailable"


class TestSettings:
    @pytest.mark.parametrize(
        "endpoint", ["http://127.0.0.1:8006", "https://127.0.0.1:8006/prefix", "https://", "https://h:port"]
    )
    async def test_an_unusable_endpoint_is_refused(self, connect: Connect, endpoint: str) -> None:
        with pytest.raises(JarvisError) as caught:
            connect(endpoints=[endpoint], tls="insecure")
        assert caught.value.code == "config_invalid"

    async def test_port_and_scheme_may_be_left_out(self, connect: Connect) -> None:
        assert connect(endpoints=["192.168.1.50", "https://[fd00::1]"], tls="insecure").endpoints == [
            "https://192.168.1.50:8006",
            "https://[fd00::1]:8006",
        ]

    @pytest.mark.parametrize("host", ["192.168.1.50", "pve.example", "127.0.0.1.example"])
    async def test_a_simulated_cluster_never_leaves_this_machine(self, connect: Connect, host: str) -> None:
        with pytest.raises(JarvisError, match="only be asked on this machine"):
            connect(endpoints=["https://127.0.0.1:1", f"https://{host}:8006"], tls="insecure", simulated=True)

    async def test_no_proxy_of_the_environment_gets_the_token(
        self, start: StartPeer, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        assert await connect(start(always(STATUS))).call("cluster_status") == []
