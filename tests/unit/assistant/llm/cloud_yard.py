"""A cloud model with everything real but the provider: server, supervisor, the process with litellm, and a scripted
server instead of the network."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jarvis_daemon.assistant.llm.cloud import CloudModel
from jarvis_daemon.assistant.llm.contract import Event, Message, Request, Text, ToolDef
from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Service
from jarvis_daemon.server import Server, Tickets
from jarvis_daemon.settings.assistant import CloudModelSettings
from jarvis_daemon.supervisor import Supervisor
from tests.scripted import Answer, Asked, Scripted

KEY = "sk-test-0123456789abcdefghij"
SYSTEM = Message("system", "You are a butler.", keep=True)
GUEST = ToolDef(
    "get_guest", "One guest.", {"type": "object", "properties": {"guest": {"type": "string", "maxLength": 60}}}
)


def ask(text: str = "how hot is pve?", **given: Any) -> Request:
    return Request([SYSTEM, Message("system", "pve 61 C, 3 s ago"), Message("user", text)], **given)


class CloudYard:
    """``model`` speaks to ``provider``; ``start`` and ``stop`` around it all."""

    def __init__(self, model: str, **settings: Any) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="jv-"))
        self.provider = Scripted()
        self.bus = Bus()
        self.clock = SystemClock()
        tickets = Tickets(self.clock)
        self.server = Server(self.bus, self.clock, self.home / "d.sock", version="1", tickets=tickets)
        self.supervisor = Supervisor(self.bus, self.clock, self.home / "d.sock", issue=tickets.issue)
        self._name, self._settings = model, settings
        self.model: CloudModel

    async def start(self) -> None:
        await self.provider.__aenter__()
        await self.server.start()
        self.write_key(KEY)
        given = CloudModelSettings(
            enabled=True, model=self._name, key_file="llm-key", base_url=self.provider.url, **self._settings
        )
        places = Places(self.home, self.home, self.home, self.home)
        self.model = CloudModel(given, places, self.bus, self.clock, simulated=True)
        self.model.start(self.supervisor)

    async def stop(self) -> None:
        await self.model.close()
        await self.supervisor.stop_all()
        await self.server.stop()
        await self.provider.__aexit__(None, None, None)
        shutil.rmtree(self.home, ignore_errors=True)

    def write_key(self, key: str) -> None:
        path = self.home / "llm-key"
        path.touch(mode=0o600)
        path.write_text(key + "\n")

    async def ask(self, *answers: Answer, request: Request | None = None) -> list[Event]:
        """The events of one request to a provider that answers so."""
        self.provider.answers.clear()
        self.provider.answers.extend(answers)
        self.provider.left.clear()
        return [event async for event in self.model.stream(request or ask())]

    @property
    def asked(self) -> Asked:
        return self.provider.asked[-1]

    @property
    def pid(self) -> int:
        service = self.bus.state("services").get("services", "service:llm", Service)
        assert service is not None
        assert service.pid is not None
        return service.pid


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def body(asked: Asked) -> str:
    return json.dumps(asked.body)
