"""The room: channels as configured, the feed followed, the daily report sent, services and a tool."""

from __future__ import annotations

import asyncio
import contextlib
import random as random_
import secrets
from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.notify import findings, follower, outbox, report
from jarvis_daemon.notify.channel import Channel, NotTaken, Parcel
from jarvis_daemon.notify.choice import REPORT
from jarvis_daemon.notify.hours import local_day, moment_of
from jarvis_daemon.notify.sender import Sender, log_failure
from jarvis_daemon.notify.services import AppriseLink, Push
from jarvis_daemon.notify.smtp import Mail
from jarvis_daemon.notify.updates import Updates
from jarvis_daemon.notify.wording import Words
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.store.database import Database
from jarvis_daemon.supervisor import Supervisor
from jarvis_daemon.tools import Act, Registry, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

LOOK_AT_CLOCK_S: Final = 30.0
SWEEP_S: Final = 3600.0
STORE_AGAIN_S: Final = 10.0
HOURS_MAX: Final = 24.0 * 31
PROSE_MAX: Final = 8000
NO_REPORT_ON: Final = "notify:no_report_on"
"""The local day of the very first start, where that was after the hour of the report."""


class GetNotificationsArgs(Args):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class Notifications(Output):
    messages: list[m.NotifyMessage]


