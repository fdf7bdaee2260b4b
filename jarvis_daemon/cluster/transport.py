"""proxmoxer's session and serializer, made to keep promises that its own do not.

proxmoxer builds the request; below it everything is ours: trust (``tls``), an overall deadline (``flight``),
no redirects, a cap on the size of a reply, errors read before proxmoxer loses their ``message``, half a
document refused instead of returned as data, and nothing logged.

    TransportError              the endpoint gave no usable answer
      Unreached                   no connection, no TLS, or it broke off
      TimedOut                    the deadline passed
      Untrusted                   its certificate is not trusted
      Malformed                   an answer that is no PVE answer: half, too large, redirected
      Refused                     a PVE answer with an error status
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3.exceptions
from proxmoxer.core import ProxmoxResource

from jarvis_daemon.cluster.flight import Flight
from jarvis_daemon.cluster.tls import (
    TrustContext,
    TrustedAdapter,
    UntrustedCertificate,
    root_cause,
    show_certificate,
)  # fmt: skip
from jarvis_daemon.protocol.text import clean

MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024
CLUSTER_THREADS: Final = 2
NODE_THREADS: Final = 4
"""Calls in flight at one endpoint; more of them wait within their deadline. Those that are handed on to a node
have threads of their own, so that a dead node never holds up what concerns the whole cluster."""

for _name in ("proxmoxer", "proxmoxer.core"):
    logging.getLogger(_name).disabled = True  # it writes the bodies of POSTs, passwords and all


class TransportError(Exception):
    """See the tree above; ``why`` is half a sentence for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unreached(TransportError):
    pass


class TimedOut(TransportError):
    """``connected``: the connection stood, only the answer did not come."""

    def __init__(self, why: str, *, connected: bool) -> None:
        super().__init__(why)
        self.connected = connected


class Untrusted(TransportError):
    def __init__(self, why: str, seen: str | None) -> None:
        super().__init__(why)
        self.seen = seen


class Malformed(TransportError):
    pass


