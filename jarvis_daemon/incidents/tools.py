"""The tools of incidents and of the feed: look, acknowledge, silence, take a silence back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, convert

from jarvis_daemon.bus import Principal
from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.incidents.services import IncidentServices
from jarvis_daemon.incidents.silences import MAX_DURATION_S
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import IncidentAck, IncidentList, IncidentSilence, IncidentUnsilence
from jarvis_daemon.protocol.state import FeedEvent, Incident, Severity, Silence
from jarvis_daemon.tools import Act, Context, Registry, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Sentences

if TYPE_CHECKING:
    from jarvis_daemon.incidents.incidents import Incidents

IncidentId = Annotated[str, Meta(pattern="^[0-9]{1,18}$", description="number of the incident")]
Reason = Annotated[str, Meta(min_length=1, max_length=200, description="why, in a few words")]


class IncidentsArgs(Args):
    status: Literal["open", "closed", "all"] = "open"
    severity: Severity | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class IncidentsOutput(Output):
    incidents: list[Incident]
    silences: list[Silence]


class FeedArgs(Args):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    """Only events before this number."""


class FeedOutput(Output):
    events: list[FeedEvent]


class AckArgs(Args):
    incident: IncidentId


class AckOutput(Output):
    incident: Incident


class SilenceArgs(Args):
    incident: IncidentId
    reason: Reason
    duration_s: Annotated[float, Meta(gt=0, le=MAX_DURATION_S, description="how long, in seconds")] = 3600.0


class SilenceOutput(Output):
    silence: Silence


class UnsilenceArgs(Args):
    silence: Annotated[str, Meta(pattern="^[0-9]{1,18}$", description="number of the silence")]


def register(registry: Registry, incidents: Incidents) -> None:
    registry.add_sentences("incidents", Path(__file__).parent / "intents")
    tools = _Tools(incidents)
    registry.add(
        ToolSpec(
            name="get_incidents", room="incidents", tier=Tier.GREEN, args=IncidentsArgs, output=IncidentsOutput,
            description="Incidents, the newest first, and the silences that hold.", run=tools.list,
            idempotent=True, tainted=True, concurrency=16,
        ),
        ToolSpec(
            name="get_feed", room="incidents", tier=Tier.GREEN, args=FeedArgs, output=FeedOutput,
            description="The last lines of the feed: what happened, in sentences.", run=tools.feed,
            idempotent=True, tainted=True, concurrency=16,
        ),
        ToolSpec(
            name="acknowledge_incident", room="incidents", tier=Tier.YELLOW, args=AckArgs, output=AckOutput,
            description="Take note of an open incident: it is not announced again.",
            resolve=tools.open_incident, run=tools.acknowledge, verify=tools.is_acknowledged, idempotent=True,
            sentences=Sentences("Acknowledge {target}", "{target} is acknowledged."),
        ),
        ToolSpec(
            name="silence_incident", room="incidents", tier=Tier.YELLOW, args=SilenceArgs, output=SilenceOutput,
            description="Keep an incident and its like on this target quiet for a while.",
            resolve=tools.open_incident, run=tools.silence, verify=tools.is_silenced,
            undo=lambda args, target, result: Undo("unsilence_incident", {"silence": result.silence.id}),
            sentences=Sentences("Silence {target} for {duration_s} s", "{target} is silenced."),
        ),
        ToolSpec(
            name="unsilence_incident", room="incidents", tier=Tier.YELLOW, args=UnsilenceArgs,
            output=SilenceOutput, description="End a silence now.", resolve=tools.known_silence,
            run=tools.unsilence, verify=tools.is_lifted,
            sentences=Sentences("Lift the silence over {target}", "The silence over {target} is lifted."),
        ),
    )  # fmt: skip


class _Tools:
    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._services = IncidentServices(incidents)

    # --- reads -------------------------------------------------------------------------------------------

    async def list(self, args: IncidentsArgs, target: Target, act: Act) -> IncidentsOutput:
        status = None if args.status == "all" else args.status
        told = await self._services.list(IncidentList(status=status, limit=args.limit), DAEMON)
        found = convert(told, IncidentsOutput)
        found.incidents = [i for i in found.incidents if args.severity in {None, i.severity}]
        return found

    async def feed(self, args: FeedArgs, target: Target, act: Act) -> FeedOutput:
        events = await self._incidents.feed.topic.history(before=args.before, limit=args.limit)
        return FeedOutput(events=events)

    # --- acts --------------------------------------------------------------------------------------------

    def open_incident(self, args: AckArgs | SilenceArgs, ctx: Context) -> Target:
        kept = self._incidents.find(args.incident)
        if kept is None:
            raise JarvisError(
                "not_found", f"There is no open incident {args.incident}", next="`jarvis incident list`."
            )
        found = kept.incident
        return Target(
            f"incident:{found.id}", f"incident {found.id}", "incident", found.cluster, observed_at=ctx.now,
            labels=(found.target,), facts={"title": found.title, "by": ctx.principal},
        )  # fmt: skip

    async def acknowledge(self, args: AckArgs, target: Target, act: Act) -> AckOutput:
        async with act.step(f"acknowledges {target.name}: {target.facts['title']}"):
            told = await self._services.ack(IncidentAck(id=args.incident), _by(target))
        return convert({"incident": told}, AckOutput)

    def is_acknowledged(self, args: AckArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        kept = self._incidents.find(args.incident)
        if kept is None:
            return Verdict("verified", f"{target.name} closed meanwhile.")
        return Verdict("contradicted" if kept.incident.acked_at is None else "verified")

    async def silence(self, args: SilenceArgs, target: Target, act: Act) -> SilenceOutput:
        asked = IncidentSilence(id=args.incident, duration_s=args.duration_s, reason=args.reason)
        async with act.step(f"silences {target.name} for {args.duration_s:g} s: {target.facts['title']}"):
            told = await self._services.silence(asked, _by(target))
        return convert({"silence": told["silence"]}, SilenceOutput)

    def is_silenced(self, args: SilenceArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        there = result is not None and result.silence.id in self._incidents.silences
        return Verdict("verified" if there else "contradicted")

    def known_silence(self, args: UnsilenceArgs, ctx: Context) -> Target:
        silence = self._incidents.silences.get(args.silence)
        if silence is None:
            raise JarvisError("not_found", f"There is no silence {args.silence}", next="`jarvis incident list`.")
        name = f"{silence.condition} on {silence.target}"
        return Target(
            f"silence:{silence.id}", name, "silence", silence.cluster, observed_at=ctx.now,
            facts={"by": ctx.principal},
        )  # fmt: skip

    async def unsilence(self, args: UnsilenceArgs, target: Target, act: Act) -> SilenceOutput:
        async with act.step(f"lifts the silence over {target.name}"):
            told = await self._services.unsilence(IncidentUnsilence(id=args.silence), _by(target))
        return convert(told, SilenceOutput)

    def is_lifted(self, args: UnsilenceArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        return Verdict("contradicted" if args.silence in self._incidents.silences else "verified")


def _by(target: Target) -> Principal:
    by = target.facts["by"]
    return by if isinstance(by, Principal) else DAEMON
