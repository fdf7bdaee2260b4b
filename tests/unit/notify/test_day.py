"""A day without a mail server, storms, quiet hours, restarts: nothing is lost, nothing comes twice."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.notify.sender import Sender
from tests.unit.notify.conftest import MORNING, OpenDesk, mail_to
from tests.unit.notify.post import PostOffice

HOUR = 3600.0


class Killed(Exception):
    """The moment of a kill -9."""


async def test_a_message_goes_at_once_and_once(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    number = await desk.incident("pihole has stopped by itself")
    await desk.go(5)
    assert post.subjects() == ["[Jarvis homelab, SIMULATED] pihole has stopped by itself"]
    assert "It was up for 3 d." in post.text()
    assert f"jarvis incident show {number}" in post.text()
    await desk.go(HOUR)
    assert len(post.mails) == 1
    (message,) = await desk.log()
    assert (message.status, message.attempts, message.held) == ("sent", 1, "")


async def test_a_day_without_mail_loses_nothing_and_sends_one_digest(open_desk: OpenDesk, post: PostOffice) -> None:
    """The server is really away: connections are refused for 24 hours, while a daemon restarts twice."""
    desk = await open_desk(email=mail_to(post, report=True), report_at="07:00")
    post.close()
    happened = []
    for hour in range(24):
        await desk.incident(f"fault number {hour} of the day", target=f"guest:{100 + hour}")
        happened.append(f"fault number {hour} of the day")
        await desk.go(HOUR)
        if hour in {7, 15}:
            desk = await open_desk(desk.clock, email=mail_to(post, report=True), report_at="07:00")
    assert post.mails == []
    assert {message.status for message in await desk.log()} == {"queued"}
    assert len(await desk.told("notify.failed")) == 1

    post.open()
    await desk.go(HOUR)
    assert len(post.mails) == 1
    text = " ".join(post.text().split())
    for line in happened:
        assert text.count(f"{line}. It was up for 3 d.") == 1, line
    assert "25 messages: 24 errors, 1 for information" in post.subjects()[0]
    assert "The report of Saturday 16 January 2027, 07:00" in text
    assert text.index("fault number 0 ") < text.index("fault number 23 ")
    messages = await desk.log()
    assert [message.status for message in messages] == ["sent"] * 25
    assert len(await desk.told("notify.restored")) == 1

    desk = await open_desk(desk.clock, email=mail_to(post, report=True), report_at="07:00")
    await desk.go(2 * HOUR)
    assert len(post.mails) == 1, "something came twice"


async def test_retries_slow_down_to_half_an_hour(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    tried: list[float] = []
    sender = desk.room.senders["email"]
    send = sender.channel.send

    async def counted(parcel: Any) -> str:
        tried.append(desk.clock.monotonic())
        return await send(parcel)

    sender.channel.send = counted  # type: ignore[method-assign]
    await desk.go(4 * HOUR)
    waits = [round(later - earlier) for earlier, later in itertools.pairwise(tried)]
    assert waits[:7] == [30, 60, 120, 240, 480, 960, 1800]
    assert set(waits[7:]) == {1800}
    (message,) = await desk.log()
    assert message.attempts == len(tried)
    assert "refused" in message.held.lower()
    assert message.next_at is not None


async def test_the_wait_goes_on_after_a_restart(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    await desk.go(200)
    attempts = (await desk.log())[0].attempts
    desk = await open_desk(desk.clock, email=mail_to(post))
    await desk.go(1)
    assert (await desk.log())[0].attempts == attempts
    post.open()
    await desk.go(300)
    assert len(post.mails) == 1


@pytest.mark.parametrize("severity", ["error", "critical"])
async def test_thirty_incidents_at_once_are_one_digest(
    open_desk: OpenDesk, post: PostOffice, severity: str
) -> None:
    desk = await open_desk(email=mail_to(post))
    for guest in range(30):
        await desk.incident(f"guest {guest} has stopped", severity, f"guest:{guest}")
    await desk.go(90)
    word = "errors" if severity == "error" else "critical"
    assert post.subjects() == [f"[Jarvis homelab, SIMULATED] 30 messages: 30 {word}"]
    text = " ".join(post.text().split())
    assert all(text.count(f"guest {guest} has stopped.") == 1 for guest in range(30))


async def test_a_storm_that_goes_on_is_a_digest_a_minute(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    for number in range(60):
        await desk.incident(f"fault {number} seen", target=f"guest:{number}")
        await desk.go(5)
    await desk.go(120)
    listed = re.findall(r"fault (\d+) seen\.", " ".join(" ".join(m.get_content().split()) for m in post.mails))
    assert sorted(map(int, listed)) == list(range(60))
    assert len(post.mails) <= 5 + 6


async def test_quiet_hours_over_midnight(open_desk: OpenDesk, post: PostOffice) -> None:
    clock = ManualClock(MORNING + 14.75 * HOUR)  # 22:45
    desk = await open_desk(clock, email=mail_to(post, quiet="22:30-07:00"))
    await desk.incident("storage tank is 91 % full", "warning", "storage:tank", "storage-high")
    await desk.go(2 * HOUR)
    await desk.incident("gitea has stopped", "error", "guest:107")
    await desk.go(HOUR)
    assert post.mails == []
    assert {message.held for message in await desk.log()} == {"quiet hours"}
    await desk.incident("quorum is lost", "critical", "cluster:homelab", "quorum-lost")
    await desk.go(60)
    assert post.subjects() == ["[Jarvis homelab, SIMULATED] quorum is lost"]
    await desk.tell("repair.escalated", "I could not mend plex. A person is needed.", "error", "guest:103",
                    incident="2", condition="guest-crashed")  # fmt: skip
    await desk.go(60)
    assert len(post.mails) == 2
    await desk.go(5 * HOUR)  # to 06:47
    assert len(post.mails) == 2
    await desk.go(0.5 * HOUR)
    assert len(post.mails) == 3
    assert "2 messages: 1 error, 1 warning" in post.subjects()[2]
    assert "quiet hours" in post.text()
    await desk.go(24 * HOUR, step=HOUR)
    assert len(post.mails) == 3


async def test_one_held_message_comes_as_itself(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(ManualClock(MORNING + 15 * HOUR), email=mail_to(post, quiet="22:30-07:00"))
    await desk.incident("gitea has stopped")
    await desk.go(10 * HOUR)
    assert post.subjects() == ["[Jarvis homelab, SIMULATED] gitea has stopped"]


async def test_a_fault_that_comes_back_is_told_again_only_if_it_stays(
    open_desk: OpenDesk, post: PostOffice
) -> None:
    desk = await open_desk(email=mail_to(post))
    first = await desk.incident("pihole has stopped by itself")
    await desk.go(60)
    await desk.settle(first, "pihole runs again, after 60 s.")
    await desk.go(60)
    flaps = await desk.incident("pihole has stopped by itself")
    await desk.go(60)
    await desk.settle(flaps, "pihole runs again, after 60 s.")
    await desk.go(60)
    assert [subject.partition("] ")[2] for subject in post.subjects()] == [
        "pihole has stopped by itself", "pihole has stopped by itself, settled",
    ]  # fmt: skip
    await desk.incident("pihole has stopped by itself")
    await desk.go(5 * 60)
    assert len(post.mails) == 2
    await desk.go(10 * 60)
    assert len(post.mails) == 3, "it stays, and nobody knows"
    assert [m.status for m in await desk.log()] == ["sent", "sent", "skipped", "skipped", "sent"]


async def test_graver_is_told_at_once(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    for severity in ("warning", "warning", "critical"):
        await desk.tell("storage.odd", "tank looks odd.", severity, "storage:tank", condition="storage-odd")
        await desk.go(30)
    assert len(post.mails) == 2


async def test_untold_messages_are_no_reason_to_skip(open_desk: OpenDesk, post: PostOffice) -> None:
    """Deduplication after delivery, not before."""
    desk = await open_desk(email=mail_to(post))
    post.close()
    for _ in range(2):
        await desk.tell("storage.odd", "tank looks odd.", "warning", "storage:tank", condition="storage-odd")
        await desk.go(10)
    post.open()
    await desk.go(HOUR)
    assert len(post.mails) == 1
    assert "2 messages: 2 warnings" in post.subjects()[0]
    assert {message.status for message in await desk.log()} == {"sent"}


async def test_the_cursor_survives_and_history_is_not_told(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk()  # nobody is told: what happens now is of the past later
    await desk.tell("node.odd", "long ago", "critical")
    desk = await open_desk(desk.clock, email=mail_to(post))
    await desk.tell("node.odd", "before the kill", "error", "node:pve")
    desk = await open_desk(desk.clock, email=mail_to(post))  # it was never followed in that life
    await desk.go(10)
    assert [s.partition("] ")[2] for s in post.subjects()] == ["before the kill"]


async def test_what_waits_for_a_channel_that_is_taken_away(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    await desk.go(60)
    desk = await open_desk(desk.clock, email=mail_to(post, enabled=False))
    assert [(m.status, m.held) for m in await desk.log()] == [
        ("skipped", "the channel is not configured any more")
    ]  # fmt: skip
    post.open()
    desk = await open_desk(desk.clock, email=mail_to(post))
    await desk.go(HOUR)
    assert post.mails == []


async def test_a_clock_that_leaps_sends_no_storm_and_waits_not_for_ever(
    open_desk: OpenDesk, post: PostOffice
) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    await desk.go(HOUR)
    desk.clock.jump(-400 * 86400)
    await desk.go(10)
    desk = await open_desk(desk.clock, email=mail_to(post))  # the next try lies 400 days ahead now
    post.open()
    await desk.go(HOUR)
    assert len(post.mails) == 1

    post.close()
    await desk.incident("pve is unreachable again", target="node:pve")
    await desk.go(60)
    desk.clock.jump(800 * 86400)  # older than a week at a stroke
    await desk.go(HOUR)
    assert [m.status for m in await desk.log()] == ["sent", "queued"]
    post.open()
    await desk.go(HOUR)
    assert len(post.mails) == 2


async def test_after_a_week_of_tries_it_is_given_up_and_said_once(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    await desk.go(6.9 * 86400, step=HOUR)
    assert [m.status for m in await desk.log()] == ["queued"]
    await desk.go(0.5 * 86400, step=HOUR)
    assert [m.status for m in await desk.log()] == ["failed"]
    assert len(await desk.told("notify.given_up")) == 1
    assert len(await desk.told("notify.failed")) == 1


async def test_what_was_sealed_before_a_kill_goes_again_under_the_same_id(
    open_desk: OpenDesk, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken by the server, but we died before that was written: a mailbox sees the same Message-ID twice."""
    desk = await open_desk(email=mail_to(post))

    async def killed(self: Sender, *_: Any) -> None:
        raise Killed

    for guest in range(8):
        await desk.incident("guest has stopped", target=f"guest:{guest}")
    with monkeypatch.context() as patched:
        patched.setattr(Sender, "_taken", killed)
        with pytest.raises(Killed):
            await desk.go(30)
    assert len(post.mails) == 1
    desk = await open_desk(desk.clock, email=mail_to(post))
    await desk.incident("something else", target="node:pve", condition="node-unreachable")
    await desk.go(120)
    ids = [str(mail["Message-ID"]) for mail in post.mails]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 2
    assert post.text(0) == post.text(1)
    assert {m.status for m in await desk.log()} == {"sent"}
