"""The watchman's answers for the command line's tests, from the fixed night of ``tests/golden/watch.py``; what is
chosen or trusted goes through the real gate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Check
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.room import ToolsRoom
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences
from tests.golden import homelab, watch


class LevelArgs(Args):
    level: Annotated[int, Meta(ge=0, le=4)]
    condition: str | None = None
    target: str | None = None


class WhoseArgs(Args):
    condition: str | None = None
    target: str | None = None


class RunArgs(Args):
    runbook: str
    target: str


class TrustArgs(Args):
    name: str
    sha256: str


class NameArgs(Args):
    name: str


class Done(Output):
    pass


@dataclass
class Watchtower:
    """``acts``: what was done. ``decision``: what the next try comes to."""

    acts: list[str] = field(default_factory=list)
    decision: str = "act"
    checks: list[Check] = field(default_factory=lambda: list(watch.PASSED))

    def offer(self, bus: Bus) -> None:
        bus.offer("runbook.list", self.books)
        bus.offer("runbook.show", self.book)
        bus.offer("runbook.test", self.test)
        bus.offer("repair.list", self.repairs)
        bus.offer("autonomy.preview", self.preview)
        bus.state("approvals").apply({"autonomy": {watch.AUTONOMY.id: watch.AUTONOMY}})
        bus.state("incidents").apply({"repairs": {r.id: replace(r) for r in watch.REPAIRS if r is not watch.OLD}})

    async def books(self, params: m.RunbookList, principal: Principal) -> m.RunbookListResult:
        return m.RunbookListResult(runbooks=watch.RUNBOOKS)

    async def book(self, params: m.RunbookShow, principal: Principal) -> m.RunbookShown:
        return m.RunbookShown(info=_info(params.name), text=watch.YAML)

    async def test(self, params: m.RunbookTest, principal: Principal) -> m.RunbookTested:
        info = _info(params.name)
        return m.RunbookTested(
            runbook=info.name, target=params.target or "guest:105", target_name="pihole", steps=info.steps,
            replayed=params.incident is not None, facts_at=homelab.NOW - (3600 if params.incident else 0),
            decision=self.decision, when=[watch.check("guest.status", "It is stopped, as it has to be.")],
            text="" if self.decision == "act" else "dev-sandbox is locked (backup).", checks=self.checks,
        )  # fmt: skip

    async def repairs(self, params: m.RepairList, principal: Principal) -> m.RepairListResult:
        found = [
            r for r in watch.REPAIRS
            if (params.since_at is None or r.seen_at >= params.since_at)
            and (params.incident is None or r.incident == params.incident)
        ]  # fmt: skip
        return m.RepairListResult(repairs=found[::-1][: params.limit])

    async def preview(self, params: m.AutonomyPreview, principal: Principal) -> m.AutonomyPreviewResult:
        would = [r for r in watch.REPAIRS if r.level < params.level]
        text = f"At level {params.level} plex would have been started once."
        return m.AutonomyPreviewResult(level=params.level, since_at=homelab.NOW - 7 * homelab.DAY, would_have=would,
                                       text=text if would else "")  # fmt: skip

    # --- tools -------------------------------------------------------------------------------------------

    def register(self, room: ToolsRoom) -> None:
        room.registry.add(
            self._spec("set_autonomy", Tier.YELLOW, LevelArgs, "Set the autonomy of {target}",
                       "The autonomy of {target} is set.",
                       risk=lambda a, t, c: Risk(
                           tier=Tier.RED if a.level > 2 else Tier.YELLOW,
                           effects=("since Monday it would have started plex once",) if a.level > 2 else ()),
                       undo=lambda a, t, r: Undo("set_autonomy", {"level": 2, **_whose(a)})),
            self._spec("unset_autonomy", Tier.YELLOW, WhoseArgs, "Let {target} follow",
                       "{target} follows the level of all again."),
            self._spec("run_runbook", Tier.RED, RunArgs, "Run a runbook on {target}", "{target} is mended."),
            self._spec("trust_runbook", Tier.BLACK, TrustArgs, "Trust the runbook {target}",
                       "{target} is trusted."),
            self._spec("distrust_runbook", Tier.YELLOW, NameArgs, "Distrust {target}", "{target} is not trusted."),
        )  # fmt: skip

    def _spec(self, name: str, tier: Tier, args: type[Args], doing: str, done: str, **more: object) -> ToolSpec:
        async def run(given: Args, target: Target, act: Act) -> Done:
            async with act.step(name):
                words = [str(v) for n in given.__struct_fields__ if (v := getattr(given, n)) is not None]
                self.acts.append(" ".join([name, *words]))
            return Done()

        return ToolSpec(
            name=name, room="remediation", tier=tier, description=f"{name.replace('_', ' ').capitalize()}.",
            args=args, output=Done, run=run, resolve=_target, operator_only=True, sentences=Sentences(doing, done),
            verify=lambda a, t, r, c: Verdict("verified", ""), **more,  # type: ignore[arg-type]
        )  # fmt: skip


def _whose(args: LevelArgs | WhoseArgs) -> dict[str, str]:
    return {key: value for key in ("condition", "target") if (value := getattr(args, key)) is not None}


def _target(args: Args, ctx: Context) -> Target:
    fields = args.__struct_fields__
    for name in ("target", "condition", "name"):
        if name in fields and (value := getattr(args, name)) is not None:
            return Target(f"{name}:{value}", str(value), name, observed_at=ctx.now)
    return Target("autonomy:main", "all", "autonomy", observed_at=ctx.now)


def _info(name: str) -> m.RunbookInfo:
    found = next((info for info in watch.RUNBOOKS if info.name == name), None)
    if found is None:
        raise JarvisError("not_found", f"There is no runbook {name!r}")
    return found
