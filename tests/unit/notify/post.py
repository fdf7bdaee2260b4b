"""Mail servers on loopback: a real one with STARTTLS and AUTH, and one that does as a script says."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "jarvis", "correct horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(folder: Path, name: str = "post") -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return certificate_file, key_file


@dataclass
class PostOffice:
    """A real SMTP server; ``open`` and ``close`` are its days. What it took is in ``mails``, in order."""

    certificate: tuple[Path, Path] | None = None
    auth: bool = False
    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)
    """Who logged in, and whether over TLS."""
    refuse: set[str] = field(default_factory=set)
    on_data: Callable[[], str | None] = lambda: None
    """Called with the mail in hand; an answer other than None is sent instead of the 250."""
    _controller: Controller | None = None

    def open(self) -> PostOffice:
        options: dict[str, Any] = {}
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            options = {"tls_context": context, "require_starttls": True}
        if self.auth:
            options |= {"authenticator": self._login, "auth_required": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()
        return self

    def close(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def _login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), session.ssl is not None))
        good = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        content = envelope.original_content
        assert isinstance(content, bytes)
        answer = self.on_data()
        if answer is None or answer.startswith("250"):
            mail = message_from_bytes(content, policy=default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.raw.append(content)
            self.recipients.append(list(envelope.rcpt_tos))
        return answer or "250 taken"

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    def text(self, number: int = -1) -> str:
        return str(self.mails[number].get_content())


CLOSE, HANG = "close", "hang"


@dataclass
class Scripted:
    """Answers each verb as told: a reply, ``CLOSE``, or ``HANG``. ``.`` is the end of DATA; ``heard`` what came."""

    answers: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> Scripted:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {
            "": "220 here", "EHLO": "250 here", "HELO": "250 here", "MAIL": "250 ok", "RCPT": "250 ok",
            "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye",
        }  # fmt: skip
        says = usual | self.answers
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            if not await self._say(writer, says[""]):
                return
            while line := await reader.readline():
                text = line.decode(errors="replace").strip()
                verb = text.partition(" ")[0].upper()
                self.heard.append(text)
                if not await self._say(writer, says.get(verb, "500 what")):
                    return
                if verb == "DATA" and says["DATA"].startswith("354"):
                    if says.get("body") == CLOSE:
                        return
                    while (await reader.readline()) not in (b".\r\n", b""):
                        pass
                    self.heard.append(".")
                    if not await self._say(writer, says["."]):
                        return
                if verb == "QUIT":
                    return
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, answer: str) -> bool:
        if answer == CLOSE:
            return False
        if answer == HANG:
            await asyncio.Event().wait()
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True
