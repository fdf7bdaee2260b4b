"""The gate: the one way by which anything acts.

A call that needs an approval lives on in the gate while its asker waits, leaves or dies; approved, it runs once.
Whatever a room's function raises becomes one outcome with one sentence, and every outcome is in the audit.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec

from jarvis_daemon.bus import ASKED, Bus, Feed, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import Role
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Approval
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import redact, redact_tree
from jarvis_daemon.settings import ApprovalSettings, ToolSettings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import idempotency
from jarvis_daemon.tools.approvals import LIFE_S, Approvals, Held
from jarvis_daemon.tools.audit import Audit, Entry
from jarvis_daemon.tools.judge import Judgement, judge
from jarvis_daemon.tools.killswitch import KillSwitch
from jarvis_daemon.tools.registry import Registry
from jarvis_daemon.tools.running import Job, Runner
from jarvis_daemon.tools.spec import Context, ToolSpec
from jarvis_daemon.tools.tiers import rule

_log = logging.getLogger("jarvis.gate")
KEEP_OUTCOMES: Final = 500
Progress = Callable[[dict[str, Any]], None]
Policy = Callable[[Judgement, Principal], Awaitable[None]]
"""Raises ``refused`` with one sentence."""


class Gate:
    """``call`` never raises for what a caller did; it answers an outcome."""

    def __init__(
        self, registry: Registry, bus: Bus, store: Store, feed: Feed, clock: Clock, kill: KillSwitch, audit: Audit,
        tools: ToolSettings, approvals: ApprovalSettings,
    ) -> None:  # fmt: skip
        self.registry, self.clock, self.kill, self.audit = registry, clock, kill, audit
        self.settings = tools
        self.approvals = Approvals(bus, clock, pin=approvals.pin)
        self.runner = Runner(store, feed, clock, kill, audit, at_once=tools.at_once)
        self.policies: dict[Role, Policy] = {}
        """What a role has to hold besides its tiers, asked each time a write is judged: guardrails of runbooks."""
        self._store = store
        self._calls: dict[str, asyncio.Task[m.ToolOutcome]] = {}
        self._askers: dict[str, str] = {}
        self._of_approval: dict[str, str] = {}
        self._said: dict[str, str] = {}
        """Call to the last line of its progress, for who waits without having seen it begin."""
        kill.on_engage(self.approvals.void_all)

    async def call(self, params: m.ToolCall, principal: Principal, progress: Progress) -> m.ToolOutcome:
        """Run one call through the gate; answers when it has ended, or ``awaiting`` after ``wait_s``."""
        call_id, asked = secrets.token_hex(6), asyncio.Event()

        def told(data: dict[str, Any]) -> None:
            if lines := data.get("lines"):
                self._said[call_id] = clean(str(lines[-1]))
            progress(redact_tree(data) if principal.role == "agent" else data)

        task = spawn(self._call(call_id, params, principal, told, asked), name=f"tool-{params.name[:40]}")
        self._keep(call_id, key_of(principal), task)
        waits = spawn(asked.wait(), name="tool-asked")
        try:
            await asyncio.wait({task, waits}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=max(0.0, min(params.wait_s, LIFE_S)))
            if not task.done() and (held := self._waiting(call_id)) is not None:
                return self._awaiting(call_id, held)
            return _for(principal, await asyncio.shield(task))
        except asyncio.CancelledError as error:
            if ASKED in error.args:
                self._call_off(call_id)
            raise
        finally:
            waits.cancel()

    async def wait(self, params: m.ToolWait, principal: Principal) -> m.ToolOutcome:
        """The outcome of a call that awaited its approval. Raises ``not_found`` for another's or an unknown one."""
        call_id = self._of_approval.get(params.id, params.id)
        task = self._calls.get(call_id)
        mine = principal.role == "operator" or self._askers.get(call_id) == key_of(principal)
        if task is None or not mine:
            raise JarvisError("not_found", f"There is no call {params.id[:40]!r} to wait for")
        await asyncio.wait({task}, timeout=max(0.0, min(params.wait_s, LIFE_S)))
        waiting = self._waiting(call_id)
        if task.done():
            return _for(principal, task.result())
        if waiting is not None:
            return self._awaiting(call_id, waiting)
        said = self._said.get(call_id)
        text = f"It is running: {said}" if said else "It is running."
        return m.ToolOutcome(call_id=call_id, outcome="awaiting", text=text, next="Wait again.")

    async def answer(self, params: m.ApprovalAnswer, principal: Principal) -> m.ToolOutcome:
        """An operator's answer; when approved, answers with the outcome of the call."""
        held = self.approvals.get(params.id)
        if params.approve and held.approval.tier == "black":
            raise JarvisError("forbidden", "What destroys is never approved for another")
        held = self.approvals.answer(params.id, params.approve, principal, params.pin)
        word = "approved" if params.approve else "denied"
        call_id = self._of_approval[params.id]
        await self.audit.write(Entry(
            "approval", call_id, key_of(principal), held.approval.tool, held.approval.tier, held.approval.target,
            data={"approval": params.id, "answer": word},
        ))  # fmt: skip
        await asyncio.wait({self._calls[call_id]}, timeout=LIFE_S)
        task = self._calls[call_id]
        return task.result() if task.done() else self._awaiting(call_id, held)

    # --- one call ----------------------------------------------------------------------------------------

    async def _call(
        self, call_id: str, params: m.ToolCall, principal: Principal, progress: Progress, asked: asyncio.Event
    ) -> m.ToolOutcome:
        job = Job(call_id, key_of(principal), params.name[:80], params.args)
        try:
            return await self._through(job, params, principal, progress, asked)
        except JarvisError as error:
            return await self._refused(job, error)
        except Exception as error:
            _log.exception("tool failed", extra={"data": {"tool": params.name[:80]}})
            wrong = JarvisError("internal", f"{job.name} failed inside the daemon", why=type(error).__name__)
            return await self._refused(job, wrong)

    async def _refused(self, job: Job, error: JarvisError) -> m.ToolOutcome:
        """A refusal; one that comes after the approval is shown at the approval too."""
        if (held := self.approvals.find(job.approval_id)) is not None:
            self.approvals.outcome(held, "refused")
        return await self.runner.refused(job, error)

    async def _through(
        self, job: Job, params: m.ToolCall, principal: Principal, progress: Progress, asked: asyncio.Event
    ) -> m.ToolOutcome:
        spec = self.registry.get(params.name)
        job.spec = spec
        args = _arguments(spec, params.args)
        job.args = msgspec.to_builtins(args)
        if params.idempotency_key and spec.writes and not params.dry_run:
            known = await self._known(job, params.idempotency_key)
            if known is not None:
                return known
        judged = await self._judge(spec, args, job, principal, params.dry_run)
        wanted = rule(
            principal.role, judged.tier, agents_run_yellow=self.settings.agents_run_yellow, alone=principal.alone,
            operator_only=spec.operator_only,
        )  # fmt: skip
        if not spec.writes:
            if wanted != "run":
                raise JarvisError("forbidden", f"A session of role {principal.role} may not call {spec.name}")
            return await self.runner.read(job, spec, args, judged, self._context(job, principal, False), progress)
        if params.dry_run:
            plan = _plan(job, judged, wanted, _undo(spec, args, judged))
            plan.pin_needed = self.approvals.pin_set and plan.needs in {"confirm", "typed_name"}
            return plan
        asked_row = job.entry("asked", judged, {"rule": wanted, "reasons": list(judged.reasons)})
        if wanted == "run":  # nothing lies in between: what was judged is what runs
            ctx = self._context(job, principal, False)
            return await self.runner.write(job, spec, args, judged, ctx, progress, asked=asked_row)
        await self.audit.write(asked_row)
        if wanted == "refuse":
            raise _refusal(spec, judged, principal)
        held: Held | None = None
        if wanted in {"confirm", "type_name"}:
            await self._confirmed(job, params, judged, wanted)
        elif wanted == "approval":
            held = self._ask(job, spec, judged, principal)
            asked.set()
            if (outcome := await self._decided(job, held)) is not None:
                return outcome
        again = await self._judge(spec, args, job, principal, False)
        _unchanged(judged, again)
        if held is not None and not self.approvals.use(held, again.digest):
            raise JarvisError(
                "refused", "The approval does not fit this call", why="it changed, or was used before"
            )
        ctx = self._context(job, principal, False)
        outcome = await self.runner.write(job, spec, args, again, ctx, progress)
        if held is not None:
            self.approvals.outcome(held, outcome.outcome)
        return outcome

    async def _judge(self, spec: ToolSpec, args: Any, job: Job, principal: Principal, dry_run: bool) -> Judgement:
        """Target, tier and policy as they are now. Raises what refuses the call."""
        ctx = self._context(job, principal, dry_run)
        judged = await judge(spec, args, ctx, job.principal, self.settings.protected)
        job.judged = judged
        if spec.writes and judged.refuse:
            raise JarvisError("refused", judged.refuse, next=judged.next or "Nothing was done.")
        if spec.writes and not dry_run and await self.kill.check():
            why = self.kill.state().reason
            raise JarvisError("killed", "The kill switch is engaged; nothing is done", why=why)
        if spec.writes and (policy := self.policies.get(principal.role)) is not None:
            await policy(judged, principal)
        return judged

    async def _known(self, job: Job, key: str) -> m.ToolOutcome | None:
        """What became of an earlier call with this key, if there was one."""
        job.key, job.key_hash = key[:200], idempotency.args_hash(job.name, job.args)
        found = await self._store.read(
            lambda db: idempotency.look_up(db, job.principal, job.key or "", job.key_hash, self.clock.now())
        )
        if found == "new":
            return None
        if found == "other":
            job.key = None
            raise JarvisError(
                "refused",
                "This idempotency key was used with other arguments",
                next="Use a new key for a new call.",
            )
        if found == "open":
            return m.ToolOutcome(
                call_id=job.call_id, tool=job.name, outcome="unverified", code="refused",
                text="The first call with this key was begun and its outcome is not known.",
                next="`jarvis audit list` shows it; look before you call again.",
            )  # fmt: skip
        return found if isinstance(found, m.ToolOutcome) else None

    async def _confirmed(self, job: Job, params: m.ToolCall, judged: Judgement, wanted: str) -> None:
        """An operator's own confirmation, minted and spent in one step. Raises what is missing."""
        needs = {"needs": "typed_name" if wanted == "type_name" else "confirm"}
        if params.confirm is None:
            what = f"{judged.summary}: this wants a confirmation"
            raise JarvisError("refused", what, next="Confirm the plan.", data=needs)
        if params.confirm != judged.digest:
            raise JarvisError(
                "refused", f"{judged.target.name} changed since the plan was shown", why="; ".join(judged.plan[1:]),
                next="Look at the new plan and confirm that.", data=needs,
            )  # fmt: skip
        if wanted == "type_name" and (params.typed or "").strip() != judged.target.name:
            raise JarvisError(
                "refused", f"{judged.summary}: this destroys, so the target's name has to be typed",
                next=f"Type {judged.target.name} to go on.", data=needs,
            )  # fmt: skip
        self.approvals.check_pin(params.pin)
        await self.audit.write(job.entry("approval", judged, {"answer": "confirmed", "digest": judged.digest}))

    def _ask(self, job: Job, spec: ToolSpec, judged: Judgement, principal: Principal) -> Held:
        approval = Approval(
            id=secrets.token_hex(3), cluster=judged.target.cluster, tool=spec.name, tier=judged.tier.word,
            args=redact_tree(job.args), target=judged.target.id, target_name=judged.target.name,
            summary=redact(judged.summary), effects=[redact(e) for e in (*judged.reasons, *judged.effects)],
            asked_by=str(principal),
        )  # fmt: skip
        held = self.approvals.ask(approval, judged.digest, principal)
        self._of_approval[approval.id] = job.call_id
        job.approval_id = approval.id
        return held

    async def _decided(self, job: Job, held: Held) -> m.ToolOutcome | None:
        """Wait for the answer; None when approved, else the outcome."""
        if await asyncio.shield(held.decided):
            return None
        status = held.approval.status
        word: m.Outcome = "denied" if status == "denied" else "expired" if status == "expired" else "cancelled"
        text = {
            "denied": f"{held.approval.summary}: denied by {held.approval.answered_by}.",
            "expired": f"{held.approval.summary}: nobody answered within {LIFE_S / 60:g} minutes.",
        }.get(word, f"{held.approval.summary}: called off before anybody answered.")
        return await self.runner.ended(job, word, text)

    def _context(self, job: Job, principal: Principal, dry_run: bool) -> Context:
        return Context(principal=principal, now=self.clock.now(), call_id=job.call_id, dry_run=dry_run)

    # --- what waits --------------------------------------------------------------------------------------

    def _call_off(self, call_id: str) -> None:
        """Its asker asked to cancel: what waits is void, what runs takes no further step."""
        if (held := self._waiting(call_id)) is not None:
            self.approvals.void(held)
        self.runner.cancel(call_id)

    def _keep(self, call_id: str, asker: str, task: asyncio.Task[m.ToolOutcome]) -> None:
        self._calls[call_id], self._askers[call_id] = task, asker
        for old in list(self._calls)[: max(0, len(self._calls) - KEEP_OUTCOMES)]:
            if self._calls[old].done():
                del self._calls[old], self._askers[old]
                self._said.pop(old, None)
                self._of_approval = {a: c for a, c in self._of_approval.items() if c != old}

    def _waiting(self, call_id: str) -> Held | None:
        for approval_id, of_call in self._of_approval.items():
            if of_call == call_id:
                held = self.approvals.find(approval_id)
                return held if held is not None and held.approval.status == "pending" else None
        return None

    def _awaiting(self, call_id: str, held: Held) -> m.ToolOutcome:
        shown = held.approval
        return m.ToolOutcome(
            call_id=call_id, tool=shown.tool, outcome="awaiting", tier=shown.tier, target=shown.target,
            target_name=shown.target_name, text=f"{shown.summary}: awaiting the operator.", effects=shown.effects,
            needs="approval", approval_id=shown.id, expires_at=shown.expires_at,
            next=f"The operator answers with `jarvis approve {shown.id}`; wait with tool.wait.",
        )  # fmt: skip


