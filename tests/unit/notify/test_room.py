"""What is told to whom, in which words; tests, the log, the room's own trouble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import DailyReport, NotifyTest
from tests.unit.notify.conftest import Desk, OpenDesk, mail_to
from tests.unit.notify.post import PostOffice

OPERATOR = Principal(session="s", role="operator", client="cli")
VIEWER = Principal(session="v", role="viewer", client="hud")


def heads(office: PostOffice) -> list[str]:
    return [subject.partition("] ")[2] for subject in office.subjects()]


async def repair(desk: Desk, end: str, text: str, incident: str, severity: Any = "ok", **data: Any) -> None:
    given = {"repair": "7", "incident": incident, "runbook": "guest-crashed", "condition": "guest-crashed"}
    await desk.tell(f"repair.{end}", text, severity, "guest:105", **(given | data))


async def test_a_repair_is_told_once_and_in_one_thread(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    number = await desk.incident("pihole has stopped by itself")
    await desk.go(5)
    await repair(desk, "begun", "I start pihole.", number, "info")
    await desk.go(30)
    await repair(desk, "repaired", "pihole had stopped by itself. I started it; it runs again.", number)
    await desk.settle(number, "pihole runs again, after 40 s.")
    await desk.go(60)
    assert heads(post) == ["pihole has stopped by itself", "pihole has stopped by itself, repaired"]
    assert {str(mail["References"]) for mail in post.mails} == {str(post.mails[0]["References"])}
    assert f"incident-{number}@" in str(post.mails[0]["References"])
    assert "I started it; it runs again." in post.text()


async def test_the_end_is_told_where_the_repair_does_not_tell_it(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    failed = await desk.incident("pihole has stopped by itself")
    await repair(desk, "begun", "I start pihole.", failed, "info")
    await repair(desk, "failed", "It did not start.", failed, "error")
    await desk.settle(failed, "pihole runs again, after 40 s.")
    silent = await desk.incident("gitea has stopped by itself", target="guest:107")
    await repair(desk, "begun", "I start gitea.", silent, "info", silent=True)
    await repair(desk, "repaired", "It runs again.", silent, silent=True)
    await desk.settle(silent, "gitea runs again, after 40 s.")
    unheard = await desk.feed.post(
        "incident.closed", "Something healed.", severity="ok", data={"incident": "99", "condition": "x"}
    )
    await desk.go(120)
    text = " ".join(" ".join(post.text(number).split()) for number in range(len(post.mails)))
    assert len(post.mails) == 5
    assert "It did not start." in text
    assert "pihole runs again, after 40 s." in text
    assert "gitea runs again, after 40 s." in text
    assert "It runs again." not in text
    assert unheard is not None
    assert "Something healed" not in text


async def test_what_is_left_alone_is_told_once(open_desk: OpenDesk, post: PostOffice) -> None:
    """The refusal comes at once, the announcement after its grace; a critical fault is announced all the same."""
    desk = await open_desk(email=mail_to(post))
    for number, severity in (("1", "error"), ("2", "critical")):
        await repair(desk, "refused", f"Fault {number}. I leave it alone.", number, "warning")
        await desk.go(60)
        assert await desk.incident(f"fault {number}", severity, f"guest:{number}") == number
        await desk.go(60)
        await desk.settle(number, f"Fault {number} is over.")
        await desk.go(1000)
    assert heads(post) == [
        "Fault 1, left alone", "fault 1, settled", "Fault 2, left alone", "fault 2", "fault 2, settled",
    ]  # fmt: skip


async def test_an_escalation_tells_the_whole_story(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post, min_severity="critical"))
    number = await desk.incident("pihole has stopped by itself", "warning")
    other = await desk.incident("gitea has stopped by itself", "warning", "guest:107")
    for attempt in (1, 2, 3):
        await desk.go(600)
        await repair(desk, "begun", f"Attempt {attempt}: I start pihole.", number, "info")
    await repair(desk, "escalated", "Three attempts did not help.", number, "error", silent=True)
    await desk.go(10)
    assert heads(post) == ["pihole has stopped by itself, a person is needed"]
    text = post.text()
    story = [line.strip() for line in text.partition("The story of the incident:")[2].splitlines() if line.strip()]
    assert story[0].startswith("Fri 08:00:00  pihole has stopped by itself.")
    assert story[1].endswith("Attempt 1: I start pihole.")
    assert story[3].endswith("Attempt 3: I start pihole.")
    assert "Three attempts did not help" in story[4]
    assert "gitea" not in text
    assert other != number


async def test_an_escalation_keeps_its_story_in_a_digest(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    number = await desk.incident("pihole has stopped by itself")
    await desk.go(60)
    await repair(desk, "begun", "Attempt 1: I start pihole.", number, "info")
    await repair(desk, "escalated", "Three attempts did not help.", number, "error")
    await desk.go(60)
    post.open()
    await desk.go(3600)
    assert heads(post) == ["2 messages: 1 for a person, 1 error"]
    text = post.text()
    places = [text.index(part) for part in ("A PERSON IS NEEDED (1)", "Attempt 1: I start pihole.", "ERRORS (1)")]
    assert places == sorted(places)


async def test_an_event_that_cannot_be_worded_stops_nothing(
    open_desk: OpenDesk, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its incident's row is damaged: it is told plainly, and what comes after it too."""
    desk = await open_desk(email=mail_to(post))
    number = await desk.incident("pihole has stopped by itself")
    await desk.store.write(lambda db: db.execute("update incidents set body = 'no json' where id = ?", [number]))
    await desk.tell("node.odd", "pve is odd.", "error", "node:pve")
    await desk.go(10)
    assert heads(post) == ["pihole has stopped by itself", "pve is odd"]
    assert "It was up for 3 d." in post.text(0)


