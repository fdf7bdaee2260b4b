"""Settings of the channels by which people are told."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from jarvis_daemon.settings.base import MailAddress, QuietHours, Section


class RouteSettings(Section):
    """What one channel is told, and when."""

    enabled: bool = True
    """False: left out; what happens meanwhile is not told on it later."""
    min_severity: Literal["info", "warning", "error", "critical"] = "warning"
    """Least severity that is told. The end of a repair, and of what was told, is told always."""
    kinds: list[str] = []
    """Patterns of feed kinds (``incident.*``, ``repair.escalated``); without them everything of that severity."""
    quiet: QuietHours | None = None
    """``HH:MM-HH:MM`` local time in which only what is critical or escalated is told; the rest waits and comes as
    one digest at the end."""


class EmailSettings(RouteSettings):
    """Mail, over a server that takes it."""

    host: str
    """The mail server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """587 with STARTTLS, 25 for a relay of the house."""
    from_address: MailAddress
    """The sender."""
    to: Annotated[list[MailAddress], Field(min_length=1)]
    """Who gets it."""
    username: str | None = None
    """Where the server wants one; its password is sent over TLS only, or to this machine itself."""
    password_file: str | None = None
    """File (0600, relative to the config folder) with the password."""
    password: pydantic.SecretStr | None = None
    """Only by JARVIS_NOTIFY__EMAIL__PASSWORD or the systemd credential notify-email, never in the file."""
    starttls: bool = True
    """False: mail may go out in the clear. True: nothing is sent to a server that offers no STARTTLS."""
    ca_file: str | None = None
    """The CA of the server's certificate, where the machine's own ones do not do."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Deadline of one mail, connection included."""
    report: bool = True
    """Whether the daily report goes here."""


class AppriseSettings(RouteSettings):
    """A service that Apprise knows: ntfy, Telegram, Matrix, Gotify, …"""

    url_file: str | None = None
    """File (0600, relative to the config folder) with the Apprise URL; such URLs hold secrets."""
    url: pydantic.SecretStr | None = None
    """Only by JARVIS_NOTIFY__APPRISE__NAME__URL or the systemd credential notify-NAME, never in the file."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Deadline of one message."""
    report: bool = False
    """Whether the daily report goes here."""


class NotifySettings(Section):
    """Telling people."""

    email: EmailSettings | None = None
    apprise: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9]{0,19}$")], AppriseSettings] = {}
    """Name to service; the name is what the channel is called, so none is called ``email``."""
    report_at: Annotated[str, Field(pattern=r"^(([01]?\d|2[0-3]):[0-5]\d)?$")] = "07:00"
    """When the daily report is sent, local time; an empty text: never."""

    @pydantic.field_validator("apprise")
    @classmethod
    def _not_email(cls, apprise: dict[str, AppriseSettings]) -> dict[str, AppriseSettings]:
        if "email" in apprise:
            raise ValueError("a service of Apprise cannot be called email: that is the mail channel's name")
        return apprise
