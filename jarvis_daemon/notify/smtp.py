"""Mail, over SMTP: one connection a mail, in a thread with a deadline.

Each stage is gone through by itself, because what a failure means depends on where it happens: before the last byte
nothing was taken; after it nobody knows. Source of the replies: RFC 5321; of the marks: RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from jarvis_daemon.clock import Clock
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.loopback import check_host, is_loopback
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.settings import EmailSettings
from jarvis_daemon.settings.secret import secret

_LEADING_DOT: Final = re.compile(rb"(?m)^\.")
_ONE_LINE: Final = SMTP.clone(max_line_length=900)
"""A subject stays on its line, well below the 998 that a line may have."""
BODY_MAX: Final = 250_000
ABANDON_S: Final = 2.0
"""How long a thread whose line was cut may take to notice."""


class Mail:
    """The channel ``email``. ``origin``: the store's own word, part of each Message-ID."""

    def __init__(
        self, settings: EmailSettings, places: Places, clock: Clock, *, origin: str, simulated: bool
    ) -> None:
        self.name = "email"
        self.route = settings
        self._settings, self._places, self._clock = settings, places, clock
        self._origin, self._simulated = origin, simulated

    async def send(self, parcel: Parcel) -> str:
        """Hand it to the server. Answers which addresses it refused, mostly none. Raises ``NotTaken``."""
        try:
            check_host(self._settings.host, simulated=self._simulated)
            password = secret(self._places, self._settings.password, self._settings.password_file, "notify-email")
            delivery = Delivery(self._settings, self._context(), password)
        except JarvisError as error:
            raise NotTaken("down", error) from None
        mail = compose(parcel, self._settings, self._origin, self._clock.now())
        running = asyncio.get_running_loop().run_in_executor(None, delivery.run, mail)
        running.add_done_callback(_heard)
        done, _ = await asyncio.wait({running}, timeout=self._settings.timeout_s)
        if not done:
            delivery.abandon()
            done, _ = await asyncio.wait({running}, timeout=ABANDON_S)
        if not done:  # the name of the server is being looked up: nothing can end that
            raise delivery.too_late()
        return running.result()

    def _context(self) -> ssl.SSLContext:
        """Raises ``config_invalid`` where the CA cannot be read."""
        if self._settings.ca_file is None:
            return ssl.create_default_context()
        path = self._places.config_dir / Path(self._settings.ca_file).expanduser()
        try:
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise JarvisError("config_invalid", f"The CA {path} cannot be used", why=str(error)) from None


def compose(parcel: Parcel, settings: EmailSettings, origin: str, now: float) -> EmailMessage:
    """The mail. Its Message-ID is made of the parcel's key: the same parcel twice is recognised by mailboxes."""
    domain = settings.from_address.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = clean(parcel.subject, limit=200)
    user, _, _ = settings.from_address.rpartition("@")
    mail["From"] = Address("Jarvis", user, domain)
    mail["To"] = ", ".join(settings.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC).astimezone())
    mail["Message-ID"] = f"<jarvis.{origin}.{parcel.key}@{domain}>"
    if parcel.thread is not None:
        root = f"<jarvis.{origin}.incident-{re.sub('[^0-9A-Za-z]', '', parcel.thread)}@{domain}>"
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if parcel.severity == "critical":
        mail["Importance"] = "high"
    mail.set_content(clean_block(parcel.body, limit=BODY_MAX), cte="quoted-printable")
    return mail


class _Smtp(smtplib.SMTP):
    """Connected by hand, so that ``abandon`` finds its socket while it connects; the certificate has to name
    ``host`` all the same, which the base class takes only from its own constructor."""

    def __init__(self, host: str, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s, local_hostname=_own_name())
        self._host = host


