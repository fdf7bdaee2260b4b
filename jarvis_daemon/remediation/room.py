"""The room of the watchman: builds it, wakes it after each look at the cluster, offers what people ask of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import msgspec

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import plan
from jarvis_daemon.remediation.autonomy import Levels
from jarvis_daemon.remediation.carrying import AskSecond
from jarvis_daemon.remediation.decision import Decision, effective_level, judge
from jarvis_daemon.remediation.engine import AskOrders, Engine
from jarvis_daemon.remediation.facts import Case, SecondLook
from jarvis_daemon.remediation.ledger import Ledger
from jarvis_daemon.remediation.look import looker
from jarvis_daemon.remediation.preview import ACTING_LEVEL, would_have
from jarvis_daemon.remediation.runbook import Kept, tools_of
from jarvis_daemon.remediation.shelf import Shelf
from jarvis_daemon.remediation.stories import Stories
from jarvis_daemon.remediation.targets import entity_id, incident_at
from jarvis_daemon.remediation.tools import register
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Tier
from jarvis_daemon.tools.room import ToolsRoom

_log = logging.getLogger("jarvis.remediation")
TICK_S = 5.0
READ_S = 60.0
SWEEP_S = 3600.0
SIMULATED_LEVEL, REAL_LEVEL = 3, 2
RECOMMENDING_LEVEL = 2


class Remediation:
    """``wake`` is called when the cluster was looked at; ``start`` begins to judge."""

    def __init__(
        self, settings: Settings, places: Places, bus: Bus, store: Store, feed: Feed, clock: Clock,
        tools: ToolsRoom, *, ask_second: AskSecond, ask_orders: AskOrders, in_window: Callable[[float], bool],
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._bus, self._tools = settings, clock, bus, tools
        cluster = settings.cluster.name if settings.cluster else ""
        self.look = looker(bus, clock, settings, tools.kill.look, in_window)
        self.shelf = Shelf(places.config_dir / "runbooks", store, tools.registry)
        self.levels = Levels(store, bus, clock, start=start_level(settings), cluster=cluster)
        self.stories = Stories(store, bus, feed, clock, cluster)
        self._ask_second = ask_second
        self.engine = Engine(
            look=self.look, runbooks=self.shelf.for_condition, levels=self.levels, ledger=Ledger(clock),
            stories=self.stories, feed=feed, gate=tools.gate, clock=clock, ask_second=ask_second,
            ask_orders=ask_orders,
        )  # fmt: skip
        self._woken = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._deaf: list[Callable[[], None]] = []
        self._offer(bus)
        register(tools.registry, self)

    def wake(self) -> None:
        """The cluster was looked at, and what it showed has been judged."""
        self._woken.set()

    async def start(self) -> None:
        """Read runbooks and levels, take over an earlier life, begin. Raises ``store_failed``."""
        await self.shelf.load()
        await self.levels.start()
        recent = await self._bus.ask("incident.list", m.IncidentList(limit=1000), DAEMON)
        self.engine.ledger.opened(msgspec.convert(recent["incidents"], list[Incident]))
        stories = await self.stories.start()
        await self.engine.save(self.engine.restore(stories, self.shelf.kept.get))
        listener = self.engine.bystander.note
        self._deaf = [
            self._bus.state("cluster").listen(lambda delta: listener(delta, self._clock.now())),
        ]
        if self._settings.remediation.enabled:
            self._running = [spawn(self._rounds(), name="watchman"), spawn(self._ticks(), name="watchman-ticks")]
        self._running.append(spawn(self._sweeps(), name="watchman-sweep"))

    async def stop(self) -> None:
        for end in self._deaf:
            end()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.engine.stop()

    async def _rounds(self) -> None:
        await self._bus.state("cluster").settled.wait()
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self.engine.round()
            except Exception:
                _log.exception("a round failed")

    async def _ticks(self) -> None:
        """Deadlines pass while nobody answers, too; a file that was edited is noticed within a minute."""
        since_read = 0.0
        while True:
            await self._clock.sleep(TICK_S)
            self._woken.set()
            since_read += TICK_S
            if since_read >= READ_S:
                since_read = 0.0
                with suppress(JarvisError):
                    await self.shelf.refresh()

    async def _sweeps(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            with suppress(JarvisError):
                self.stories.sweep_shown()
                await self.stories.sweep(self._clock.now() - self._settings.feed.retention_days * 86400)

    # --- what people ask -------------------------------------------------------------------------------------

    def _offer(self, bus: Bus) -> None:
        bus.offer("runbook.list", self._list)
        bus.offer("runbook.show", self._show)
        bus.offer("runbook.test", lambda params, principal: self.test(params))
        bus.offer("repair.list", self._repairs)
        bus.offer("autonomy.preview", self._preview)

    async def _list(self, params: m.RunbookList, principal: Principal) -> m.RunbookListResult:
        return m.RunbookListResult(runbooks=await self.runbooks(None))

    async def _show(self, params: m.RunbookShow, principal: Principal) -> m.RunbookShown:
        await self.shelf.refresh()
        return m.RunbookShown(info=self.shelf.info(params.name), text=self.shelf.text(params.name))

    async def _repairs(self, params: m.RepairList, principal: Principal) -> m.RepairListResult:
        found = await self.stories.list(since_at=params.since_at, incident=params.incident, limit=params.limit)
        return m.RepairListResult(repairs=found)

    async def _preview(self, params: m.AutonomyPreview, principal: Principal) -> m.AutonomyPreviewResult:
        since = params.since_at if params.since_at is not None else self._clock.now() - 30 * 86400
        stories = await self.stories.list(since_at=since, incident=None, limit=1000)
        found = [*self._at_once(params.level), *would_have(stories, params.level)]
        text = f"At L{params.level}, more would have been done {len(found)} time{'' if len(found) == 1 else 's'}."
        text += " At L0 and L1 no story is kept of what was not done." if self.levels.state.level < 2 else ""
        return m.AutonomyPreviewResult(level=params.level, since_at=since, would_have=found, text=text)

    async def runbooks(self, condition: str | None) -> list[m.RunbookInfo]:
        await self.shelf.refresh()
        infos = self.shelf.infos()
        return [info for info in infos if condition in {None, info.condition}]

    async def repairs(self, since_s: float, limit: int) -> list[Repair]:
        return await self.stories.list(since_at=self._clock.now() - since_s, incident=None, limit=limit)

    def kept(self, runbook: str) -> Kept:
        """Raises ``not_found`` with the nearest names, or what is wrong with its file."""
        return self.shelf.get(runbook)

    def incident_at(self, kept: Kept, target: str) -> Incident:
        """The open incident of the runbook's condition there, else one as if it were seen now."""
        return incident_at(self.look(), kept, target)

    def against(self, kept: Kept, incident: Incident) -> str:
        """What speaks against running it by hand now, in a sentence; empty where nothing does."""
        facts = self.look()
        case = Case(facts, incident, kept, self.engine.ledger.past(incident), by_hand=True)
        decision = judge(case, ACTING_LEVEL)
        return "" if decision.verdict in {"act", "ask", "report"} else decision.text or "It does not fit."

    def name_of(self, target: str) -> str:
        """An entity as a person calls it."""
        guest = self.look().guests.get(target)
        return guest.name if guest is not None and guest.name else target.partition(":")[2] or target

    def entity_id(self, ref: str) -> str:
        return entity_id(self.look(), ref)

    def tier_of(self, kept: Kept) -> Tier:
        """The gravest of its steps; one that wants a person at every level is RED."""
        steps = kept.runbook.steps
        tiers = [self._tools.registry.get(name).base_tier for step in steps for name in tools_of(step)]
        return max([*tiers, *(Tier.RED for step in steps if step.approval == "always")], default=Tier.YELLOW)

    async def trust(self, name: str, sha256: str, by: str) -> None:
        await self.shelf.trust(name, sha256, by, self._clock.now())

    async def distrust(self, name: str, by: str) -> None:
        await self.shelf.distrust(name, by, self._clock.now())

    async def run_by_hand(self, kept: Kept, target: str, by: str) -> Repair:
        """``kept`` is what was shown and agreed to, whatever its file has become."""
        alone = "red" if self.tier_of(kept) >= Tier.RED else "yellow"
        return await self.engine.by_hand(kept, self.incident_at(kept, target), by, alone=alone)

    async def preview(self, level: int, condition: str | None, target: str | None) -> list[Repair]:
        since = self._clock.now() - 30 * 86400
        stories = await self.stories.list(since_at=since, incident=None, limit=1000)
        found = [*self._at_once(level), *would_have(stories, level)]
        return [
            r for r in found if condition in {None, r.condition} and target in {None, r.target}
        ]  # fmt: skip

    def _at_once(self, level: int) -> list[Repair]:
        """What is open now, stands in no story, and would be begun as soon as the level is chosen."""
        facts = self.look()
        if level < ACTING_LEVEL or self.levels.state.level >= RECOMMENDING_LEVEL:
            return []  # from L2 on each has its story
        found = []
        for incident in facts.incidents.values():
            for kept in self.shelf.for_condition(incident.condition):
                case = Case(facts, incident, kept, self.engine.ledger.past(incident))
                if judge(case, level).verdict in {"act", "ask"}:
                    found.append(Repair(
                        id="", incident=incident.id, condition=incident.condition, target=incident.target,
                        target_name=case.name, runbook=kept.runbook.name, level=level, status="recommended",
                        seen=incident.title, seen_at=incident.observed_at, text=f"{incident.title}: at once.",
                        decided=f"at once: {kept.runbook.about}",
                    ))  # fmt: skip
        return found

    # --- dry runs --------------------------------------------------------------------------------------------

    async def test(self, params: m.RunbookTest) -> m.RunbookTested:
        """What it would do now, or would have done: the verdicts, and nothing else. Raises ``not_found``."""
        kept = self.kept(params.name)
        if params.incident is not None:
            return await self._replay(kept, params.incident)
        if params.target is None:
            raise JarvisError(
                "invalid_params", "What is it to be tested on?",
                next=f"`jarvis runbook test {params.name} TARGET`, or --incident N.",
            )  # fmt: skip
        incident = self.incident_at(kept, params.target)
        return await self._tested(kept, incident)

    async def _tested(self, kept: Kept, incident: Incident) -> m.RunbookTested:
        opinion, why = await self._ask_second(incident.target)
        second = SecondLook(opinion, self._clock.monotonic(), clean(why, limit=300))
        facts = self.look()
        case = Case(facts, incident, kept, self.engine.ledger.past(incident), second)
        level, level_why = effective_level(self.levels.state, facts, incident.condition, incident.target)
        return _answer(case, judge(case, level, level_why), replayed=False)

    async def _replay(self, kept: Kept, number: str) -> m.RunbookTested:
        listed = await self._bus.ask("incident.list", m.IncidentList(limit=1000), DAEMON)
        plain = next((i for i in listed["incidents"] if i["id"] == number), None)
        if plain is not None and plain["condition"] != kept.runbook.condition:
            raise JarvisError(
                "invalid_params", f"{kept.runbook.name} does not answer incident {number}",
                why=f"that is {plain['condition']}, the runbook is for {kept.runbook.condition}",
                next="`jarvis runbook list` shows which answers what.",
            )  # fmt: skip
        found = await self.stories.case_of(number, kept.runbook.name)
        if found is not None:
            case, story = found
            return _answer(case, judge(case, story.level), replayed=True)
        if plain is None:
            raise JarvisError(
                "not_found", f"There is no incident {clean(number)!r}", next="`jarvis incident list --all`."
            )
        return await self._tested(kept, msgspec.convert(plain, Incident))


def _answer(case: Case, decision: Decision, *, replayed: bool) -> m.RunbookTested:
    due = [s for s in case.runbook.steps if all(plan.holds(one, case).verdict == "pass" for one in s.when)]
    return m.RunbookTested(
        runbook=case.runbook.name, target=case.incident.target, target_name=case.name, replayed=replayed,
        facts_at=case.facts.now, decision=decision.verdict if decision.verdict != "hand_over" else "refuse",
        text=decision.text, when=decision.when, checks=decision.checks, steps=[plan.say(s, case) for s in due],
    )  # fmt: skip


def start_level(settings: Settings) -> int:
    """What holds until an operator chooses: a real cluster is only advised."""
    if settings.autonomy.level is not None:
        return settings.autonomy.level
    simulated = settings.cluster is not None and settings.cluster.simulated
    return SIMULATED_LEVEL if simulated else REAL_LEVEL
