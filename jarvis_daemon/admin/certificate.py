"""``admin setup certificates``: what an endpoint shows, before anything is trusted or sent."""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from jarvis_daemon.cluster.addresses import endpoint_url
from jarvis_daemon.cluster.tls import fingerprint_of
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean


def certificates(given: dict[str, Any]) -> dict[str, Any]:
    """``{"certificates": [...]}``, one for each of ``endpoints``, in their order. Raises as ``certificate``."""
    urls = [endpoint_url(str(text)) for text in given.get("endpoints") or []]
    return {"certificates": [certificate(url, float(given.get("timeout_s") or 5.0)) for url in urls]}


def certificate(url: str, timeout_s: float) -> dict[str, Any]:
    """``{"endpoint", "fingerprint", "subject", "issuer", "expires_at", "trusted", "why"}``; ``trusted``: by a CA
    of this system. Raises ``cluster_unreachable`` ``config_invalid``."""
    url = endpoint_url(url)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 8006
    shown = _shown(url, host, port, timeout_s)
    parsed = x509.load_der_x509_certificate(shown)
    trusted, why = _verified(host, port, timeout_s)
    return {
        "endpoint": url,
        "fingerprint": fingerprint_of(shown),
        "subject": clean(parsed.subject.rfc4514_string()),
        "issuer": clean(parsed.issuer.rfc4514_string()),
        "expires_at": parsed.not_valid_after_utc.timestamp(),
        "trusted": trusted,
        "why": why,
    }


def _shown(url: str, host: str, port: int, timeout_s: float) -> bytes:
    """The certificate, in DER, whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
    except OSError as error:
        raise JarvisError(
            "cluster_unreachable", f"The endpoint {url} cannot be reached", why=_reason(error),
            next="An endpoint is an address such as https://192.168.1.50:8006.",
        ) from None  # fmt: skip
    if not shown:
        raise JarvisError("cluster_unreachable", f"The endpoint {url} shows no certificate")
    return shown


def _verified(host: str, port: int, timeout_s: float) -> tuple[bool, str]:
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True, ""
    except OSError as error:
        return False, _reason(error)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return clean(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return clean(error.reason or "it does not speak TLS")
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return clean((error.strerror or str(error)).lower())
