"""Carries a repair out: a second look, the steps through the gate, each under all guardrails again.

Nothing here decides that something is to be done; it can only stop. What a step did is written before the next.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from jarvis_daemon.bus import Feed, Principal
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Check, RepairStatus, RepairStep
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import redact_tree, safe_line
from jarvis_daemon.remediation import plan, telling
from jarvis_daemon.remediation.decision import ALONE, judge
from jarvis_daemon.remediation.facts import Case, Opinion, SecondLook
from jarvis_daemon.remediation.guardrails import ask_all, ask_of_host, evidence_source
from jarvis_daemon.remediation.run import Run
from jarvis_daemon.remediation.runbook import Step
from jarvis_daemon.remediation.stories import Save, Stories
from jarvis_daemon.remediation.targets import call_name
from jarvis_daemon.remediation.words import span
from jarvis_daemon.tools import Gate, Tier
from jarvis_daemon.tools.judge import Judgement

_log = logging.getLogger("jarvis.remediation")
WAIT_S: Final = 300.0
SEE_ANEW_S: Final = 60.0
RESULT_MAX: Final = 4000
FREE_COMMAND: Final = "execute_ssh"
"""No guardrail knows what its command touches: one that does more than look is asked for at every level."""
ACTED: Final = frozenset({"verified", "contradicted", "unverified"})
Ending = Literal["go on", "stop"]
AskSecond = Callable[[str], Awaitable[tuple[Opinion, str]]]


class Engine(Protocol):
    """What carrying out needs of the engine."""

    def case(self, run: Run) -> Case: ...
    def level_of(self, run: Run) -> tuple[int, str]: ...
    def withdrawn(self, run: Run) -> Check | None: ...
    async def ended(self, run: Run) -> None: ...
    async def next_round(self) -> None: ...
    async def save(self, saves: list[Save]) -> None: ...
    async def stood_down(self, run: Run, case: Case) -> None: ...


class Carrier:
    """``carry`` never raises; the story says how it ended."""

    def __init__(
        self, engine: Engine, gate: Gate, stories: Stories, feed: Feed, clock: Clock, ask_second: AskSecond
    ) -> None:
        self._engine, self._gate, self._stories, self._feed = engine, gate, stories, feed
        self._clock, self._ask_second = clock, ask_second
        self._runs: dict[str, Run] = {}
        gate.policies["runbook"] = self.policy

    async def carry(self, run: Run) -> None:
        """From the second look to the last step; the engine's rounds verify it then."""
        try:
            await self._carry(run)
        except JarvisError as error:
            _log.error("repair stopped", extra={"data": {"repair": run.story.id, "why": error.sentence()}})
            await self._end(run, _ending(run), f"It could not go on: {error.sentence()}.")
        except Exception as error:
            _log.exception("repair failed", extra={"data": {"repair": run.story.id}})
            await self._end(run, _ending(run), f"It failed inside the daemon ({type(error).__name__}).")
        finally:
            self._runs.pop(run.session, None)

    async def report(self, run: Run) -> None:
        """Gather evidence: reads only, nothing is touched. A report that cannot be written is written later."""
        story, case = run.story, self._engine.case(run)
        try:
            await self._gather(run, case)
        except Exception:
            _log.exception("report failed", extra={"data": {"runbook": run.kept.runbook.name}})
        story.status, story.ended_at = "reported", self._clock.now()
        story.text = plan.tell(run.kept.runbook.escalate.say, case)
        event = telling.line(self._feed, story, severity=run.incident.severity)
        await self._engine.save([Save(story, event, case)])
        await self._engine.ended(run)

    async def _gather(self, run: Run, case: Case) -> None:
        story = run.story
        for step in run.kept.runbook.steps:
            if any(plan.holds(one, case).verdict != "pass" for one in step.when):
                continue
            try:
                outcome = await self._call(run, step, case, len(story.steps))
            except JarvisError as error:
                told = RepairStep(text=error.sentence(), outcome="refused", began_at=self._clock.now())
                story.steps.append(told)
                continue
            self._note(story.steps[-1], outcome)

    async def policy(self, judged: Judgement, principal: Principal) -> None:
        """Asked by the gate each time it judges a write of a runbook, the last time right before the intent."""
        run = self._runs.get(principal.session)
        if run is None:
            raise JarvisError("refused", "No repair is under way by that name", next="Nothing was done.")
        case = self._engine.case(run)
        if not plan.is_about(case, judged.target):
            raise JarvisError(
                "refused", f"{judged.target.name} is not what is ill", why=f"the repair is of {case.name}",
                next="Let the step name its target by a fact, such as {guest.vmid}.",
            )  # fmt: skip
        if judged.target.id.startswith("node:") and judged.tier >= Tier.RED and case.runbook.scope != "node":
            raise JarvisError(
                "refused", f"{judged.summary}: that touches a whole node", why=f"the scope is {case.runbook.scope}",
                next="Write `scope: node` into the runbook.",
            )  # fmt: skip
        guest = case.facts.guests.get(judged.target.id)
        if guest is not None and guest.id != case.incident.target:
            against = next((c for c in ask_of_host(case, guest) if c.verdict != "pass"), None)
            if against is not None:
                raise JarvisError("refused", against.text.rstrip("."), why=f"guardrail: {against.guardrail}")
        await self._look(run)
        why = self._engine.withdrawn(run) or self._against(self._engine.case(run), acted=run.attempt.acted)
        if why is not None:
            raise JarvisError("refused", why.text.rstrip("."), why=f"guardrail: {why.guardrail}")
        if run.story.status == "asking":  # answered: written before the act, so that a restart knows of it
            run.story.status, run.story.approval_id = "acting", None
            await self._stories.save(Save(run.story))

    # --- the way of one repair ---------------------------------------------------------------------------

    async def _carry(self, run: Run) -> None:
        await self._look(run)
        case = self._engine.case(run)
        level, why = self._engine.level_of(run)
        decision = judge(case, level, why)
        if decision.verdict not in {"act", "ask"}:
            await self._engine.stood_down(run, case)
            return
        run.decision = decision
        await self._begin(run, case)
        self._runs[run.session] = run
        for number, step in enumerate(run.kept.runbook.steps):
            if await self._step(run, step, number) == "stop":
                return
        if not run.attempt.acted:
            await self._end(run, "holding", "None of its steps could be done.")
            return
        await self._await_samples(run)

    async def _begin(self, run: Run, case: Case) -> None:
        """Written before anything is done; the facts of the decision are kept beside it."""
        story = run.story
        story.status, story.decided_at = "acting", self._clock.now()
        story.checks, story.level = run.decision.checks, run.decision.level
        story.attempt = case.past.attempts + 1
        steps = "; ".join(_intended(run, step, case) for step in run.kept.runbook.steps if _due(step, case))
        story.decided = f"{steps or run.kept.runbook.about} (runbook {run.kept.runbook.name}, L{story.level})"
        story.text = f"{story.seen.rstrip('.')}. I shall {steps or run.kept.runbook.about}".rstrip(".") + "."
        told = None if run.again else telling.line(self._feed, story)
        await self._stories.save(Save(story, told, case))

    async def _step(self, run: Run, step: Step, number: int) -> Ending:
        story = run.story
        if run.attempt.acted:
            await self._see_anew(run)
        await self._look(run)
        case = self._engine.case(run)
        if not _due(step, case):
            return "go on"
        why = self._engine.withdrawn(run) or self._against(case, acted=run.attempt.acted)
        if why is not None:
            await self._stop(run, why.text, why.guardrail, number)
            return "stop"
        try:
            outcome = await self._call(run, step, case, number)
        except JarvisError as error:
            outcome = m.ToolOutcome(
                outcome="refused", code=error.code, text=f"{error.what}.", why=error.why, next=error.next
            )
            if len(story.steps) <= number:
                story.steps.append(RepairStep(text=plan.say(step, case), began_at=self._clock.now()))
        told = story.steps[-1]
        self._note(told, outcome)
        begun = outcome.evidence.get("steps") or outcome.outcome in ACTED
        if begun and outcome.tier != "green":
            run.attempt.acted = True
        await self._stories.save(Save(story, acted=run.attempt.acted))
        if outcome.outcome in {"verified", "done"} or (step.optional and outcome.outcome != "denied"):
            return "go on"
        if outcome.outcome == "unverified":
            return "go on"  # the samples tell
        if outcome.code == "killed" or outcome.outcome == "cancelled":
            await self._stop(run, outcome.text, "kill switch", number + 1 if begun else number)
        else:
            await self._broke(run, outcome)
        return "stop"

    async def _broke(self, run: Run, outcome: m.ToolOutcome) -> None:
        why = f" {outcome.why.rstrip('.')}." if outcome.why else ""
        text = f"{outcome.text.rstrip('.')}.{why}"
        if outcome.outcome == "denied":
            await self._end(run, "cancelled", text)
        elif outcome.outcome == "expired" and self._is_over(run):
            await self._end(run, "over", f"{text} It has gone away meanwhile.")
        elif outcome.outcome == "expired":
            how = f"`jarvis runbook run {run.kept.runbook.name} {call_name(self._engine.case(run))}`"
            await self._end(run, "recommended", f"{text} {how} does it.")
        elif run.attempt.acted:
            await self._end(run, "failed", text)
        else:  # refused before anything was begun: no attempt, and looked at again
            await self._end(run, "holding", text)

    def _is_over(self, run: Run) -> bool:
        """The fault is gone, and nothing was done."""
        gone = run.incident.id not in self._engine.case(run).facts.incidents
        return bool(run.incident.id) and gone and not run.attempt.acted

    async def _stop(self, run: Run, text: str, guardrail: str, number: int) -> None:
        """A guardrail, or the kill switch, between two steps."""
        left = len(run.kept.runbook.steps) - number
        rest = f" {left} of {len(run.kept.runbook.steps)} steps were not done." if left > 0 else ""
        if not run.attempt.acted and guardrail != "kill switch":
            await self._end(run, "holding", f"{text}{rest}")
            return
        await self._end(run, "cancelled", f"I stopped before step {number + 1}: {text}{rest}")

    async def _call(self, run: Run, step: Step, case: Case, number: int) -> m.ToolOutcome:
        """One call through the gate, to its end: an approval is waited for."""
        name = plan.tool_of(step, case)
        spec = self._gate.registry.get(name)
        free = spec.name == FREE_COMMAND
        args = plan.fill(step.args, case, spec.args, words={"command"} if free else ())
        alone = "" if step.approval == "always" and not run.by_hand else self._alone(run)
        if free and alone and not run.by_hand:
            alone = "yellow"
        principal = Principal(
            session=run.session, role="runbook", client=run.kept.runbook.name, alone=alone
        )  # fmt: skip
        run.story.steps.append(RepairStep(tool=name, text=plan.say(step, case), began_at=self._clock.now()))
        if run.kept.runbook.scope != "report":
            await self._stories.save(Save(run.story, acted=run.attempt.acted))
        call = m.ToolCall(name=name, args=args, idempotency_key=f"{run.session}:{number}")
        outcome = await self._gate.call(call, principal, _ignore)
        if outcome.outcome == "awaiting" and outcome.approval_id is not None:
            run.story.approval_id, run.story.status = outcome.approval_id, "asking"
            run.story.text = f"{run.story.seen.rstrip('.')}. May I {plan.say(step, case)}?"
            await self._stories.save(Save(run.story, telling.line(self._feed, run.story)))
        while outcome.outcome == "awaiting":
            outcome = await self._gate.wait(m.ToolWait(id=outcome.call_id, wait_s=WAIT_S), principal)
        if run.story.status == "asking":
            run.story.status = "acting"
        return outcome

    def _alone(self, run: Run) -> str:
        """The gravest tier that needs no approval: as decided or as chosen now, whichever is less."""
        if run.by_hand:
            return run.agreed
        now = ALONE.get(self._engine.level_of(run)[0], "")
        return min(run.decision.alone, now, key=("", "yellow", "red").index)

    def _note(self, told: RepairStep, outcome: m.ToolOutcome) -> None:
        told.outcome, told.call_id, told.ended_at = outcome.outcome, outcome.call_id, self._clock.now()
        if outcome.outcome not in {"done", "verified"} and outcome.text:
            told.text = safe_line(outcome.text)
        if outcome.outcome == "done":
            told.result = _cut(redact_tree(outcome.result))  # journals and logs: what they hold is kept for weeks

    async def _await_samples(self, run: Run) -> None:
        story = run.story
        story.status = "verifying"
        run.verifying, run.deadline = True, self._clock.monotonic() + run.kept.runbook.verify.within_s
        source = evidence_source(self._engine.case(run))
        run.sampled_at = source.ok_at if source is not None else None
        await self._stories.save(Save(story, acted=True))

    async def _end(self, run: Run, status: RepairStatus, text: str) -> None:
        story = run.story
        story.status, story.text = status, safe_line(text, limit=2000)
        if status not in {"holding", "recommended"}:
            story.ended_at = self._clock.now()
        await self._engine.ended(run)

    # --- looking ---------------------------------------------------------------------------------------------

    async def _look(self, run: Run) -> None:
        """Ask a second endpoint, unless its word is still good."""
        good = self._engine.case(run).facts.limits.second_look_s / 2
        if run.second is not None and self._clock.monotonic() - run.second.at < good:
            return
        try:
            opinion, why = await self._ask_second(run.incident.target)
        except JarvisError as error:
            opinion, why = "none", error.sentence()
        run.second = SecondLook(opinion, self._clock.monotonic(), clean(why, limit=300))

    async def _see_anew(self, run: Run) -> None:
        """After an act the picture is that of before: the next step waits for a newer one, though not for ever."""
        end = self._clock.monotonic() + SEE_ANEW_S
        source = evidence_source(self._engine.case(run))
        before = source.ok_at if source is not None else None
        while self._clock.monotonic() < end:
            await self._engine.next_round()
            source = evidence_source(self._engine.case(run))
            if source is not None and source.ok_at != before:
                break
        run.second = None

    def _against(self, case: Case, *, acted: bool) -> Check | None:
        """What speaks against the next step; what was asked for has been asked."""
        gone = case.incident.id and case.incident.id not in case.facts.incidents
        if gone and not case.by_hand and not acted:
            return Check(guardrail="incident", verdict="hold", text="The fault has gone away meanwhile.")
        if case.second is None and not case.facts.cluster.standalone:
            return Check(guardrail="quorum", verdict="hold", text="No second endpoint was asked.")
        checks = ask_all(case)
        for verdict in ("refuse", "hold"):
            if (found := next((c for c in checks if c.verdict == verdict), None)) is not None:
                return found
        return None


def _intended(run: Run, step: Step, case: Case) -> str:
    """What a step is about to do; where a person decides, that it asks."""
    said = plan.say(step, case)
    return f"ask before I {said}" if step.approval == "always" and not run.by_hand else said


def _ending(run: Run) -> RepairStatus:
    """What could not go on has failed where something was done, else it is tried again."""
    return "failed" if run.attempt.acted else "holding"


def _due(step: Step, case: Case) -> bool:
    return all(plan.holds(one, case).verdict == "pass" for one in step.when)


def _cut(result: dict[str, Any]) -> dict[str, Any]:
    """A read's result as evidence: what is too long is told by its size only."""
    size = len(msgspec.json.encode(result))
    return result if size <= RESULT_MAX else {"cut": f"{size} bytes; ask the tool itself for all of it"}


def _ignore(data: dict[str, Any]) -> None:
    return None


def waited(seconds: float) -> str:
    """``no fresh reading within 3 min``."""
    return f"no two fresh readings within {span(seconds)}"
