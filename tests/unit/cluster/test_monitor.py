"""The parts of the watch that need no cluster: quorum, tasks, ages, rhythm, the feed's sentences, secrets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.chronicle import heartbeat, storage_line
from jarvis_daemon.cluster.quorum import Quorum
from jarvis_daemon.cluster.reads import REDACTED, readable_config
from jarvis_daemon.cluster.scene import rhythm
from jarvis_daemon.cluster.shapes import StatusReply
from jarvis_daemon.cluster.sources import Sources, stale_after_s
from jarvis_daemon.cluster.task_book import KEEP_MAX, TaskBook
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Incident, Node

from .pictures import GIB, NOW, guest, node, picture, storage, task

# --- quorum --------------------------------------------------------------------------------------------

WELL = StatusReply(standalone=False, quorate=True, nodes_total=4)
LOST = StatusReply(standalone=False, quorate=False, nodes_total=4)
SINGLE = StatusReply(standalone=True, quorate=None, nodes_total=1)


@pytest.mark.parametrize(
    ("polls", "believed"),
    [
        ([(WELL, None)], True),
        ([(WELL, None), (LOST, "agrees")], False),
        ([(WELL, None), (LOST, "disagrees")], True),
        ([(WELL, None), (LOST, "none")], True),
        ([(WELL, None), (LOST, "none"), (LOST, "none")], False),
        ([(WELL, None), (LOST, "none"), (WELL, None), (LOST, "none")], True),
        ([(LOST, "none")], None),
        ([(LOST, "agrees"), (WELL, None)], True),
        ([(SINGLE, None)], None),
    ],
)
def test_a_lost_quorum_needs_two_opinions(polls: list[Any], believed: bool | None) -> None:
    quorum = Quorum()
    for reply, opinion in polls:
        quorum.take(reply, opinion)
    assert quorum.quorate is believed


def test_votes_are_half_and_one_and_a_single_node_has_none_to_lose() -> None:
    quorum = Quorum()
    quorum.take(WELL)
    assert (quorum.expected, quorum.needed, quorum.standalone) == (4, 3, False)
    quorum.take(SINGLE)
    assert (quorum.expected, quorum.needed, quorum.standalone) == (None, None, True)
    assert not quorum.doubted(SINGLE)


# --- tasks ---------------------------------------------------------------------------------------------


def test_a_task_ends_once_and_is_kept_for_a_day() -> None:
    book = TaskBook()
    running = task("vzdump", status="running", ended_at=None, exit_text=None)
    done = task("vzdump")
    assert book.merge([running], NOW) == ([], [])
    assert book.merge([done], NOW) == ([done], [])
    assert book.merge([done], NOW) == ([], [])
    assert book.merge([], NOW + 3600) == ([], [])
    assert list(book.tasks) == [done.id]
    book.merge([], NOW + 90000)
    assert book.tasks == {}


def test_a_running_task_that_is_not_listed_any_more_is_lost() -> None:
    book = TaskBook()
    running = task("vzdump", status="running", ended_at=None, exit_text=None)
    book.merge([running], NOW)
    assert book.merge([], NOW) == ([], [running])
    book.settle(task("vzdump"))
    assert book.merge([], NOW) == ([], [])


def test_what_runs_on_a_dead_node_is_unknown() -> None:
    book = TaskBook()
    running = task("vzdump", status="running", ended_at=None, exit_text=None)
    book.merge([running], NOW)
    dead: dict[str, Node] = {"node:pve": node("pve", status="offline")}
    for lost in book.lost_to(dead):
        book.lose(lost)
    assert book.tasks[running.id].status == "unknown"
    assert running.status == "running"  # structs that were handed out are never changed


def test_the_list_reaches_back_as_far_as_that_of_the_busiest_node() -> None:
    def reach(*listed: Any) -> float | None:
        book = TaskBook()
        book.merge(list(listed), NOW)
        return book.oldest_known_at

    def ended(age: float, node: str = "pve") -> Any:
        return task("vzstart", "101", node=node, started_at=NOW - age, ended_at=NOW - age + 1)

    stuck = task("vzdump", "107", status="running", started_at=NOW - 50000, ended_at=None, exit_text=None)
    busy = [ended(60.0 * number, "agent") for number in range(1, 26)]
    assert reach(ended(900), ended(7200)) == NOW - 7200
    assert reach(ended(900), stuck) == NOW - 900, "what still runs says nothing of what has ended"
    assert reach(stuck) == stuck.started_at
    assert reach(ended(9000), *busy) == NOW - 1500, "what the busy node did before is not listed any more"
    assert reach(ended(9000), *busy[:5]) == NOW - 9000


def test_tasks_do_not_pile_up_without_end() -> None:
    book = TaskBook()
    for i in range(KEEP_MAX + 200):
        book.merge([task("vzstart", str(100 + i), started_at=NOW + i, ended_at=NOW + i)], NOW + i)
    assert len(book.tasks) == KEEP_MAX
    assert min(t.started_at for t in book.tasks.values()) == NOW + 200


# --- ages ----------------------------------------------------------------------------------------------


async def test_a_source_ages_on_the_monotonic_clock() -> None:
    clock = ManualClock(NOW)
    sources = Sources("homelab", clock)
    polled = sources.add("resources", interval_s=10.0)
    assert sources.entity(polled).freshness == "unknown"
    sources.succeeded(polled, clock.monotonic())
    clock.jump(86400)
    assert sources.entity(polled).freshness == "fresh"
    assert polled.id in sources.fresh()
    clock.jump(-2 * 86400)
    await clock.advance(61)
    assert sources.entity(polled).freshness == "stale"
    await clock.advance(300)
    assert sources.entity(polled).freshness == "unknown"
    assert sources.fresh() == frozenset()


def test_a_failed_poll_is_not_judged_though_its_picture_is_young() -> None:
    clock = ManualClock(NOW)
    sources = Sources("homelab", clock)
    polled = sources.add("resources", interval_s=10.0)
    sources.succeeded(polled, clock.monotonic())
    sources.failed(polled, JarvisError("timed_out", "No answer", why="10 s"), clock.monotonic())
    entity = sources.entity(polled)
    assert (entity.freshness, entity.error) == ("fresh", "No answer: 10 s")
    assert sources.fresh() == frozenset()
    assert (polled.failures, polled.code) == (1, "timed_out")


@pytest.mark.parametrize(("interval", "stale"), [(10, 60), (5, 30), (1, 6), (30, 90), (60, 180), (3600, 10800)])
def test_stale_is_what_missed_several_polls(interval: float, stale: float) -> None:
    assert stale_after_s(interval) == stale


async def test_the_rhythm_does_not_drift_survives_errors_and_can_be_woken() -> None:
    clock, wake, moments = ManualClock(NOW), asyncio.Event(), list[float]()

    async def step() -> None:
        moments.append(clock.monotonic() - 1000)
        await clock.sleep(3)
        if len(moments) == 2:
            raise ValueError("one bad round")

    running = spawn(rhythm(clock, 10, step, wake), name="test")
    await asyncio.sleep(0)
    for _ in range(35):
        await clock.advance(1)
    assert moments == [0, 10, 20, 30]
    wake.set()
    await clock.advance(1)
    assert len(moments) == 5
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


# --- sentences -----------------------------------------------------------------------------------------


def test_the_heartbeat_is_honest() -> None:
    guests = [guest(1, "a"), guest(2, "b", status="stopped"), guest(9, "t", template=True, status="stopped")]
    assert heartbeat(picture(guests=guests), []) == (
        "All well: 2 nodes online, 1 of 2 guests run, quorum holds.", "ok",
    )  # fmt: skip
    dead = picture(nodes=[node("pve", status="offline"), node("agent")], guests=[guest(1, "a", status="unknown")])
    fault = Incident(id="1", title="pve does not answer", severity="error")
    minor = Incident(id="2", title="plex has no recent backup", severity="warning")
    assert heartbeat(dead, [minor, fault]) == (
        "1 of 2 nodes online, 0 of 1 guest run, 1 is unknown, quorum holds. Open: pve does not answer and 1 more.",
        "error",
    )
    blind = picture(stale=("resources",), cluster={"problem": "No endpoint answers"})
    text, severity = heartbeat(blind, [])
    assert text.startswith("Nothing is known of homelab since")
    assert text.endswith("No endpoint answers")
    assert severity == "critical"


def test_the_storage_line_names_the_fullest() -> None:
    known = [storage("a", used_bytes=95 * GIB), storage("b", used_bytes=50 * GIB), storage("c", used_bytes=None)]
    assert storage_line(known, 90) == ("Storages: a on pve 95 %, b on pve 50 %; 1 storage above 90 %.", "warning")
    assert storage_line([storage("c", used_bytes=None)], 90) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min"), (7200, "2 h"), (12000, "3 h 20 min"),
     (200_000, "2 d 7 h"), (-5, "0 s")],
)  # fmt: skip
def test_a_span_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_secrets_of_a_configuration_are_hidden_and_its_text_is_clean() -> None:
    shown = readable_config(
        {
            "cipassword": "hunter2",
            "name": "a\x1b[31mb",
            "cores": 4,
            "description": "one\ntwo\x07",
            "sshkeys": "ssh-ed25519 A",
        }
    )
    assert shown == {
        "cipassword": REDACTED, "name": "ab", "cores": 4, "description": "one\ntwo ", "sshkeys": "ssh-ed25519 A",
    }  # fmt: skip
