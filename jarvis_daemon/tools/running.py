"""The last stretch of a call: intent, run, read back, outcome; and how each ending is put into words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.bus import Feed
from jarvis_daemon.bus.feed import FeedSeverity
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.redact import redact
from jarvis_daemon.store import Database, Store
from jarvis_daemon.tools import idempotency
from jarvis_daemon.tools.act import Act
from jarvis_daemon.tools.audit import Audit, Entry, Kind, append
from jarvis_daemon.tools.judge import Judgement, sentence, settle
from jarvis_daemon.tools.killswitch import KillSwitch
from jarvis_daemon.tools.spec import Context, ToolSpec, Verdict

_log = logging.getLogger("jarvis.gate")
Progress = Callable[[dict[str, Any]], None]
NOT_KNOWN: Final = frozenset({"timed_out", "cluster_unreachable", "daemon_unreachable"})
"""Errors after which a side effect that was begun may have happened all the same."""
_SEVERITY: Final[dict[str, FeedSeverity]] = {
    "verified": "ok", "contradicted": "error", "unverified": "warning", "failed": "error", "cancelled": "warning",
}  # fmt: skip


@dataclass
class Job:
    """One call on its way. ``args`` are plain, as they go into the audit (redacted there)."""

    call_id: str
    principal: str
    name: str
    args: dict[str, Any]
    spec: ToolSpec | None = None
    judged: Judgement | None = None
    key: str | None = None
    key_hash: str = ""
    approval_id: str | None = None
    begun: list[str] = field(default_factory=list)

    def entry(self, kind: Kind, judged: Judgement | None, data: dict[str, Any] | None = None) -> Entry:
        target = judged.target.id if judged else ""
        tier = judged.tier.word if judged else self.spec.base_tier.word if self.spec else "black"
        return Entry(kind, self.call_id, self.principal, self.name, tier, target, self.args, data)


class Runner:
    """Runs judged calls; a write holds its target, its tool's place and one of the places of all."""

    def __init__(
        self, store: Store, feed: Feed, clock: Clock, kill: KillSwitch, audit: Audit, *, at_once: int
    ) -> None:
        self._store, self._feed, self._clock, self._kill, self._audit = store, feed, clock, kill, audit
        self._at_once = at_once
        self._targets: dict[str, str] = {}
        self._acts: dict[str, Act] = {}
        self._running: dict[str, int] = {}

    def cancel(self, call_id: str) -> None:
        """Its asker wants no further step; what was begun is seen to its end."""
        if (act := self._acts.get(call_id)) is not None:
            act.cancel()

    # --- reads -------------------------------------------------------------------------------------------

    async def read(
        self, job: Job, spec: ToolSpec, args: Any, judged: Judgement, ctx: Context, progress: Progress
    ) -> m.ToolOutcome:
        """Run a GREEN tool. Raises ``JarvisError``."""
        act = Act(call_id=job.call_id, killed=_always, note=_nothing, progress=progress)
        try:
            async with asyncio.timeout(spec.timeout_s):
                result = await spec.run(args, judged.target, act)
        except TimeoutError:
            raise JarvisError("timed_out", f"{spec.name} took longer than {spec.timeout_s:g} s") from None
        finally:
            act.end()
        self._audit.note_read(job.entry("read", judged))
        return _outcome(job, judged, "done", "", result=msgspec.to_builtins(result), tainted=spec.tainted)

    # --- writes ------------------------------------------------------------------------------------------

    async def write(
        self, job: Job, spec: ToolSpec, args: Any, judged: Judgement, ctx: Context, progress: Progress, *,
        asked: Entry | None = None,
    ) -> m.ToolOutcome:  # fmt: skip
        """Intent, run, verify, outcome. Raises ``busy`` or ``store_failed`` before the intent, nothing after.

        ``asked`` is written together with the intent where nothing lay between the two.
        """
        async with self._place(spec, judged):
            await self._store.write(lambda db: self._intend(db, job, judged, asked), durable=True)
            outcome = await self._run(job, spec, args, judged, ctx, progress)
        await self._note(job, judged, outcome)
        return outcome

    async def _run(
        self, job: Job, spec: ToolSpec, args: Any, judged: Judgement, ctx: Context, progress: Progress
    ) -> m.ToolOutcome:
        async def note(what: str) -> None:
            await self._audit.write(job.entry("step", judged, {"step": what}), durable=False)

        act = Act(call_id=job.call_id, killed=self._kill.check, note=note, progress=progress)
        self._acts[job.call_id] = act
        result: msgspec.Struct | None = None
        error: JarvisError | None = None
        try:
            async with asyncio.timeout(spec.timeout_s):
                result = await spec.run(args, judged.target, act)
        except TimeoutError:
            error = JarvisError("timed_out", f"{spec.name} did not end within {spec.timeout_s:g} s")
        except JarvisError as caught:
            error = caught
        except Exception as caught:
            _log.exception("tool failed", extra={"data": {"tool": spec.name}})
            error = JarvisError("internal", f"{spec.name} failed inside the daemon", why=type(caught).__name__)
        finally:
            act.end()
            del self._acts[job.call_id]
            job.begun = list(act.steps)
        if error is not None and not (act.steps and error.code in NOT_KNOWN):
            return self._failed(job, judged, error, act)
        verdict = await self._verify(spec, args, judged, result, ctx)
        return self._ended(job, spec, args, judged, result, error, verdict)

    async def _verify(self, spec: ToolSpec, args: Any, judged: Judgement, result: Any, ctx: Context) -> Verdict:
        if spec.verify is None:
            return Verdict("unverified", "Nothing can be read back for this.")
        try:
            async with asyncio.timeout(max(60.0, spec.timeout_s)):
                verdict: Verdict = await settle(spec.verify(args, judged.target, result, ctx))
                return verdict
        except (JarvisError, TimeoutError) as error:
            why = error.sentence() if isinstance(error, JarvisError) else "it took too long"
            return Verdict("unverified", f"Reading back failed: {why}.")
        except Exception as error:
            _log.exception("verify failed", extra={"data": {"tool": spec.name}})
            return Verdict("unverified", f"Reading back failed: {type(error).__name__}.")

    def _ended(
        self, job: Job, spec: ToolSpec, args: Any, judged: Judgement, result: Any, error: JarvisError | None,
        verdict: Verdict,
    ) -> m.ToolOutcome:  # fmt: skip
        word = verdict.outcome
        if error is not None and word != "verified":
            word = "unverified" if word == "unverified" else "contradicted"
        done = sentence(spec.sentences.done, args, judged.target) if spec.sentences else ""
        text = {
            "verified": verdict.text or done or f"{judged.summary}: done and read back.",
            "contradicted": f"{judged.summary}: it was sent, but what is read back contradicts it. {verdict.text}",
            "unverified": f"{judged.summary}: it was sent, but it is not known what became of it. {verdict.text}",
        }[word]
        undo = spec.undo(args, judged.target, result) if spec.undo and word == "verified" else None
        return _outcome(
            job, judged, word, text.strip(), why=error.sentence() if error else "",
            code="" if word == "verified" else error.code if error else "refused",
            next="" if word == "verified" else "Look before you try again: `jarvis task list`.",
            result=msgspec.to_builtins(result) if result is not None else {}, evidence=dict(verdict.evidence),
            undo={"name": undo.name, "args": dict(undo.args)} if undo else None, tainted=spec.tainted,
        )  # fmt: skip

    def _failed(self, job: Job, judged: Judgement, error: JarvisError, act: Act) -> m.ToolOutcome:
        done = f" Done before: {'; '.join(act.steps)}." if act.steps else " Nothing was done."
        word: m.Outcome = "cancelled" if act.pulled or error.code == "cancelled" else "failed"
        return _outcome(
            job, judged, word, f"{judged.summary}: {error.what}.{done}", why=error.why, next=error.next,
            code=error.code, evidence={"steps": list(act.steps)},
        )  # fmt: skip

    # --- endings without an act --------------------------------------------------------------------------

    async def refused(self, job: Job, error: JarvisError) -> m.ToolOutcome:
        """A refusal, audited as far as the store lets us."""
        outcome = _outcome(
            job,
            job.judged,
            "refused",
            error.what.rstrip(".") + ".",
            why=error.why,
            next=error.next,
            code=error.code,
        )
        if "needs" in error.data and job.judged is not None:
            outcome.needs, outcome.digest = error.data["needs"], job.judged.digest
            outcome.effects = [*job.judged.reasons, *job.judged.effects]
        try:
            await self._audit.write(job.entry("refused", job.judged, {"code": error.code, "why": error.sentence()}))
        except JarvisError as failed:
            _log.error("refusal not audited", extra={"data": {"why": failed.sentence()}})
        return outcome

    async def ended(self, job: Job, word: m.Outcome, text: str) -> m.ToolOutcome:
        """Denied, expired or called off before the act."""
        outcome = _outcome(job, job.judged, word, text, code="refused", next="Nothing was done.")
        try:
            await self._audit.write(job.entry("outcome", job.judged, {"outcome": word, "text": text}))
        except JarvisError as failed:
            _log.error("outcome not audited", extra={"data": {"why": failed.sentence()}})
        return outcome

    # --- notes -------------------------------------------------------------------------------------------

    def _intend(self, db: Database, job: Job, judged: Judgement, asked: Entry | None) -> None:
        if asked is not None:
            append(db, self._clock.now(), asked)
        append(db, self._clock.now(), job.entry("intent", judged, {"plan": judged.plan, "key": job.key}))
        if job.key is None:
            return
        now = self._clock.now()
        if not idempotency.begin(db, job.principal, job.key, job.key_hash, job.call_id, now):
            # its twin was quicker by a moment
            raise JarvisError("busy", "The same call with this key is on its way", next="Ask again.")

    async def _note(self, job: Job, judged: Judgement, outcome: m.ToolOutcome) -> None:
        """Outcome, idempotency and feed in one transaction."""
        event = self._feed.make(
            f"tool.{outcome.outcome}", redact(outcome.text), severity=_SEVERITY.get(outcome.outcome, "info"),
            target=judged.target.id or None,
            data={"call": job.call_id, "tool": job.name, "by": job.principal, "outcome": outcome.outcome},
        )  # fmt: skip

        def fn(db: Database) -> None:
            data = {"outcome": outcome.outcome, "text": outcome.text, "why": outcome.why, "steps": job.begun}
            append(db, self._clock.now(), job.entry("outcome", judged, data))
            if job.key is not None:
                idempotency.finish(db, job.principal, job.key, outcome)
            self._feed.append(db, event)

        try:
            await self._store.write(fn, durable=True)
        except JarvisError as failed:
            # the intent stands open in the audit and is told at the next start
            _log.error("outcome not audited", extra={"data": {"call": job.call_id, "why": failed.sentence()}})
            outcome.why = f"{outcome.why} The outcome could not be written to the audit.".strip()
            return
        self._feed.publish(event)

    @asynccontextmanager
    async def _place(self, spec: ToolSpec, judged: Judgement) -> AsyncIterator[None]:
        """Raises ``busy`` when the target, the tool or the house is at its limit."""
        target = judged.target.id
        if target and (other := self._targets.get(target)) is not None:
            raise JarvisError("busy", f"{judged.target.name} is being worked on", why=f"{other} runs on it")
        if self._running.get(spec.name, 0) >= spec.concurrency:
            raise JarvisError("busy", f"{spec.name} runs already as often as it may")
        if sum(self._running.values()) >= self._at_once:
            raise JarvisError("busy", f"{self._at_once} tools run already")
        self._running[spec.name] = self._running.get(spec.name, 0) + 1
        if target:
            self._targets[target] = spec.name
        try:
            yield
        finally:
            self._running[spec.name] -= 1
            self._targets.pop(target, None)


def _outcome(
    job: Job, judged: Judgement | None, word: m.Outcome, text: str, *, why: str = "", next: str = "",  # noqa: A002
    code: str = "", result: dict[str, Any] | None = None, evidence: dict[str, Any] | None = None,
    undo: dict[str, Any] | None = None, tainted: bool = False,
) -> m.ToolOutcome:  # fmt: skip
    tier = judged.tier.word if judged else job.spec.base_tier.word if job.spec else "black"
    needs: Literal["nothing", "confirm", "typed_name", "approval"] = "nothing"
    return m.ToolOutcome(
        call_id=job.call_id, tool=job.name, outcome=word, code=code, tier=tier,
        target=judged.target.id if judged else "", target_name=judged.target.name if judged else "", text=text,
        why=why, next=next, result=result or {}, evidence=evidence or {}, undo=undo, needs=needs,
        approval_id=job.approval_id, tainted=tainted,
    )  # fmt: skip


async def _always() -> bool:
    """A read has no permit to act: its ``step`` refuses as if the switch were engaged."""
    return True


async def _nothing(what: str) -> None:
    return