UNWANTED = [
    ("heartbeat", "4 nodes online. Open: something.", "critical", {}),
    ("storage.check", "Storages: tank 95 %.", "warning", {}),
    ("repair.begun", "I start pihole.", "info", {}),
    ("repair.repaired", "It runs again.", "ok", {"silent": True}),
    ("repair.over", "It went away by itself.", "info", {}),
    ("tool.failed", "start_vm failed.", "error", {"by": "runbook:guest-crashed"}),
    ("guest.started", "pihole was started by root@pam.", "info", {}),
    ("notify.failed", "Messages by email cannot be sent.", "warning", {"channel": "email"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "severity", "data"), UNWANTED)
async def test_what_is_not_told(
    open_desk: OpenDesk, post: PostOffice, kind: str, text: str, severity: Any, data: dict[str, Any]
) -> None:
    desk = await open_desk(email=mail_to(post))
    await desk.tell(kind, text, severity, **data)
    await desk.tell("kill", "The kill switch is engaged: nothing acts until it is released.", "warning")
    await desk.go(60)
    assert heads(post) == ["The kill switch is engaged: nothing acts until it is released"]


@pytest.mark.parametrize("kind", ["refused", "recommended", "failed", "reported", "cancelled", "asking"])
async def test_every_end_of_a_repair_is_told(open_desk: OpenDesk, post: PostOffice, kind: str) -> None:
    desk = await open_desk(email=mail_to(post, min_severity="critical"))
    await repair(desk, kind, "The whole story.", "1", "info")
    await desk.go(60)
    assert len(post.mails) == 1


async def test_each_question_is_told_though_one_was_asked_a_moment_before(
    open_desk: OpenDesk, post: PostOffice
) -> None:
    """The second step of a repair asks too, and its approval ends after five minutes."""
    desk = await open_desk(email=mail_to(post))
    await repair(desk, "asking", "pihole has stopped. May I take a snapshot of it?", "1", "warning")
    await desk.go(60)
    await repair(desk, "asking", "pihole has stopped. May I start it?", "1", "warning")
    await desk.go(60)
    assert [("snapshot" in post.text(n), "start it" in post.text(n)) for n in range(len(post.mails))] == [
        (True, False), (False, True),
    ]  # fmt: skip


async def test_routes(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post, kinds=["incident.*", "heartbeat"], min_severity="error"))
    await desk.incident("a warning", "warning")
    await desk.incident("an error", "error", "guest:107")
    await repair(desk, "refused", "The whole story.", "1")
    await desk.tell("heartbeat", "Open: something.", "error")
    await desk.go(60)
    assert sorted(heads(post)) == ["Open: something", "an error"]


