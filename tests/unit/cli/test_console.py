"""The command that opens a guest's terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jarvis_cli.commands.console import command, split
from tests.unit.cli.conftest import Jarvis

NODE = {"name": "pve", "ip": "192.168.1.74"}
CT, VM = {"kind": "ct", "vmid": 103}, {"kind": "vm", "vmid": 100}


@pytest.mark.parametrize(
    ("guest", "ssh", "line"),
    [
        (CT, {}, "ssh -t root@192.168.1.74 pct enter 103"),
        (VM, {"user": "ops", "port": 2222}, "ssh -t -p 2222 ops@192.168.1.74 qm terminal 100"),
        (
            CT,
            {"hosts": {"pve": "pve.lan:22022"}, "key_file": "/k"},
            "ssh -t -p 22022 -i /k root@pve.lan pct enter 103",
        ),
        (CT, {"hosts": {"other": "x"}}, "ssh -t root@192.168.1.74 pct enter 103"),
    ],
)
def test_the_line_follows_guest_and_settings(guest: dict[str, Any], ssh: dict[str, Any], line: str) -> None:
    assert command(guest, NODE, ssh) == line.split()


def test_a_node_without_an_address_is_called_by_its_name() -> None:
    assert command(CT, {"name": "pve", "ip": None}, {})[2] == "root@pve"


@pytest.mark.parametrize(
    ("where", "host", "port"),
    [
        ("a", "a", 22),
        ("a:1", "a", 1),
        ("fe80::1", "fe80::1", 22),
        ("[fe80::1]:7", "fe80::1", 7),
        ("[::1]", "::1", 22),
    ],
)
def test_hosts_with_ports(where: str, host: str, port: int) -> None:
    assert split(where, 22) == (host, port)


def test_without_a_terminal_the_command_is_printed(reading: Jarvis) -> None:
    assert reading("guest", "console", "management").out == "ssh -t root@192.168.1.50 qm terminal 100\n"
    assert reading("guest", "console", "103", "--print").out.endswith("pct enter 103\n")


def test_what_does_not_run_has_no_terminal(reading: Jarvis) -> None:
    said = reading("guest", "console", "104")
    assert (said.code, said.out) == (1, "")
    assert "plex has no terminal now: it is stopped" in said.err
    assert "`jarvis guest start 104`" in said.err


def test_the_settings_of_ssh_are_asked_of_this_installation(
    reading: Jarvis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def ask(*verb: str, **_: Any) -> dict[str, Any]:
        asked.append(verb)
        return {"values": [{"key": "cluster.ssh.user", "value": "ops"}, {"key": "hud.theme", "value": "x"}]}

    monkeypatch.setattr("jarvis_cli.admin.ask", ask)
    assert reading("guest", "console", "management").out == "ssh -t ops@192.168.1.50 qm terminal 100\n"
    assert asked == [("config", "show")]


def test_only_on_its_own_machine(jarvis: Jarvis, home: Path) -> None:
    said = jarvis("--host", "me@box", "guest", "console", "plex")
    assert said.code == 2
    assert "ssh me@box jarvis guest console" in said.err
