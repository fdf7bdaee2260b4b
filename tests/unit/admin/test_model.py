"""`admin model fetch` against a real HTTPS server with ranges: resumed, checked, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.admin import main
from jarvis_daemon.admin import model as module
from jarvis_daemon.admin.model import Weights, fetch, known
from jarvis_daemon.assistant.llm.weights import find_weights
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import places
from jarvis_daemon.simulator.certificates import make_certificate
from tests.llama import weights

CONTENT = b"GGUF" + bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Shop:
    """Serves ``content`` at any path that ends with .gguf. ``breaks_at``: the connection ends there, once."""

    def __init__(self, folder: Path) -> None:
        self.content, self.breaks_at, self.ranges, self.to = CONTENT, 0, True, ""
        self.asked: list[str] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shop.serve(self)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        certificate = make_certificate("shop", "127.0.0.1", time.time(), folder)
        (folder / "ca.pem").write_text(certificate.pem)
        self._server.socket = certificate.context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/models/toy.gguf"

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        self.asked.append(asked.headers.get("Range", ""))
        if self.to and asked.path != "/there/toy.gguf":
            asked.send_response(302)
            asked.send_header("Location", self.to)
            asked.send_header("Content-Length", "0")
            asked.end_headers()
            return
        begin = int(self.asked[-1][6:-1]) if self.asked[-1] and self.ranges else 0
        if begin >= len(self.content):
            asked.send_response(416)
            asked.send_header("Content-Length", "0")
            asked.end_headers()
            return
        asked.send_response(206 if begin else 200)
        asked.send_header("Content-Length", str(len(self.content) - begin))
        if begin:
            asked.send_header("Content-Range", f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}")
        asked.end_headers()
        end, self.breaks_at = self.breaks_at or len(self.content), 0
        asked.wfile.write(self.content[begin:end])
        asked.close_connection = end < len(self.content)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("JARVIS_CLUSTER__ENDPOINTS", '["https://127.0.0.1:1"]')
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "ca.pem"))
    monkeypatch.setattr(module, "PIECE", 65_536)
    found = Shop(home)
    yield found
    found.close()


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "data/models").iterdir())


def bring(shop: Shop, **given: Any) -> dict[str, Any]:
    return fetch({"model": shop.url, "sha256": SHA256} | given)


def test_it_is_fetched_checked_and_found_by_the_embedded_model(shop: Shop, home: Path) -> None:
    found = bring(shop)
    path = home / "data/models/toy.gguf"
    assert found == {
        "model": shop.url, "path": str(path), "size_bytes": len(CONTENT), "sha256": SHA256, "licence": "",
        "resumed_bytes": 0,
    }  # fmt: skip
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert files(home) == ["toy.gguf"]
    assert find_weights(None, places()) == path
    assert bring(shop)["resumed_bytes"] == len(CONTENT)
    assert len(shop.asked) == 1, "what is here and right is not fetched again"


def test_a_download_that_broke_off_goes_on_where_it_stopped(shop: Shop, home: Path) -> None:
    shop.breaks_at = 2_000_000
    with pytest.raises(JarvisError, match="could not be fetched to its end") as broken:
        bring(shop)
    assert "goes on where it stopped" in broken.value.next
    assert files(home) == [f".toy.gguf.{SHA256[:12]}.part"]
    assert find_weights(None, places()) == weights(), "half a file is nobody's model"
    found = bring(shop)
    assert found["resumed_bytes"] > 1_500_000
    assert shop.asked == ["", f"bytes={found['resumed_bytes']}-"]
    assert (home / "data/models/toy.gguf").read_bytes() == CONTENT


def test_a_server_without_ranges_and_a_part_that_is_longer_than_the_file(shop: Shop, home: Path) -> None:
    shop.breaks_at, shop.ranges = 2_000_000, False
    with pytest.raises(JarvisError):
        bring(shop)
    assert bring(shop)["resumed_bytes"] == 0
    (home / "data/models/toy.gguf").unlink()
    part = home / f"data/models/.toy.gguf.{SHA256[:12]}.part"
    part.write_bytes(CONTENT + b"more")
    shop.ranges = True
    assert bring(shop)["resumed_bytes"] == 0
    assert files(home) == ["toy.gguf"]


def test_what_is_another_file_is_not_kept(shop: Shop, home: Path) -> None:
    shop.content = CONTENT[:-1] + b"x"
    with pytest.raises(JarvisError, match=r"is not toy\.gguf; nothing was kept") as wrong:
        bring(shop)
    assert SHA256 in wrong.value.why
    assert files(home) == []
    shop.content = b"<html>sign in first</html>"
    with pytest.raises(JarvisError, match="nothing was kept") as wrong:
        bring(shop)
    assert wrong.value.why == "it is no GGUF file"


def test_no_more_than_the_table_says_is_taken(
    shop: Shop, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    row = Weights("toy", shop.url, SHA256, size_bytes=100_000)
    monkeypatch.setattr(module, "known", lambda: {"toy": row})
    with pytest.raises(JarvisError, match="nothing was kept") as wrong:
        fetch({"model": "toy"})
    assert wrong.value.why == "it is larger than 100000 bytes"
    assert files(home) == []
    monkeypatch.setattr(module, "known", lambda: {"toy": Weights("toy", shop.url, SHA256, len(CONTENT), "MIT")})
    assert fetch({"model": "toy"})["licence"] == "MIT"


def test_redirects_are_followed_over_https_only_and_not_for_ever(shop: Shop, home: Path) -> None:
    shop.to = "/there/toy.gguf"
    assert bring(shop)["size_bytes"] == len(CONTENT)
    (home / "data/models/toy.gguf").unlink()
    shop.to = "http://127.0.0.1:9/toy.gguf"
    with pytest.raises(JarvisError, match="Only https"):
        bring(shop)
    shop.to = "/round.gguf"
    with pytest.raises(JarvisError, match="without an end"):
        bring(shop)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"model": "nope"}, "No weights are known as 'nope'"),
        ({"model": ""}, "No weights are known"),
        ({"model": "https://example.org/a.gguf"}, "needs the sha256"),
        ({"model": "https://example.org/a.gguf", "sha256": "abc"}, "needs the sha256"),
        ({"model": "http://example.org/a.gguf", "sha256": SHA256}, "Only https"),
        ({"model": "file:///etc/a.gguf", "sha256": SHA256}, "Only https"),
        ({"model": "https://example.org/..%2f..%2fa.gguf", "sha256": SHA256}, "name of a GGUF file"),
        ({"model": "https://example.org/.hidden.gguf", "sha256": SHA256}, "name of a GGUF file"),
        ({"model": "https://example.org/a.exe", "sha256": SHA256}, "name of a GGUF file"),
        ({"model": "smollm2-135m", "sha256": SHA256}, "The sha256 of smollm2-135m is b179"),
    ],
)
def test_what_is_not_fetched(home: Path, given: dict[str, Any], what: str) -> None:
    with pytest.raises(JarvisError) as refused:
        fetch(given)
    assert what in refused.value.what
    assert not (home / "data/models").exists()


def test_a_server_that_nobody_vouches_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile)
    with pytest.raises(JarvisError, match="could not be fetched"):
        bring(shop)


def test_two_at_once_and_a_folder_that_cannot_be_written(shop: Shop, home: Path) -> None:
    part = home / f"data/models/.toy.gguf.{SHA256[:12]}.part"
    part.parent.mkdir(parents=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(JarvisError, match="being fetched already"):
        bring(shop)
    os.close(handle)
    part.unlink()
    part.mkdir()
    with pytest.raises(JarvisError, match="Nothing can be written"):
        bring(shop)


def test_the_answer_on_standard_output(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(json.dumps({"model": shop.url, "sha256": SHA256, "progress": True}))
    )
    assert main(["model", "fetch", "--json"]) == 0
    *progress, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert progress[-1] == {"progress": "4 of 4 MiB"}
    assert last["size_bytes"] == len(CONTENT)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["model", "list"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["here"] == [{"path": last["path"], "size_bytes": len(CONTENT)}]
    assert shown["known"][0]["name"] == "smollm2-135m"


def test_the_table_is_true_of_the_file_that_we_know() -> None:
    row = known()["smollm2-135m"]
    assert row.file == weights().name
    assert row.size_bytes == weights().stat().st_size
    assert hashlib.sha256(weights().read_bytes()).hexdigest() == row.sha256
