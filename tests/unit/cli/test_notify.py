"""`jarvis notify` and `jarvis report`, in every format.

`JARVIS_GOLDEN=write pytest tests/unit/cli/test_notify.py` writes the golden bytes anew: read the difference.
"""

from __future__ import annotations

import json

import pytest
import yaml

from jarvis_daemon.notify import outbox
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.settings import ClusterSettings, NotifySettings, Settings
from jarvis_daemon.store import Database
from tests.golden import homelab
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served
from tests.unit.cli.test_golden import ENDING, GOLDEN, WRITE

COMMANDS = {
    "notify-log": ["notify", "log"],
    "notify-log-queued": ["notify", "log", "--status", "queued"],
    "notify-show": ["notify", "show", "2"],
    "report": ["report"],
}


async def head() -> str:
    return "4f1c" * 16


def fill(db: Database) -> None:
    """Four messages, each in another state; text from outside in one of them."""
    rows = [
        ("email", "incident.opened", "error", "pihole has stopped by itself"),
        ("email", "repair.repaired", "ok", "pihole has stopped by itself, repaired"),
        ("phone", "incident.opened", "warning", "storage \x1b[31mtank is 91 % full"),
        ("email", "incident.opened", "warning", "gitea has stopped by itself"),
    ]
    for number, (channel, kind, severity, subject) in enumerate(rows):
        subject = f"[Jarvis homelab] {subject}"
        outbox.insert(
            db, channel, f"feed:{900 + number}", kind=kind, severity=severity, subject=subject,
            body=f"{subject}.\n\nWhen:     then\n", now=homelab.NOW - 600 + number,
        )  # fmt: skip
    outbox.sent(db, [1], homelab.NOW - 590, "")
    outbox.sent(db, [2], homelab.NOW - 589, "not to gone@home.lan: 550 no such mailbox")
    outbox.skip(db, [3], "told a moment before")
    outbox.missed(db, [4], homelab.NOW + 60, "connection refused", keep_batch=False)


@pytest.fixture
def telling(served: Served, jarvis: Jarvis) -> Jarvis:
    async def build() -> None:
        cluster = ClusterSettings(name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b")
        settings = Settings(cluster=cluster, notify=NotifySettings())
        NotifyRoom(settings, served.places, served.bus, served.store, served.feed, served.clock, audit_head=head)
        await served.store.write(fill)

    served.do(build())
    return jarvis


@pytest.mark.parametrize("name", COMMANDS)
def test_output(telling: Jarvis, name: str) -> None:
    for format_, ending in ENDING.items():
        said = telling(*COMMANDS[name], "-o", format_)
        assert (said.code, said.err) == (0, "")
        path = GOLDEN / f"{name}.{ending}"
        if WRITE:
            path.write_text(said.out)
        assert said.out == path.read_text(), path.name
        assert "\x1b" not in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_formats_tell_the_same(telling: Jarvis, name: str) -> None:
    document = json.loads(telling(*COMMANDS[name], "-o", "json").out)
    assert yaml.safe_load(telling(*COMMANDS[name], "-o", "yaml").out) == document
    for line in telling(*COMMANDS[name], "-o", "jsonl").out.splitlines():
        json.loads(line)


def test_nothing_to_tell(telling: Jarvis) -> None:
    none = telling("notify", "log", "--status", "failed")
    assert none.code == 0
    assert "None is failed." in none.err
    unknown = telling("notify", "show", "77")
    assert (unknown.code, "There is no message 77" in unknown.err) == (6, True)
    wrong = telling("notify", "log", "--status", "lost")
    assert (wrong.code, "'lost' is none of queued, sent, failed, skipped" in wrong.err) == (2, True)


def test_no_channel_is_configured(telling: Jarvis) -> None:
    tried = telling("notify", "test")
    assert tried.code == 1
    assert "Nobody is told of anything: no channel is configured" in tried.err
    sent = telling("report", "--send")
    assert sent.code == 1
    assert "No channel gets the report" in sent.err