async def test_text_from_outside_stays_text(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    name = "evil\r\nBcc: thief@evil.example\x1b[2J\u202e token=abcdefgh12345"
    await desk.incident(f"{name} has stopped")
    await desk.go(10)
    (raw,) = post.raw
    head = raw.partition(b"\r\n\r\n")[0]
    assert not any(line.lower().startswith(b"bcc") for line in head.splitlines())
    everything = str(post.mails[0]["Subject"]) + post.text()
    assert "\x1b" not in everything
    assert "\u202e" not in everything
    assert "abcdefgh12345" not in everything
    assert "token=***" in everything


async def test_trouble_is_told_once_and_on_the_other_channel(
    open_desk: OpenDesk, post: PostOffice, tmp_path: Path
) -> None:
    """Mail is away, and ntfy has no URL: each tells of the other when it comes back, neither of itself."""
    desk = await open_desk(email=mail_to(post), apprise={"phone": {"url_file": "phone-url"}})
    await desk.incident("pve is unreachable")
    await desk.go(3600)
    told = await desk.told("notify.failed")
    assert [event.data["channel"] for event in told] == ["phone"]
    assert "cannot be read" in told[0].text
    assert heads(post) == ["pve is unreachable", "Messages by phone cannot be sent, and wait"]
    log = await desk.log()
    assert [m.kind for m in log if m.channel == "phone"] == ["incident.opened"]


async def test_a_test_message(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post), apprise={"phone": {"url_file": "phone-url"}})
    ask = desk.bus.ask
    both = await ask("notify.test", NotifyTest(), OPERATOR)
    assert both.results["email"] == "sent"
    assert "cannot be read" in both.results["phone"]
    assert both.ok is False
    assert heads(post) == ["a test message"]
    assert (await ask("notify.test", NotifyTest(channel="email"), OPERATOR)).ok is True
    assert sorted((m.channel, m.status) for m in await desk.log()) == [
        ("email", "sent"), ("email", "sent"), ("phone", "failed"),
    ]  # fmt: skip
    with pytest.raises(JarvisError, match="There is no channel 'sms'"):
        await ask("notify.test", NotifyTest(channel="sms"), OPERATOR)
    with pytest.raises(JarvisError, match="viewer may not call"):
        await ask("notify.test", NotifyTest(), VIEWER)


async def test_a_test_that_gets_through_ends_the_wait(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    post.close()
    await desk.incident("pve is unreachable")
    await desk.go(3600)
    post.open()
    assert (await desk.bus.ask("notify.test", NotifyTest(), OPERATOR)).ok
    await desk.go(1)
    assert heads(post) == ["a test message", "pve is unreachable"]


async def test_nobody_to_tell(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    with pytest.raises(JarvisError, match="Nobody is told of anything"):
        await desk.bus.ask("notify.test", NotifyTest(), OPERATOR)
    with pytest.raises(JarvisError, match="No channel gets the report"):
        await desk.bus.ask("report.daily", DailyReport(send=True), OPERATOR)


async def test_a_mail_that_is_not_wanted_does_not_hold_up_the_others(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    answers = iter(["554 smells of spam"])
    post.on_data = lambda: next(answers, None)
    await desk.incident("cheap pills has stopped", target="guest:1")
    await desk.go(5)
    await desk.incident("pihole has stopped", target="guest:2")
    await desk.go(10)
    assert heads(post) == ["pihole has stopped"]
    assert [(m.status, m.attempts) for m in await desk.log()] == [("queued", 1), ("sent", 1)]
    assert [e.kind for e in await desk.feed.topic.history() if e.kind.startswith("notify.")] == ["notify.rejected"]
    await desk.go(60)
    assert heads(post) == ["pihole has stopped", "cheap pills has stopped"]


async def test_what_may_have_arrived_is_not_put_into_another_parcel(open_desk: OpenDesk, post: PostOffice) -> None:
    """The server did not say whether it took it; meanwhile more happened."""
    desk = await open_desk(email=mail_to(post))
    post.on_data = lambda: "999 what"  # no reply that anybody understands
    await desk.incident("pihole has stopped", target="guest:2")
    await desk.go(5)
    post.on_data = lambda: None
    await desk.incident("gitea has stopped", target="guest:3")
    await desk.go(120)
    assert sorted(heads(post)) == ["gitea has stopped", "pihole has stopped"]
    assert all("messages" not in head for head in heads(post))


async def test_who_heard_that_nothing_acts_hears_that_it_acts_again(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post))
    await desk.tell("kill", "The kill switch is engaged: nothing acts.", "warning", engaged=True)
    await desk.go(60)
    await desk.tell("kill", "The kill switch is released.", "ok", engaged=False)
    await desk.go(60)
    assert heads(post) == ["The kill switch is engaged: nothing acts", "The kill switch is released"]
    assert ["unkill" in post.text(n) for n in range(2)] == [True, False]


async def test_who_heard_that_it_is_left_alone_hears_that_it_is_over_once(
    open_desk: OpenDesk, post: PostOffice
) -> None:
    desk = await open_desk(email=mail_to(post))
    await repair(desk, "refused", "pve does not answer. I leave it alone: no quorum.", "1", "warning")
    await desk.go(60)
    await repair(desk, "over", "pve does not answer. It has gone away without me.", "1", "info")
    await repair(desk, "over", "plex has stopped. It has gone away without me.", "2", "info")
    await desk.go(60)
    assert len(post.mails) == 2
    assert "gone away without me" in post.text(1)
