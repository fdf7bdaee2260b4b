"""Mail over a real SMTP server, and over servers that do what servers do on bad days."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.notify.channel import NotTaken, Parcel
from jarvis_daemon.notify.smtp import Delivery, Mail, compose
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import EmailSettings
from tests.unit.notify.conftest import MORNING, mail_to
from tests.unit.notify.post import CLOSE, HANG, PASSWORD, USER, PostOffice, Scripted, certificate

PARCEL = Parcel("7", "[Jarvis homelab] pihole has stopped", "Größe: 3 GiB\n.\n..two dots\nend", "error", "12")


def channel(folder: Path, *, simulated: bool = False, **given: Any) -> Mail:
    usual = {"host": "127.0.0.1", "from_address": "jarvis@home.lan", "to": ["me@home.lan"], "timeout_s": 5.0}
    places = Places(folder, folder, folder, folder)
    settings = EmailSettings(**(usual | given))
    return Mail(settings, places, ManualClock(MORNING), origin="0123abcd", simulated=simulated)


@pytest.fixture
def guarded(certificates: tuple[Path, Path]) -> Iterator[PostOffice]:
    office = PostOffice(certificate=certificates, auth=True).open()
    yield office
    office.close()


@pytest.fixture
def plain() -> Iterator[PostOffice]:
    office = PostOffice().open()
    yield office
    office.close()


async def test_a_mail_as_it_arrives(tmp_path: Path, guarded: PostOffice) -> None:
    (tmp_path / "mail").write_text(f"{PASSWORD}\n")
    (tmp_path / "mail").chmod(0o600)
    mail = channel(tmp_path, **mail_to(guarded), username=USER, password_file="mail")
    assert await mail.send(PARCEL) == ""
    assert guarded.logins == [(USER, True)]
    (got,) = guarded.mails
    assert got["From"] == "Jarvis <jarvis@home.lan>"
    assert got["To"] == "me@home.lan"
    assert got["Subject"] == PARCEL.subject
    assert got["Message-ID"] == "<jarvis.0123abcd.7@home.lan>"
    assert got["In-Reply-To"] == got["References"] == "<jarvis.0123abcd.incident-12@home.lan>"
    assert got["Date"].datetime.timestamp() == MORNING
    assert got["Auto-Submitted"] == "auto-generated"
    assert (got.get_content_type(), got.get_content_charset()) == ("text/plain", "utf-8")
    assert str(got.get_content()).splitlines() == PARCEL.body.splitlines()


async def test_no_header_can_be_put_into_a_mail() -> None:
    settings = EmailSettings(host="h", from_address="jarvis@home.lan", to=["me@home.lan"])
    evil = Parcel("1", "x\r\nBcc: thief@evil.example\r\n\r\nbody", "y", thread="3>\r\nBcc: b@evil.example")
    mail = compose(evil, settings, "0", MORNING)
    head = mail.as_bytes().partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert b"Bcc" not in names
    assert len(names) == len(set(names))
    for address in ("a@b\nBcc: c@d", "a@b, c@d", "<a@b>", "a b@c", "a@b>"):
        with pytest.raises(pydantic.ValidationError):
            EmailSettings(host="h", from_address=address, to=["me@home.lan"])
        with pytest.raises(pydantic.ValidationError):
            EmailSettings(host="h", from_address="jarvis@home.lan", to=[address])


async def test_a_server_without_starttls_gets_neither_password_nor_mail(tmp_path: Path) -> None:
    """Somebody on the way took STARTTLS out of the greeting."""
    server = await Scripted({"EHLO": "250-here\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 in"}).open()
    mail = channel(tmp_path, port=server.port, username=USER, password=pydantic.SecretStr(PASSWORD))
    with pytest.raises(NotTaken, match="offers no STARTTLS, so nothing was sent") as failed:
        await mail.send(PARCEL)
    assert failed.value.how == "down"
    assert [line.partition(" ")[0].upper() for line in server.heard] in (["EHLO"], ["EHLO", "QUIT"])
    await server.close()


async def test_a_strange_certificate_gets_nothing(tmp_path: Path, guarded: PostOffice) -> None:
    other, _ = certificate(tmp_path, "other")
    given = mail_to(guarded) | {"ca_file": str(other)}
    mail = channel(tmp_path, **given, username=USER, password=pydantic.SecretStr(PASSWORD))
    with pytest.raises(NotTaken, match="certificate is not trusted"):
        await mail.send(PARCEL)
    assert guarded.logins == []
    assert guarded.mails == []


async def test_a_certificate_of_another_name_gets_nothing(tmp_path: Path, guarded: PostOffice) -> None:
    mail = channel(tmp_path, **(mail_to(guarded) | {"host": "localhost"}))
    with pytest.raises(NotTaken, match="certificate is not trusted"):
        await mail.send(PARCEL)


async def test_no_password_in_the_clear_but_to_ourselves(tmp_path: Path) -> None:
    secret = pydantic.SecretStr(PASSWORD)
    server = await Scripted({"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 in"}).open()
    mail = channel(tmp_path, port=server.port, starttls=False, username=USER, password=secret)
    assert await mail.send(PARCEL) == ""
    assert server.heard[1].startswith("AUTH PLAIN")

    before = len(server.heard)
    beyond = mail.route.model_copy(update={"host": "relay.example"})
    delivery = Delivery(beyond, ssl.create_default_context(), PASSWORD)

    def elsewhere() -> None:
        with smtplib.SMTP("127.0.0.1", server.port) as smtp:
            smtp.ehlo()
            delivery._log_in(smtp)

    with pytest.raises(NotTaken, match=r"not sent to relay\.example port \d+ in the clear"):
        await asyncio.to_thread(elsewhere)
    assert not any(line.startswith("AUTH") for line in server.heard[before:])
    await server.close()


async def test_a_relay_of_the_house_without_tls(tmp_path: Path, plain: PostOffice) -> None:
    assert await channel(tmp_path, **mail_to(plain)).send(PARCEL) == ""
    assert len(plain.mails) == 1


async def test_a_wrong_password(tmp_path: Path, guarded: PostOffice) -> None:
    mail = channel(tmp_path, **mail_to(guarded), username=USER, password=pydantic.SecretStr("wrong"))
    with pytest.raises(NotTaken, match="logging in: 535") as failed:
        await mail.send(PARCEL)
    assert failed.value.how == "down"
    assert "wrong" not in str(failed.value)


@pytest.mark.parametrize(("mode", "why"), [(0o644, "can be read by others"), (None, "cannot be read")])
async def test_a_password_file_that_is_not_fit(
    tmp_path: Path, guarded: PostOffice, mode: int | None, why: str
) -> None:
    if mode is not None:
        (tmp_path / "mail").write_text(PASSWORD)
        (tmp_path / "mail").chmod(mode)
    mail = channel(tmp_path, **mail_to(guarded), username=USER, password_file="mail")
    with pytest.raises(NotTaken, match=why):
        await mail.send(PARCEL)
    assert guarded.logins == []


async def test_a_credential_of_systemd(
    tmp_path: Path, guarded: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "notify-email").write_text(PASSWORD)
    assert await channel(tmp_path, **mail_to(guarded), username=USER).send(PARCEL) == ""


@pytest.mark.parametrize("host", ["mail.example.com", "192.168.1.5", "8.8.8.8", "localhost.evil.example"])
async def test_a_simulated_homelab_sends_no_mail_beyond_this_machine(tmp_path: Path, host: str) -> None:
    mail = channel(tmp_path, host=host, simulated=True)
    with pytest.raises(NotTaken, match="this homelab is simulated, so nothing leaves this machine"):
        await mail.send(PARCEL)


async def test_who_is_refused_is_told_and_the_others_get_it(tmp_path: Path, plain: PostOffice) -> None:
    plain.refuse = {"gone@home.lan"}
    given = mail_to(plain) | {"to": ["gone@home.lan", "me@home.lan"]}
    assert await channel(tmp_path, **given).send(PARCEL) == "not to gone@home.lan: 550 no such mailbox"
    assert plain.recipients == [["me@home.lan"]]
    plain.refuse.add("me@home.lan")
    with pytest.raises(NotTaken, match="550 no such mailbox") as failed:
        await channel(tmp_path, **given).send(PARCEL)
    assert failed.value.how == "down"


BAD_DAYS = [
    ({"": "421 too busy"}, "down", "421 too busy"),
    ({"": CLOSE}, "down", "connecting"),
    ({"": HANG}, "down", "no answer within"),
    ({"EHLO": "502 no", "HELO": "502 no"}, "down", "502"),
    ({"EHLO": HANG}, "down", "no answer within"),
    ({"MAIL": "451 later"}, "down", "naming the sender: 451 later"),
    ({"MAIL": CLOSE}, "down", "naming the sender"),
    ({"RCPT": "450 greylisted"}, "down", "450 greylisted"),
    ({"DATA": "451 later"}, "down", "handing it over: 451 later"),
    ({"DATA": CLOSE}, "down", "handing it over"),
    ({"body": CLOSE, ".": CLOSE}, None, "handing it over"),
    ({".": "554 smells of spam"}, "rejected", "554 smells of spam"),
    ({".": "452 disk full"}, "down", "452 disk full"),
    ({".": CLOSE}, "unknown", "did not say whether it took the mail"),
    ({".": HANG}, "unknown", "no answer within"),
    ({".": "garbage"}, "unknown", "did not say"),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "how", "why"), BAD_DAYS, ids=[str(day[0]) for day in BAD_DAYS])
async def test_bad_days(tmp_path: Path, answers: dict[str, str], how: str | None, why: str) -> None:
    """``None``: the line is cut while the mail is under way; whether the end was sent is a matter of luck."""
    server = await Scripted(answers).open()
    mail = channel(tmp_path, port=server.port, starttls=False, timeout_s=0.4)
    with pytest.raises(NotTaken) as failed:
        async with asyncio.timeout(5):
            await mail.send(PARCEL)
    assert failed.value.how == (how or failed.value.how)
    assert why in str(failed.value)
    assert failed.value.error.next
    await server.close()


async def test_a_server_that_drips_is_cut_off_at_the_deadline(tmp_path: Path) -> None:
    """Each byte comes in time, the whole never."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"2")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mail = channel(tmp_path, port=port, starttls=False, timeout_s=0.4)
    with pytest.raises(NotTaken, match="no answer within"):
        async with asyncio.timeout(3):
            await mail.send(PARCEL)
    server.close()


async def test_a_goodbye_that_fails_changes_nothing(tmp_path: Path) -> None:
    server = await Scripted({"QUIT": CLOSE}).open()
    mail = channel(tmp_path, port=server.port, starttls=False)
    assert await mail.send(PARCEL) == ""
    await server.close()
