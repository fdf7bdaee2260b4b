"""Golden bytes for every format of the reading commands.

`JARVIS_GOLDEN=write pytest tests/unit/cli/test_golden.py` writes them anew: read the difference.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from jarvis_daemon.protocol.plain import PlainClient
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
WRITE = os.environ.get("JARVIS_GOLDEN") == "write"
ENDING = {"table": "txt", "json": "json", "yaml": "yaml", "jsonl": "jsonl"}

COMMANDS = {
    "status": (["status"], 10),
    "node-list": (["node", "list"], 0),
    "node-show": (["node", "show", "Home"], 0),
    "node-show-dead": (["node", "show", "pve"], 0),
    "guest-list": (["guest", "list"], 0),
    "guest-show": (["guest", "show", "management"], 0),
    "guest-show-dead": (["guest", "show", "nextcloud"], 0),
    "storage-list": (["storage", "list"], 0),
    "storage-show": (["storage", "show", "externalhdd"], 0),
    "task-list": (["task", "list"], 0),
    "task-show": (["task", "show", "vzdump:113"], 0),
    "incident-list": (["incident", "list"], 0),
    "incident-show": (["incident", "show", "pve"], 0),
    "feed": (["feed"], 0),
    "history": (["history"], 0),
    "autonomy-show": (["autonomy", "show"], 0),
    "autonomy-preview": (["autonomy", "preview", "3"], 0),
    "runbook-list": (["runbook", "list"], 0),
    "runbook-show": (["runbook", "show", "guest-crashed"], 0),
    "runbook-test": (["runbook", "test", "guest-crashed", "pihole"], 0),
    "exit-codes": (["help", "exit-codes"], 0),
    "tool-list": (["tool", "list"], 0),
    "tool-show": (["tool", "show", "look_around"], 0),
}

ACTING = {
    "tool-call-read": (["tool", "call", "look_around", "node=pve"], 0),
    "tool-call-plan": (["tool", "call", "stop_container", "guest=103", "--dry-run"], 0),
    "tool-call": (["tool", "call", "start_container", "guest=103", "-q"], 0),
    "guest-stop": (["guest", "stop", "103", "--yes", "-q"], 8),
    "approvals": (["approvals", "--all"], 0),
    "audit-list": (["audit", "list"], 0),
    "audit-show": (["audit", "show", "00000000000e"], 0),
    "audit-verify": (["audit", "verify"], 0),
}
"""Of a daemon that has acted: one call done, one denied, one that waits."""


@pytest.mark.parametrize("format_", ENDING)
@pytest.mark.parametrize("name", COMMANDS)
def test_output(reading: Jarvis, name: str, format_: str) -> None:
    arguments, code = COMMANDS[name]
    said = reading(*arguments, "-o", format_)
    assert (said.code, said.err) == (code, "")
    path = GOLDEN / f"{name}.{ENDING[format_]}"
    if WRITE:
        path.write_text(said.out)
    assert said.out == path.read_text()
    assert "\x1b" not in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_formats_tell_the_same(reading: Jarvis, name: str) -> None:
    """yaml holds what json holds, and each line of jsonl is JSON."""
    import yaml

    arguments, _ = COMMANDS[name]
    document = json.loads(reading(*arguments, "-o", "json").out)
    assert yaml.safe_load(reading(*arguments, "-o", "yaml").out) == document
    for line in reading(*arguments, "-o", "jsonl").out.splitlines():
        json.loads(line)


@pytest.fixture
def acted(served: Served, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jarvis]:
    """Ids are counted, so that they are the same at every run."""
    count = itertools.count(11)
    counted = SimpleNamespace(token_hex=lambda size: f"{next(count):0{size * 2}x}")
    monkeypatch.setattr("jarvis_daemon.tools.gate.secrets", counted)
    with PlainClient.connect(served.places.socket, client="mcp", role="agent", timeout_s=20) as agent:
        refused = agent.call("tool.call", {"name": "reboot_container", "args": {"guest": "103"}})
        assert jarvis("deny", refused["approval_id"]).code == 0
        assert jarvis("guest", "reboot", "103", "--yes").code == 0
        agent.call("tool.call", {"name": "start_container", "args": {"guest": "103"}})
        yield jarvis


def steady(text: str) -> str:
    """Without what differs between machines: the uid and, for it is part of them, the hashes."""
    text = re.sub(r"((?:operator|agent):[a-z-]+):\d+", r"\1:UID", text)
    return re.sub(r" {3,}", "  ", re.sub(r"[0-9a-f]{64}", "HASH", text))


@pytest.mark.parametrize("name", ACTING)
def test_output_of_what_acts(acted: Jarvis, name: str) -> None:
    arguments, code = ACTING[name]
    for format_, ending in ENDING.items():
        said = acted(*arguments, "-o", format_)
        assert said.code == code
        path = GOLDEN / f"{name}.{ending}"
        told = steady(said.out if code == 0 or format_ != "table" else said.err)
        if WRITE:
            path.write_text(told)
        assert told == path.read_text(), path.name
        assert "\x1b" not in told
