"""Token file and names: what opens, what never does. Over the wire: tests/integration/test_front.py."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from jarvis_daemon.front.guard import Doors, Guard, TokenFile
from jarvis_daemon.front.worker import listen
from jarvis_daemon.protocol.errors import JarvisError

TOKEN = "abcdefghijklmnopqrstuvwxyz"


def token_file(folder: Path, text: str = TOKEN, mode: int = 0o600) -> TokenFile:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return TokenFile(path)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_token_opens(tmp_path: Path, header: str) -> None:
    assert token_file(tmp_path, TOKEN + "\n").fits(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ä",
    ],
)
def test_everything_else_does_not(tmp_path: Path, header: str | None) -> None:
    assert not token_file(tmp_path).fits(header)


@pytest.mark.parametrize(("text", "mode", "why"), [
    (TOKEN, 0o640, "read by others"), (TOKEN, 0o604, "read by others"), ("", 0o600, "holds no token"),
    ("short", 0o600, "holds no token"), (" \n", 0o600, "holds no token"),
])  # fmt: skip
def test_a_file_that_cannot_count_opens_nothing(tmp_path: Path, text: str, mode: int, why: str) -> None:
    token = token_file(tmp_path, text, mode)
    assert why in str(token.read())
    assert not token.fits(f"Bearer {text.strip()}")
    assert not token.fits("Bearer ")


def test_no_file_opens_nothing_and_a_new_one_counts_at_once(tmp_path: Path) -> None:
    token = TokenFile(tmp_path / "token")
    assert not token.fits("Bearer ")
    assert "jarvis mcp token" in str(token.read())
    token_file(tmp_path)
    assert token.fits(f"Bearer {TOKEN}")
    (tmp_path / "token").unlink()
    assert not token.fits(f"Bearer {TOKEN}")


def test_doors_are_loopback_our_address_and_what_is_set() -> None:
    doors = Doors.of("10.0.0.5", 7722, ["Jarvis.Example"], ["https://jarvis.example"])
    assert doors.hosts == {
        "127.0.0.1:7722", "localhost:7722", "[::1]:7722", "10.0.0.5:7722", "jarvis.example",
    }  # fmt: skip
    assert "https://jarvis.example" in doors.origins
    assert "http://10.0.0.5:7722" in doors.origins
    assert "[fd00::1]:1" in Doors.of("fd00::1", 1, [], []).hosts


async def test_no_websocket_reaches_the_application(tmp_path: Path) -> None:
    async def never(scope: object, receive: object, send: object) -> None:
        raise AssertionError("reached")

    guard = Guard(never, token_file(tmp_path), Doors.of("127.0.0.1", 1, [], []))  # type: ignore[arg-type]
    await guard({"type": "websocket", "path": "/mcp", "headers": []}, never, never)  # type: ignore[arg-type]


def test_a_taken_port_is_told_with_the_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(JarvisError, match=r"cannot be listened at") as caught:
            listen("127.0.0.1", other.getsockname()[1])
    assert "front.port" in caught.value.next


def test_the_listening_socket_names_its_protocol() -> None:
    """Without it asyncio leaves Nagle's algorithm on, and each answer waits 40 ms."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
