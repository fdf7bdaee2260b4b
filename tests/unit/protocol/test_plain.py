"""The plain client against a peer that sends what no daemon sends: a sentence, never a traceback."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def text(payload: bytes, *, first: int = 0x81) -> bytes:
    head = (
        bytes([first, 126]) + struct.pack("!H", len(payload))
        if len(payload) > 125
        else bytes([first, len(payload)])
    )
    return head + payload


@contextmanager
def spoken(*frames: bytes) -> Iterator[tuple[PlainClient, socket.socket]]:
    """A client, and its peer which has sent ``frames`` and will send no more."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(frames))
        theirs.shutdown(socket.SHUT_WR)
        ours.settimeout(5)
        yield PlainClient(ours), theirs


@pytest.mark.parametrize(
    "frame",
    [
        text(b'{"id": 1, "resu'),
        text(b"\xff\xfe"),
        text(b"[1]"),
        text(b"null"),
        text(b"[" * 50_000),
        b"\x81\xff" + b"\x00" * 8,
        b"\x81\x7f" + struct.pack("!Q", 1 << 40),
        text(b"{}", first=0xC1),
        b"\x81\x05{}",
        b"",
        b"\x88\x00",
        text(b"\x03\xe9stopping", first=0x88),
    ],
    ids=["half", "no-utf8", "list", "null", "deep", "masked", "huge", "compressed", "cut", "closed", "bye", "why"],
)
def test_a_frame_that_is_none_ends_the_session_with_a_sentence(frame: bytes) -> None:
    with spoken(frame) as (client, _), pytest.raises(JarvisError) as caught:
        next(client.notifications())
    assert caught.value.code == "daemon_unreachable"


def test_a_message_in_parts_with_a_ping_between_is_put_together() -> None:
    parts = text(b'{"method":', first=0x01), text(b"hi", first=0x89), text(b'"x"}', first=0x80)
    with spoken(*parts) as (client, peer):
        assert next(client.notifications()) == {"method": "x"}
        assert peer.recv(100) == bytes([0x8A, 0x82]) + b"\0\0\0\0hi"


def test_somebody_else_at_the_socket_is_no_daemon(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "s"
    for answer in (b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: wrong\r\n\r\n", b""):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            path.unlink(missing_ok=True)
            listening.bind(str(path))
            listening.listen()

            def serve(listening: socket.socket = listening, answer: bytes = answer) -> None:
                peer, _ = listening.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            with pytest.raises(JarvisError) as caught:
                PlainClient.connect(path)
            thread.join()
            assert caught.value.code == "daemon_unreachable"


def test_a_daemon_that_answers_hello_with_garbage_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                head = peer.recv(4096)
                key = next(line[19:] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))
                accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
                peer.sendall(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                peer.sendall(text(json.dumps({"method": "x"}).encode()) + text(b"{no"))
                peer.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(JarvisError) as caught:
            PlainClient.connect(path)
        thread.join()
        assert caught.value.code == "daemon_unreachable"
