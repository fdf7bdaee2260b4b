"""`jarvis mcp`: the token's file and the configuration of each client."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from jarvis_cli import mcp_clients
from jarvis_cli.commands.mcp import write_token
from tests.unit.cli.conftest import Jarvis


@pytest.mark.parametrize("client", mcp_clients.CLIENTS)
def test_every_client_is_told_how_to_start_us(jarvis: Jarvis, home: Path, client: str) -> None:
    said = jarvis("mcp", "config", client)
    assert said.code == 0
    assert mcp_clients.CLIENTS[client] in said.err
    if client == "claude-code":
        words = shlex.split(said.out)
        assert words[:4] == ["claude", "mcp", "add", "jarvis"]
        assert f"JARVIS_HOME={home}" in words
        command = words[words.index("--") + 1 :]
    else:
        entry = json.loads(said.out)["servers" if client == "vscode" else "mcpServers"]["jarvis"]
        assert entry["env"] == {"JARVIS_HOME": str(home)}
        command = [entry["command"], *entry["args"]]
    assert command[-1] == "mcp"
    assert os.access(command[0], os.X_OK)


@pytest.mark.parametrize("client", sorted(set(mcp_clients.CLIENTS) - {"claude-desktop"}))
def test_over_http_no_token_is_printed(jarvis: Jarvis, home: Path, client: str) -> None:
    path = Path(jarvis("mcp", "token").out.strip())
    said = jarvis("mcp", "config", client, "--http")
    assert said.code == 0
    assert "http://127.0.0.1:7722/mcp" in said.out
    assert "Bearer" in said.out
    assert path.read_text().strip() not in said.out + said.err
    if client != "claude-code":
        json.loads(said.out)


def test_what_a_client_cannot_is_said(jarvis: Jarvis, home: Path) -> None:
    said = jarvis("mcp", "config", "claude-desktop", "--http")
    assert said.code == 2
    assert "without --http" in said.err
    wrong = jarvis("mcp", "config", "cursr")
    assert wrong.code == 2
    assert "did you mean cursor?" in wrong.err


def test_the_token_is_made_once_and_kept_private(jarvis: Jarvis, home: Path) -> None:
    first = jarvis("mcp", "token")
    path = Path(first.out.strip())
    token = path.read_text()
    assert len(token.strip()) >= 40
    assert path.stat().st_mode & 0o777 == 0o600
    assert token.strip() not in first.out + first.err
    assert jarvis("mcp", "token").out == first.out
    assert path.read_text() == token
    assert jarvis("mcp", "token", "--new").code == 0
    assert path.read_text() != token
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.glob("mcp-token*")) == [path]


def test_a_token_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mcp-token"
    write_token(path)
    before = path.read_text()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_token(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_at_a_terminal_it_says_who_starts_it(jarvis: Jarvis, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    said = jarvis("mcp")
    assert said.code == 2
    assert "jarvis mcp config CLIENT" in said.err
