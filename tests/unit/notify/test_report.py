"""The daily report: its words, its figures, and that it comes once a local day."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.notify.hours import is_quiet, local_day, moment_of
from jarvis_daemon.notify.report import Findings, write
from jarvis_daemon.notify.wording import Words
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import DailyReport, DailyReportResult, ToolCall, ToolOutcome
from jarvis_daemon.protocol.state import (
    Approval,
    Autonomy,
    Cluster,
    Guest,
    Incident,
    KillSwitchState,
    Node,
    Source,
    Task,
)
from tests.unit.notify.conftest import HEAD, MORNING, Desk, OpenDesk, mail_to
from tests.unit.notify.post import PostOffice

OPERATOR = Principal(session="s", role="operator", client="cli")
VIEWER = Principal(session="v", role="viewer", client="hud")
HOUR, DAY = 3600.0, 86400.0


async def report(desk: Desk, hours: float = 24.0) -> DailyReportResult:
    answer = await desk.bus.ask("report.daily", DailyReport(hours=hours), VIEWER)
    assert isinstance(answer, DailyReportResult)
    return answer


async def measured(desk: Desk, storage: str, days_ago: float, share: float) -> None:
    at = int((desk.clock.now() - days_ago * DAY) // 3600) * 3600
    row = ["homelab", storage, "used", "hour", at, 60, 60 * share, share, share]
    await desk.store.write(lambda db: db.execute("insert into metrics values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row))


async def repaired(desk: Desk, incident: str, status: str) -> None:
    values = ["homelab", incident, "guest-crashed", "guest:105", "guest-crashed", status, desk.clock.now()]
    await desk.store.write(lambda db: db.execute(
        "insert into repairs (cluster, incident, condition, target, runbook, status, began_at, body, facts) "
        "values (?, ?, ?, ?, ?, ?, ?, '', '')", values,
    ))  # fmt: skip


def seen(desk: Desk, freshness: Any = "fresh", error: str | None = None) -> None:
    """The cluster as its last round told it."""
    source = Source(id="source:homelab/resources", what="resources", freshness=freshness, error=error)
    desk.bus.state("cluster").apply({"sources": {source.id: source}})


async def test_what_is_not_seen_is_not_called_well(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    never = await report(desk)
    assert never.subject.endswith("Daily report: the cluster is not seen")
    assert "I do not see the cluster at present: it has not been asked yet." in " ".join(never.text.split())
    seen(desk, "stale", "https://pve:8006 does not answer")
    stale = await report(desk)
    assert "at present: https://pve:8006 does not answer." in " ".join(stale.text.split())
    for told in (never, stale):
        text = " ".join(told.text.split())
        assert "all is well" not in text.lower().replace("whether all is well i cannot tell", "")
        assert "dusted" not in told.text


async def test_a_quiet_day(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    seen(desk)
    told = await report(desk)
    assert told.subject == "[Jarvis homelab, SIMULATED] Daily report: all is well"
    assert "Good morning. My report of the last 24 hours, if I may. All is well" in " ".join(told.text.split())
    assert told.sections["needs you"] == []
    assert told.sections["repairs"] == ["Nothing was repaired, and nothing had to be"]
    assert "dusted" in told.text
    assert HEAD in told.text
    assert "Nothing is known of the cluster yet" in told.sections["standing"]


async def test_a_bad_day(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    await desk.incident("an old fault of last week", target="guest:1")
    desk.clock.jump(3 * DAY)
    healed = await desk.incident("pihole has stopped by itself")
    await desk.tell("repair.begun", "I start it.", "info", incident=healed, repair="1")
    await desk.tell("repair.repaired", "pihole had stopped; I started it.", "ok", incident=healed, repair="1")
    await repaired(desk, healed, "repaired")
    desk.clock.jump(600)
    await desk.settle(healed, "pihole runs again.")
    stuck = await desk.incident("plex has stopped by itself", target="guest:103")
    await desk.tell("repair.escalated", "Three attempts did not help.", "error", incident=stuck, repair="2")
    await repaired(desk, stuck, "failed")
    await repaired(desk, stuck, "escalated")
    await desk.incident("nextcloud has no recent backup", "warning", "guest:108", "backup-missing")
    level = Autonomy(id="autonomy:main", level=3, effective=2, why="one endpoint answers")
    nodes = [Node(id="node:a", status="online"), Node(id="node:b", status="offline")]
    guests = [Guest(id="guest:1", status="running"), Guest(id="guest:9", template=True)]
    desk.bus.state("approvals").apply({
        "approvals": {"ab12": Approval(id="ab12", tool="migrate_guest", summary="Move plex to pve")},
        "autonomy": {level.id: level},
        "killswitch": {"killswitch:main": KillSwitchState(id="killswitch:main", engaged=True)},
    })  # fmt: skip
    desk.bus.state("cluster").apply({
        "clusters": {"cluster:homelab": Cluster(id="cluster:homelab", name="homelab", quorate=True)},
        "nodes": {node.id: node for node in nodes},
        "guests": {guest.id: guest for guest in guests},
    })  # fmt: skip
    told = await report(desk)
    assert told.subject.endswith("Daily report: 5 matters for you")
    needs = told.sections["needs you"]
    assert [line.partition(" (")[0] for line in needs[:3]] == [
        "an old fault of last week", "plex has stopped by itself", "nextcloud has no recent backup",
    ]  # fmt: skip
    assert "my repairs did not mend it" in needs[1]
    assert f"jarvis incident show {stuck}" in needs[1]
    assert needs[3] == "Move plex to pve waits for your word: `jarvis approve ab12`"
    assert needs[4].startswith("The kill switch is engaged")
    assert told.sections["happened"][0] == "3 faults opened, 1 settled, 3 open now"
    assert told.sections["repairs"][0] == "1 repaired, 1 handed to you"
    assert told.sections["backups"] == ["nextcloud has no recent backup"]
    assert told.sections["standing"][:3] == [
        "1 of 2 nodes online, 1 of 1 guests run, quorum holds", "Autonomy: L2, I recommend",
        "Chosen was L3: one endpoint answers",
    ]  # fmt: skip
    assert "dusted" not in told.text
    assert "where it belongs" not in told.text
    assert f"`jarvis incident show {stuck}`" in told.text, "a command that can be copied stays on its line"
    assert max(len(line) for line in told.text.splitlines()) <= 80


async def test_storages_that_grow(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    for days, share in ((0, 0.80), (1, 0.78), (7, 0.66)):
        await measured(desk, "storage:tank", days, share)
    await measured(desk, "storage:pve/local", 0, 0.30)
    await measured(desk, "storage:pve/local", 1, 0.301)
    await measured(desk, "storage:gone", 3, 0.99)
    await measured(desk, "storage:new", 0, 0.85)
    told = await report(desk)
    assert told.sections["storage"] == [
        "new: 85.0% full, no older figures yet",
        "tank: 80.0% full, +2.0 points in a day, +14.0 points in 7 days",
    ]  # fmt: skip


async def test_growth_over_thirty_days_and_what_is_kept_where_that_is_less(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    for days, share in ((0, 0.80), (7, 0.75), (30, 0.60), (45, 0.10)):
        await measured(desk, "storage:long", days, share)
    for days, share in ((0, 0.50), (3, 0.40)):
        await measured(desk, "storage:young", days, share)
    for days, share in ((0, 0.70), (7, 0.68), (12, 0.60)):
        await measured(desk, "storage:middle", days, share)
    day = int((desk.clock.now() - 30 * DAY) // DAY) * int(DAY)
    await measured(desk, "storage:days", 0, 0.90)
    row = ["homelab", "storage:days", "used", "day", day, 60, 60 * 0.5, 0.5, 0.5]
    await desk.store.write(lambda db: db.execute("insert into metrics values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row))
    told = await report(desk)
    assert told.sections["storage"] == [
        "days: 90.0% full, +40.0 points in 30 days",
        "long: 80.0% full, +5.0 points in 7 days, +20.0 points in 30 days",
        "middle: 70.0% full, +2.0 points in 7 days, +10.0 points in 12 days, all that is kept",
        "young: 50.0% full, +10.0 points in 3 days, all that is kept",
    ]
    for word in ("will", "forecast", "expect", "predict"):
        assert f" {word} " not in told.text, "no word of times to come"


async def test_prose_is_wanted_given_by_a_model_and_never_sent(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post, report=True), report_at="")
    given: list[str] = []

    async def tell(text: str) -> tuple[str, str]:
        given.append(text)
        if len(given) > 1:
            raise JarvisError("unavailable", "No language model answered")
        return "All is \x1b[2Jquiet, sir.", "local qwen"

    asked = DailyReport(prose=True)
    assert (await desk.bus.ask("report.daily", asked, OPERATOR)).prose == "", "nobody can tell it"
    with pytest.raises(JarvisError, match="Only an operator has a model asked"):
        await desk.bus.ask("report.daily", asked, VIEWER)
    desk.room.tell = tell
    assert (await report(desk)).prose == ""
    assert given == [], "no model is asked without being wanted"
    told = await desk.bus.ask("report.daily", DailyReport(prose=True, send=True), OPERATOR)
    assert (told.prose, told.backend) == ("All is quiet, sir.", "local qwen")
    assert given == [told.text]
    failed = await desk.bus.ask("report.daily", asked, OPERATOR)
    assert (failed.prose, failed.backend) == ("", "")
    assert failed.text
    await desk.go(60)
    assert len(post.mails) == 1
    assert "quiet, sir" not in str(post.mails[0])


async def test_the_night_s_backups(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    now = desk.clock.now()

    def run(vmid: str, status: Any, hours_ago: float, why: str | None = None) -> Task:
        ended = None if status == "running" else now - hours_ago * HOUR + 60
        return Task(
            id=f"UPID:{vmid}:{status}", node="pve", type="vzdump", target=vmid, status=status, exit_text=why,
            started_at=now - hours_ago * HOUR, ended_at=ended,
        )  # fmt: skip

    tasks = [
        run("101", "ok", 5), run("102", "ok", 5), run("103", "failed", 4, "no \x1b[31mspace left"),
        run("104", "running", 1), run("105", "unknown", 2), run("106", "failed", 50),
        Task(id="UPID:x", node="pve", type="qmstart", target="101", status="failed", started_at=now - HOUR),
    ]  # fmt: skip
    desk.bus.state("tasks").apply({"tasks": {task.id: task for task in tasks}})
    desk.bus.state("cluster").apply({"guests": {"guest:103": Guest(id="guest:103", vmid=103, name="plex")}})
    await desk.incident("nextcloud has no recent backup", "warning", "guest:108", "backup-missing")
    assert (await report(desk)).sections["backups"] == [
        "5 backup tasks: 2 went well, 1 failed, 1 still running, 1 of unknown end",
        "Fri 04:01 plex on pve: no space left", "Fri 06:01 guest 105 on pve", "nextcloud has no recent backup",
    ]  # fmt: skip


async def test_updates_that_wait(open_desk: OpenDesk) -> None:
    """Asked of each node through the gate once in a while; what is not known is said to be so."""
    desk = await open_desk()
    assert (await report(desk)).sections["updates"] == ["Not known: no node has been asked"]
    asked: list[str] = []

    async def call(params: ToolCall, principal: Principal) -> AsyncIterator[ToolOutcome]:
        node = params.args["node"]
        asked.append(f"{params.name} {node}")
        if node == "mute":
            raise JarvisError("cluster_unreachable", "mute does not answer", why="timed out")
        waiting = [{"package": "pve-kernel"}, {"package": "openssl"}] if node == "home" else []
        result = {"updates": waiting, "security": len(waiting) // 2, "reboot_after": bool(waiting)}
        yield ToolOutcome(tool=params.name, outcome="done", result=result)

    desk.bus.offer("tool.call", call)
    nodes = [Node(id=f"node:{n}", name=n, status="online") for n in ("home", "agent", "mute")]
    nodes.append(Node(id="node:dead", name="dead", status="offline"))
    desk.bus.state("cluster").apply({"nodes": {node.id: node for node in nodes}})
    told = await report(desk)
    assert told.sections["updates"] == [
        "home: 2 updates, 1 for security, with a new kernel", "None for agent", "Not known of dead: it is offline",
        "Not known of mute: mute does not answer: timed out",
    ]  # fmt: skip
    assert sorted(asked) == [f"get_updates_available {node}" for node in ("agent", "home", "mute")]
    await report(desk)
    assert len(asked) == 4, "what is known is kept; what is not is asked again"
    await desk.clock.advance(7 * HOUR)
    await report(desk)
    assert len(asked) == 7


async def test_a_healed_fault_that_nobody_heard_of_is_not_listed(open_desk: OpenDesk) -> None:
    desk = await open_desk()
    from jarvis_daemon.incidents import rows

    quiet = rows.Kept(incident=Incident(id="", cluster="homelab", condition="x", target="y", title="a blink"))
    quiet.incident.status, quiet.incident.opened_at, quiet.incident.closed_at = "closed", MORNING - 9, MORNING - 1
    await desk.store.write(lambda db: rows.insert_incident(db, quiet))
    assert "a blink" not in (await report(desk)).text
    await desk.store.write(
        lambda db: db.execute(
            "insert into repairs (cluster, incident, condition, target, runbook, status, began_at, acted_at, body, "
            "facts) values ('homelab', ?, 'x', 'y', 'z', 'repaired', 1, 2, '', '')",
            [quiet.incident.id],
        )
    )
    assert "a blink" in (await report(desk)).text, "what was repaired within its grace counts"


async def test_who_may_ask_for_what(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post, report=True), report_at="")
    with pytest.raises(JarvisError, match="Only an operator"):
        await desk.bus.ask("report.daily", DailyReport(send=True), VIEWER)
    for hours in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(JarvisError, match="looks back"):
            await report(desk, hours)
    await desk.bus.ask("report.daily", DailyReport(send=True), OPERATOR)
    await desk.go(2 * DAY, step=HOUR)
    assert [s.partition("] ")[2] for s in post.subjects()] == ["Daily report: the cluster is not seen"]


async def test_once_a_day_whoever_restarts(open_desk: OpenDesk, post: PostOffice) -> None:
    given = {"email": mail_to(post, report=True, quiet="22:00-09:00"), "report_at": "07:00"}
    desk = await open_desk(**given)  # 08:00: the hour of the first day is over
    await desk.go(10 * HOUR)
    assert post.mails == []
    for _ in range(8):
        await desk.go(6 * HOUR)
        desk = await open_desk(desk.clock, **given)
    days = [mail["Date"].datetime for mail in post.mails]
    assert [(day.day, day.hour, day.minute) for day in days] == [(16, 7, 0), (17, 7, 0)]


async def test_a_clock_that_jumps_back_sends_no_second_one(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await open_desk(email=mail_to(post, report=True), report_at="07:00")
    await desk.go(23.5 * HOUR)
    assert len(post.mails) == 1
    desk.clock.jump(-2 * HOUR)
    await desk.go(3 * HOUR)
    assert len(post.mails) == 1


@pytest.mark.parametrize(("begin", "expected"), [
    ((2027, 3, 26), [(27, 2, 30), (28, 3, 30), (29, 2, 30), (30, 2, 30)]),  # 28 March: 02:30 does not exist
    ((2027, 10, 29), [(30, 2, 30), (31, 2, 30), (1, 2, 30), (2, 2, 30)]),  # 31 October: 02:30 comes twice
])  # fmt: skip
async def test_days_of_23_and_25_hours(
    open_desk: OpenDesk, post: PostOffice, monkeypatch: pytest.MonkeyPatch, begin: tuple[int, int, int],
    expected: list[tuple[int, int, int]],
) -> None:  # fmt: skip
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    clock = ManualClock(time.mktime((*begin, 12, 0, 0, 0, 0, -1)))
    desk = await open_desk(clock, email=mail_to(post, report=True), report_at="02:30")
    sent = []
    for _ in range(4 * 24 * 4):
        before = len(post.mails)
        await desk.go(900, step=900)
        if len(post.mails) > before:
            local = time.localtime(desk.clock.now())
            sent.append((local.tm_mday, local.tm_hour, local.tm_min // 30 * 30))
    assert len(sent) == 4
    assert [day for day, _, _ in sent] == [day for day, _, _ in expected]
    assert [hour for _, hour, _ in sent] == [hour for _, hour, _ in expected]


@pytest.mark.parametrize(("window", "clock", "quiet"), [
    ("22:30-07:00", "22:29", False), ("22:30-07:00", "22:30", True), ("22:30-07:00", "00:00", True),
    ("22:30-07:00", "06:59", True), ("22:30-07:00", "07:00", False), ("01:00-05:00", "03:00", True),
    ("01:00-05:00", "00:59", False), ("01:00-05:00", "05:00", False), ("08:00-08:00", "08:00", False),
    (None, "03:00", False),
])  # fmt: skip
def test_quiet_hours(window: str | None, clock: str, quiet: bool) -> None:
    assert is_quiet(window, moment_of(local_day(MORNING), clock)) is quiet


def test_what_is_said_holds_no_secrets_and_no_escapes() -> None:
    evil = Incident(id="1", title="x\x1b[2J token=abcdefgh12345\n", severity="error", status="open")
    told = write(Findings(now=MORNING, since=MORNING - DAY, open=[evil], opened=[evil]), Words("home\nlab"))
    assert "\x1b" not in told.text + told.subject + str(told.sections)
    assert "abcdefgh" not in told.text + str(told.sections)
    assert "\n" not in told.subject