class NotifyRoom:
    """``audit_head`` answers the head of the audit's chain; ``random`` gives numbers in 0..1."""

    def __init__(
        self, settings: Settings, places: Places, bus: Bus, store: Store, feed: Feed, clock: Clock, *,
        audit_head: Callable[[], Awaitable[str]], random: Callable[[], float] = random_.random,
    ) -> None:  # fmt: skip
        self._settings, self._places = settings.notify, places
        self._bus, self._store, self._feed, self._clock = bus, store, feed, clock
        self._audit_head, self._random = audit_head, random
        self._keep_s = max(8.0, settings.feed.retention_days) * 86400
        cluster = settings.cluster
        self._simulated = cluster.simulated if cluster is not None else False
        self._words = Words(cluster.name if cluster is not None else "homelab", self._simulated)
        self._updates = Updates(bus, clock)
        self._apprise = AppriseLink(bus, clock, simulated=self._simulated)
        self.tell: Callable[[str], Awaitable[tuple[str, str]]] | None = None
        """The report's text -> prose and who told it; given by the assistant."""
        self.senders: dict[str, Sender] = {}
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._end_listening: Callable[[], None] | None = None
        self._reported: date | None = None
        bus.offer("notify.log", self._log_of)
        bus.offer("notify.test", self._test, roles={"operator"})
        bus.offer("report.daily", self._daily)

    def register_tools(self, registry: Registry) -> None:
        registry.add_sentences("notify", Path(__file__).parent / "intents")
        registry.add(ToolSpec(
            name="get_notifications", room="notify", tier=Tier.GREEN, args=GetNotificationsArgs,
            output=Notifications, description="Messages to people, the newest first, and what became of each.",
            run=self._notifications, idempotent=True, tainted=True, concurrency=16,
        ))  # fmt: skip

    async def start(self, supervisor: Supervisor) -> None:
        """Begin to follow the feed and to send. Raises ``store_failed``."""
        self._apprise.start(supervisor)
        await self.load()
        for sender in self.senders.values():
            sender.start()
        self._end_listening = self._feed.topic.listen(lambda event: self._news.set())
        if self.senders:
            self._tasks = [
                spawn(self._following(), name="notify-follow"),
                spawn(self._by_the_clock(), name="notify-clock"),
            ]

    async def load(self) -> None:
        """Make the channels, and take up what is remembered. Raises ``store_failed``."""
        origin = await self._store.write(outbox.origin)
        channels: list[Channel] = []
        email = self._settings.email
        if email is not None and email.enabled:
            channels.append(Mail(email, self._places, self._clock, origin=origin, simulated=self._simulated))
        channels += [
            Push(name, one, self._places, self._apprise, simulated=self._simulated)
            for name, one in self._settings.apprise.items() if one.enabled
        ]  # fmt: skip
        first = await self._store.write(lambda db: follower.begin(db, anyone=bool(channels)), durable=True)
        if first and self._report_due(local_day(self._clock.now())):
            today = local_day(self._clock.now()).isoformat()
            await self._store.write(lambda db: outbox.remember(db, NO_REPORT_ON, today))
        await self._store.write(lambda db: outbox.leave(db, [channel.name for channel in channels]))
        for channel in channels:
            sender = Sender(channel, self._store, self._feed, self._clock, self._words, self._random)
            await sender.load()
            self.senders[channel.name] = sender

    async def stop(self) -> None:
        """What is on its way may arrive; the rest stays in the store."""
        if self._end_listening is not None:
            self._end_listening()
            self._end_listening = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(sender.stop() for sender in self.senders.values()))
        await self._apprise.stop()

    # --- the feed ----------------------------------------------------------------------------------------

    async def _following(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.follow()
            except Exception as error:  # mostly the store: the cursor stayed where it was
                log_failure("the feed is not followed", error)
                await self._clock.sleep(STORE_AGAIN_S)
                continue
            await self._news.wait()

    async def follow(self) -> None:
        """Queue what happened since. Raises ``store_failed``."""
        routes = {name: sender.channel.route for name, sender in self.senders.items()}
        while True:
            step = partial(follower.follow, routes=routes, words=self._words, now=self._clock.now())
            if not await self._store.write(step, durable=True):
                return
            for sender in self.senders.values():
                sender.wake()

    # --- by the clock ------------------------------------------------------------------------------------

    async def _by_the_clock(self) -> None:
        since_sweep = SWEEP_S
        while True:
            try:
                await self.report_if_due()
                if since_sweep >= SWEEP_S:
                    since_sweep = 0.0
                    limit = self._clock.now() - self._keep_s
                    await self._store.write(partial(outbox.sweep, older_than=limit))
            except Exception as error:  # it is due still, and tried again
                log_failure("no report", error)
            since_sweep += LOOK_AT_CLOCK_S
            await self._clock.sleep(LOOK_AT_CLOCK_S)

    async def report_if_due(self) -> bool:
        """Queue the report of this local day, once, whoever restarts. Raises ``store_failed``."""
        day = local_day(self._clock.now())
        readers = [name for name, sender in self.senders.items() if sender.channel.route.report]
        if day == self._reported or not readers or not self._report_due(day):
            return False
        if await self._store.read(lambda db: outbox.remembered(db, NO_REPORT_ON)) == day.isoformat():
            self._reported = day
            return False
        written = await self._write_report(24.0)
        new = await self._queue_report(written, readers, f"report:{day.isoformat()}")
        self._reported = day
        return new

    def _report_due(self, day: date) -> bool:
        at = self._settings.report_at
        return bool(at) and self._clock.now() >= moment_of(day, at)

    async def _write_report(self, hours: float) -> m.DailyReportResult:
        down = {name: s.trouble.why for name, s in self.senders.items() if s.trouble.failures}
        found = await findings.gather(
            self._bus, self._store, self._clock, hours, channels_down=down, audit_head=self._audit_head,
            updates=self._updates.known,
        )  # fmt: skip
        return report.write(found, self._words)

    async def _queue_report(self, written: m.DailyReportResult, readers: list[str], key: str) -> bool:
        now = self._clock.now()

        def fn(db: Database) -> bool:
            new = [
                outbox.insert(
                    db, name, key, kind=REPORT, severity="info", subject=written.subject, body=written.text, now=now
                )
                for name in readers
            ]
            return any(new)

        new = await self._store.write(fn, durable=True)
        for sender in self.senders.values():
            sender.wake()
        return new

    # --- services ----------------------------------------------------------------------------------------

    async def _log_of(self, params: m.NotifyLog, principal: Principal) -> m.NotifyLogResult:
        found = await self._store.read(lambda db: outbox.newest(db, params.status, params.limit))
        return m.NotifyLogResult(messages=found)

    async def _notifications(self, args: GetNotificationsArgs, target: Target, act: Act) -> Notifications:
        return Notifications(messages=await self._store.read(lambda db: outbox.newest(db, None, args.limit)))

    async def _daily(self, params: m.DailyReport, principal: Principal) -> m.DailyReportResult:
        """Raises ``invalid_params`` ``forbidden`` ``unavailable``."""
        if not 0 < params.hours <= HOURS_MAX:
            raise JarvisError("invalid_params", "A report looks back at least a moment and at most 31 days")
        readers = [name for name, sender in self.senders.items() if sender.channel.route.report]
        if params.send and principal.role != "operator":
            raise JarvisError("forbidden", "Only an operator has the report sent")
        if params.prose and principal.role != "operator":
            raise JarvisError("forbidden", "Only an operator has a model asked", why="it may cost money")
        if params.send and not readers:
            raise JarvisError(
                "unavailable", "No channel gets the report", why="none is configured with `report = true`",
                next="docs/notify.md shows how a channel is set up.",
            )  # fmt: skip
        written = await self._write_report(params.hours)
        if params.send:
            await self._queue_report(written, readers, f"report:asked:{secrets.token_hex(8)}")
        if params.prose and self.tell is not None:
            with contextlib.suppress(JarvisError):  # no model answers: the report stands by itself
                prose, written.backend = await self.tell(written.text)
                written.prose = clean_block(prose, limit=PROSE_MAX).strip()
        return written

    async def _test(self, params: m.NotifyTest, principal: Principal) -> m.NotifyTestResult:
        """Past the queue, at once. Raises ``not_found`` ``unavailable``."""
        if not self.senders:
            raise JarvisError(
                "unavailable", "Nobody is told of anything", why="no channel is configured",
                next="docs/notify.md shows how a channel is set up, in [notify.email] for mail.",
            )  # fmt: skip
        if params.channel is not None and params.channel not in self.senders:
            raise JarvisError(
                "not_found", f"There is no channel {clean(params.channel, limit=40)!r}",
                why=f"known: {', '.join(self.senders)}", next="`jarvis notify test` tries all of them.",
            )  # fmt: skip
        wanted = [params.channel] if params.channel is not None else list(self.senders)
        told = await asyncio.gather(*(self._test_one(self.senders[name]) for name in wanted))
        results = dict(zip(wanted, told, strict=True))
        return m.NotifyTestResult(results=results, ok=all(text.startswith("sent") for text in told))

    async def _test_one(self, sender: Sender) -> str:
        now = self._clock.now()
        key = f"test:{secrets.token_hex(8)}"
        subject = self._words.subject("a test message")
        body = self._words.signed("This is a test, asked for at a terminal. Nothing has happened.")
        try:
            note = await sender.channel.send(Parcel(key.replace(":", "-"), subject, body))
        except NotTaken as error:
            failed = error
            await self._store.write(lambda db: _log_test(db, sender.name, key, subject, body, now, failed))
            return f"{failed.error.sentence()}. {failed.error.next}".strip()
        await self._store.write(lambda db: _log_test(db, sender.name, key, subject, body, now, None))
        await sender.is_back()
        return f"sent, {note}" if note else "sent"


def _log_test(
    db: Database, channel: str, key: str, subject: str, body: str, now: float, failed: NotTaken | None
) -> Any:
    """A test is shown in the log as it ended; it is never tried again."""
    values = ["failed", str(failed), None] if failed is not None else ["sent", "", now]
    db.execute(
        "insert or ignore into messages (channel, key, kind, severity, subject, body, status, held, created_at, "
        "next_at, attempts, sent_at) values (?, ?, 'notify.test', 'info', ?, ?, ?, ?, ?, ?, 1, ?)",
        [channel, key, subject, body, values[0], values[1], now, now, values[2]],
    )
