"""Random callers, arguments and races: no act unapproved, none twice, each with intent and outcome."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jarvis_daemon.bus import Bus, Feed, Principal
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.state import Approval
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Act, Target, Tier
from jarvis_daemon.tools.room import ToolsRoom
from tests.unit.tools.conftest import AGENT, OPERATOR, SECOND, VIEWER, LampArgs, Lamps, Lit

FRONT = Principal(session="s-fr", role="front", client="web", uid=0)
WHO = {"operator": OPERATOR, "second": SECOND, "agent": AGENT, "viewer": VIEWER, "front": FRONT}
TOOLS = ("light", "flood", "smash", "undeclared", "look", "nosuch")


def sequence_of(dice: random.Random, length: int) -> list[tuple[Any, ...]]:
    """Weighted steps: a list that hypothesis draws by itself is short and mostly refused."""
    return [a_call(dice) if dice.random() < 0.55 else another(dice) for _ in range(length)]


def a_call(dice: random.Random) -> tuple[Any, ...]:
    return (
        "call",
        dice.choice(["operator"] * 3 + ["second", "agent", "agent", "agent", "front", "viewer"]),
        dice.choice(["light", "light", "flood", "flood", "flood", "smash", "undeclared", "look", "nosuch"]),
        dice.choice(["hall"] * 8 + ["attic", "attic", "cellar", "", "hall\x1b[2J"]),
        dice.choice(["none", "right", "right", "wrong"]),
        dice.choice([None, None, "k1", "k2"]),
        dice.choice([{}] * 6 + [{"level": 3}, {"level": 99}, {"confirmed": True}]),
    )


def another(dice: random.Random) -> tuple[Any, ...]:
    return dice.choice([
        ("answer", dice.choice(["operator", "second", "agent"]), dice.random() < 0.7),
        ("answer", "second", True), ("answer", "second", True), ("kill", True), ("kill", False), ("kill", False),
        ("kill", False), ("file", False), ("file", dice.random() < 0.3), ("move",), ("hold",), ("hold",),
        ("vanish", dice.random() < 0.3), ("vanish", False), ("vanish", False),
        ("lie", dice.random() < 0.5), ("settle",), ("settle",),
        ("time", dice.choice([1.0, 70.0, 310.0])),
    ])  # fmt: skip


class Watched(Lamps):
    """Lamps that note by which call they were lit, and whether the kill switch was engaged at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.by_call: list[str] = []
        self.vmid_of: dict[str, int | None] = {}
        self.go = asyncio.Event()
        self.go.set()
        self.while_killed: list[str] = []
        self.room: Any = None

    async def run(self, args: LampArgs, target: Target, act: Act) -> Lit:
        await self.go.wait()
        async with act.step(f"lights {args.lamp}"):
            self.by_call.append(act.call_id)
            self.vmid_of[act.call_id] = target.vmid
            if self.room.kill.engaged:
                self.while_killed.append(act.call_id)
            await asyncio.sleep(0)
            if not self.lies:
                self.levels[args.lamp] = args.level
        return Lit(level=args.level)


class Run:
    def __init__(self, room: ToolsRoom, lamps: Watched, bus: Bus, clock: ManualClock) -> None:
        self.room, self.lamps, self.bus, self.clock = room, lamps, bus, clock
        self.calls: list[asyncio.Task[m.ToolOutcome]] = []
        self.answers: list[asyncio.Task[None]] = []
        self.asked: list[tuple[asyncio.Task[m.ToolOutcome], int, str]] = []
        """Each call with the identity of its target when it was asked, and how it was confirmed."""

    async def step(self, step: tuple[Any, ...]) -> None:
        kind, *rest = step
        await getattr(self, f"do_{kind}")(*rest)

    async def do_call(
        self, who: str, tool: str, lamp: str, confirm: str, key: str | None, more: dict[str, Any]
    ) -> None:
        principal, args = WHO[who], {"lamp": lamp, **more}
        digest = None
        if confirm != "none":
            plan = await self.room.gate.call(m.ToolCall(name=tool, args=args, dry_run=True), principal, _silent)
            digest = plan.digest if confirm == "right" else "0" * 64
        call = m.ToolCall(name=tool, args=args, confirm=digest, typed=lamp, idempotency_key=key)
        task = asyncio.ensure_future(self.room.gate.call(call, principal, _silent))
        self.calls.append(task)
        self.asked.append((task, self.lamps.vmid, confirm))
        for _ in range(20):  # as far as it gets
            await asyncio.sleep(0)

    async def do_answer(self, who: str, approve: bool) -> None:
        if WHO[who].role != "operator":  # the front door lets nobody else in
            return
        for approval_id in sorted(self.bus.state("approvals").all("approvals", Approval)):
            self.answers.append(asyncio.ensure_future(self._answer(approval_id, who, approve)))
        for _ in range(20):
            await asyncio.sleep(0)

    async def _answer(self, approval_id: str, who: str, approve: bool) -> None:
        with suppress(JarvisError):
            await self.room.gate.answer(m.ApprovalAnswer(id=approval_id, approve=approve), WHO[who])

    async def do_kill(self, engaged: bool) -> None:
        await self.room.kill.set(engaged, by="fuzz", reason="")

    async def do_file(self, there: bool) -> None:
        self.room.kill.sentinel.touch() if there else self.room.kill.sentinel.unlink(missing_ok=True)

    async def do_move(self) -> None:
        self.lamps.vmid += 1

    async def do_vanish(self, gone: bool) -> None:
        self.lamps.levels.pop("hall", None) if gone else self.lamps.levels.setdefault("hall", 0)

    async def do_lie(self, lies: bool) -> None:
        self.lamps.lies = lies

    async def do_time(self, seconds: float) -> None:
        self.clock.jump(seconds)
        self.clock._monotonic += seconds
        self.room.gate.approvals.sweep()

    async def do_hold(self) -> None:
        """What runs from now on stops right before its side effect, until ``settle``."""
        self.lamps.go.clear()

    async def do_settle(self) -> None:
        """Let everything end that does not wait for a person."""
        self.lamps.go.set()
        work = {*self.calls, *self.answers}
        if work:
            _, waiting = await asyncio.wait(work, timeout=20)
            assert not waiting, "something hangs"


