"""The room as the daemon runs it: its own tasks, a mail on its way at the end, a store that fails."""

from __future__ import annotations

import asyncio
from typing import Any

from jarvis_daemon.notify.channel import Parcel
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.supervisor import Supervisor
from tests.unit.notify.conftest import Desk, OpenDesk, mail_to
from tests.unit.notify.post import PostOffice


async def started(desk: Desk) -> Desk:
    desk.room.senders.clear()
    supervisor = Supervisor(desk.bus, desk.clock, desk.store.path.with_name("d.sock"), issue=lambda name, role: "")
    await desk.room.start(supervisor)
    return desk


async def until(desk: Desk, check: Any, step: float = 1.0) -> None:
    """Move the clock on until ``check()``; what is real (threads, servers) gets its turns in between."""
    async with asyncio.timeout(30):
        while not check():
            await desk.clock.advance(step)
            await asyncio.sleep(0.01)


async def test_it_follows_and_sends_by_itself(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await started(await open_desk(email=mail_to(post, report=True), report_at="09:00"))
    await desk.incident("pihole has stopped by itself")
    await until(desk, lambda: post.mails)
    await until(desk, lambda: len(post.mails) == 2, step=120)
    assert "Daily report" in post.subjects()[1]
    await desk.room.stop()
    await desk.incident("gitea has stopped by itself", target="guest:107")
    await desk.clock.advance(600)
    assert len(post.mails) == 2
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("notify-") and not t.done()]


async def test_a_mail_on_its_way_may_arrive_before_the_end(open_desk: OpenDesk, post: PostOffice) -> None:
    desk = await started(await open_desk(email=mail_to(post)))
    sender = desk.room.senders["email"]
    send, under_way, may_go = sender.channel.send, asyncio.Event(), asyncio.Event()

    async def slow(parcel: Parcel) -> str:
        under_way.set()
        await may_go.wait()
        return await send(parcel)

    sender.channel.send = slow  # type: ignore[method-assign]
    await desk.incident("pihole has stopped by itself")
    await until(desk, under_way.is_set)
    stopping = asyncio.ensure_future(desk.room.stop())
    await asyncio.sleep(0)
    may_go.set()
    await stopping
    assert len(post.mails) == 1
    assert [m.status for m in await desk.log()] == ["sent"]


async def test_a_full_disk_loses_nothing(open_desk: OpenDesk, post: PostOffice) -> None:
    """The store refuses to write for a while: the feed is read again from where it was."""
    desk = await started(await open_desk(email=mail_to(post)))
    write, full = desk.store.write, True

    async def failing(fn: Any, *, durable: bool = False) -> Any:
        if full:
            raise JarvisError("store_failed", "It could not be saved", why="disk full")
        return await write(fn, durable=durable)

    await desk.incident("pihole has stopped by itself")
    desk.store.write = failing  # type: ignore[assignment]
    for _ in range(20):
        await desk.clock.advance(30)
        await asyncio.sleep(0.01)
    before = len(post.mails)
    full = False
    await until(desk, lambda: post.mails)
    await until(desk, lambda: desk.room.senders["email"].trouble.failures == 0)
    await desk.room.stop()
    assert len(post.mails) - before <= 1
    assert [m.status for m in await desk.log()] == ["sent"]
