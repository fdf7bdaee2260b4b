"""One channel's way out: what is queued for it is chosen, sealed, handed over, and crossed out when it was taken.

What a parcel is made of is committed before it leaves, so that one that may have arrived (we were killed, the link
broke after the last byte) goes again as the same parcel under the same key. A channel that is away is asked again
after 30 s, then twice as long each time up to half an hour, and what piled up goes as one digest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from jarvis_daemon.bus import Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.notify import outbox
from jarvis_daemon.notify.channel import Channel, NotTaken
from jarvis_daemon.notify.choice import SAME_S, STORM_S, Choice, Moment, choose
from jarvis_daemon.notify.hours import is_quiet
from jarvis_daemon.notify.outbox import Row
from jarvis_daemon.notify.wording import Words, batch_of
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import finished, spawn
from jarvis_daemon.protocol.state import FeedEvent
from jarvis_daemon.store import Store
from jarvis_daemon.store.database import Database

_log = logging.getLogger("jarvis.notify")
RETRY_FIRST_S: Final = 30.0
RETRY_MAX_S: Final = 1800.0
KEPT_S: Final = 7 * 86400.0
TRIES_MIN: Final = 100
"""A message is not given up before so many tries, however old the wall clock says it is."""
TRIES_MAX: Final = 400
"""More than a week of tries: given up, however young the wall clock says it is."""
STOP_GRACE_S: Final = 5.0


class Trouble(msgspec.Struct):
    """How a channel does; kept in the store. Moments are Unix seconds."""

    failures: int = 0
    since_at: float = 0.0
    retry_at: float = 0.0
    why: str = ""


class Sender:
    """``random`` gives numbers in 0..1 for the jitter. ``round`` does what is due; ``start`` does it for ever."""

    def __init__(
        self, channel: Channel, store: Store, feed: Feed, clock: Clock, words: Words,
        random: Callable[[], float],
    ) -> None:  # fmt: skip
        self.channel = channel
        self.trouble = Trouble()
        self._store, self._feed, self._clock, self._words, self._random = store, feed, clock, words, random
        self._retry_mono = 0.0
        self._lot_retries: dict[str, tuple[int, float]] = {}
        """Of a parcel that goes again as it is: how often it was tried, and when (monotonic) it is next."""
        self._seen: dict[int, float] = {}
        self._arrivals: deque[float] = deque(maxlen=100)
        self._last_digest = -STORM_S
        self._news = asyncio.Event()
        self._working = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.channel.name

    async def load(self) -> None:
        """Take up what is remembered: a wait goes on, but never longer than the longest."""
        kept = await self._store.read(lambda db: outbox.remembered(db, self._key))
        if kept is not None:
            self.trouble = msgspec.convert(kept, Trouble, strict=False)
            left = min(max(0.0, self.trouble.retry_at - self._clock.now()), RETRY_MAX_S)
            self._retry_mono = self._clock.monotonic() + left

    def start(self) -> None:
        self._task = spawn(self._run(), name=f"notify-{self.name}")

    def wake(self) -> None:
        """There may be something to do."""
        self._news.set()

    async def stop(self) -> None:
        """What is on its way may arrive; then no more."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(STOP_GRACE_S), self._working:
                self._task.cancel()
        except TimeoutError:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def is_back(self) -> None:
        """A test message got through: nothing has to wait any longer."""
        if self.trouble.failures:
            self._retry_mono = self._clock.monotonic()
            self.wake()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                wait_s = await self.round()
            except Exception as error:  # mostly the store: what was not saved was not done, and is done again
                log_failure("round failed", error, channel=self.name)
                wait_s = RETRY_FIRST_S
            await self._rest(wait_s)

    async def _rest(self, seconds: float) -> None:
        news = spawn(self._news.wait(), name="notify-news")
        rest = spawn(self._clock.sleep(seconds), name="notify-rest")
        try:
            await asyncio.wait({news, rest}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            rest.cancel()

    async def round(self) -> float:
        """Send what is due; how long (seconds) until there may be more to do. Raises ``store_failed``."""
        async with self._working:
            if (left := self._retry_mono - self._clock.monotonic()) > 0:
                return left
            rows = await self._give_up_old(await self._store.read(lambda db: outbox.waiting(db, self.name)))
            if not await self._again([row for row in rows if row.batch]):
                return self._retry_mono - self._clock.monotonic()
            choice = await self._choose([row for row in rows if not row.batch])
            for lot in choice.lots:
                batch = batch_of(lot, self.trouble.since_at if self.trouble.failures else None)
                ids = [row.id for row in lot]
                await self._store.write(partial(outbox.seal, ids=ids, batch=batch), durable=True)
                if len(lot) > 1:
                    self._last_digest = self._clock.monotonic()
                if not await self._deliver(lot, batch, again=False):
                    return self._retry_mono - self._clock.monotonic()
            waits = [due - self._clock.monotonic() for _, due in self._lot_retries.values()]
            return max(0.05, min([choice.wait_s, *waits]))

    # --- what goes ---------------------------------------------------------------------------------------

    async def _choose(self, rows: list[Row]) -> Choice:
        mono, now = self._clock.monotonic(), self._clock.now()
        for row in rows:
            if row.id not in self._seen:
                self._seen[row.id] = mono
                self._arrivals.append(mono)
        queued = {row.id for row in rows}
        self._seen = {number: at for number, at in self._seen.items() if number in queued}
        told = await self._store.read(lambda db: outbox.told_since(db, self.name, now - SAME_S)) if rows else []
        moment = Moment(
            now=now, mono=mono, quiet=is_quiet(self.channel.route.quiet, now),
            was_down=self.trouble.failures > 0, seen=self._seen,
            arrived=sum(mono - at < STORM_S for at in self._arrivals), last_digest=self._last_digest,
        )  # fmt: skip
        choice = choose(rows, told, moment)
        if choice.hold or choice.skip:
            await self._store.write(lambda db: _note(db, choice))
        return choice

    async def _again(self, rows: list[Row]) -> bool:
        """Parcels that may have arrived already, each as it was. False when the channel is down."""
        lots: dict[str, list[Row]] = {}
        for row in rows:
            lots.setdefault(row.batch or "", []).append(row)
        self._lot_retries = {batch: kept for batch, kept in self._lot_retries.items() if batch in lots}
        for batch, lot in lots.items():
            _, due = self._lot_retries.get(batch, (0, 0.0))
            if due <= self._clock.monotonic() and not await self._deliver(lot, batch, again=True):
                return False
        return True

    async def _deliver(self, lot: list[Row], batch: str, *, again: bool) -> bool:
        """One parcel. False when the channel takes nothing more for now."""
        parcel = self._words.parcel(lot, batch)
        try:
            note = await self.channel.send(parcel)
        except NotTaken as failed:
            await finished(self._missed(lot, batch, failed, again=again), name="notify-missed")
            return failed.how == "rejected"
        await finished(self._taken(lot, batch, note), name="notify-taken")
        return True

    async def _taken(self, lot: list[Row], batch: str, note: str) -> None:
        now, ids, trouble = self._clock.now(), [row.id for row in lot], self.trouble
        event: FeedEvent | None = None
        if trouble.failures:
            many = f", with {len(ids)} messages that waited" if len(ids) > 1 else ""
            event = self._feed.make(
                "notify.restored",
                f"Messages by {self.name} go out again, after {span(now - trouble.since_at)}{many}.",
                severity="ok", data={"channel": self.name, "condition": "channel-down"},
            )  # fmt: skip

        def fn(db: Database) -> FeedEvent | None:
            outbox.sent(db, ids, now, note)
            if event is None:
                return None
            outbox.remember(db, self._key, {})
            return self._feed.append(db, event)

        written = await self._store.write(fn, durable=True)
        self.trouble = Trouble()
        self._lot_retries.pop(batch, None)
        self._feed.publish(written)

    # --- what does not go --------------------------------------------------------------------------------

    async def _missed(self, lot: list[Row], batch: str, failed: NotTaken, *, again: bool) -> None:
        """Down: nothing was taken, so the rows may go in another parcel. Else the parcel stays as it is."""
        now, mono, why = self._clock.now(), self._clock.monotonic(), failed.error.sentence()
        trouble, event = self.trouble, None
        if failed.how == "rejected":
            tries = self._lot_retries.get(batch, (0, 0.0))[0] + 1
            delay = self._delay(tries)
            if lot[0].attempts == 0:
                event = self._trouble_event(
                    "notify.rejected", f"A message by {self.name} was not wanted: {why}. It is tried again."
                )
        else:
            trouble = Trouble(trouble.failures + 1, trouble.since_at if trouble.failures else now, 0.0, why)
            tries = trouble.failures
            delay = self._delay(tries)
            trouble.retry_at = now + delay
            if trouble.failures == 1:
                event = self._trouble_event(
                    "notify.failed", f"Messages by {self.name} cannot be sent, and wait: {why}."
                )
        keep = again or failed.how != "down"

        def fn(db: Database) -> FeedEvent | None:
            outbox.missed(db, [row.id for row in lot], now + delay, why, keep_batch=keep)
            outbox.remember(db, self._key, msgspec.to_builtins(trouble))
            return self._feed.append(db, event) if event is not None else None

        written = await self._store.write(fn, durable=True)
        self.trouble = trouble
        if failed.how != "rejected":
            self._retry_mono = mono + delay
        if keep:
            self._lot_retries[batch] = (tries, mono + delay)
        _log.warning("not taken", extra={"data": {"channel": self.name, "how": failed.how, "why": why}})
        self._feed.publish(written)

    def _trouble_event(self, kind: str, text: str) -> FeedEvent:
        return self._feed.make(
            kind, text, severity="warning", data={"channel": self.name, "condition": "channel-down"}
        )

    def _delay(self, tries: int) -> float:
        """Seconds to the next try: 30, 60, 120 … 1800, and up to a fifth less, so that channels do not march."""
        full = min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(tries - 1, 20))
        return full * (1.0 - 0.2 * self._random())

    async def _give_up_old(self, rows: list[Row]) -> list[Row]:
        """A week of tries is enough; answers what is left. What a jump of the clock made old is tried on."""
        now = self._clock.now()
        old = [
            row.id for row in rows
            if row.attempts >= TRIES_MAX or (row.attempts >= TRIES_MIN and now - row.created_at > KEPT_S)
        ]  # fmt: skip
        if not old:
            return rows
        event = self._trouble_event(
            "notify.given_up", f"{len(old)} messages by {self.name} were given up after a week of tries; "
            "`jarvis notify log --status failed` shows them.",
        )  # fmt: skip

        def fn(db: Database) -> FeedEvent | None:
            outbox.give_up(db, old)
            return self._feed.append(db, event)

        self._feed.publish(await self._store.write(fn, durable=True))
        return [row for row in rows if row.id not in old]

    @property
    def _key(self) -> str:
        return f"notify:channel:{self.name}"


def log_failure(what: str, error: Exception, **data: str) -> None:
    """An error of ours in a sentence, any other one with its trace."""
    ours = isinstance(error, JarvisError)
    why = error.sentence() if isinstance(error, JarvisError) else repr(error)
    _log.error(what, exc_info=None if ours else error, extra={"data": {**data, "why": why}})


def _note(db: Database, choice: Choice) -> Any:
    for why, ids in choice.hold.items():
        outbox.hold(db, ids, why)
    outbox.skip(db, choice.skip, "told a moment before")