def _silent(data: dict[str, Any]) -> None:
    return


async def play(sequence: list[tuple[Any, ...]], folder: Path) -> list[dict[str, Any]]:
    clock, store, bus = ManualClock(), Store(folder / "j.db"), Bus()
    await store.open()
    feed = Feed(store, bus, clock)
    await feed.start()
    places = base_places({"JARVIS_HOME": str(folder)})
    places.data_dir.mkdir()
    wishes = Settings()
    wishes.tools.protected = ["attic"]
    room, lamps = ToolsRoom(wishes, places, bus, store, feed, clock), Watched()
    lamps.room = room
    room.registry.add(
        lamps.spec("look", Tier.GREEN, resolve=None, risk=None, verify=None, undo=None, run=lamps.peek),
        lamps.spec("light", Tier.YELLOW), lamps.spec("flood", Tier.RED), lamps.spec("smash", Tier.BLACK),
        lamps.spec("undeclared", Tier.YELLOW, resolve=None),
    )  # fmt: skip
    await room.kill.start()
    run = Run(room, lamps, bus, clock)
    try:
        for step in sequence:
            await run.step(step)
        await run.do_settle()
        await room.audit.flush()
        rows = list(reversed(await room.audit.list_rows(limit=10000)))
        verdict = await room.audit.verify()
    finally:
        room.gate.approvals.void_all()
        await run.do_settle()
        await store.close()
    assert verdict.ok
    judge_rows(rows, lamps)
    judged: set[str] = set()
    for task, vmid, confirm in run.asked:
        outcome = task.result()
        if outcome.call_id not in lamps.by_call or outcome.call_id in judged:
            continue  # nothing was done, or the key of an earlier call answered its outcome
        judged.add(outcome.call_id)
        if outcome.tier in {"red", "black"} and outcome.approval_id is None:
            assert confirm == "right", "it acted without the confirmation of what was shown"
            assert lamps.vmid_of[outcome.call_id] == vmid, "it acted on another target than was confirmed"
    return rows


def judge_rows(rows: list[dict[str, Any]], lamps: Watched) -> None:
    """What must hold whatever happened."""
    of_call: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of_call.setdefault(row["call_id"], []).append(row)
    assert lamps.while_killed == [], "acted while the kill switch was engaged"
    assert [call for call, count in Counter(lamps.by_call).items() if count > 1] == [], "one call acted twice"
    for call in lamps.by_call:
        kinds = [row["kind"] for row in of_call[call]]
        assert kinds.index("asked") < kinds.index("intent") < kinds.index("step") < kinds.index("outcome")
        role, tier = of_call[call][0]["principal"].split(":")[0], of_call[call][0]["tier"]
        answers = [row["data"].get("answer") for row in of_call[call] if row["kind"] == "approval"]
        assert role in {"operator", "agent", "front"}
        if role != "operator":
            assert tier in {"yellow", "red"}
            assert answers == ["approved"], "an agent acted without an operator's approval"
        elif tier in {"red", "black"}:
            assert answers == ["confirmed"], "a grave act without a confirmation"
    for call, found in of_call.items():
        kinds = [row["kind"] for row in found]
        assert kinds.count("intent") == kinds.count("outcome") or "intent" not in kinds
        assert kinds.count("intent") <= 1, call
    keys = Counter((r["principal"], r["data"]["key"]) for r in rows if r["kind"] == "intent" and r["data"]["key"])
    assert [key for key, count in keys.items() if count > 1] == [], "an idempotency key acted twice"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**64), st.integers(5, 30))
def test_no_act_without_approval_none_twice_each_with_intent_and_outcome(seed: int, length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(sequence_of(random.Random(seed), length), Path(folder)))


def test_the_fuzz_acts_refuses_and_approves_often_enough_to_mean_something() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        with tempfile.TemporaryDirectory() as folder:
            rows = asyncio.run(play(sequence_of(random.Random(seed), 25), Path(folder)))
        seen.update(row["kind"] for row in rows)
        seen.update(f"by {row['principal'].split(':')[0]}" for row in rows if row["kind"] == "step")
        seen.update(str(row["data"].get("code")) for row in rows if row["kind"] == "refused")
    assert seen["step"] >= 15
    assert seen["by agent"] >= 3
    assert seen["killed"] >= 20
    assert seen["approval"] >= 12
