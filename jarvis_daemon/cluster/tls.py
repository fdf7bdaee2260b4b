"""Which certificate an endpoint may show: by CA, by fingerprint, or any.

The check happens inside the connection, after the handshake and before the first byte of a request, so a
token is never sent to a stranger. Nothing here ever adds to what is trusted.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import requests.adapters
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from jarvis_daemon.cluster.flight import FlightSocket, current_flight
from jarvis_daemon.protocol.errors import JarvisError

Mode = Literal["verify", "fingerprint", "insecure"]


class UntrustedCertificate(ssl.SSLError):
    """The endpoint showed a certificate that is not trusted; ``seen`` is its fingerprint."""

    def __init__(self, seen: str | None, why: str) -> None:
        super().__init__(why)
        self.seen = seen
        self.why = why


def fingerprint_of(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, as ``pvenode cert info`` prints it: ``AA:BB:…``."""
    digest = hashlib.sha256(certificate).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def normal_fingerprint(text: str) -> str:
    """``aabb…`` or ``AA:BB:…`` as ``AA:BB:…``. Raises ``config_invalid`` for anything but 32 bytes."""
    digits = re.sub(r"[:\s]", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        raise JarvisError(
            "config_invalid",
            f"{text!r} is no SHA-256 fingerprint",
            why="64 hexadecimal digits are needed",
            next="`pvenode cert info` on the node prints it.",
        )
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


class TrustContext(ssl.SSLContext):
    """A client's TLS context that also knows which fingerprints it accepts (None: the CA decides)."""

    allowed: frozenset[str] | None = None
    mode: Mode = "verify"


def trust_context(mode: Mode, fingerprints: Sequence[str] = (), ca_file: Path | None = None) -> TrustContext:
    """Raises ``config_invalid`` for an empty list of fingerprints and for a CA file that cannot be used."""
    context = TrustContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.mode = mode
    context.sslsocket_class = FlightSocket
    if mode == "verify":
        _load_ca(context, ca_file)
        return context
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if mode == "fingerprint":
        context.allowed = frozenset(normal_fingerprint(one) for one in fingerprints)
        if not context.allowed:
            raise JarvisError(
                "config_invalid",
                'cluster.tls is "fingerprint", but cluster.fingerprints is empty',
                next="`jarvis setup` shows the fingerprints of the nodes.",
            )
    return context


def _load_ca(context: TrustContext, ca_file: Path | None) -> None:
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise JarvisError(
            "config_invalid",
            f"The CA file {ca_file} cannot be used",
            why=why,
            next="Copy /etc/pve/pve-root-ca.pem from a node.",
        ) from None


class TrustedConnection(HTTPSConnection):
    """A connection that looks at the certificate before anything is sent."""

    def connect(self) -> None:
        flight = current_flight()
        if flight is not None:
            flight.connected_anew = True
        super().connect()
        if flight is not None:
            flight.handshaken = True
        context = self.ssl_context
        if not isinstance(context, TrustContext) or context.mode == "verify":
            return
        shown = self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None
        seen = fingerprint_of(shown) if shown else None
        if context.allowed is not None and seen not in context.allowed:
            self.close()
            raise UntrustedCertificate(seen, "its fingerprint is not among cluster.fingerprints")
        if flight is not None:
            flight.certificate = seen
        self.is_verified = True  # spares urllib3's warning: the choice was made in the settings


class _TrustedPool(HTTPSConnectionPool):
    ConnectionCls = TrustedConnection


class TrustedAdapter(requests.adapters.HTTPAdapter):
    """The requests adapter for one endpoint: https only, trust as the context says, no retries."""

    def __init__(self, context: TrustContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _TrustedPool}

    def close(self) -> None:
        """Close the connections now, not when the last reference to a reply is gone."""
        for key in self.poolmanager.pools.keys():  # noqa: SIM118 - it is no dict and forbids iteration
            pool = self.poolmanager.pools.get(key)
            if pool is not None:
                pool.close()
        super().close()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """requests would load its own CA bundle into our context here."""


def root_cause(error: BaseException) -> BaseException:
    """What lies under the wrappings of requests and urllib3."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        candidates = [inner, *error.args, error.__cause__, error.__context__]
        deeper = next((one for one in candidates if isinstance(one, BaseException)), None)
        if deeper is None:
            return error
        error = deeper
    return error


def show_certificate(host: str, port: int, timeout_s: float) -> str | None:
    """The fingerprint that ``host`` shows now, trusted or not; None when it shows none. Blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return fingerprint_of(shown) if shown else None
