"""Apprise: in its worker, against a real HTTP receiver on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydantic
import pytest

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import ManualClock, SystemClock
from jarvis_daemon.notify import worker
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.loopback import check_url
from jarvis_daemon.notify.services import IDLE_S, AppriseLink, Push
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings import AppriseSettings
from jarvis_daemon.supervisor import Supervisor
from tests.unit.notify.post import free_port

PARCEL = Parcel("1", "[Jarvis homelab] pihole has stopped", "It was up for 3 d.\nGröße", "critical")
SECRET = "s3cr3tt0ken"


class Receiver:
    """What an HTTP service is sent. ``status`` is its answer; ``hold`` keeps it from answering."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(json.loads(body))
                receiver.paths.append(self.path)
                receiver.hold.wait(20)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


class Yard:
    """The daemon's side: a server, a supervisor, the link; ``clock`` is that of the link."""

    def __init__(self, home: Path, clock: Any) -> None:
        self.home, self.clock, self.bus = home, clock, Bus()
        tickets = Tickets(SystemClock())
        self.server = Server(self.bus, SystemClock(), home / "d.sock", version="1", tickets=tickets)
        self.supervisor = Supervisor(self.bus, SystemClock(), home / "d.sock", issue=tickets.issue)
        self.link = AppriseLink(self.bus, clock, simulated=True)
        self.link.start(self.supervisor)

    def push(self, url: str | None = None, **given: Any) -> Push:
        secret = None if url is None else pydantic.SecretStr(url)
        places = Places(self.home, self.home, self.home, self.home)
        return Push("phone", AppriseSettings(url=secret, **given), places, self.link, simulated=True)

    @property
    def service(self) -> Service | None:
        return self.bus.state("services").get("services", "service:apprise", Service)


@pytest.fixture
async def yard(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Yard]:
    monkeypatch.setenv("JARVIS_NOTIFY__APPRISE__OTHER__URL", f"json://127.0.0.1/{SECRET}")
    yard = Yard(home, ManualClock())
    await yard.server.start()
    yield yard
    await yard.link.stop()
    await yard.supervisor.stop_all()
    await yard.server.stop()


async def test_a_push_goes_through_a_process_of_its_own(yard: Yard, receiver: Receiver) -> None:
    (yard.home / "phone").write_text(f"{receiver.url}\n")
    (yard.home / "phone").chmod(0o600)
    assert yard.service is None, "it is started when there is something to say"
    assert await yard.push(url_file="phone").send(PARCEL) == ""
    (got,) = receiver.got
    assert got["title"] == PARCEL.subject
    assert got["message"] == PARCEL.body
    assert got["type"] == "failure"
    assert yard.service is not None
    pid = yard.service.pid
    shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert SECRET.encode() not in shown

    await yard.clock.advance(IDLE_S + 60)
    async with asyncio.timeout(20):
        while yard.service.status != "stopped":
            await asyncio.sleep(0.05)
    assert await yard.push(receiver.url).send(PARCEL) == "", "it comes again when it is needed"


async def test_what_a_service_refuses(yard: Yard, receiver: Receiver) -> None:
    receiver.status = 500
    with pytest.raises(NotTaken, match="The service phone did not take the message") as failed:
        await yard.push(receiver.url).send(PARCEL)
    assert failed.value.how == "down"
    assert SECRET not in str(failed.value)
    with pytest.raises(NotTaken, match="did not take"):
        await yard.push(f"json://127.0.0.1:{free_port()}/{SECRET}").send(PARCEL)
    with pytest.raises(NotTaken, match="no URL that Apprise understands"):
        await yard.push("gotify://127.0.0.1/").send(PARCEL)
    receiver.status = 200
    assert await yard.push(receiver.url).send(PARCEL) == ""


async def test_a_service_that_does_not_answer(yard: Yard, receiver: Receiver) -> None:
    receiver.hold.clear()
    with pytest.raises(NotTaken) as failed:
        await yard.push(receiver.url, timeout_s=1.0).send(PARCEL)
    assert failed.value.how == "unknown"


async def test_a_worker_that_is_killed_on_the_way(yard: Yard, receiver: Receiver) -> None:
    receiver.hold.clear()
    sending = asyncio.ensure_future(yard.push(receiver.url).send(PARCEL))
    async with asyncio.timeout(30):
        while not receiver.got:
            await asyncio.sleep(0.05)
    assert yard.service is not None
    assert yard.service.pid is not None
    os.kill(yard.service.pid, signal.SIGKILL)
    with pytest.raises(NotTaken, match="the process that speaks to it ended") as failed:
        await sending
    assert failed.value.how == "unknown"
    receiver.hold.set()
    assert await yard.push(receiver.url).send(PARCEL) == "", "the next worker takes over"


async def test_no_url(yard: Yard) -> None:
    with pytest.raises(NotTaken, match="The URL of the service phone is not to be found"):
        await yard.push().send(PARCEL)
    (yard.home / "phone").write_text("json://127.0.0.1/")
    (yard.home / "phone").chmod(0o640)
    with pytest.raises(NotTaken, match="can be read by others"):
        await yard.push(url_file="phone").send(PARCEL)
    assert yard.service is None


async def test_a_long_text_is_cut_and_says_so(yard: Yard, receiver: Receiver) -> None:
    await yard.push(receiver.url).send(Parcel("1", "x", "line of text\n" * 1000))
    assert len(receiver.got[0]["message"]) <= 3500
    assert receiver.got[0]["message"].endswith("`jarvis notify log` has the rest")


@pytest.mark.parametrize("url", [
    "ntfy://localhost", "ntfys://ntfy.sh/topic", "tgram://token/chat", "slack://localhost/a/b/c", "mailto://u:p@gmail.com",
    "json://192.168.1.5/", "json://localhost.evil.example/", "json://evil.example/?x=127.0.0.1", "json://127.0.0.1@evil.example/",
    "json://127.0.0.1/?redirect=yes", "", "127.0.0.1",
])  # fmt: skip
def test_a_simulated_homelab_pushes_nothing_beyond_this_machine(url: str) -> None:
    with pytest.raises(JarvisError, match="is not asked"):
        check_url(url, simulated=True)
    check_url(url, simulated=False)


@pytest.mark.parametrize("url", ["json://127.0.0.1:8080/x", "jsons://localhost", "gotify://[::1]:80/token"])
def test_loopback_may_be_reached(url: str) -> None:
    check_url(url, simulated=True)


def test_what_a_service_says_holds_no_secret() -> None:
    url = "tgram://123456789:AAbbCC-ddEE_ff/chat42?format=text"
    said = "Failed to reach https://api.telegram.org/bot123456789:AAbbCC-ddEE_ff/sendMessage for chat42"
    assert worker.hidden(said, url) == "Failed to reach https://api.telegram.org/bot***:***/sendMessage for ***"


@pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")  # of Apprise, once in this process
def test_a_redirect_is_not_followed_while_simulated(receiver: Receiver) -> None:
    elsewhere = Receiver()

    class Redirect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{elsewhere.port}/")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    request = {
        "url": f"json://127.0.0.1:{server.server_address[1]}", "title": "t", "body": "b", "type": "info",
        "timeout_s": 5,
    }  # fmt: skip
    try:
        assert "error" in worker.send(request, redirects=False)
        assert elsewhere.got == []
        assert worker.send(request, redirects=True) == {"ok": True}
        assert len(elsewhere.got) == 1
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
        elsewhere.close()
