"""The watchman's rounds: each open incident is judged by each runbook of its condition, and becomes a story.

A round looks, judges, writes, tells and starts; it never waits for an act. What is under way is carried out in a
task of its own (``carrying.py``) and verified by the rounds that follow, from readings that are new. A round costs
what is open, not what exists: of five thousand guests it looks at those that are ill.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Final

from jarvis_daemon.bus import Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Check, Incident, Repair, RepairStatus
from jarvis_daemon.remediation import plan, telling
from jarvis_daemon.remediation.autonomy import Levels
from jarvis_daemon.remediation.bystander import CONDITION, Bystander
from jarvis_daemon.remediation.carrying import AskSecond, Carrier
from jarvis_daemon.remediation.decision import Decision, effective_level, judge, withdrawn
from jarvis_daemon.remediation.facts import Case, Facts
from jarvis_daemon.remediation.guardrails import cooling_s, evidence_source, target_exists
from jarvis_daemon.remediation.ledger import Attempt, Ledger
from jarvis_daemon.remediation.run import Key, Run
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.remediation.stories import Save, Stories
from jarvis_daemon.remediation.targets import call_name
from jarvis_daemon.remediation.words import inside, span, spoken, why_not
from jarvis_daemon.tools import Gate

_log = logging.getLogger("jarvis.remediation")
SAMPLES: Final = 2
RETRY_S: Final = 20.0
"""After something spoke against it right before the act."""
ASK_AGAIN_S: Final = 3600.0
QUIET: Final = frozenset({"blast radius", "busy", "evidence", "cool-down", "backup", "person"})
"""Holds that are told only when they last."""
TELL_HOLD_S: Final = 60.0
TOGETHER: Final = 4
"""So many held back for the same reason in one round become one line."""
UNSAVED_MAX: Final = 500
NOT_BEGUN: Final = frozenset({"refused", "done", "denied", "expired"})
"""Outcomes of steps that have changed nothing."""
STANDING: Final[dict[str, RepairStatus]] = {
    "refuse": "refused", "hold": "holding", "recommend": "recommended", "hand_over": "escalated",
}  # fmt: skip

Look = Callable[[], Facts]
RunbooksOf = Callable[[str], Iterable[Kept]]
AskOrders = Callable[[list[str]], Awaitable[dict[str, float]]]


class Engine:
    """``round`` is called after each look at the cluster; the room does that, and so does a test."""

    def __init__(
        self, *, look: Look, runbooks: RunbooksOf, levels: Levels, ledger: Ledger, stories: Stories, feed: Feed,
        gate: Gate, clock: Clock, ask_second: AskSecond, ask_orders: AskOrders,
    ) -> None:  # fmt: skip
        self._look, self._runbooks, self.levels = look, runbooks, levels
        self.ledger, self.stories, self._feed, self._clock = ledger, stories, feed, clock
        self._ask_orders = ask_orders
        self.bystander = Bystander()
        self._carrier = Carrier(self, gate, stories, feed, clock, ask_second)
        self._runs: dict[Key, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._standing: dict[Key, Repair] = {}
        """What was decided without acting, or how the last attempt ended, while the incident is open."""
        self._told: dict[Key, set[str]] = {}
        self._held_since: dict[Key, tuple[str, float]] = {}
        self._reasons: dict[Key, str] = {}
        """Why, as the story that stands says it."""
        self._not_before: dict[Key, float] = {}
        self._tries: dict[Key, int] = {}
        """How often in a row something spoke against it after it had begun."""
        self._orders: dict[str, float] = {}
        self._closing: set[Key] = set()
        self._unsaved: list[Save] = []
        self._turned = asyncio.Event()
        self._lock = asyncio.Lock()

    # --- the round -------------------------------------------------------------------------------------------

    async def round(self) -> None:
        """Look once, judge everything that is open. Nothing is raised; the next round tries again."""
        async with self._lock:
            facts = self._look()
            self.levels.weigh(facts.cluster)
            self.ledger.opened(list(facts.incidents.values()))
            saves = [*self._verify(facts), *self._over(facts)]
            start: list[Run] = []
            for case in await self._cases(facts):
                saves += self._consider(case, start)
            saves += self._left_alone(facts)
            await self._save(self._grouped(saves))
            self.ledger.sweep(set(facts.incidents))
            self._turned.set()
            self._turned = asyncio.Event()
            for run in start:
                work = self._carrier.report if run.kept.runbook.scope == "report" else self._carrier.carry
                self._spawn(work(run), run)

    async def _cases(self, facts: Facts) -> list[Case]:
        """Every open incident with every runbook of its condition: nodes first, then by boot order."""
        cases = [
            Case(facts, incident, kept, self.ledger.past(incident))
            for incident in facts.incidents.values()
            for kept in self._runbooks(incident.condition)
            if (incident.id, kept.runbook.name) not in self._runs
        ]
        guests = [c.incident.target for c in cases if c.incident.target.startswith("guest:")]
        if len(guests) > 1 and (unknown := sorted({g for g in guests if g not in self._orders})):
            try:
                self._orders |= await self._ask_orders(unknown[:20])
            except JarvisError as error:
                _log.warning("boot orders not known", extra={"data": {"why": error.sentence()}})
        elif not cases:
            self._orders.clear()
        return sorted(cases, key=self._turn)

    def _turn(self, case: Case) -> tuple[bool, float, int, str]:
        guest = case.guest
        order = self._orders.get(case.incident.target, float("inf"))
        return case.runbook.scope != "node", order, guest.vmid if guest else 0, case.incident.target

    def _consider(self, case: Case, start: list[Run]) -> list[Save]:
        key = case.incident.id, case.runbook.name
        last = self._standing.get(key)
        if key in self._runs:  # a person began it meanwhile
            return []
        if last is not None and (last.status in {"escalated", "reported"} or key in self._closing):
            return []
        if self._not_before.get(key, 0.0) > self._clock.monotonic():
            return []
        # an earlier case of this round may have taken the place
        case = Case(case.facts, case.incident, case.kept, self.ledger.past(case.incident))
        level, why = effective_level(self.levels.state, case.facts, case.incident.condition, case.incident.target)
        decision = judge(case, level, why)
        if decision.verdict == "nothing":
            return []
        if decision.verdict in {"act", "ask", "report"}:
            start.append(self._reserve(case, decision))
            return []
        return self._stand(case, decision)

    def _reserve(self, case: Case, decision: Decision, *, by: str = "watchman") -> Run:
        """A place in the blast radius, taken before anything is awaited."""
        incident, runbook = case.incident, case.runbook
        attempt = self.ledger.begin(incident, runbook.scope)
        story = self._story(case, decision)
        story.by = by
        run = Run(incident, case.kept, decision, attempt, story, by_hand=by != "watchman")
        self._runs[run.key] = run
        last = self._standing.get(run.key)
        if last is not None and last.status == "refused" and last.id and run.key not in self._tries:
            last.ended_at = self._clock.now()  # a refusal stays a story of its own
            self._unsaved.append(Save(last))
        elif last is not None and last.status in {"holding", "refused", "recommended"}:
            story.id = last.id  # the same story goes on
            run.again = bool(last.id) and run.key in self._tries
            self._unsaved = [one for one in self._unsaved if one.repair is not last or last.id]
        return run

    def _stand(self, case: Case, decision: Decision) -> list[Save]:
        """Not now, or not by Jarvis: one story an incident and runbook, told when its reason is new."""
        key = case.incident.id, case.runbook.name
        last = self._standing.get(key)
        status = STANDING[decision.verdict]
        if last is not None and last.status in {"failed", "cancelled"} and decision.verdict != "hand_over":
            if decision.guardrail in {"cool-down", "kill switch"}:
                return []
            last = None
        why = f"{decision.guardrail}:{status}"
        standing = last if last is not None and last.status in {"holding", "refused", "recommended"} else None
        lasted = self._lasted(key, why, decision)
        tell = lasted and why not in self._told.get(key, set())
        if standing is not None and (not lasted or (self._reasons.get(key) == why and not tell)):
            return []
        story = standing or self._story(case, decision)
        story.status, story.checks, story.level = status, decision.checks, decision.level
        story.text = self._why_text(case, decision)
        story.next_at = self._next_at(case)
        if status == "escalated":
            story.ended_at = case.facts.now
            story.text = f"{story.text} {plan.tell(case.runbook.escalate.say, case)}"
        self._standing[key], self._reasons[key] = story, why
        if not tell:
            return [Save(story, None, case)]
        self._told.setdefault(key, set()).add(why)
        severity = case.runbook.escalate.severity if status == "escalated" else None
        event = telling.line(self._feed, story, severity=severity)
        return [Save(story, event, case)]

    def _lasted(self, key: Key, why: str, decision: Decision) -> bool:
        """A short hold is nobody's news, and takes no other reason's place: only what lasts does."""
        mono = self._clock.monotonic()
        held = self._held_since.get(key)
        if held is None or held[0] != why:
            held = self._held_since[key] = (why, mono)
        if decision.verdict != "hold" or decision.guardrail not in QUIET:
            return True
        return mono - held[1] >= TELL_HOLD_S

    def _why_text(self, case: Case, decision: Decision) -> str:
        seen = f"{case.incident.title.rstrip('.')}."
        if decision.verdict == "recommend":
            steps = "; ".join(
                plan.say(s, case) for s in case.runbook.steps
                if all(plan.holds(one, case).verdict == "pass" for one in s.when)
            )  # fmt: skip
            against = why_not(decision.checks)
            but = f" As things stand I would wait: {inside(against)}" if against else ""
            why = f" {decision.text}" if decision.text else ""
            if why and decision.guardrail == "level":
                why = f" I only recommend, since {decision.text}."
            how = f"`jarvis runbook run {case.runbook.name} {call_name(case)}`"
            return f"{seen} I would {steps}.{but}{why} {how} does it."
        word = {"hold": "I wait", "refuse": "I leave it alone", "hand_over": "I hand it over"}[decision.verdict]
        return f"{seen} {word}: {inside(decision.text)}"

    def _next_at(self, case: Case) -> float | None:
        left = cooling_s(case)
        return case.facts.now + left if left > 0 else None

    def _story(self, case: Case, decision: Decision) -> Repair:
        incident = case.incident
        return Repair(
            id="", incident=incident.id, condition=incident.condition, target=incident.target,
            target_name=case.name, runbook=case.runbook.name, level=decision.level, severity=incident.severity,
            seen=incident.title, seen_at=incident.observed_at, checks=decision.checks,
        )  # fmt: skip

    def _left_alone(self, facts: Facts) -> list[Save]:
        kept = next(iter(self._runbooks(CONDITION)), None)
        stories = self.bystander.stories(facts, kept)
        for story in stories:
            story.level, _ = effective_level(self.levels.state, facts, CONDITION, story.target)
        return [Save(story, telling.line(self._feed, story, severity="info")) for story in stories]

    # --- what is under way -----------------------------------------------------------------------------------

    def _verify(self, facts: Facts) -> list[Save]:
        """Two new readings in a row that show it mended; each reading counts once."""
        saves: list[Save] = []
        for run in [r for r in self._runs.values() if r.verifying]:
            case = self.case(run, facts)
            source = evidence_source(case)
            if source is not None and source.ok_at is not None and source.ok_at != run.sampled_at:
                run.sampled_at = source.ok_at
                fault = run.incident.condition, run.incident.target
                there = any((i.condition, i.target) == fault for i in facts.incidents.values())
                mended = all(plan.holds(one, case).verdict == "pass" for one in run.kept.runbook.verify.facts)
                if mended and not there and not _vanished(case):
                    run.story.samples = [*run.story.samples, facts.now]
                else:
                    run.story.samples = []
            if len(run.story.samples) >= SAMPLES:
                saves += self._finish(run, "repaired", self._mended_text(run))
            elif self._clock.monotonic() >= run.deadline:
                within = span(run.kept.runbook.verify.within_s)
                saves += self._finish(run, "failed", f"{spoken(run.story)}: no two fresh readings within "
                                      f"{within} show it mended.")  # fmt: skip
        return saves

    def _mended_text(self, run: Run) -> str:
        if not run.incident.id:  # a person ran it where nothing was ill
            return f"{run.kept.runbook.name} has run on {run.story.target_name}; two fresh readings show it well."
        took = (run.story.samples[-1] if run.story.samples else self._clock.now()) - run.story.seen_at
        return f"{spoken(run.story)} is mended, {span(took)} after it was seen."

    def _finish(self, run: Run, status: RepairStatus, text: str) -> list[Save]:
        """The end of a run that acted, or of one that could not: the story, its line, the ledger."""
        story = run.story
        story.status, story.text, story.approval_id = status, text, None
        if status not in {"holding", "recommended"}:
            story.ended_at = self._clock.now()
        if not run.attempt.acted:
            story.attempt = 0
        self.ledger.end(run.attempt)
        self._runs.pop(run.key, None)
        if status == "recommended":
            self._not_before[run.key] = self._clock.monotonic() + ASK_AGAIN_S
        elif status == "holding":
            self._not_before[run.key] = self._clock.monotonic() + self._patience(run.key)
        elif status == "cancelled" and _denied(story):
            self._closing.add(run.key)  # a person said no: not asked again for this incident
        if status != "holding":
            self._tries.pop(run.key, None)
        run.done.set()
        now = self.case(run)
        case = Case(now.facts, now.incident, run.kept, self.ledger.past(run.incident), run.second, run.by_hand)
        if status == "failed":
            story.next_at = self._next_at(case)
            again = f" I try again in {span(cooling_s(case))}." if story.next_at else ""
            most = min(case.facts.limits.attempts, case.runbook.attempts)
            if case.past.attempts >= most and not run.by_hand:
                story.status, again, story.next_at = "escalated", " I hand it over.", None
            story.text = f"{text} {plan.tell(case.runbook.escalate.say, case)}{again}"
        if run.incident.id:
            self._standing[run.key] = story
        severity = case.runbook.escalate.severity if story.status in {"failed", "escalated"} else None
        tell = status != "holding" or text not in self._told.get(run.key, set())
        if run.incident.id:
            self._told.setdefault(run.key, set()).add(text)
        return [Save(story, telling.line(self._feed, story, severity=severity) if tell else None)]

    def _patience(self, key: Key) -> float:
        """Seconds until it is begun again: 20, 40, … an hour, for who says no once says it again."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return min(RETRY_S * 2.0 ** min(tries - 1, 10), ASK_AGAIN_S)

    def _over(self, facts: Facts) -> list[Save]:
        """Incidents that closed: what stood undecided is over, nothing of them is kept in mind."""
        saves: list[Save] = []
        for key in [k for k in self._standing if k[0] not in facts.incidents and k not in self._runs]:
            story, told = self._standing.pop(key), bool(self._told.get(key))
            for memory in (self._told, self._held_since, self._reasons, self._not_before, self._tries):
                memory.pop(key, None)
            self._closing.discard(key)
            if story.ended_at is None and story.id:
                story.status, story.ended_at = "over", facts.now
                how = "Another runbook saw to it." if self._acted_on(key[0]) else "It has gone away without me."
                story.text = f"{story.text} {how}"
                saves.append(Save(story, telling.line(self._feed, story) if told else None))
        for memory in (self._told, self._held_since, self._reasons, self._not_before, self._tries):
            for key in [k for k in memory if k[0] not in facts.incidents and k not in self._runs]:
                del memory[key]  # of one that closed before it had a story
        return saves

    def _acted_on(self, incident: str) -> bool:
        """Whether any runbook did something about it."""
        runs = any(run.key[0] == incident and run.attempt.acted for run in self._runs.values())
        return runs or any(a.incident == incident and a.acted for a in self.ledger.attempts)

    async def ended(self, run: Run) -> None:
        """Of the carrier: nothing more is done in this run."""
        if run.kept.runbook.scope == "report":
            self.ledger.end(run.attempt)
            self._runs.pop(run.key, None)
            self._standing[run.key] = run.story
            run.done.set()
            return
        await self._save(self._finish(run, run.story.status, run.story.text))

    async def stood_down(self, run: Run, case: Case) -> None:
        """Of the carrier: right before the act something spoke against it."""
        level, why = self.level_of(run)
        decision = judge(case, level, why)
        self.ledger.end(run.attempt)
        self._runs.pop(run.key, None)
        run.story.text = self._why_text(case, decision) if decision.verdict in STANDING else decision.text
        run.story.status = STANDING.get(decision.verdict, "over")
        run.done.set()
        if not run.incident.id:
            return
        self._not_before[run.key] = self._clock.monotonic() + RETRY_S
        if decision.verdict in STANDING:
            await self._save(self._stand(case, decision))

    # --- what the carrier asks -------------------------------------------------------------------------------

    def case(self, run: Run, facts: Facts | None = None) -> Case:
        """The run's case as it is now; its own attempt does not count against it."""
        seen = facts or self._look()
        past = self.ledger.past(run.incident, besides=run.attempt)
        incident = seen.incidents.get(run.incident.id, run.incident)
        return Case(seen, incident, run.kept, past, run.second, run.by_hand)

    async def next_round(self) -> None:
        """Wait until the engine has looked again."""
        await self._turned.wait()

    def level_of(self, run: Run) -> tuple[int, str]:
        return effective_level(self.levels.state, self._look(), run.incident.condition, run.incident.target)

    def withdrawn(self, run: Run) -> Check | None:
        """What was taken back since the run was decided."""
        if run.by_hand:
            return None
        name = run.kept.runbook.name
        now = next((k for k in self._runbooks(run.incident.condition) if k.runbook.name == name), None)
        return withdrawn(run.kept, now, *self.level_of(run))

    # --- by hand ---------------------------------------------------------------------------------------------

    async def by_hand(self, kept: Kept, incident: Incident, by: str, *, alone: str = "yellow") -> Repair:
        """A person, or an agent with an approval, runs a runbook now; answers its story when it has ended.

        Attempts, cool-down, flapping and the counts do not bind; every other guardrail does. ``alone``: the gravest
        tier that was agreed to; a step that turns out to be graver is asked for.
        """
        facts = self._look()
        case = Case(facts, incident, kept, self.ledger.past(incident), by_hand=True)
        decision = judge(case, 3)
        if decision.verdict not in {"act", "ask", "report"}:
            raise JarvisError(
                "refused", f"{kept.runbook.name} on {case.name}: {decision.text or 'it does not fit'}".rstrip("."),
                why=f"guardrail: {decision.guardrail}" if decision.guardrail else "",
                next=f"`jarvis runbook test {kept.runbook.name} {case.name}` shows every verdict.",
            )  # fmt: skip
        if (incident.id or incident.target, kept.runbook.name) in self._runs:
            raise JarvisError("busy", f"{kept.runbook.name} runs on {case.name} already")
        run = self._reserve(case, decision, by=by)
        run.agreed = alone
        work = self._carrier.report if kept.runbook.scope == "report" else self._carrier.carry
        self._spawn(work(run), run)
        await run.done.wait()
        return run.story

    # --- restart ---------------------------------------------------------------------------------------------

    def restore(self, stories: list[Repair], find: Callable[[str], Kept | None]) -> list[Save]:
        """Take over an earlier life: attempts count on, what was under way is looked at, never repeated."""
        saves: list[Save] = []
        for story in stories:
            kept = find(story.runbook)
            scope = kept.runbook.scope if kept else "guest"
            begun = [s for s in story.steps if s.began_at and s.outcome not in NOT_BEGUN]
            if story.status == "asking":
                begun = [s for s in begun if s.outcome]  # nothing is begun before the answer
            if story.attempt and begun and scope != "report":
                attempt = self.ledger.restore(story, scope)
                if story.ended_at is None and story.status in {"acting", "asking", "verifying"}:
                    saves += self._resume(story, kept, attempt)
                    continue
            elif story.ended_at is None and story.status in {"acting", "asking"}:
                story.status, story.ended_at = "over", self._clock.now()
                story.text = "The daemon was ended before anything was done; it is judged anew."
                saves.append(Save(story))
                continue
            stands = story.ended_at is None or story.status in {"escalated", "reported", "failed"}
            if story.incident and (stands or _denied(story)):
                self._standing[story.incident, story.runbook] = story
                self._told[story.incident, story.runbook] = _told_of(story)
            if story.incident and _denied(story):
                self._closing.add((story.incident, story.runbook))
        return saves

    def _resume(self, story: Repair, kept: Kept | None, attempt: Attempt) -> list[Save]:
        for step in story.steps:
            if not step.outcome:
                step.outcome, step.ended_at = "unverified", self._clock.now()
        if kept is None:
            story.status, story.ended_at = "failed", self._clock.now()
            story.text = f"The daemon was ended in the middle, and the runbook {story.runbook} is gone."
            self.ledger.end(attempt)
            return [Save(story, telling.line(self._feed, story))]
        incident = Incident(
            id=story.incident, cluster=story.cluster, condition=story.condition, target=story.target,
            severity=story.severity, title=story.seen, observed_at=story.seen_at,
        )  # fmt: skip
        decided = Decision("act", level=story.level)
        run = Run(incident, kept, decided, attempt, story, by_hand=story.by != "watchman")
        run.verifying = True
        run.deadline = self._clock.monotonic() + kept.runbook.verify.within_s
        story.status, story.samples = "verifying", []
        story.text = "The daemon was ended in the middle of it; nothing is repeated, I only look."
        self._runs[run.key] = run
        return [Save(story)]

    # --- shared ----------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[None, None, None], run: Run) -> None:
        task = spawn(work, name=f"repair-{run.kept.runbook.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until what carries out has ended (verification goes on in rounds)."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for run in self._runs.values():
            run.done.set()

    def under_way(self) -> list[Run]:
        return list(self._runs.values())

    async def save(self, saves: list[Save]) -> None:
        await self._save(saves)

    async def _save(self, saves: list[Save]) -> None:
        """What cannot be written now is written with the next round: a story does not get lost to a full disk."""
        due, self._unsaved = [*self._unsaved, *saves], []
        try:
            await self.stories.save(*due)
        except JarvisError as error:
            self._unsaved = [*due, *self._unsaved][-UNSAVED_MAX:]
            _log.error("stories could not be saved", extra={"data": {"why": error.sentence()}})

    def _grouped(self, saves: list[Save]) -> list[Save]:
        """Many held back for one reason in one round, or recommended: one line instead of a page."""
        groups: dict[tuple[str, str], list[Save]] = {}
        for one in saves:
            if one.event is None:
                continue
            if one.repair.status in {"refused", "holding"}:
                check = _decisive(one.repair.checks)
                groups.setdefault((one.repair.status, check.guardrail if check else ""), []).append(one)
            elif one.repair.status in {"recommended", "over"}:
                groups.setdefault((one.repair.status, one.repair.runbook), []).append(one)
        for found in groups.values():
            if len(found) < TOGETHER:
                continue
            check = _decisive(found[0].repair.checks)
            for one in found[1:]:
                one.event = None
            why = check.text if check else ""
            found[0].event = telling.together(self._feed, [one.repair for one in found], why)
        return saves


def _denied(story: Repair) -> bool:
    """A person said no to one of its steps."""
    return story.status == "cancelled" and any(s.outcome == "denied" for s in story.steps)


def _vanished(case: Case) -> bool:
    """What was removed while it was being verified has no fault any more, and is not mended."""
    known = case.incident.target.partition(":")[0] in {"guest", "node", "storage"}
    return known and target_exists(case).verdict != "pass"


def _told_of(story: Repair) -> set[str]:
    """The reasons that a story of an earlier life was told for; a short hold may not have been told yet."""
    check = _decisive(story.checks)
    names = {"level", "trust"} if story.status == "recommended" else {check.guardrail} if check else set()
    return {story.text, *(f"{name}:{story.status}" for name in names - QUIET)}


def _decisive(checks: list[Check]) -> Check | None:
    for verdict in ("refuse", "hold", "ask"):
        if (found := next((c for c in checks if c.verdict == verdict), None)) is not None:
            return found
    return None