class Refused(TransportError):
    """An error status, with the reason phrase (PVE up to 8) and the body (PVE 9: ``message``)."""

    def __init__(self, status: int, reason: str, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        try:
            decoded = msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            decoded = None
        fields: dict[str, Any] = decoded if isinstance(decoded, dict) else {}
        message = fields.get("message")
        self.text = clean(message if isinstance(message, str) and message.strip() else reason)
        raw = fields.get("errors")
        errors = raw if isinstance(raw, dict) else {}
        self.errors = {clean(str(key)): clean(str(value)) for key, value in errors.items()}


class Answer:
    """What proxmoxer needs to see of a response."""

    def __init__(self, status: int, reason: str, content: bytes) -> None:
        self.status_code = status
        self.reason = reason
        self.content = content


class Session:
    """proxmoxer's session: one a thread."""

    def __init__(self, origin: str, token: str, context: TrustContext) -> None:
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy, no .netrc: both would send the token elsewhere or drop it
        self._http.verify = context.verify_mode == ssl.CERT_REQUIRED  # else requests would set that mode itself
        self._http.adapters.clear()
        self._http.mount(origin, TrustedAdapter(context))
        self._http.headers.update(
            {"Authorization": f"PVEAPIToken={token}", "Accept": "application/json", "Accept-Encoding": "identity"}
        )
        self.flight = Flight(0)
        self.received_bytes = 0

    def request(self, method: str, url: str, data: Any = None, params: Any = None) -> Answer:
        """Raises a ``TransportError`` or what requests raises."""
        left = self.flight.remaining()
        response = self._http.request(
            method, url, params=params or None, data=data or None, timeout=left, stream=True, allow_redirects=False
        )
        try:
            return self._read(response)
        finally:
            response.close()

    def _read(self, response: requests.Response) -> Answer:
        status = response.status_code
        reason = (response.reason or "").encode("latin-1", "replace").decode("utf-8", "replace")
        if 300 <= status < 400:
            raise Malformed(f"it redirects to {clean(response.headers.get('Location', 'nowhere'))}")
        limit = MAX_REPLY_BYTES if status < 300 else MAX_ERROR_BYTES
        content = bytearray()
        for chunk in response.raw.stream(65536, decode_content=True):
            content += chunk
            self.received_bytes += len(chunk)
            if len(content) > limit:
                if status >= 300:
                    break
                raise Malformed(f"its answer is larger than {limit // 1024 // 1024} MB")
        if status >= 300:
            raise Refused(status, reason, bytes(content))
        return Answer(status, reason, bytes(content))

    def close(self) -> None:
        self._http.close()


def _what_is_wrong(content: bytes) -> str:
    """Of a reply that cannot be read, in half a sentence."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # which a reply that was cut off has too
            return f"its answer is no UTF-8 (byte {error.start})"
    return "it answered half a document" if content.lstrip()[:1] in (b"{", b"[") else "its answer is no JSON"


class Serializer:
    """proxmoxer's serializer: half a document is an error, not ``{"errors": …}``."""

    def loads(self, answer: Answer) -> Any:
        try:
            document = msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Malformed(_what_is_wrong(answer.content)) from None
        if not isinstance(document, dict) or "data" not in document:
            raise Malformed("its answer has no data, so it is no Proxmox VE")
        return document["data"]


class Endpoint:
    """One API address with its threads. ``send`` runs in one of them."""

    def __init__(self, url: str, token: str, context: TrustContext) -> None:
        parts = urlsplit(url)
        self.url = url
        self.host = parts.hostname or ""
        self.port = parts.port or 8006
        self.certificate: str | None = None
        """Fingerprint of the certificate that was trusted here last, where fingerprints are compared."""
        self._token = token
        self._context = context
        self._local = threading.local()
        self._sessions: list[Session] = []
        self._executors = {
            node_scoped: ThreadPoolExecutor(threads, thread_name_prefix=f"pve-{self.host}")
            for node_scoped, threads in ((False, CLUSTER_THREADS), (True, NODE_THREADS))
        }

    @property
    def received_bytes(self) -> int:
        return sum(session.received_bytes for session in self._sessions)

    def executor(self, node_scoped: bool) -> ThreadPoolExecutor:
        return self._executors[node_scoped]

    def send(self, flight: Flight, method: str, path: str, parameters: dict[str, str]) -> Any:
        """The reply's ``data``. Blocks; raises a ``TransportError`` and nothing else."""
        session = self._session()
        session.flight = flight
        with flight:
            if flight.late:
                raise TimedOut("too many calls wait for an answer", connected=True)
            try:
                return self._ask(session, method, path, parameters)
            except TransportError:
                raise
            except Exception as error:
                if method != "GET" or flight.connected_anew or isinstance(root_cause(error), TimeoutError):
                    raise self._explain(error, flight) from None
            # The server had closed a kept connection meanwhile: a read asks once more, on a new one.
            try:
                return self._ask(session, method, path, parameters)
            except TransportError:
                raise
            except Exception as error:
                raise self._explain(error, flight) from None

    def _ask(self, session: Session, method: str, path: str, parameters: dict[str, str]) -> Any:
        resource = ProxmoxResource(base_url=f"{self.url}/api2/json", session=session, serializer=Serializer())
        try:
            return getattr(resource(path.strip("/")), method.lower())(**parameters)
        finally:
            self.certificate = session.flight.certificate or self.certificate

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session(self.url, self._token, self._context)
            self._sessions.append(session)
        return session

    def _explain(self, error: Exception, flight: Flight) -> TransportError:
        """What requests and urllib3 raised, in our words; may look once more which certificate is shown."""
        cause = root_cause(error)
        if isinstance(cause, UntrustedCertificate):
            return Untrusted(cause.why, cause.seen)
        if isinstance(cause, ssl.SSLCertVerificationError):
            seen = show_certificate(self.host, self.port, 2.0)
            return Untrusted(clean(cause.verify_message or "it cannot be verified"), seen)
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
            connected = flight.connected
            return TimedOut(
                "it does not answer" if connected else "it cannot be connected in time", connected=connected
            )
        if isinstance(cause, http.client.IncompleteRead | urllib3.exceptions.IncompleteRead):
            return Malformed("it answered half a document")
        return Unreached(_reason(cause))

    def close(self) -> None:
        """Wait for the threads (abort their flights first) and close the connections. Blocks."""
        for executor in self._executors.values():
            executor.shutdown(wait=True, cancel_futures=True)
        for session in self._sessions:
            session.close()


def _reason(cause: BaseException) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, socket.gaierror):
        return "its name is not known"
    if isinstance(cause, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError | ssl.SSLEOFError):
        return "it closed the connection without an answer"
    if isinstance(cause, http.client.HTTPException):
        return "it does not speak HTTP"
    if isinstance(cause, ssl.SSLError):
        return f"it does not speak TLS as expected ({clean(cause.reason or str(cause))})"
    if isinstance(cause, OSError) and cause.strerror:
        return clean(cause.strerror).lower()
    return clean(str(cause)) or type(cause).__name__