class Delivery:
    """One mail on its way; ``run`` in a thread, ``abandon`` from the loop."""

    def __init__(self, settings: EmailSettings, context: ssl.SSLContext, password: str | None) -> None:
        self._settings, self._context, self._password = settings, context, password
        self._stage = "connecting"
        self._unknown = False
        self._smtp: smtplib.SMTP | None = None
        self._abandoned = False

    def run(self, mail: EmailMessage) -> str:
        """Answers which addresses were refused. Raises ``NotTaken``, nothing else."""
        try:
            with self._connected() as smtp:
                self._secure(smtp)
                self._log_in(smtp)
                refused = self._address(smtp)
                self._hand_over(smtp, mail)
            return refused
        except NotTaken:
            raise
        except (smtplib.SMTPException, OSError, ssl.SSLError, ValueError, EOFError) as error:
            raise self._failed(error) from None

    def abandon(self) -> None:
        """The deadline is over: cut the line, so that the thread ends."""
        self._abandoned = True
        sock = getattr(self._smtp, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def too_late(self) -> NotTaken:
        return self._failed(TimeoutError(f"no answer within {self._settings.timeout_s:g} s"))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        smtp = self._smtp = _Smtp(settings.host, settings.timeout_s + ABANDON_S)  # whoever asked is the quicker
        try:
            code, told = smtp.connect(settings.host, settings.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, told)
            self._stage = "greeting"
            smtp.ehlo_or_helo_if_needed()
            yield smtp
            self._stage = "leaving"
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()  # it was taken: what comes after changes nothing
        finally:
            smtp.close()

    def _secure(self, smtp: smtplib.SMTP) -> None:
        if not self._settings.starttls:
            return
        self._stage = "starting TLS"
        if not smtp.has_extn("starttls"):
            raise NotTaken("down", JarvisError(
                "forbidden", f"{self._server} offers no STARTTLS, so nothing was sent to it",
                why="the mail and its password would travel in the clear",
                next="Name the port that offers it; for a relay of the house set `starttls = false`.",
            ))  # fmt: skip
        smtp.starttls(context=self._context)
        smtp.ehlo()

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        settings = self._settings
        if settings.username is None:
            return
        self._stage = "logging in"
        if not settings.starttls and not is_loopback(settings.host):
            raise NotTaken("down", JarvisError(
                "config_invalid", f"The password is not sent to {self._server} in the clear",
                next="Set `starttls = true` in [notify.email], or take the username away.",
            ))  # fmt: skip
        if self._password is None:
            raise NotTaken("down", JarvisError(
                "config_invalid", f"The password for {self._server} is not to be found",
                next="Put it into a file of mode 0600 and name that by password_file in [notify.email].",
            ))  # fmt: skip
        smtp.login(settings.username, self._password)

    def _address(self, smtp: smtplib.SMTP) -> str:
        """Sender and recipients; which ones were refused. Raises ``NotTaken`` when no recipient is left."""
        self._stage = "naming the sender"
        code, told = smtp.mail(self._settings.from_address)
        if code != 250:
            raise smtplib.SMTPResponseException(code, told)
        self._stage = "naming the recipients"
        refused: list[str] = []
        for address in self._settings.to:
            code, told = smtp.rcpt(address)
            if code not in (250, 251):
                refused.append(f"{address}: {code} {_text(told)}")
        if len(refused) == len(self._settings.to):
            raise self._failed(ValueError("; ".join(refused)))
        return f"not to {'; '.join(refused)}" if refused else ""

    def _hand_over(self, smtp: smtplib.SMTP, mail: EmailMessage) -> None:
        self._stage = "handing it over"
        code, told = smtp.docmd("DATA")
        if code != 354:
            raise smtplib.SMTPResponseException(code, told)
        smtp.send(_LEADING_DOT.sub(b"..", mail.as_bytes(policy=_ONE_LINE)))
        if self._abandoned:
            raise TimeoutError
        self._unknown = True
        smtp.send(b".\r\n")
        code, told = smtp.getreply()
        if code == 250:
            return
        if not 400 <= code < 600:
            raise smtplib.SMTPResponseException(code, told)
        self._unknown = False
        raise NotTaken("rejected" if code >= 500 else "down", self._error(f"{code} {_text(told)}"))

    @property
    def _server(self) -> str:
        return f"{self._settings.host} port {self._settings.port}"

    def _failed(self, error: Exception) -> NotTaken:
        if self._abandoned:
            why = f"no answer within {self._settings.timeout_s:g} s"
        elif isinstance(error, smtplib.SMTPResponseException):
            why = f"{error.smtp_code} {_text(error.smtp_error)}"
        elif isinstance(error, ssl.SSLCertVerificationError):
            why = f"its certificate is not trusted: {error.verify_message}"
        elif isinstance(error, TimeoutError):
            why = str(error) or "no answer in time"
        else:
            why = clean(str(getattr(error, "strerror", None) or error), limit=200) or type(error).__name__
        return NotTaken("unknown" if self._unknown else "down", self._error(why))

    def _error(self, why: str) -> JarvisError:
        what = f"{self._server} did not take the mail"
        if self._unknown:
            what = f"{self._server} did not say whether it took the mail"
        return JarvisError(
            "unavailable", what, why=f"{self._stage}: {why}", next="`jarvis notify test email` tries it again."
        )


def _heard(running: asyncio.Future[str]) -> None:
    """Nobody may wait for it any more; what it raises has been told, or is tried again."""
    if not running.cancelled():
        running.exception()


def _own_name() -> str:
    """What we call ourselves to the server: the machine's name as it is set, never looked up."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,250}", name) else "localhost"


def _text(told: bytes | str) -> str:
    return clean(told.decode(errors="replace") if isinstance(told, bytes) else told, limit=200)
