"""What is remembered, by whom it was said, how long it is kept, and how it is found again.

Errors: ``unavailable`` (memory is switched off), ``invalid_params`` (not worth keeping), ``not_found``,
``store_failed``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from jarvis_daemon.assistant.memory import block, events, find, happened, page, table, when
from jarvis_daemon.assistant.memory.block import Count, MemoryBlock
from jarvis_daemon.assistant.memory.extract import extract
from jarvis_daemon.assistant.memory.services import MemoryServices
from jarvis_daemon.assistant.memory.statement import Redact, kind_of, subject_of, tidy, topic, why_not
from jarvis_daemon.assistant.memory.table import Ends, New, Put, Trust
from jarvis_daemon.assistant.memory.vectors import Vectors
from jarvis_daemon.assistant.reasoning.window import is_tainted
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryItem, MemoryKind, MemoryTier
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.settings import MemorySettings
from jarvis_daemon.store import Database, Store

if TYPE_CHECKING:
    from jarvis_daemon.assistant.conversation.turn import PastTurn

SWEEP_S: Final = 3600.0
STORE_AGAIN_S: Final = 10.0
_log = logging.getLogger("jarvis.memory")
T = TypeVar("T")


@dataclass(frozen=True)
class Remembered:
    """``instead``: what the new one replaces."""

    item: MemoryItem
    how: Literal["new", "again", "changed"]
    instead: MemoryItem | None = None


class Memory:
    """``redact`` takes secrets out of a text; nothing is written without it."""

    def __init__(
        self, store: Store, bus: Bus, feed: Feed, clock: Clock, settings: MemorySettings, redact: Redact
    ) -> None:
        self.settings, self.redact = settings, redact
        self.ends = Ends.of(settings)
        self._store, self._bus, self._feed, self._clock = store, bus, feed, clock
        self._news, self._written = asyncio.Event(), asyncio.Event()
        self.vectors: Vectors | None = None
        if settings.enabled and settings.embeddings:
            folder = settings.embeddings_folder
            self.vectors = Vectors(store, Path(folder) if folder else None)
        self._tasks: list[asyncio.Task[None]] = []
        self._end_listening: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin to follow the feed and to sweep. Raises ``store_failed``."""
        await self.load()
        self._tasks = [spawn(self._sweeping(), name="memory-sweep")]
        if self.settings.enabled:
            self._end_listening = self._feed.topic.listen(lambda event: self._news.set())
            self._tasks.append(spawn(self._following(), name="memory-follow"))
        if self.vectors is not None:
            self._tasks.append(spawn(self._indexing(self.vectors), name="memory-vectors"))

    async def load(self) -> None:
        """Take up where the last daemon ended. Raises ``store_failed``."""
        await self._store.write(lambda db: events.begin(db, enabled=self.settings.enabled), durable=True)

    async def stop(self) -> None:
        if self._end_listening is not None:
            self._end_listening()
            self._end_listening = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self.vectors is not None:
            self.vectors.close()

    # --- written -----------------------------------------------------------------------------------------

    async def remember(
        self, text: str, *, kind: MemoryKind | None = None, subject: str | None = None,
        tier: MemoryTier = "lasting", trust: Trust = "system", source: str = "", happened_at: float | None = None,
        session: str | None = None,
    ) -> Remembered:  # fmt: skip
        """Remember one sentence, secrets taken out. A fact that states anew what an older one stated replaces it.

        Raises ``unavailable``, ``invalid_params`` for a question or a scrap, ``store_failed``.
        """
        self._check_enabled()
        new = self._new(text, kind, subject, tier, trust, source, happened_at, session)
        now = self._clock.now()

        def fn(db: Database) -> Remembered:
            done = table.put(db, new, now, self.ends)
            kept = table.get(db, done.id, now)
            assert kept is not None
            return Remembered(kept, done.how, _replaced(db, done, now))

        return await self._write(fn)

    def check(self, text: str, kind: MemoryKind | None = None) -> str:
        """The sentence as it would be kept. Raises ``unavailable``, ``invalid_params``."""
        self._check_enabled()
        return self._new(text, kind, None, "lasting", "system", "", None, None).text

    def _new(
        self, text: str, kind: MemoryKind | None, subject: str | None, tier: MemoryTier, trust: Trust, source: str,
        happened_at: float | None, session: str | None,
    ) -> New:  # fmt: skip
        said = tidy(text, self.redact)
        if why := why_not(said):
            raise JarvisError(
                "invalid_params", "That is nothing to remember", why=why, next="Say what is so, as a sentence."
            )
        kind = kind or kind_of(said)
        stated = topic(said) if kind == "fact" and session is None else None
        if subject is None:
            subject = stated[0] if stated else ""
        key = f"said:{stated[0]}:{stated[1]}" if stated else None
        return New(
            said, tier, kind, subject_of(subject, self.redact), source[:100], trust, key, happened_at=happened_at,
            session=session,
        )  # fmt: skip

    async def said(self, session: str, text: str) -> None:
        """What the operator said in a session, where it states something: kept until the session ends. Never raises
        for what it holds; ``store_failed`` is logged."""
        if not self.settings.enabled or why_not(tidy(text, self.redact)):
            return
        try:
            await self.remember(text, tier="working", trust="operator", source=f"chat:{session}", session=session)
        except JarvisError as error:
            _log.warning("not remembered: %s", error.sentence())

    async def session_ended(self, session: str, turns: Sequence[PastTurn], summary: str = "") -> MemoryItem | None:
        """A session was ended, or idle for long: drop what was only of it, keep a summary. A second time writes it
        over.

        ``summary``: a better one than the extract of the turns; not used where one of them, or it, holds text from
        outside. None where nothing was said that is worth it. Raises ``store_failed``.
        """
        if is_tainted(summary) or any(turn.tainted for turn in turns):
            summary = ""
        text = tidy(summary or extract(turns, self.redact), self.redact) if self.settings.enabled else ""
        now = self._clock.now()
        key = f"session:{session}"
        new = New(text, "conversation", "summary", source=f"chat:{session}", key=key, ours=True, happened_at=now)

        def fn(db: Database) -> MemoryItem | None:
            table.end_session(db, session)
            if not text or table.was_forgotten(db, key):
                return None
            return table.get(db, table.put(db, new, now, self.ends).id, now)

        return await self._write(fn)

    async def session_forgotten(self, session: str) -> None:
        """All that was kept of a session goes, its summary too. Raises ``store_failed``."""

        def fn(db: Database) -> None:
            table.end_session(db, session)
            db.execute("delete from memories where key = ?", [f"session:{session}"])

        await self._write(fn)

    async def forget(self, number: int) -> tuple[MemoryItem, list[int]]:
        """Delete a memory, from the index too: what it was, and the numbers that hold again since it replaced them.

        Raises ``not_found``, ``store_failed``.
        """
        now = self._clock.now()

        def fn(db: Database) -> tuple[MemoryItem, list[int]] | None:
            known = table.get(db, number, now)
            return None if known is None else (known, table.forget(db, number, now, self.ends))

        found = await self._write(fn)
        if found is None:
            raise unknown(number)
        return found

    # --- found -------------------------------------------------------------------------------------------

    async def get(self, number: int) -> MemoryItem:
        """Raises ``not_found``, ``store_failed``."""
        now = self._clock.now()
        found = await self._store.read(lambda db: table.get(db, number, now))
        if found is None:
            raise unknown(number)
        return found

    async def list_all(
        self, *, tier: MemoryTier | None = None, kind: MemoryKind | None = None, limit: int = 100,
        replaced: bool = False,
    ) -> list[MemoryItem]:  # fmt: skip
        """The newest first. Raises ``store_failed``."""
        now, limit = self._clock.now(), max(1, min(limit, 1000))
        return await self._store.read(
            lambda db: table.read(db, now, tier=tier, kind=kind, replaced=replaced, limit=limit)
        )

    async def search(
        self, query: str, *, limit: int = 10, since_at: float | None = None, until_at: float | None = None,
        session: str | None = None,
    ) -> list[MemoryItem]:  # fmt: skip
        """By words, the best first. Without bounds, a time said in the query (``last week``) is one; a query that
        is nothing but a time answers what happened then, oldest first. Raises ``store_failed``."""
        now, limit = self._clock.now(), max(1, min(limit, 200))
        query = query[:2000]
        if since_at is None and until_at is None:
            span, query = when.find(query, now)
            if span is not None:
                since_at, until_at = span.since, span.until
        if not find.words(query):
            if since_at is None and until_at is None:
                return []
            found = await self._store.read(
                lambda db: table.read(db, now, since=since_at, until=until_at, session=session, limit=limit)
            )
            return found[::-1]
        near = await self.vectors.near(query) if self.vectors is not None else ()
        return await self._store.read(
            lambda db: find.search(
                db, query, now, limit=limit, since=since_at, until=until_at, session=session, near=near
            )
        )

    async def what_happened(
        self, words: str, at: when.Span | None = None, *, targets: Collection[str] = ()
    ) -> list[MemoryItem]:
        """What happened to something, oldest first, each with ``happened_at``. ``words`` may hold a time (``the NAS
        last week``); ``targets`` are entity ids that are meant for sure. Incidents that memory does not have (it
        was off, or is younger) come from the history of incidents, with ``id`` 0. Raises ``store_failed``."""
        now = self._clock.now()
        if at is None:
            at, words = when.find(words[:2000], now)
        asked = find.words(words)
        ids = frozenset(targets) or happened.named(self._bus, asked)
        sure = bool(targets)
        span = at or when.Span(now - self.ends.episodic_s, now + 1.0)
        return await self._store.read(lambda db: happened.look(db, asked, ids, span, now, self.redact, sure=sure))

    async def block(
        self, query: str, budget_tokens: int, count: Count, *, session: str | None = None
    ) -> MemoryBlock:
        """What a model is told of it, within ``budget_tokens`` as ``count`` counts; what fitted the question counts
        as used. Empty where memory is off, or cannot be read: a question is answered without it then."""
        if not self.settings.enabled or budget_tokens <= 0:
            return MemoryBlock()
        try:
            return await self._block(query, budget_tokens, count, session)
        except JarvisError as error:
            _log.warning("nothing remembered is told: %s", error.sentence())
            return MemoryBlock()

    async def _block(self, query: str, budget_tokens: int, count: Count, session: str | None) -> MemoryBlock:
        now = self._clock.now()
        matches = await self.search(query, limit=block.MATCHES_MAX * 2, session=session)

        def fn(db: Database) -> tuple[list[MemoryItem], list[MemoryItem], list[MemoryItem]]:
            preferences = table.read(db, now, kind="preference", limit=200)
            working = table.read(db, now, tier="working", session=session, limit=200) if session else []
            return preferences, working, table.read(db, now, kind="summary", limit=5)

        preferences, working, summaries = await self._store.read(fn)
        own = [one for one in preferences if one.trust == "operator"]
        source = f"chat:{session}"
        last = next((one for one in summaries if one.source != source), None)
        hidden = {one.id for one in own} | ({last.id} if last else set())
        working = [one for one in working if one.source == source]
        fitting = [one for one in matches if one.id not in hidden and (one.kind != "preference" or one in own)]
        rest = [one for one in working if one.id not in {known.id for known in fitting}]
        built = await block.build(own, [*fitting, *rest], last, budget_tokens, count)
        useful = [one.id for one in fitting if one.id in built.ids]
        if useful:
            with suppress(JarvisError):  # what was of use can be told all the same
                await self._store.write(lambda db: table.used(db, useful, now, self.ends))
        return built

    async def everything(self) -> Sequence[MemoryItem]:
        """All that holds now, and is not only of a session. Raises ``store_failed``."""
        now = self._clock.now()
        return await self._store.read(lambda db: table.read(db, now))

    async def traces(self, number: int) -> Sequence[str]:
        """Where something of a memory still lies: ``row`` ``index`` ``vector``; empty once it is forgotten."""
        return await self._store.read(lambda db: table.traces(db, number))

    # --- the page ----------------------------------------------------------------------------------------

    async def export(self) -> tuple[str, int]:
        """All that is remembered as Markdown, and how many that is. Raises ``store_failed``."""
        now = self._clock.now()

        def fn(db: Database) -> tuple[str, int]:
            items = table.read(db, now)
            return page.render(items, table.newest_id(db), now), len(page.shown(items))

        return await self._store.read(fn)

    async def compare(self, markdown: str) -> page.Diff:
        """What importing ``markdown`` would change. Raises ``invalid_params`` naming lines, ``store_failed``."""
        now = self._clock.now()
        return await self._store.read(lambda db: self._compare(db, markdown, now))

    async def apply(self, markdown: str, sha256: str) -> page.Diff:
        """Do what ``compare`` showed under that name, all or nothing; answers what was done.

        Raises ``refused`` where the page or what is remembered is not the same any more, ``invalid_params``,
        ``unavailable``, ``store_failed``.
        """
        self._check_enabled()
        now = self._clock.now()

        def fn(db: Database) -> page.Diff:
            diff = self._compare(db, markdown, now)
            if diff.sha256 != sha256:
                raise stale_diff()
            for number in diff.forgotten:
                table.forget(db, number, now, self.ends)
            for line in diff.changed:
                known = table.get(db, line.id or 0, now)
                if known is not None:
                    table.edit(db, known, New(line.text, line.tier, line.kind, line.subject), now, self.ends)
            for line in diff.added:
                new = New(line.text, line.tier, line.kind, line.subject, source="import", trust="operator")
                table.put(db, new, now, self.ends)
            return diff

        return await self._write(fn)

    def _compare(self, db: Database, markdown: str, now: float) -> page.Diff:
        return page.compare(markdown, table.read(db, now, replaced=True), self.redact)

    def offer(self, bus: Bus) -> None:
        """What the operator may ask: ``memory.list`` ``memory.search`` ``memory.export`` ``memory.compare``."""
        MemoryServices(self, self._clock).offer(bus)

    # --- by the clock and the feed -----------------------------------------------------------------------

    async def sweep(self) -> int:
        """Delete what has ended; how many went. Raises ``store_failed``."""
        now = self._clock.now()
        return await self._store.write(lambda db: table.sweep(db, now))

    async def follow(self) -> int:
        """Take in what happened since; how many events there were. Raises ``store_failed``."""
        total = 0
        while True:
            step = partial(events.follow, now=self._clock.now(), ends=self.ends, redact=self.redact)
            count = await self._write(step)
            total += count
            if not count:
                return total

    async def _write(self, fn: Callable[[Database], T]) -> T:
        """Write durably; what is new gets its vector soon after."""
        found = await self._store.write(fn, durable=True)
        self._written.set()
        return found

    async def _indexing(self, vectors: Vectors) -> None:
        while True:
            self._written.clear()
            try:
                await vectors.index()
            except JarvisError as error:
                _log.warning("no vectors: %s", error.sentence())
                await self._clock.sleep(STORE_AGAIN_S)
                continue
            await self._written.wait()

    async def _sweeping(self) -> None:
        while True:
            try:
                await self.sweep()
            except JarvisError as error:
                _log.warning("not swept: %s", error.sentence())
            await self._clock.sleep(SWEEP_S)

    async def _following(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.follow()
            except JarvisError as error:  # the cursor stayed where it was
                _log.warning("the feed is not remembered: %s", error.sentence())
                await self._clock.sleep(STORE_AGAIN_S)
                continue
            await self._news.wait()

    def _check_enabled(self) -> None:
        if not self.settings.enabled:
            raise JarvisError(
                "unavailable", "Memory is switched off", next="Set `[assistant.memory] enabled = true`."
            )


def unknown(number: int) -> JarvisError:
    return JarvisError("not_found", f"There is no memory {number}", next="`jarvis memory list` shows all.")


def stale_diff() -> JarvisError:
    return JarvisError(
        "refused", "What is remembered is not what the comparison was made of",
        why="it changed meanwhile, or the page did; nothing was imported", next="`jarvis memory import FILE` anew.",
    )  # fmt: skip


def _replaced(db: Database, done: Put, now: float) -> MemoryItem | None:
    return None if done.instead is None else table.get(db, done.instead, now)
