"""A TLS peer that answers exactly the bytes a test wants, in a thread of its own, on loopback."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[["Request", ssl.SSLSocket], bytes | None]
"""Gets the request; returns bytes to send (the connection stays), or None after it sent by itself (it closes)."""


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Certificate:
    pem: bytes
    key_pem: bytes
    fingerprint: str


@cache
def make_certificate(name: str = "pve") -> Certificate:
    """A self-signed certificate for 127.0.0.1, one per ``name``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return Certificate(
        pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        fingerprint=":".join(digest[at : at + 2] for at in range(0, 64, 2)),
    )


def reply(body: str | bytes = '{"data":{}}', status: str = "200 OK", *headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json;charset=UTF-8", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


@dataclass
class Peer:
    """``handler`` may be changed while it runs."""

    handler: Handler
    certificate: Certificate
    folder: Path
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.stopping = threading.Event()
        """Set when the test is over: a handler that hangs waits on it."""
        self._threads: list[threading.Thread] = []
        self.show(self.certificate)
        self._start(self._accept)

    def show(self, certificate: Certificate) -> None:
        """Show this certificate from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        files = self.folder / f"{self.port}.pem"
        files.write_bytes(certificate.key_pem + certificate.pem)
        context.load_cert_chain(files)
        self._context = context
        self.certificate = certificate

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.ExitStack() as stack:
            stack.callback(plain.close)
            secure = self._context.wrap_socket(plain, server_side=True)
            stack.callback(secure.close)
            self.connections += 1
            while not self.stopping.is_set():
                request = _read(secure)
                if request is None:
                    return
                self.requests.append(request)
                answer = self.handler(request, secure)
                if answer is None:
                    return
                secure.sendall(answer)


def _read(secure: ssl.SSLSocket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = secure.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += secure.recv(65536)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body.decode())


@contextlib.contextmanager
def peer(handler: Handler, folder: Path, name: str = "pve") -> Iterator[Peer]:
    one = Peer(handler, make_certificate(name), folder)
    try:
        yield one
    finally:
        one.close()
