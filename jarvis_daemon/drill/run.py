"""One drill from beginning to end, and the report of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from jarvis_daemon.drill import script
from jarvis_daemon.drill.house import DrillHouse
from jarvis_daemon.drill.lab import Lab
from jarvis_daemon.drill.loop import VirtualLoop
from jarvis_daemon.drill.script import Event
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import FeedEvent, Repair

START: Final = 1_767_607_200.0
"""2026-01-05 10:00 UTC, a Monday, far from the nightly backups: a drill can be told again word by word."""
FIRST_PICTURE_S: Final = 30.0
PLAYED_OUT_S: Final = 4 * 3600.0
REPAIRED: Final = frozenset({"repaired"})
REFUSED: Final = frozenset({"refused", "holding", "cancelled", "over"})
HANDED_OVER: Final = frozenset({"escalated", "reported", "failed"})
ASKED: Final = frozenset({"asking", "recommended"})
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """``runbook``: one fault that it answers, played to its end. ``power_cut``: all nodes down, back one by one."""

    minutes: float = 60.0
    seed: int = 1
    runbook: str | None = None
    power_cut: bool = False


@dataclass
class _Done:
    faults: list[dict[str, Any]] = field(default_factory=list)


def drill(plan: Plan, tell: Tell) -> dict[str, Any]:
    """Play it; the report. Raises ``not_found`` for an unknown runbook, ``unavailable`` without a simulator."""
    if plan.runbook is not None:
        script.for_runbook(plan.runbook)  # an unknown one is told before anything is started
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    lab = Lab(seed=plan.seed, now=START)
    try:
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(_play(plan, DrillHouse(loop, lab, START), tell))
        finally:
            loop.end()
    finally:
        lab.close()


async def _play(plan: Plan, house: DrillHouse, tell: Tell) -> dict[str, Any]:
    done = _Done()
    deaf = house.feed.topic.listen(lambda event: _tell(event, tell))
    await house.start()
    try:
        await house.clock.sleep(FIRST_PICTURE_S)
        began = house.loop.time()
        if plan.runbook is not None:
            await _follow(house, script.for_runbook(plan.runbook), began, done)
            await _played_out(house, plan.runbook, plan.minutes * 60)
        else:
            events = script.power_cut(house.lab.truth) if plan.power_cut else script.at_random(
                plan.seed, plan.minutes, house.lab.told, house.lab.truth
            )  # fmt: skip
            await _follow(house, events, began, done)
            await house.clock.sleep(max(0.0, began + plan.minutes * 60 - house.loop.time()))
        return _report(plan, done, await house.stories(), house)
    finally:
        deaf()
        await house.stop()


async def _follow(house: DrillHouse, events: list[Event], began: float, done: _Done) -> None:
    for event in events:
        await house.clock.sleep(max(0.0, began + event.at - house.loop.time()))
        with suppress(JarvisError):  # what is not possible now does not happen: it is off already, or runs
            await _happen(house, event, done)


async def _happen(house: DrillHouse, event: Event, done: _Done) -> None:
    lab, at = house.lab, house.clock.now()
    house.loop.before_call()
    if event.what == "fault":
        active = lab.say("fault", name=event.name, target=event.target or None, params=dict(event.params))["active"]
        target = event.target or str(active[-1]["target"])
        done.faults.append({"at": at, "name": event.name, "target": target})
    elif event.what == "heal":
        lab.say("heal", target=f"{event.name}:{event.target}" if event.target else event.name)
        return
    elif event.what == "person":
        house.person(event.name, event.target)
        done.faults.append({"at": at, "name": f"person: {event.name}", "target": event.target})
    else:
        await house.kill(event.name == "engaged")
        done.faults.append({"at": at, "name": f"kill switch {event.name}", "target": ""})
    lab.say("truth")
    house.witness.note()


async def _played_out(house: DrillHouse, runbook: str, within_s: float) -> None:
    """Until the runbook's story has come to an end: further attempts are waited for, a person's word is not."""
    began = house.loop.time()
    while (passed := house.loop.time() - began) < max(within_s, PLAYED_OUT_S):
        await house.clock.sleep(10.0)
        mine = [s.status for s in await house.stories() if s.runbook == runbook]
        if mine and mine[-1] in {"repaired", "escalated", "reported", "cancelled", "over"}:
            return
        if passed >= within_s and (not mine or mine[-1] in {"refused", "holding", "recommended", "asking"}):
            return


def _tell(event: FeedEvent, tell: Tell) -> None:
    if event.kind.startswith(("repair.", "kill")):
        tell(event.text)


def _plain(story: Repair) -> dict[str, Any]:
    """Without the numbers of calls: they name rows of an audit that ends with the drill, and are never the same."""
    plain: dict[str, Any] = msgspec.to_builtins(story)
    for step in plain["steps"]:
        step["call_id"] = ""
    plain["approval_id"] = None
    return plain


def _report(plan: Plan, done: _Done, stories: list[Repair], house: DrillHouse) -> dict[str, Any]:
    def those(words: frozenset[str]) -> list[Any]:
        return [_plain(story) for story in stories if story.status in words]

    return {
        "seed": plan.seed, "minutes": plan.minutes, "faults": done.faults, "repaired": those(REPAIRED),
        "refused": those(REFUSED), "escalated": those(HANDED_OVER), "asked": those(ASKED),
        "under_way": those(frozenset({"acting", "verifying"})),
        "open": [msgspec.to_builtins(incident) for incident in house.open],
        "violations": list(house.witness.violations),
    }  # fmt: skip