def key_of(principal: Principal) -> str:
    """Who asks, as kept in audit and idempotency: it outlives a reconnect."""
    return f"{principal.role}:{principal.worker or principal.client or 'unknown'}:{principal.uid}"


def _arguments(spec: ToolSpec, given: dict[str, Any]) -> Any:
    """The arguments as the tool's struct. Raises ``invalid_params`` naming the argument."""
    try:
        return msgspec.convert(given, spec.args, strict=True)
    except msgspec.ValidationError as error:
        raise JarvisError(
            "invalid_params", f"The arguments of {spec.name} are wrong", why=str(error),
            next=f"`jarvis tool show {spec.name}` lists them.",
        ) from None  # fmt: skip


def _unchanged(before: Judgement, now: Judgement) -> None:
    if before.digest != now.digest:
        raise JarvisError(
            "refused", f"{before.target.name} changed between approval and act; nothing was done",
            why="; ".join(now.plan), next="Ask again and look at the new plan.",
        )  # fmt: skip


def _refusal(spec: ToolSpec, judged: Judgement, principal: Principal) -> JarvisError:
    why = f"{spec.name} on {judged.target.name or 'this'} is {judged.tier.name}" + "".join(
        f"; {reason}" for reason in judged.reasons
    )
    who = "only an operator at a terminal may" if principal.role != "viewer" else "a viewer only looks"
    return JarvisError("forbidden", f"{judged.summary}: refused", why=f"{why}; {who}")


