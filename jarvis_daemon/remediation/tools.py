"""The tools of this room: run a runbook, trust one, choose how much is done without asking, and look back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from msgspec import Meta

from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Incident, Repair
from jarvis_daemon.remediation.autonomy import Kind, Levels
from jarvis_daemon.remediation.plan import lines
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.remediation.words import LEVELS
from jarvis_daemon.tools import Act, Context, Registry, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,47}$", max_length=48, description="name of the runbook")]
Sha = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="sha256 of the file, of `jarvis runbook show`")]
Level = Annotated[
    int, Meta(ge=0, le=4, description="0 observe, 1 alert, 2 recommend, 3 act and report, 4 act silently")
]
Entity = Annotated[str, Meta(min_length=1, max_length=200, description="entity id, or a name that is unique")]
LONG_S = 3600.0


class RunbooksArgs(Args):
    condition: Annotated[str, Meta(max_length=48)] | None = None


class RunbooksOutput(Output):
    runbooks: list[m.RunbookInfo]


class RepairsArgs(Args):
    hours: Annotated[float, Meta(gt=0, le=24 * 90, description="how far back")] = 24.0
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class RepairsOutput(Output):
    repairs: list[Repair]


class TryArgs(Args):
    runbook: Name
    target: Entity | None = None
    incident: Annotated[str, Meta(pattern="^[0-9]{1,18}$")] | None = None


class TryOutput(Output):
    tested: m.RunbookTested


class RunArgs(Args):
    runbook: Name
    target: Entity


class RunOutput(Output):
    repair: Repair


class TrustArgs(Args):
    name: Name
    sha256: Sha


class DistrustArgs(Args):
    name: Name


class Done(Output):
    text: str


class LevelArgs(Args):
    level: Level
    condition: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,47}$", max_length=48)] | None = None
    target: Entity | None = None


class UnsetArgs(Args):
    condition: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,47}$", max_length=48)] | None = None
    target: Entity | None = None


class Watchman(Protocol):
    """What the tools ask of the room."""

    levels: Levels

    async def runbooks(self, condition: str | None) -> list[m.RunbookInfo]: ...
    async def repairs(self, since_s: float, limit: int) -> list[Repair]: ...
    async def test(self, params: m.RunbookTest) -> m.RunbookTested: ...
    async def run_by_hand(self, kept: Kept, target: str, by: str) -> Repair: ...
    def kept(self, runbook: str) -> Kept: ...
    def incident_at(self, runbook: Kept, target: str) -> Incident: ...
    def against(self, runbook: Kept, incident: Incident) -> str: ...
    def name_of(self, target: str) -> str: ...
    async def trust(self, name: str, sha256: str, by: str) -> None: ...
    async def distrust(self, name: str, by: str) -> None: ...
    async def preview(self, level: int, condition: str | None, target: str | None) -> list[Repair]: ...
    def entity_id(self, ref: str) -> str: ...
    def tier_of(self, runbook: Kept) -> Tier: ...


def register(registry: Registry, room: Watchman) -> None:
    registry.add_sentences("remediation", Path(__file__).parent / "intents")
    tools = _Tools(room)
    reads: dict[str, Any] = {"room": "remediation", "tier": Tier.GREEN, "idempotent": True, "tainted": True}
    registry.add(
        ToolSpec(
            name="list_runbooks", description="The runbooks: what each answers, and whether it is trusted.",
            args=RunbooksArgs, output=RunbooksOutput, run=tools.list, concurrency=8, **reads,
        ),
        ToolSpec(
            name="get_repairs", description="What was repaired or refused by itself, and why, the newest first.",
            args=RepairsArgs, output=RepairsOutput, run=tools.repairs, concurrency=8, **reads,
        ),
        ToolSpec(
            name="test_runbook",
            description="What a runbook would do, with each guardrail's verdict; nothing is done.",
            args=TryArgs, output=TryOutput, run=tools.test, concurrency=4, **reads,
        ),
        ToolSpec(
            name="run_runbook", room="remediation", tier=Tier.YELLOW, args=RunArgs, output=RunOutput,
            description="Run a runbook on a target now, under its guardrails, and see that it worked.",
            resolve=tools.resolve_run, risk=tools.risk_run, run=tools.run, verify=tools.ran,
            sentences=Sentences("Run {runbook} on {target}", "{runbook} has run on {target}."), timeout_s=LONG_S,
            concurrency=2, long=True,
        ),
        ToolSpec(
            name="trust_runbook", room="remediation", tier=Tier.BLACK, args=TrustArgs, output=Done,
            description="Let a runbook of your own act by itself, exactly as its file is now.",
            resolve=tools.resolve_trust, run=tools.trust, verify=tools.trusted, operator_only=True,
            undo=lambda args, target, result: Undo("distrust_runbook", {"name": args.name}),
            sentences=Sentences("Trust the runbook {target}", "The runbook {target} is trusted."),
        ),
        ToolSpec(
            name="distrust_runbook", room="remediation", tier=Tier.YELLOW, args=DistrustArgs, output=Done,
            description="Take the trust in a runbook back: it only recommends then.", resolve=tools.resolve_named,
            run=tools.distrust, verify=tools.distrusted, operator_only=True,
            sentences=Sentences("Take the trust in {target} back", "The runbook {target} is not trusted."),
        ),
        ToolSpec(
            name="set_autonomy", room="remediation", tier=Tier.YELLOW, args=LevelArgs, output=Done,
            description="Choose how much is done without asking: of all, of a condition, or of a target.",
            resolve=tools.resolve_level, risk=tools.risk_level, run=tools.set_level, verify=tools.level_is,
            undo=tools.undo_level, operator_only=True,
            sentences=Sentences("Set autonomy of {target} to L{level}", "Autonomy of {target} is L{level}."),
        ),
        ToolSpec(
            name="unset_autonomy", room="remediation", tier=Tier.YELLOW, args=UnsetArgs, output=Done,
            description="Let a condition or a target follow the level of all again.", resolve=tools.resolve_level,
            risk=tools.risk_unset, run=tools.unset_level, verify=tools.level_is_unset, operator_only=True,
            sentences=Sentences("Drop the own level of {target}", "{target} follows the level of all."),
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """What a level is of."""

    kind: Kind
    name: str

    def current(self, levels: Levels) -> int | None:
        if self.kind == "all":
            return levels.state.level
        own = levels.state.conditions if self.kind == "condition" else levels.state.targets
        return own.get(self.name)


class _Tools:
    def __init__(self, room: Watchman) -> None:
        self._room = room

    # --- reads -------------------------------------------------------------------------------------------

    async def list(self, args: RunbooksArgs, target: Target, act: Act) -> RunbooksOutput:
        return RunbooksOutput(runbooks=await self._room.runbooks(args.condition))

    async def repairs(self, args: RepairsArgs, target: Target, act: Act) -> RepairsOutput:
        return RepairsOutput(repairs=await self._room.repairs(args.hours * 3600, args.limit))

    async def test(self, args: TryArgs, target: Target, act: Act) -> TryOutput:
        asked = m.RunbookTest(name=args.runbook, target=args.target, incident=args.incident)
        return TryOutput(tested=await self._room.test(asked))

    # --- run -------------------------------------------------------------------------------------------------

    def resolve_run(self, args: RunArgs, ctx: Context) -> Target:
        kept = self._room.kept(args.runbook)
        incident = self._room.incident_at(kept, args.target)
        # the runbook is the target: the one it acts upon is taken by its own steps
        return Target(
            f"runbook:{args.runbook}/{incident.target}", self._room.name_of(incident.target), "runbook",
            incident.cluster, observed_at=ctx.now, labels=(incident.target,),
            facts={"kept": kept, "incident": incident, "sha256": kept.sha256, "by": str(ctx.principal)},
        )  # fmt: skip

    def risk_run(self, args: RunArgs, target: Target, ctx: Context) -> Risk:
        """Refuses what a guardrail would refuse; the file's hash is in the plan, so that an edit voids it."""
        kept: Kept = target.facts["kept"]
        if against := self._room.against(kept, target.facts["incident"]):
            return Risk(refuse=against, next=f"`jarvis runbook test {args.runbook} {args.target}` shows why.")
        tier = self._room.tier_of(kept)
        steps = [f"step {n}: {line}" for n, line in enumerate(lines(kept.runbook), start=1)]
        why = f"it has steps of tier {tier.name}" if tier > Tier.YELLOW else ""
        return Risk(tier, why, (*steps, f"as its file is now ({kept.sha256[:12]})"))

    async def run(self, args: RunArgs, target: Target, act: Act) -> RunOutput:
        async with act.step(f"runs {args.runbook} on {target.name}"):
            repair = await self._room.run_by_hand(target.facts["kept"], args.target, target.facts["by"])
        if repair.status not in {"repaired", "reported"}:
            raise JarvisError(
                "refused", f"{args.runbook} on {target.name}: {repair.status}", why=repair.text,
                next=f"`jarvis history --incident {repair.incident}`." if repair.incident else "`jarvis history`.",
            )  # fmt: skip
        return RunOutput(repair=repair)

    def ran(self, args: RunArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        if result is None:
            return Verdict("contradicted")
        return Verdict("verified", result.repair.text, {"samples": result.repair.samples})

    # --- trust -------------------------------------------------------------------------------------------

    def resolve_trust(self, args: TrustArgs, ctx: Context) -> Target:
        """The file as it is now. Raises ``refused`` for another than was looked at."""
        kept = self._room.kept(args.name)
        if kept.trusted:
            raise JarvisError("refused", f"{args.name} is trusted already")
        if kept.sha256 != args.sha256:
            raise JarvisError(
                "refused", f"{args.name} is not the file that you looked at", why=f"it is {kept.sha256} now",
                next=f"`jarvis runbook show {args.name}`, then trust that.",
            )  # fmt: skip
        return Target(
            f"runbook:{args.name}", args.name, "runbook", observed_at=ctx.now, facts={"by": str(ctx.principal)}
        )

    async def trust(self, args: TrustArgs, target: Target, act: Act) -> Done:
        async with act.step(f"trusts {args.name} {args.sha256[:12]}"):
            await self._room.trust(args.name, args.sha256, target.facts["by"])
        return Done(text=f"{args.name} is trusted until its file changes.")

    def trusted(self, args: TrustArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        kept = self._room.kept(args.name)
        ok = kept.trusted and kept.sha256 == args.sha256
        return Verdict("verified" if ok else "contradicted")

    def resolve_named(self, args: DistrustArgs, ctx: Context) -> Target:
        kept = self._room.kept(args.name)
        if not kept.trusted:
            raise JarvisError("refused", f"{args.name} is not trusted as it is")
        return Target(
            f"runbook:{args.name}", args.name, "runbook", observed_at=ctx.now, facts={"by": str(ctx.principal)}
        )

    async def distrust(self, args: DistrustArgs, target: Target, act: Act) -> Done:
        async with act.step(f"takes the trust in {args.name} back"):
            await self._room.distrust(args.name, target.facts["by"])
        return Done(text=f"{args.name} acts no more by itself.")

    def distrusted(self, args: DistrustArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        return Verdict("contradicted" if self._room.kept(args.name).trusted else "verified")

    # --- levels ------------------------------------------------------------------------------------------

    def resolve_level(self, args: LevelArgs | UnsetArgs, ctx: Context) -> Target:
        if args.condition is not None and args.target is not None:
            raise JarvisError("invalid_params", "A level is of a condition or of a target, not of both")
        place = _Place("all", "")
        if args.condition is not None:
            place = _Place("condition", args.condition)
        elif args.target is not None:
            place = _Place("target", self._room.entity_id(args.target))
        now = place.current(self._room.levels)
        return Target(
            f"autonomy:{place.kind}/{place.name}", place.name or "everything", f"autonomy L{now}",
            observed_at=ctx.now, facts={"place": place, "now": now, "by": str(ctx.principal)},
        )  # fmt: skip

    async def risk_level(self, args: LevelArgs, target: Target, ctx: Context) -> Risk:
        """More is RED, and is shown what it would have done so far."""
        place: _Place = target.facts["place"]
        levels = self._room.levels
        now = target.facts["now"] if target.facts["now"] is not None else levels.state.level
        if args.level == target.facts["now"]:
            return Risk(refuse=f"Autonomy of {target.name} is L{args.level} already")
        if args.level <= now:
            return Risk(effects=(f"L{args.level}: {LEVELS[args.level]}.",))
        condition = place.name if place.kind == "condition" else None
        would = await self._room.preview(args.level, condition, place.name if place.kind == "target" else None)
        lines = [f"It would have: {r.target_name}: {r.decided or r.text}" for r in would[:5]]
        if len(would) > 5:
            lines.append(f"and {len(would) - 5} more; `jarvis history` shows them.")
        told = lines or ["In the stories that were kept there is nothing it would have done."]
        return Risk(Tier.RED, "more is done without asking", (f"L{args.level}: {LEVELS[args.level]}.", *told))

    async def set_level(self, args: LevelArgs, target: Target, act: Act) -> Done:
        place: _Place = target.facts["place"]
        async with act.step(f"sets autonomy of {target.name} to L{args.level}"):
            await self._room.levels.set(place.kind, place.name, args.level, target.facts["by"])
        return Done(text=f"Autonomy of {target.name} is L{args.level}: {LEVELS[args.level]}.")

    def level_is(self, args: LevelArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        place: _Place = target.facts["place"]
        return Verdict("verified" if place.current(self._room.levels) == args.level else "contradicted")

    def undo_level(self, args: LevelArgs, target: Target, result: Any) -> Undo | None:
        place: _Place = target.facts["place"]
        more: dict[str, Any] = {} if place.kind == "all" else {place.kind: place.name}
        before = target.facts["now"]
        if before is None:
            return Undo("unset_autonomy", more)
        return Undo("set_autonomy", {"level": before, **more})

    def risk_unset(self, args: UnsetArgs, target: Target, ctx: Context) -> Risk:
        place: _Place = target.facts["place"]
        if place.kind == "all":
            return Risk(
                refuse="Name a condition or a target", next="`jarvis autonomy show` lists those with an own level."
            )
        if target.facts["now"] is None:
            return Risk(refuse=f"{target.name} has no level of its own")
        rises = self._room.levels.state.level > target.facts["now"]
        return Risk(Tier.RED if rises else Tier.YELLOW, "more is done without asking" if rises else "")

    async def unset_level(self, args: UnsetArgs, target: Target, act: Act) -> Done:
        place: _Place = target.facts["place"]
        async with act.step(f"drops the own level of {target.name}"):
            await self._room.levels.unset(place.kind, place.name)
        return Done(text=f"{target.name} follows the level of all.")

    def level_is_unset(self, args: UnsetArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        place: _Place = target.facts["place"]
        return Verdict("verified" if place.current(self._room.levels) is None else "contradicted")