def _undo(spec: ToolSpec, args: Any, judged: Judgement) -> dict[str, Any] | None:
    """What would take it back, as far as that can be told before it is done."""
    try:
        undo = spec.undo(args, judged.target, None) if spec.undo else None
    except (AttributeError, TypeError, KeyError):  # this one is only known from the result
        return None
    return {"name": undo.name, "args": dict(undo.args)} if undo else None


def _plan(job: Job, judged: Judgement, wanted: str, undo: dict[str, Any] | None) -> m.ToolOutcome:
    needs: dict[str, Any] = {"confirm": "confirm", "type_name": "typed_name", "approval": "approval"}
    return m.ToolOutcome(
        call_id=job.call_id, tool=job.name, outcome="planned" if wanted != "refuse" else "refused",
        code="" if wanted != "refuse" else "forbidden", tier=judged.tier.word, target=judged.target.id,
        target_name=judged.target.name, text=f"Would: {judged.summary}.",
        effects=[*judged.reasons, *judged.effects], digest=judged.digest, needs=needs.get(wanted, "nothing"),
        undo=undo,
    )  # fmt: skip


def _for(principal: Principal, outcome: m.ToolOutcome) -> m.ToolOutcome:
    """What an agent is told holds no secret: it may hand on to anyone what it reads."""
    if principal.role != "agent":
        return outcome
    clean_result = redact_tree(outcome.result)
    texts = {name: redact(getattr(outcome, name)) for name in ("text", "why", "next")}
    return msgspec.structs.replace(outcome, result=clean_result, **texts)


async def as_stream(
    gate: Gate, params: m.ToolCall, principal: Principal
) -> AsyncIterator[dict[str, Any] | m.ToolOutcome]:
    """``tool.call`` as the bus wants it: progress as dicts, then the outcome."""
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(256)

    def progress(data: dict[str, Any]) -> None:
        if not queue.full():  # a slow reader misses lines, not the outcome
            queue.put_nowait(data)

    task = spawn(gate.call(params, principal, progress), name="tool-call")
    task.add_done_callback(lambda _: progress_end(queue))
    try:
        while (data := await queue.get()) is not None:
            yield data
        yield await task
    except (asyncio.CancelledError, GeneratorExit) as error:
        task.cancel(*error.args)
        raise


def progress_end(queue: asyncio.Queue[dict[str, Any] | None]) -> None:
    """Wake the reader at the end, even when the queue is full."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
